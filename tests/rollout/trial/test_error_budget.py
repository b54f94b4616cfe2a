"""What a watch holds a version to when the one before missed its objectives too."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model_rollouts.decision import BurnBlock, Counts, count_burn
from model_rollouts.decision.objective import LARGEST_BAD_SHARE
from model_rollouts.rollout.trial import error_budget
from model_rollouts.rollout.trial.trial import trial_rules
from tests.api.objects import LATENCY
from tests.rollout.made_up import spec

OBJECTIVES: dict[str, Any] = {
    "spec.objectives": [
        {"name": "errors", "type": "Availability", "availability": {"target": "99%"}},
        LATENCY,
    ]
}


@given(share=st.floats(0, 1), target=st.sampled_from(["90%", "99%", "99.9%", "99.95%"]))
@settings(deadline=None)
def test_whatever_stable_missed_there_is_something_to_hold_a_version_to(
    share: float, target: str
) -> None:
    errors = {"name": "errors", "type": "Availability", "availability": {"target": target}}
    rules = trial_rules(spec({"spec.objectives": [errors]}), baseline=False)

    (errors_now, *_) = error_budget.watched(rules, (("errors", share),)).objectives

    assert errors_now.good >= rules.objectives[0].good
    assert errors_now.good < errors_now.bad <= LARGEST_BAD_SHARE


@given(
    st.lists(
        st.tuples(st.floats(1, 900), st.integers(0, 10**6), st.floats(0, 1)),
        max_size=120,
    )
)
@settings(deadline=None)
def test_counts_in_bytes_are_those_that_the_windows_take(
    intervals: list[tuple[float, int, float]],
) -> None:
    blocks: tuple[BurnBlock, ...] = ()
    packed, end = b"", 0.0
    for seconds, total, share in intervals:
        end += seconds
        counts = Counts.of(total, int(total * share))
        blocks = count_burn(blocks, end, counts.total, counts.bad_at_least)
        packed = error_budget.spent(packed, end, counts)

    assert error_budget.blocks(packed) == blocks


@pytest.mark.parametrize("name", ["errors", LATENCY["name"]])
def test_one_that_stable_missed_has_the_room_above_it_that_it_had_above_the_target(
    name: str,
) -> None:
    rules = trial_rules(spec(OBJECTIVES), baseline=False)
    before = {each.name: each for each in rules.objectives}

    for each in error_budget.watched(rules, ((name, 0.05),)).objectives:
        was = before[each.name]
        if each.name != name:
            assert each == was
            continue
        assert each.good == pytest.approx(0.05 * was.bad / was.good)
        assert each.bad / each.good == pytest.approx(was.bad / was.good)
