"""Conditions as the API conventions and kstatus want them."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_rollouts.api.conditions import (
    ALWAYS_PRESENT,
    Condition,
    ConditionStatus,
    ConditionType,
    Reason,
    find_condition,
    put,
)
from tests.conditions_check import broken_rules

NOON = datetime(2026, 3, 31, 12, 0, 0, 123456, tzinfo=UTC)
LATER = NOON + timedelta(minutes=5)

TRUE, FALSE, UNKNOWN = ConditionStatus.TRUE, ConditionStatus.FALSE, ConditionStatus.UNKNOWN
READY, RECONCILING, STALLED = (
    ConditionType.READY,
    ConditionType.RECONCILING,
    ConditionType.STALLED,
)


def set_(
    conditions: tuple[Condition, ...],
    type: ConditionType,
    status: ConditionStatus,
    reason: Reason = Reason.JUDGING,
    now: datetime = NOON,
    generation: int = 1,
) -> tuple[Condition, ...]:
    """The conditions with one of them set."""
    return put(conditions, type, status, reason, "Words.", generation=generation, now=now)


def test_the_transition_time_stays_while_the_status_does() -> None:
    before = set_((), READY, FALSE, Reason.STARTING)

    after = set_(before, READY, FALSE, Reason.JUDGING, now=LATER, generation=2)

    (ready,) = after
    assert ready.last_transition_time == NOON.replace(microsecond=0)
    assert (ready.reason, ready.observed_generation) == ("Judging", 2)


def test_the_transition_time_moves_with_the_status() -> None:
    (ready,) = set_(set_((), READY, FALSE), READY, TRUE, now=LATER)

    assert ready.last_transition_time == LATER.replace(microsecond=0)


@pytest.mark.parametrize(("one", "other"), [(RECONCILING, STALLED), (STALLED, RECONCILING)])
def test_reconciling_and_stalled_replace_each_other(
    one: ConditionType, other: ConditionType
) -> None:
    conditions = set_(set_((), one, TRUE), other, TRUE)

    assert [condition.type for condition in conditions] == [other]


@pytest.mark.parametrize("type", [type for type in ConditionType if type not in ALWAYS_PRESENT])
def test_a_condition_that_is_not_true_goes(type: ConditionType) -> None:
    assert set_(set_((), type, TRUE), type, FALSE) == ()


@pytest.mark.parametrize("type", sorted(ALWAYS_PRESENT))
@pytest.mark.parametrize("status", ConditionStatus)
def test_ready_and_available_stay(type: ConditionType, status: ConditionStatus) -> None:
    found = find_condition(set_(set_((), type, TRUE), type, status), type)

    assert found is not None
    assert found.status == status


def test_conditions_of_others_stay_as_they_are() -> None:
    foreign = Condition(
        type="example.com/Approved",
        status=TRUE,
        last_transition_time=NOON,
        reason="Approved",
        message="",
    )

    assert foreign in set_((foreign,), READY, TRUE)


def test_a_time_without_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="found 2026-03-31 12:00:00 without a time zone"):
        set_((), READY, TRUE, now=datetime(2026, 3, 31, 12))  # noqa: DTZ001 - what is refused


@given(st.lists(st.tuples(st.sampled_from(ConditionType), st.sampled_from(ConditionStatus))))
def test_whatever_is_set_conditions_are_sorted_and_exclude_each_other(
    settings: list[tuple[ConditionType, ConditionStatus]],
) -> None:
    conditions: tuple[Condition, ...] = ()
    for type, status in settings:
        conditions = set_(conditions, type, status)

    types = [condition.type for condition in conditions]
    assert types == sorted(set(types))
    assert not {RECONCILING, STALLED} <= set(types)
    assert all(c.status == TRUE for c in conditions if c.type not in ALWAYS_PRESENT)


def condition(type: ConditionType, status: ConditionStatus) -> Condition:
    """A condition as somebody careless could write it."""
    return Condition(
        type=type.value, status=status, last_transition_time=NOON, reason="Any", message=""
    )


@pytest.mark.parametrize(
    ("given", "observed", "expected"),
    [
        ([(READY, TRUE)], 2, []),
        ([(READY, FALSE), (RECONCILING, TRUE)], 2, []),
        ([(READY, FALSE), (STALLED, TRUE)], 2, []),
        ([(READY, FALSE)], 1, []),
        ([], 2, ["Ready is absent"]),
        ([(READY, TRUE), (RECONCILING, TRUE)], 2, ["Ready is True beside Reconciling"]),
        ([(READY, TRUE), (STALLED, TRUE)], 2, ["Ready is True beside Stalled"]),
        ([(READY, UNKNOWN), (RECONCILING, TRUE)], 2, ["Ready is Unknown beside Reconciling"]),
        ([(READY, UNKNOWN), (STALLED, TRUE)], 2, ["Ready is Unknown beside Stalled"]),
        (
            [(READY, FALSE), (RECONCILING, TRUE), (STALLED, FALSE)],
            2,
            ["Reconciling and Stalled are both there"],
        ),
        ([(READY, FALSE)], 3, ["generation 3 was observed, 2 is the newest"]),
        ([(READY, TRUE)], 1, ["Ready is True for generation 1, 2 is the newest"]),
    ],
)
def test_unsound_conditions_are_found(
    given: list[tuple[ConditionType, ConditionStatus]], observed: int, expected: list[str]
) -> None:
    conditions = tuple(condition(type, status) for type, status in given)

    assert broken_rules(conditions, generation=2, observed_generation=observed) == expected
