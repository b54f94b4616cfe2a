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
    Role,
    Rules,
    Sample,
    Traffic,
    counters,
    encode,
    errors,
    latency,
    resume,
)
from tests.decision.made_up import EDGES, after, all_kinds, errors_judge, interval, judge_of

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
VERSION_3_BURSTY = (
    "0|5a5z@I!v%>jtqohV?Nl_%$uyDO&j0RR910000GKmY&$00008KmY&$0000!KmY&$0000KKmY&$000000000"
    "00002^e^=xTh)s9(zY`HXi<%V%zyJUM000000000000000000000000WKvh*$RaI5BKUGy#RaI4mKL7v#000"
    "0000000000000P9h>9);_nKkHGr9);_%KkHGr9);_{KjC^5u1Dd@KkHGr9);_{KjC^5u1DdzKL7v#0000WKm"
    "Y&$0002+KL7v#000000000000000000000000WKmY&$0002+KL7v#00000000000002+KL7v#00000000000"
    "000000000000000Kz>D=>"
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

    assert len(judge.rules.objectives) == 6
    assert len(text) < 3900  # of 4,096: the status keeps a watermark beside it
    assert text.isascii()
    assert encode(*resume(text, judge.rules)) == text


def test_dispersions_travel_with_the_evidence() -> None:
    measured = {"errors": Dispersion(9.5, 1.25, plateau=30), "own": Dispersion(2, 2, known=False)}
    judge = Judge(Rules((errors("errors", 0.999), counters("own", 0.01, 0.02))), measured)

    again, state = resume(filled(judge), judge.rules)

    assert again.dispersions == judge.dispersions
    assert encode(again, state) == filled(judge)


def test_a_failed_state_stays_failed() -> None:
    judge = errors_judge()
    state = after(judge, interval(0, 50, 100, 0, 100))
    assert state.failed_at == 5

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
    monkeypatch.setattr("model_rollouts.decision.codec.VERSION", 4)
    text = filled(judge)
    monkeypatch.undo()

    with pytest.raises(EvidenceRefusedError, match="found version 4, this operator reads 3"):
        resume(text, judge.rules)


def bursty() -> Judge:
    """The judge of one objective whose errors come in bursts."""
    objective = dataclasses.replace(errors("e", 0.9), compare=Compare.TARGET)
    return Judge(Rules((objective,), steps=(0.5,)), {"e": Dispersion(4, 3, plateau=30.0)})


def test_the_format_of_version_3_does_not_change() -> None:
    # Evidence of running rollouts outlives the program that wrote it. When this fails, raise
    # VERSION: the old evidence is then refused instead of misread.
    judge = judge_of(dataclasses.replace(errors("e", 0.9), compare=Compare.TARGET), steps=(0.5,))
    text = encode(judge, after(judge, interval(0, 1, 8, name="e")))

    assert text == VERSION_3

    judge = bursty()
    assert encode(judge, after(judge, interval(0, 1, 8, name="e"))) == VERSION_3_BURSTY


def test_version_1_knew_nothing_of_blocks_and_is_refused() -> None:
    judge = judge_of(dataclasses.replace(errors("e", 0.9), compare=Compare.TARGET), steps=(0.5,))

    with pytest.raises(EvidenceRefusedError, match="not readable"):
        resume(VERSION_1, judge.rules)
