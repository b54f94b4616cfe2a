"""What outlives the operator: exact, bounded, and never read as something that it is not."""

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model_rollouts.decision import UNKNOWN, Dispersion, Rules, Traffic
from model_rollouts.metrics.watermark import Watermark
from model_rollouts.rollout.memory import Clocks, Memory, PeakLoad, ShadowImpact, Split, Trial
from model_rollouts.rollout.state.current_trial import pasts
from model_rollouts.rollout.trial import error_budget, stored_evidence
from model_rollouts.rollout.trial.stored_evidence import LONGEST, UNREAD, decode, encode
from model_rollouts.rollout.trial.trial import begin_trial, take_counts, trial_rules
from tests.api.objects import COUNTERS, ERRORS, LATENCY
from tests.rollout.made_up import STARTED_MS, V2, V3, counted, judged, record, spec, steady, trial

CLOCKS = Clocks(f"Canary/{V3}/1", 1_774_965_720.125, 600.1, 0.1 + 0.2, running=False)
BURSTY = Dispersion(3.25, 1.5, plateau=30.0)
CARRY = (("candidate/errors/0", 2),)


def rules(changes: dict[str, Any] | None = None) -> Rules:
    return trial_rules(spec(changes), baseline=True)


def remembered(dispersion: Dispersion | None = BURSTY) -> Memory:
    """A memory with everything that is kept."""
    begun = begin_trial(V3, 2, rules(), dispersion, STARTED_MS)
    memory = take_counts(
        Memory(trial=begun, clocks=CLOCKS, about=V3, dispersion=dispersion),
        steady(30, (50, 1)),
        0.25,
    )
    assert memory.trial is not None
    watermark = replace(memory.trial.watermark or Watermark(0), carry=(("candidate/errors/0", 2),))
    return replace(memory, trial=replace(memory.trial, watermark=watermark), scraped_ms=None)


def in_shadow() -> Memory:
    """A memory of a shadow, with stable's past and strain, and the highest load that was borne."""
    begun = begin_trial(V3, 2, rules(), BURSTY, STARTED_MS, traffic=Traffic.SHADOW, entered=30.0)
    memory = Memory(
        trial=begun,
        clocks=CLOCKS,
        about=V3,
        dispersion=BURSTY,
        shadow_impact=ShadowImpact(STARTED_MS + 30_000),
        split=Split(STARTED_MS + 30_000, mirror=10),
    )
    records = [record(i, (5, 0), (50, 1), traffic=Traffic.SHADOW) for i in range(30)]
    memory = take_counts(memory, counted(records), 0.0)
    assert memory.shadow_impact is not None
    strain = replace(memory.shadow_impact, words="errors had 9 bad")
    return replace(memory, shadow_impact=strain, peak_load=PeakLoad(12.5, 57))


def test_what_shadow_has_shown_comes_back_exactly() -> None:
    memory = in_shadow()
    assert memory.shadow_impact is not None
    assert memory.shadow_impact.state is not None

    text = encode(memory)
    again = decode(text, V3, 2, rules())

    assert text is not None
    assert len(text) <= LONGEST
    assert again.peak_load == memory.peak_load
    assert again.shadow_impact is not None
    assert replace(again.shadow_impact, judge=memory.shadow_impact.judge) == memory.shadow_impact
    assert again.shadow_impact.judge is not None
    assert again.trial is not None
    assert memory.trial is not None
    # What it is judged on is what the route says.
    assert replace(again.trial, traffic=Traffic.SHADOW) == memory.trial


def test_what_intervals_have_proven_is_known_without_another_one() -> None:
    memory = in_shadow()
    assert memory.shadow_impact is not None
    known = memory.shadow_impact.since["errors"]
    since = {"errors": replace(known, bets=(20.0, *known.bets[1:]))}
    again = decode(
        encode(replace(memory, shadow_impact=replace(memory.shadow_impact, since=since))),
        V3,
        2,
        rules(),
    )

    assert again.shadow_impact is not None
    assert again.shadow_impact.suffers


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("before", [STARTED_MS, {"errors": [10, 11]}, None]),
        ("before", [STARTED_MS, {"errors": [10]}, None]),
        ("before", [STARTED_MS, {"errors": ["10", 1]}, None]),
        ("before", [-1, {}, None]),
        ("before", [STARTED_MS, [], None]),
        ("before", [STARTED_MS, {}, 7]),
        ("before", "x"),
        ("intervals", 7),
        ("intervals", {"errors": [1, [0.1], 0, [], [], [], 5.0, 9.0]}),
        ("intervals", {"errors": [2, [0.1], 0, [], [], [], 5.0, 1.0]}),
        ("intervals", {"errors": [1, [0.1], 1, [0], [0], ["x"], 5.0, 1.0]}),
        ("intervals", {"errors": [1, [0.1], 1, [0, 0, 0], [0, 0, 0], [None, 0, 0], 5.0, 1.0]}),
        ("strain", "damaged"),
        ("strain", 7),
        ("load", ["high", 1]),
        ("load", [-1.0, 1]),
        ("load", [True, 1]),
        ("load", [1.0, -1]),
        ("load", [1.0, 1.5]),
        ("load", 7),
    ],
)
def test_what_is_damaged_of_a_shadow_costs_no_more_than_itself(key: str, value: Any) -> None:
    kept = json.loads(encode(in_shadow()) or "") | {key: value}

    again = decode(json.dumps(kept), V3, 2, rules())

    assert again.trial is not None
    assert (again.peak_load is None) == (key == "load")
    assert (again.shadow_impact is None) == (key == "before")
    assert key != "strain" or (
        again.shadow_impact is not None and again.shadow_impact.state is None
    )


@pytest.mark.parametrize("dispersion", [BURSTY, UNKNOWN, None])
def test_everything_comes_back_exactly(dispersion: Dispersion | None) -> None:
    memory = remembered(dispersion)

    assert decode(encode(memory), V3, 2, rules()) == memory


def test_a_dispersion_of_an_earlier_release_has_no_plateau() -> None:
    memory = Memory(dispersion=BURSTY)
    text = (encode(memory) or "").replace("[3.25,1.5,true,30.0]", "[3.25,1.5,true]")

    assert decode(text, V3, 2, rules()).dispersion == Dispersion(3.25, 1.5)
    for broken in ("0", "-1", "true", '"30"', "30,1"):
        other = text.replace("true]", f"true,{broken}]")
        assert decode(other, V3, 2, rules()).dispersion is None


def test_what_belongs_to_a_pass_is_not_kept() -> None:
    memory = remembered()

    passing = replace(memory, split=Split(STARTED_MS), scraped_ms=STARTED_MS, unscraped_since=1.0)
    again = decode(encode(passing), V3, 2, rules())

    assert (again.split, again.scraped_ms, again.unscraped_since) == (None, None, None)


def test_nothing_is_kept_of_nothing() -> None:
    assert encode(Memory()) is None
    assert decode(None, V3, 1, rules()) == Memory()


def test_the_judge_is_the_one_that_others_share() -> None:
    memory = remembered()

    (first, second) = (decode(encode(memory), V3, 2, rules()).trial for _ in range(2))

    assert first is not None
    assert second is not None
    assert first.judge is second.judge


def test_a_trial_keeps_the_dispersion_that_it_began_with() -> None:
    """Known only after the trial began, it is for the next one."""
    memory = replace(remembered(None), dispersion=BURSTY)

    assert decode(encode(memory), V3, 2, rules()) == memory


@pytest.mark.parametrize(("revision", "attempt"), [(V2, 2), (V3, 3)], ids=["revision", "attempt"])
def test_of_another_trial_only_the_clocks_come_back(revision: str, attempt: int) -> None:
    """They name what they are about, and whoever goes on with them compares that."""
    assert decode(encode(remembered()), revision, attempt, rules()) == Memory(clocks=CLOCKS)


@pytest.mark.parametrize(
    "changes",
    [
        {"spec.strategy.canary.steps": ["5%", "50%"]},
        {"spec.strategy.assurance": "Strict"},
        {"spec.strategy.advanced": {"falseRollback": "2%"}},
        {
            "spec.objectives": [
                {"name": "errors", "type": "Availability", "availability": {"target": "99%"}}
            ]
        },
    ],
    ids=["steps", "assurance", "error rate", "target"],
)
def test_evidence_under_other_rules_is_none(changes: dict[str, Any]) -> None:
    again = decode(encode(remembered()), V3, 2, rules(changes))

    assert again.dropped is not None
    assert again == Memory(clocks=CLOCKS, about=V3, dispersion=BURSTY, dropped=again.dropped)


def test_why_evidence_was_dropped_is_kept_for_as_long_as_its_trial() -> None:
    memory = replace(remembered(), dropped="a reason")

    assert decode(encode(memory), V3, 2, rules()).dropped == "a reason"
    assert decode(encode(memory), V2, 2, rules()).dropped is None


def test_the_release_before_reads_the_clocks_that_know_their_write() -> None:
    """It takes exactly five values for clocks."""
    kept = json.loads(encode(Memory(clocks=replace(CLOCKS, sequence=7))) or "")

    assert (len(kept["clocks"]), kept["sequence"]) == (5, 7)


def test_what_a_newer_release_wrote_is_not_read() -> None:
    kept = json.loads(encode(remembered()) or "")

    assert decode(json.dumps(kept | {"v": 2}), V3, 2, rules()) == Memory(dropped=UNREAD)


SIX = {
    "spec.objectives": [
        ERRORS,
        *(
            {**LATENCY, "name": f"within-{within}", "latency": {"within": within, "share": share}}
            for within, share in (("120ms", "90%"), ("320ms", "99%"), ("1s", "99.9%"))
        ),
        COUNTERS,
        {**COUNTERS, "name": "own-2", "limits": {"good": "5%", "bad": "7%"}},
    ]
}


def test_six_gates_with_all_that_is_known_of_them_fit() -> None:
    asked = trial_rules(spec(SIX), baseline=True)
    others = tuple((each.key, Dispersion(3.456789, 2.345678)) for each in pasts(asked))
    begun = begin_trial(V3, 2, asked, BURSTY, STARTED_MS, others=others)
    memory = replace(remembered(), trial=replace(begun, watermark=Watermark(STARTED_MS, CARRY)))

    text = encode(replace(memory, others=others)) or ""

    # Three latencies and a pair of metrics: two objectives that count the same ask once.
    assert len(others) == 4
    assert len(text) <= LONGEST
    assert decode(text, V3, 2, asked) == replace(memory, others=others)


def test_each_objective_keeps_the_dispersion_of_what_it_counts() -> None:
    asked = trial_rules(spec(SIX), baseline=True)
    others = tuple((each.key, Dispersion(float(i))) for i, each in enumerate(pasts(asked), 2))

    judge = begin_trial(V3, 2, asked, BURSTY, STARTED_MS, others=others).judge

    found = {
        objective.name: dispersion.target
        for objective, dispersion in zip(asked.objectives, judge.dispersions, strict=True)
    }
    assert found.pop("errors") == BURSTY.target
    assert found.pop("breaker") == found.pop("client-errors") == found.pop("restarts") == 1
    assert found["own"] == found["own-2"]
    assert sorted(set(found.values())) == [2, 3, 4, 5]


def test_a_watch_remembers_what_the_version_before_missed() -> None:
    missed = (("errors", 0.06),)
    plain = trial_rules(spec(), baseline=False)
    wider = error_budget.watched(plain, missed)
    memory = Memory(
        clocks=CLOCKS,
        trial=begin_trial(V3, 2, wider, BURSTY, STARTED_MS),
        about=V3,
        dispersion=BURSTY,
        missed=missed,
    )
    text = encode(memory)

    assert stored_evidence.missed(text) == missed
    assert decode(text, V3, 2, wider) == memory
    assert decode(text, V3, 2, plain).trial is None


@pytest.mark.parametrize("kept", ["", "[]", "null", '{"v": 1}', '{"v": 1, "missed": {"a": -1}}'])
def test_what_is_not_known_to_be_missed_is_not(kept: str) -> None:
    assert stored_evidence.missed(kept) == ()


def _many(steps: int = 8) -> dict[str, Any]:
    return {
        "spec.objectives": [
            {"name": f"errors-{i}", "type": "Availability", "availability": {"target": "99%"}}
            for i in range(8)
        ],
        "spec.strategy.canary.steps": [f"{i + 1}%" for i in range(steps)],
    }


def test_evidence_that_does_not_fit_is_counted_again_from_the_beginning() -> None:
    memory = judged(steady(30), of=trial(_many()))

    text = encode(replace(memory, clocks=CLOCKS)) or ""
    again = decode(text, V3, 1, rules(_many()))

    assert len(text) <= LONGEST
    assert again.trial == trial(_many())
    assert again.clocks == CLOCKS
    assert take_counts(again, steady(30), 0.25).trial == memory.trial
    assert decode(text, V3, 1, rules(_many(7))).trial is None


def test_a_past_that_is_counted_again_is_not_counted_twice() -> None:
    judged_by = rules(_many())
    begun = begin_trial(V3, 1, judged_by, None, STARTED_MS, traffic=Traffic.SHADOW, entered=30.0)
    split = Split(STARTED_MS + 30_000, mirror=10)
    memory = Memory(trial=begun, shadow_impact=ShadowImpact(STARTED_MS + 30_000), split=split)
    ticks = counted([record(i, (5, 0), (50, 1), traffic=Traffic.SHADOW) for i in range(30)])
    whole = take_counts(memory, ticks, 0.0)

    again = decode(encode(whole), V3, 1, judged_by)
    assert again.trial is not None
    resumed = replace(again, trial=replace(again.trial, traffic=Traffic.SHADOW), split=split)

    assert take_counts(resumed, ticks, 0.0).trial == whole.trial
    after = take_counts(resumed, ticks, 0.0).shadow_impact
    assert whole.shadow_impact is not None
    assert after is not None
    assert after.before == whole.shadow_impact.before


def test_the_usual_evidence_is_short() -> None:
    assert len(encode(remembered()) or "") < 1_800


def test_buckets_of_two_revisions_are_kept_once() -> None:
    edges = (0.1, 0.25, 0.5)
    known = {("took", "v1"): edges, ("took", "v2"): edges, ("other", "v2"): (1.0,)}

    text = encode(Memory(buckets=known))

    assert stored_evidence.buckets(text) == known
    assert json.loads(text or "")["buckets"]["took"] == [[[0.1, 0.25, 0.5], "v1", "v2"]]


@pytest.mark.parametrize(
    "kept",
    [[], {"took": 1}, {"took": [1]}, {"took": [["v1"]]}, {"took": [[["x"], "v1"]]},
     {"took": [[[0], "v1"]]}, {"took": [[[-1.0], "v1"]]}, {"took": [[0.1, "v1"]]}],
)  # fmt: skip
def test_buckets_that_cannot_be_read_are_not_known(kept: Any) -> None:
    assert stored_evidence.buckets(json.dumps({"v": 1, "buckets": kept})) == {}


numbers = st.floats(0, 1e12)
clocks = st.builds(
    Clocks,
    st.text(max_size=120),
    numbers,
    numbers,
    numbers,
    st.booleans(),
    st.none() | st.integers(0, 2**53 - 1),
)
dispersions = st.builds(
    Dispersion,
    st.floats(1, 1e6),
    st.floats(1, 1e6),
    known=st.booleans(),
    plateau=st.none() | st.floats(1, 1e4),
)
counts = st.integers(0, 10**9).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n)))


def _trials(dispersion: Dispersion | None) -> st.SearchStrategy[Trial | None]:
    def of(drawn: list[Any]) -> Trial | None:
        begun = begin_trial(V3, 2, rules(), dispersion, STARTED_MS)
        if not drawn:
            return begun
        ticks = counted(record(i, *each) for i, each in enumerate(drawn))
        return take_counts(Memory(trial=begun), ticks, 0.25).trial

    return st.none() | st.lists(st.tuples(counts, counts), max_size=4).map(of)


@settings(deadline=None, max_examples=40)
@given(st.data())
def test_whatever_is_remembered_comes_back_exactly(data: st.DataObject) -> None:
    dispersion = data.draw(st.none() | dispersions)
    trial = data.draw(_trials(dispersion))
    memory = Memory(
        clocks=data.draw(st.none() | clocks),
        trial=trial,
        about=V3 if trial else None,
        dispersion=dispersion,
    )

    text = encode(memory)

    assert len(text or "") <= LONGEST
    assert decode(text, V3, 2, rules()) == memory


TEXT = encode(remembered()) or ""
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9) | st.just(V3),
    lambda inside: st.lists(inside, max_size=4) | st.dictionaries(st.text(max_size=5), inside),
    max_leaves=6,
)


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_nothing_that_is_read_raises(data: st.DataObject) -> None:
    kept = json.loads(TEXT)
    for key in data.draw(st.sets(st.sampled_from(sorted(kept)), min_size=1)):
        kept[key] = data.draw(anything)

    assert isinstance(decode(json.dumps(kept), V3, 2, rules()), Memory)


@settings(deadline=None, max_examples=60)
@given(st.integers(0, len(TEXT)), st.integers(0, 40), st.text(max_size=40))
def test_nothing_that_is_damaged_raises(at: int, removed: int, inserted: str) -> None:
    damaged = TEXT[:at] + inserted + TEXT[at + removed :]

    assert isinstance(decode(damaged, V3, 2, rules()), Memory)


@pytest.mark.parametrize("text", ["", "{", "[" * 100_000, "null", "3", '{"v":1}', '"\ud800"'])
def test_what_is_no_evidence_is_empty(text: str) -> None:
    assert decode(text, V3, 2, rules()) == Memory()
