"""What a status tells besides its conditions, and what holds for every status."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model_rollouts.api.conditions import Condition, ConditionStatus, Reason
from model_rollouts.api.phase import Outcome, Phase
from model_rollouts.api.status import Status, Verdict
from model_rollouts.resources.controller_revision import BUILDER_VERSION
from model_rollouts.rollout.memory import Clocks, Memory, Trial
from model_rollouts.rollout.standing import Hold, Standing
from model_rollouts.rollout.status.message import LONGEST_SENTENCE
from model_rollouts.rollout.status.status import status_body, tell
from model_rollouts.rollout.status.summary import StatusInput
from model_rollouts.rollout.trial import stored_evidence
from tests.rollout.made_up import NOON, V2, V3, judged, past, situation, standing, steady, trial
from tests.rollout.status.conditions_table import LATER, ROWS, after, shown, told


def foreign(number: int) -> tuple[Condition, ...]:
    """Conditions of other writers."""
    return tuple(
        Condition(
            type=f"example.com/Approved{index}",
            status=ConditionStatus.TRUE,
            last_transition_time=datetime.fromtimestamp(NOON, UTC),
            reason="Approved",
            message="",
        )
        for index in range(number)
    )


@pytest.mark.parametrize(("given", "kept"), [(2, 2), (32, 29)])
def test_conditions_of_others_stay_while_there_is_room(given: int, kept: int) -> None:
    status = told(situation(Phase.CANARY, 0.25), Status(conditions=foreign(given)))

    assert len([c for c in status.conditions if c.type.startswith("example.com/")]) == kept
    assert {"Available", "Ready", "Reconciling"} <= {c.type for c in status.conditions}


def test_the_arms_have_the_weights_of_the_route() -> None:
    status = told(situation(Phase.CANARY, 0.05, step=1))

    assert status.stable is not None
    assert status.candidate is not None
    assert (status.stable.version, status.stable.weight) == ("2", "95%")
    assert (status.candidate.version, status.candidate.weight) == ("3", "5%")
    assert status.candidate.rendered_by == f"builder {BUILDER_VERSION}"
    assert status.step == 1


def test_the_scale_is_that_of_stable_while_nobody_else_has_users() -> None:
    status = told(situation(Phase.SHADOW, 0.0, stable=standing(V2, 7, 7)))

    assert (status.replicas, status.selector) == (7, f"modelrollouts.dev/revision={V2}")


@pytest.mark.parametrize(
    "given",
    [
        situation(Phase.CANARY, 0.05, candidate=standing(V3, 3, 3)),
        situation(Phase.CANARY, 0.5, candidate=standing(V3, 3, 3), is_promoting=True),
        situation(Phase.ROLLED_BACK, 0.5, leaving=standing(V3, 3, 3)),
    ],
)
def test_the_scale_is_that_of_both_while_both_have_users(given: StatusInput) -> None:
    status = told(given)

    assert status.replicas == 2 + 3
    assert status.selector == f"modelrollouts.dev/revision in ({V2},{V3})"


def test_a_version_that_still_has_users_is_told_with_them() -> None:
    """Also when another one is asked for meanwhile."""
    status = told(situation(Phase.STARTING, 0.25, leaving=standing("arrival-4444444444")))

    assert status.candidate is not None
    assert (status.candidate.version, status.candidate.weight) == ("4", "25%")


def test_without_stable_there_is_no_scale() -> None:
    status = told(situation(Phase.STARTING, stable=None))

    assert (status.replicas, status.selector, status.stable) == (None, None, None)


@pytest.mark.parametrize(
    ("candidate", "stable", "expected"),
    [
        ((200, 0), (600, 0), Verdict.PASS),
        ((200, 10), (600, 0), Verdict.FAIL),
        ((10, 0), (30, 0), Verdict.INCONCLUSIVE),
    ],
)
def test_the_objectives_with_their_counts(
    candidate: tuple[int, int], stable: tuple[int, int], expected: Verdict
) -> None:
    status = told(situation(Phase.CANARY, 0.25, trial=after(candidate, stable)))

    names = [each.name for each in status.objectives]
    assert names == ["breaker", "client-errors", "errors", "restarts"]
    errors = status.objectives[2]
    assert (errors.total, errors.bad) == (60 * candidate[0], 60 * candidate[1])
    assert errors.verdict is expected


def test_an_objective_passes_for_promotion_and_not_for_a_step() -> None:
    """A verdict that is withdrawn when the next step begins would be none."""
    halfway = after((60, 0), (180, 0))

    status = told(situation(Phase.CANARY, 0.25, trial=halfway))

    assert halfway.judge.decide(halfway.state, 0.5) == "Pass"
    verdicts = {each.name: each.verdict for each in status.objectives}
    assert verdicts["errors"] is Verdict.INCONCLUSIVE


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (situation(Phase.STARTING), True),
        (situation(Phase.CANARY, 0.25), True),
        (situation(Phase.PAUSED, 0.25), True),
        (situation(Phase.FULL, watching=True), True),
        (situation(Phase.FULL), False),
        (situation(Phase.ROLLED_BACK), False),
        (situation(Phase.UNDECIDED), False),
    ],
    ids=lambda value: value.phase if isinstance(value, StatusInput) else "",
)
def test_evidence_is_kept_while_something_is_judged(given: StatusInput, kept: bool) -> None:
    memory = replace(judged(steady(5)), clocks=given.clocks)

    assert told(given, memory=memory).evidence == (stored_evidence.encode(memory) if kept else None)


def test_a_forecast_at_the_edge_does_not_put_the_condition_on_and_off() -> None:
    few = situation(Phase.CANARY, 0.25, trial=after((1, 0), (3, 0)))
    deadline = {"spec.strategy.deadline": "21h"}
    edge = replace(few, deployment=situation(Phase.CANARY, spec=deadline).deployment)

    before = told(situation(Phase.CANARY, 0.25, trial=after((0, 0), (1, 0))))

    assert "Underpowered" in shown(before)
    assert "Underpowered" not in shown(told(edge))
    assert "Underpowered" in shown(told(edge, before))


def test_the_history_is_that_of_the_situation() -> None:
    many = tuple(past(Outcome.PROMOTED, "m" * 1024) for _ in range(12))

    assert told(situation(Phase.FULL, history=many)).history == many[:10]


versions = st.text(max_size=80)
standings = st.builds(
    Standing,
    versions,
    versions,
    st.integers(0, 10**9),
    st.integers(0, 10_000),
    st.integers(0, 10_000),
    st.integers(0, 10_000),
    st.none() | st.text(max_size=2_000),
)
holds = st.lists(
    st.builds(
        Hold,
        st.sampled_from(Reason),
        st.text(max_size=3_000),
        st.text(max_size=300),
        st.booleans(),
        st.booleans(),
    ),
    max_size=3,
).map(tuple)
TRIALS = [
    None,
    trial(),
    after((200, 0), (600, 0)),
    after((200, 10), (600, 0)),
    after((1, 0), (3, 0)),
    after((200, 10), None),
]
BEFORE = [Status(), Status(conditions=foreign(16)), *(told(given) for given, _ in ROWS.values())]
amounts = st.floats(0, 1e7)


@st.composite
def situations(draw: st.DrawFn) -> StatusInput:
    made = situation(draw(st.sampled_from(Phase)), draw(st.floats(0, 1)))
    changes: dict[str, Any] = {
        "stable": draw(st.none() | standings),
        "candidate": draw(st.none() | standings),
        "step": draw(st.none() | st.integers(0, 8)),
        "holds": draw(holds),
        "clocks": Clocks("", draw(st.floats(1e7, 2e9)), draw(amounts), draw(amounts)),
        "trial": draw(st.sampled_from(TRIALS)),
        "history": tuple(
            draw(
                st.lists(
                    st.builds(past, st.sampled_from(Outcome), st.text(max_size=1024)), max_size=2
                )
            )
        ),
        "watching": draw(st.booleans()),
        "gateway_accepted": draw(st.booleans()),
        "roles": made.roles._replace(previous=draw(st.none() | st.just(V3))),
    }
    return replace(made, **changes)


@settings(deadline=None, max_examples=100)
@given(situations(), st.sampled_from(BEFORE), st.sampled_from(TRIALS))
def test_whatever_the_situation_the_status_can_be_written(
    given: StatusInput, before: Status, tried: Trial | None
) -> None:
    memory = Memory(clocks=given.clocks, trial=tried)

    status = told(given, before, memory)

    assert tell(given, memory, status, LATER + 5) == status
    assert "e-value" not in status_body(status)["message"]
    assert len(status_body(status)["message"]) <= LONGEST_SENTENCE


PLAN = "canary about 7 min at 48 req/s"


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (situation(Phase.STARTING, plan=PLAN), PLAN),
        # Once it has begun it stays: what comes of it is held against what was said first.
        (situation(Phase.CANARY, 0.25, plan=PLAN), "as it was"),
        (situation(Phase.CANARY, 0.25), "as it was"),
        (situation(Phase.PAUSED, 0.25), "as it was"),
        (situation(Phase.CANARY, 0.25, candidate=standing("arrival-9999999999")), None),
        (situation(Phase.FULL), None),
        (situation(Phase.ROLLED_BACK), None),
    ],
)
def test_the_plan_stands_while_a_version_is_on_its_way(
    given: StatusInput, expected: str | None
) -> None:
    before = told(situation(Phase.STARTING, plan="as it was"))

    assert told(given, before).plan == expected
