"""Counts of a tick become evidence, once and only once."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model_rollouts.api.objectives import Objective, ObjectiveType
from model_rollouts.api.strategy import Assurance as AskedAssurance
from model_rollouts.decision import (
    Assurance,
    Bracket,
    Compare,
    CounterPair,
    Decision,
    Histogram,
    ObjectiveError,
    Role,
)
from model_rollouts.decision import Rules as Judged
from model_rollouts.decision.bracket import bracket
from model_rollouts.metrics.counts import Unavailable
from model_rollouts.metrics.findings import Finding, Reason
from model_rollouts.metrics.requests import Arm
from model_rollouts.metrics.watermark import Watermark
from model_rollouts.rollout.memory import Memory, Split
from model_rollouts.rollout.trial import stored_evidence
from model_rollouts.rollout.trial.objectives import LADDER, Edges, judged_objective, own_histograms
from model_rollouts.rollout.trial.samples import CANDIDATE, STABLE
from model_rollouts.rollout.trial.trial import (
    begin_trial,
    counting_request,
    take_counts,
    trial_rules,
)
from tests.api.objects import COUNTERS, LATENCY
from tests.rollout.made_up import (
    STARTED_MS,
    STEP_MS,
    V2,
    V3,
    counted,
    finding,
    judged,
    record,
    spec,
    steady,
    trial,
)

LATENT = {"name": "checkout", "type": "Availability", "availability": {"target": "99%"}}


def test_the_rules_follow_the_spec() -> None:
    asked = spec(
        {
            "spec.objectives": [LATENT | {"role": "Gate", "compare": "Stable"}],
            "spec.strategy.assurance": "Strict",
            "spec.strategy.canary.steps": ["10%", "33.3%"],
            "spec.strategy.advanced": {"falseRollback": "2%", "falsePromotion": "10%"},
        }
    )

    made = trial_rules(asked, baseline=True)

    breaker, checkout, refused, restarts = made.objectives
    assert (refused.name, refused.role) == ("client-errors", Role.GUARD)
    assert (restarts.name, restarts.role) == ("restarts", Role.GUARD)
    assert (breaker.name, breaker.role) == ("breaker", Role.GUARD)
    assert (checkout.name, checkout.good, checkout.bad) == ("checkout", 0.01, 0.015)
    assert (checkout.role, checkout.compare) == (Role.GATE, Compare.STABLE)
    assert (made.steps, made.false_rollback, made.false_promotion) == ((0.1, 0.333), 0.02, 0.1)


@pytest.mark.parametrize("assurance", Assurance)
@pytest.mark.parametrize("target", ["82%", "99%", "99.9999%"])
@pytest.mark.parametrize("baseline", [True, False])
def test_every_target_that_the_schema_takes_can_be_judged(
    assurance: Assurance, target: str, baseline: bool
) -> None:
    objective = LATENT | {"availability": {"target": target}}
    asked = spec({"spec.objectives": [objective], "spec.strategy.assurance": assurance.value})

    begin_trial(V3, 1, trial_rules(asked, baseline=baseline), None, STARTED_MS)


EDGES = Edges(candidate=(0.3, 0.32, 0.4), stable=(0.3, 0.35, 0.5))


@pytest.mark.parametrize(
    ("within", "candidate", "stable"),
    [
        ("300ms", Bracket(0.3, 0.3, 0.4), Bracket(0.3, 0.3, 0.5)),
        ("320ms", Bracket(0.32, 0.32, 0.4), Bracket(0.3, 0.35, 0.5)),
        ("350ms", Bracket(0.32, 0.4, None), Bracket(0.35, 0.35, 0.5)),
    ],
)
def test_each_revision_is_read_at_the_edges_that_it_has(
    within: str, candidate: Bracket, stable: Bracket
) -> None:
    promised = LATENCY | {"latency": {"within": within, "share": "99%"}}

    made = trial_rules(spec({"spec.objectives": [promised]}), baseline=True, edges=EDGES)

    latency = next(each.latency for each in made.objectives if each.latency)
    assert (latency.edges, latency.stable) == (candidate, stable)
    assert (latency.within, latency.share) == (int(within[:-2]) / 1000, 0.99)


def test_the_metrics_of_counters_are_part_of_the_rules() -> None:
    other = COUNTERS | {
        "counters": {"bad": {"metric": "a"}, "total": {"metric": "my_answers_total"}}
    }
    made = [
        trial_rules(spec({"spec.objectives": [each]}), baseline=True) for each in (COUNTERS, other)
    ]

    own = next(each for each in made[0].objectives if each.counters)
    assert own.counters == CounterPair("my_wrong_total", "my_answers_total")
    assert (own.good, own.bad, own.role) == (0.01, 0.02, Role.GATE)
    assert made[0] != made[1]


def test_the_order_of_labels_and_values_is_no_other_rule() -> None:
    def made(*matchers: tuple[str, list[str]]) -> Judged:
        selected = [{"label": label, "values": values} for label, values in matchers]
        own = {"bad": {"metric": "a", "matchers": selected}, "good": {"metric": "b"}}
        asked = spec({"spec.objectives": [COUNTERS | {"counters": own}]})
        return trial_rules(asked, baseline=True)

    first = made(("code", ["500", "503"]), ("route", ["a"]))

    assert first == made(("route", ["a"]), ("code", ["503", "500"]))
    assert first != made(("route", ["a"]), ("code", ["500"]))
    pair = next(each.counters for each in first.objectives if each.counters)
    assert (pair.bad_matchers, pair.total_is_good) == (
        (("code", ("500", "503")), ("route", ("a",))),
        True,
    )


def test_a_histogram_of_the_model_server_is_read_at_the_edges_that_were_scraped() -> None:
    own = {"metric": "took", "unit": "Milliseconds", "matchers": [{"label": "a", "values": ["b"]}]}
    promised = LATENCY | {"latency": {"within": "350ms", "share": "99%", "histogram": own}}
    asked = spec({"spec.objectives": [promised]})
    histogram = Histogram("took", (("a", ("b",)),), 1e-3)
    (known,) = own_histograms(asked.objectives, None).items()
    edges = Edges((0.35, 0.5), (0.35, 0.5), {histogram.key: ((0.2, 0.4), (0.35, 0.5))})

    before, after = (
        next(
            each.latency
            for each in trial_rules(asked, baseline=True, edges=found).objectives
            if each.latency
        )
        for found in (EDGES, edges)
    )

    assert known == ((histogram,), (0.35,))
    assert (before.edges, before.stable) == (bracket(0.35, ()), bracket(0.35, ()))
    assert (after.edges, after.stable) == (Bracket(0.2, 0.4, None), Bracket(0.35, 0.35, 0.5))
    assert before.histogram == after.histogram == histogram


def test_an_objective_without_the_member_of_its_type_is_refused() -> None:
    bare = Objective(name="latency", type=ObjectiveType.LATENCY)

    with pytest.raises(ObjectiveError, match="found Latency without its member, write `latency`"):
        judged_objective(bare, AskedAssurance.STANDARD, LADDER)


def test_without_a_baseline_the_target_alone_decides() -> None:
    alone = trial({"spec.objectives": [LATENT | {"compare": "Stable"}]}, baseline=False)

    assert {process.compare for process in alone.judge.processes} == {Compare.TARGET}


def test_rollouts_of_the_same_rules_share_a_judge() -> None:
    assert trial().judge is trial().judge
    assert trial().judge is not trial(baseline=False).judge


def test_a_trial_asks_for_users_of_candidate_and_stable() -> None:
    begun = replace(trial(), watermark=Watermark(STARTED_MS + STEP_MS))

    asked = counting_request("flights/arrival", "flights", begun, V2)

    assert asked.rollout.arms == (
        Arm(CANDIDATE, V3),
        Arm(STABLE, V2, compared_with=V3),
    )
    assert (asked.rollout.key, asked.rollout.namespace) == ("flights/arrival", "flights")
    assert (asked.rollout.started_ms, asked.since) == (STARTED_MS, begun.watermark)


def test_a_trial_without_stable_asks_for_the_candidate_alone() -> None:
    asked = counting_request("flights/arrival", "flights", trial(baseline=False), None)

    assert asked.rollout.arms == (Arm(CANDIDATE, V3),)


@pytest.mark.parametrize(
    ("candidate", "stable", "expected"),
    [
        ((200, 0), (600, 0), Decision.PASS),
        ((200, 10), (600, 0), Decision.FAIL),
        ((200, 10), (600, 30), Decision.PASS),
        ((1, 0), (20, 0), Decision.INCONCLUSIVE),
        ((0, 0), (0, 0), Decision.INCONCLUSIVE),
    ],
    ids=["good", "bad", "as bad as stable", "few", "none"],
)
def test_what_counts_lead_to(
    candidate: tuple[int, int], stable: tuple[int, int], expected: Decision
) -> None:
    memory = judged(steady(60, candidate, stable))

    assert memory.trial is not None
    assert memory.trial.judge.decide(memory.trial.state) is expected


@pytest.mark.parametrize(("bad", "expected"), [(0, Decision.PASS), (10, Decision.FAIL)])
def test_a_first_version_is_judged_by_its_target(bad: int, expected: Decision) -> None:
    memory = judged(steady(60, (200, bad), None), of=trial(baseline=False))

    assert memory.trial is not None
    assert memory.trial.judge.decide(memory.trial.state) is expected


def test_an_interval_that_is_held_is_no_evidence() -> None:
    twice = finding(Reason.UNLIKE_TARGETS)
    held = counted(record(i, (200, 100), (600, 0), [twice]) for i in range(60))

    memory = judged(held)

    assert memory.trial is not None
    assert memory.trial.state.failed_at is None
    assert not any(each.seen_total for each in memory.trial.state.evidence)
    assert memory.trial.watermark == held.watermark
    assert memory.findings == (twice,)


def test_pods_of_both_arms_that_are_scraped_twice_are_judged_and_told() -> None:
    twice = [finding(Reason.DUPLICATE_TARGETS, arm) for arm in (CANDIDATE, STABLE)]

    memory = judged(counted(record(i, (200, 100), (600, 0), twice) for i in range(60)))

    assert memory.trial is not None
    assert memory.trial.state.failed_at is not None
    assert memory.findings == tuple(sorted(twice))


@pytest.mark.parametrize(
    ("reason", "arm", "kept"),
    [
        (Reason.UNLIKE_TARGETS, CANDIDATE, True),
        (Reason.UNLIKE_TARGETS, STABLE, True),
        (Reason.DUPLICATE_TARGETS, CANDIDATE, True),
        (Reason.DUPLICATE_TARGETS, STABLE, True),
        (Reason.SCRAPE_MISSING, CANDIDATE, True),
        (Reason.METRICS_UNAVAILABLE, CANDIDATE, True),
        # Of pods that are not scraped nobody knows how they do, of whichever version they are.
        (Reason.SCRAPE_MISSING, STABLE, True),
        (Reason.PODS_NOT_COUNTED, CANDIDATE, True),
        (Reason.NO_TRAFFIC, STABLE, False),
        (Reason.COUNTERS_RESET, CANDIDATE, False),
        # A single interval without a request is nothing to tell.
        (Reason.NO_TRAFFIC, CANDIDATE, False),
    ],
)
def test_what_is_found_is_kept_when_it_is_to_be_told(reason: Reason, arm: str, kept: bool) -> None:
    found = finding(reason, arm)

    memory = judged(counted([record(0, (50, 0), (150, 0)), record(1, (0, 0), (150, 0), [found])]))

    assert memory.findings == ((found,) if kept else ())


def test_findings_go_with_the_next_interval() -> None:
    before = judged(counted([record(0, (50, 0), (150, 0), [finding(Reason.SCRAPE_MISSING)])]))

    assert before.findings
    assert take_counts(before, steady(1, first=1), 0.25).findings == ()


def test_an_answer_that_did_not_come_is_told_and_moves_nothing() -> None:
    before = judged(steady(5))
    silence = Finding(Reason.METRICS_UNAVAILABLE, "", (), "connection refused")

    after = take_counts(before, Unavailable(silence), 0.25)

    assert after == replace(before, findings=(silence,))


def test_a_candidate_that_falls_silent_is_told_after_a_minute() -> None:
    busy = judged(steady(60))

    def reasons(quiet: int) -> list[Reason]:
        silent = steady(quiet, (0, 0), (150, 0), first=60)
        return [each.reason for each in take_counts(busy, silent, 0.25).findings]

    assert reasons(11) == []
    assert reasons(12) == [Reason.NO_TRAFFIC]


def test_at_little_traffic_a_gap_is_no_silence() -> None:
    """Every tenth interval has a request, so that a minute without is to be expected."""
    little = [record(i, (int(i % 10 == 0), 0), (20, 0)) for i in range(200)]
    ticks = [judged(counted(little[: i + 1])).findings for i in range(50, 200, 7)]

    assert ticks == [()] * len(ticks)


def test_silence_names_the_time_of_the_last_request() -> None:
    (told,) = judged(steady(12, (0, 0), (150, 0))).findings

    assert told.message == "no request to the candidate since 14:02 UTC"


def test_the_last_request_is_remembered() -> None:
    memory = judged(counted([record(0, (1, 0), (9, 0)), record(1, (0, 0), (9, 0))]))

    assert memory.last_request_ms == STARTED_MS + STEP_MS


def test_a_memory_without_a_trial_takes_nothing() -> None:
    assert take_counts(Memory(), steady(3), 0.25) == Memory()


def test_reading_again_from_an_earlier_watermark_changes_nothing() -> None:
    whole = steady(40, (50, 1))
    split = Split(STARTED_MS)
    memory = take_counts(Memory(trial=trial(), split=split), whole, 0.25)

    assert take_counts(memory, whole, 0.25) == memory
    assert take_counts(memory, steady(12, (50, 1)), 0.25) == memory


def test_an_answer_from_before_the_trial_is_no_evidence() -> None:
    begun = Memory(trial=trial())

    assert take_counts(begun, steady(3, (50, 50), first=-9), 0.25) == begun


def _rules() -> Judged:
    return trial_rules(spec(), baseline=True)


counts = st.integers(0, 10**12).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n)))
intervals = st.lists(
    st.tuples(counts, counts, st.sampled_from([None, *Reason])), min_size=1, max_size=12
)


@settings(deadline=None, max_examples=60)
@given(intervals, st.integers(0, 12), st.floats(0, 1))
def test_the_same_counts_give_the_same_state_wherever_one_starts_again(
    drawn: list[tuple[tuple[int, int], tuple[int, int], Reason | None]], at: int, weight: float
) -> None:
    records = [
        record(index, candidate, stable, [finding(reason)] if reason else [])
        for index, (candidate, stable, reason) in enumerate(drawn)
    ]
    whole = take_counts(Memory(trial=trial()), counted(records), weight)

    memory = Memory(trial=trial())
    if at:
        memory = take_counts(memory, counted(records[:at]), weight)
    memory = stored_evidence.decode(stored_evidence.encode(memory), V3, 1, _rules())
    assert memory.about == V3
    memory = take_counts(memory, counted(records), weight)

    # What is only about the last intervals is not stored.
    passing: dict[str, Any] = {"findings": (), "scraped_ms": None, "about": None}
    assert replace(memory, **passing) == replace(whole, **passing)
