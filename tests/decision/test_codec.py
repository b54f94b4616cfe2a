"""Evidence survives as text, and is refused when it belongs to something else."""

import base64
import dataclasses

import pytest

from model_rollouts.decision import (
    Compare,
    Counts,
    Dispersion,
    EvidenceRefusedError,
    Interval,
    Judge,
    Objective,
    Role,
    Rules,
    Sample,
    Traffic,
    breaker,
    client_errors,
    counters,
    encode,
    errors,
    latency,
    restarts,
    resume,
    with_guards_of,
)
from tests.decision.made_up import (
    EDGES,
    after,
    all_kinds,
    errors_judge,
    in_looks,
    interval,
    judge_of,
)

VERSION_1 = (
    "AQEBAMCfPEfNAYjcnShgm6vN9IUGqpYMAQAAAAAAAPA/AAAAAAAA8D8AAAAAAAAUQAAAAAAAAAAAAAAA"
    "AAAA+H8bg7Ff6uLuv70hL2sE0wvActPIcAA6JsA9LkiSTNwvwAAAAAAAACBAAAAAAAAA8D8AAAAAAAAA"
    "AAAAAAAAAAAAAAAAAAAAIEAAAAAAAADwPwAAAAAAAAAAAAAAAAAA8D8AAAAAAAAAAAAAAAAAAAAAAAAA"
    "AAAAAADKwwi8"
)
VERSION_3 = (
    "0|5a5z@I!v%>jtqohV?Nl_%$uyDO&j0RR910002+KL7v#0002+KL7v#0002^e*gdg0000KKmY&$000000000"
    "00002^e;b3bU+UuSzr7(ZYXs8^z;e^bZ~!_cz&$QVl1$t$zyJUM0000WKmY&$0002+KL7v#0000000000000"
    "00000000000WKmY&$0002+KL7v#00000000000002+KL7v#00000000000000000000000000PZ0Q;s"
)
VERSION_4 = (
    "1OWj6S_B0#@b~QfohV?Nl_%$uyDO&j0RR910002+KL7v#0002+KL7v#0002^e*gdg0000KKmY&$000000000"
    "00002^e;b3bU+UuSzr7(ZYXs8^z;e^bZ~!_cz&$QVl1$t$zyJUM0000WKmY&$0002+KL7v#0000000000000"
    "00000000000WKmY&$0002+KL7v#00000000000000000000000000000000000000000000WKu|y7B*W9zzW"
    "@LL000000Gyl+1^"
)
VERSION_4_BURSTY = (
    "1OWj6S_B0#@b~QfohV?Nl_%$uyDO&j0RR910000GKmY&$00008KmY&$0000!KmY&$0000KKmY&$000000000"
    "00002^e^=xTh)s9(zY`HXi<%V%zyJUM000000000000000000000000WKvh*$RaI5BKUGy#RaI4mKL7v#000"
    "0000000000000P9h>9);_nKkHGr9);_%KkHGr9);_{KjC^5u1Dd@KkHGr9);_{KjC^5u1DdzKL7v#0000WKm"
    "Y&$0002+KL7v#000000000000000000000000WKmY&$0002+KL7v#0000000000000000000000000000000"
    "0000000000000WK+J5lND|EOzW@LL000000C-aynE"
)


def filled(judge: Judge) -> str:
    sample = Sample(Counts.of(1000, 7), Counts.of(9000, 11))
    samples = {o.name: sample for o in judge.rules.objectives}
    state = after(
        judge,
        Interval(0, 100, samples, Traffic.SHADOW),
        Interval(100.5, 200.25, samples),
    )
    return encode(judge, state)


@pytest.mark.parametrize("dispersion", [Dispersion(), Dispersion(9.5, 4, plateau=60.0)])
def test_six_gates_stay_under_four_kilobytes(dispersion: Dispersion) -> None:
    gates = [latency(f"l{i}", 0.1 * i, 0.95 + 0.005 * i, EDGES) for i in range(1, 5)]
    objectives = (errors("e", 0.999), counters("c", 0.01, 0.02, role=Role.GATE), *gates)
    judge = Judge(Rules(objectives), {o.name: dispersion for o in objectives})

    text = filled(judge)
    _, state = resume(text, judge.rules)
    last = encode(judge, judge.enter_last_step(state))

    assert len(judge.rules.objectives) == 6
    assert len(text) < 4000  # of 5,120: the status keeps a watermark beside it
    assert len(last) < 4500
    assert (text + last).isascii()
    assert encode(*resume(text, judge.rules)) == text
    assert encode(*resume(last, judge.rules)) == last


def test_dispersions_travel_with_the_evidence() -> None:
    measured = {"errors": Dispersion(9.5, 1.25, plateau=30), "own": Dispersion(2, 2, known=False)}
    judge = Judge(Rules((errors("errors", 0.999), counters("own", 0.01, 0.02))), measured)

    again, state = resume(filled(judge), judge.rules)

    assert again.dispersions == judge.dispersions
    assert encode(again, state) == filled(judge)


def test_a_failed_state_stays_failed() -> None:
    judge = errors_judge()
    state = after(judge, *in_looks(interval(0, 50, 100, 0, 100)))
    assert state.failed_at == 1.875

    assert resume(encode(judge, state), judge.rules)[1] == state


@pytest.mark.parametrize(
    ("rules", "reason"),
    [
        (Rules(all_kinds()[:4]), "found 5 objectives, now there are 4"),
        (
            Rules((*all_kinds()[1:], errors("answers", 0.999))),
            "found none for objective 'answers'",
        ),
        (
            Rules((errors("errors", 0.99), *all_kinds()[1:])),
            "found another definition of objective 'errors'",
        ),
        (
            Rules((errors("errors", 0.999, compare=Compare.TARGET), *all_kinds()[1:])),
            "found another definition of objective 'errors'",
        ),
        (Rules(all_kinds(), steps=(0.1, 0.5)), "found other steps or error rates"),
        (Rules(all_kinds(), false_promotion=0.01), "found other steps or error rates"),
    ],
)
def test_evidence_of_other_rules_is_refused(rules: Rules, reason: str) -> None:
    text = filled(judge_of(*all_kinds()))

    with pytest.raises(EvidenceRefusedError, match=reason):
        resume(text, rules)


def test_damaged_evidence_is_refused() -> None:
    judge = judge_of(*all_kinds())
    text = filled(judge)
    raw = bytearray(base64.b85decode(text))
    raw[100] ^= 1

    for damaged in ("", "?", text[:40], text[:-8], base64.b85encode(raw).decode()):
        with pytest.raises(EvidenceRefusedError, match=r"not readable|damaged"):
            resume(damaged, judge.rules)


def test_another_version_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    judge = judge_of(*all_kinds())
    monkeypatch.setattr("model_rollouts.decision.codec.VERSION", 5)
    text = filled(judge)
    monkeypatch.undo()

    with pytest.raises(EvidenceRefusedError, match="has format 5, and this release reads format 4"):
        resume(text, judge.rules)


def bursty() -> Judge:
    """The judge of one objective whose errors come in bursts."""
    objective = dataclasses.replace(errors("e", 0.9), compare=Compare.TARGET)
    return Judge(Rules((objective,), steps=(0.5,)), {"e": Dispersion(4, 3, plateau=30.0)})


def test_the_format_of_version_4_does_not_change() -> None:
    # Evidence of running rollouts outlives the program that wrote it. When this fails, raise
    # VERSION: the old evidence is then refused instead of misread.
    judge = judge_of(dataclasses.replace(errors("e", 0.9), compare=Compare.TARGET), steps=(0.5,))
    text = encode(judge, after(judge, interval(0, 1, 8, name="e")))

    assert text == VERSION_4

    judge = bursty()
    assert encode(judge, after(judge, interval(0, 1, 8, name="e"))) == VERSION_4_BURSTY


def test_version_1_knew_nothing_of_blocks_and_is_refused() -> None:
    judge = judge_of(dataclasses.replace(errors("e", 0.9), compare=Compare.TARGET), steps=(0.5,))

    with pytest.raises(EvidenceRefusedError, match="not readable"):
        resume(VERSION_1, judge.rules)


def test_version_3_knew_nothing_of_looks_and_of_the_last_step_and_is_refused() -> None:
    judge = judge_of(dataclasses.replace(errors("e", 0.9), compare=Compare.TARGET), steps=(0.5,))

    with pytest.raises(EvidenceRefusedError, match="has format 3, and this release reads format 4"):
        resume(VERSION_3, judge.rules)


def test_a_guard_that_a_later_release_knows_begins_without_evidence() -> None:
    before = judge_of(errors("errors", 0.99), breaker())
    text = filled(before)
    rules = Rules((errors("errors", 0.99), breaker(), client_errors(), restarts()))

    judge, state = resume(text, rules)

    _, kept = resume(text, before.rules)
    by_name = {
        process.objective.name: evidence
        for process, evidence in zip(judge.processes, state.evidence, strict=True)
    }
    assert [by_name["breaker"], by_name["errors"]] == list(kept.evidence)
    assert by_name["client-errors"].seen_total == by_name["restarts"].seen_total == 0
    assert state[1:] == kept[1:]
    assert judge.fail_evidence(state) < judge.fail_needed
    assert judge.decide(state) is before.decide(kept)


def test_a_gate_or_a_definition_that_is_new_has_no_evidence_to_go_on_with() -> None:
    text = filled(judge_of(errors("errors", 0.99), client_errors()))

    for objectives, told in [
        ((errors("errors", 0.99), client_errors(), errors("more", 0.9)), "none for objective 'm"),
        ((errors("errors", 0.95), client_errors()), "another definition of objective 'e"),
        ((errors("errors", 0.99), restarts()), "an objective that is none any more"),
    ]:
        with pytest.raises(EvidenceRefusedError, match=told):
            resume(text, Rules(objectives))


@pytest.mark.parametrize(
    "changed", [client_errors(more=0.02), client_errors(role=Role.REPORT)], ids=["limit", "role"]
)
def test_a_changed_guard_alone_begins_without_evidence(changed: Objective) -> None:
    before = judge_of(errors("errors", 0.99), client_errors(), restarts())
    text = filled(before)
    rules = Rules((errors("errors", 0.99), changed, restarts()))

    judge, state = resume(text, rules)

    _, kept = resume(text, before.rules)
    assert [each.name for each in rules.objectives] == ["client-errors", "errors", "restarts"]
    assert state.evidence[0] == judge.processes[0].start() != kept.evidence[0]
    assert state.evidence[1:] == kept.evidence[1:]
    assert state[1:] == kept[1:]
    assert with_guards_of(judge, before, kept) == state


def test_a_version_that_has_failed_is_not_judged_by_changed_guards() -> None:
    before = judge_of(errors("errors", 0.99), client_errors())
    failed = after(before, *in_looks(interval(0, 40, 40, 0, 400, name="errors")))
    assert failed.failed_at is not None
    rules = Rules((errors("errors", 0.99), client_errors(more=0.02)))

    assert with_guards_of(Judge(rules), before, failed) is None
    with pytest.raises(EvidenceRefusedError, match="failed before"):
        resume(encode(before, failed), rules)
