"""From what the resource promises to what the proxy counts and the judge decides on."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_rollouts.decision.bracket import FAR_MULTIPLE, bracket
from model_rollouts.resources.edges import LADDER_MS, bucket_edges, thresholds_ms
from model_rollouts.rollout.state import revisions
from model_rollouts.rollout.trial.objectives import LADDER
from tests.api.objects import COUNTERS, ERRORS, LATENCY
from tests.rollout.made_up import spec


def within(*times: str) -> tuple[int, ...]:
    """The thresholds that are rendered for latency objectives of these times."""
    asked = [
        {**LATENCY, "name": f"latency-{i}", "role": "Guard"}
        | {"latency": {"within": time, "share": "99%"}}
        for i, time in enumerate(times)
    ]
    return revisions.thresholds_ms(spec({"spec.objectives": [ERRORS, COUNTERS, *asked]}).objectives)


@pytest.mark.parametrize(
    ("times", "rendered"),
    [
        ((), ()),
        (("320ms", "2ms"), (2, 320)),
        (("1s500ms",), (1_500,)),
        # How slow the slow answers are must be seen beyond the ladder, too.
        (("48s",), (48_000,)),
        (("49s",), (49_000, 62_000)),
        (("1m",), (60_000, 75_000)),
    ],
)
def test_a_revision_counts_the_times_of_its_objectives(
    times: tuple[str, ...], rendered: tuple[int, ...]
) -> None:
    assert within(*times) == rendered


def test_a_revision_need_not_count_what_the_model_server_counts() -> None:
    own = {"within": "320ms", "share": "99%", "histogram": {"metric": "took", "unit": "Seconds"}}

    made = spec({"spec.objectives": [ERRORS, {**LATENCY, "latency": own}]})

    assert revisions.thresholds_ms(made.objectives) == ()


two_digits = st.integers(2, 99) | st.builds(
    lambda digits, scale: digits * scale, st.integers(10, 60), st.sampled_from([10, 100, 1_000])
)


@given(two_digits)
def test_every_time_that_the_schema_takes_is_counted_exactly_with_its_dual_boundary(
    threshold: int,
) -> None:
    counted = thresholds_ms(bucket_edges("m", within(f"{threshold}ms")))

    found = bracket(threshold / 1000, [each / 1000 for each in counted])

    assert found.exact
    assert found.far is not None
    assert found.far / (threshold / 1000) * (1 + 1e-9) >= FAR_MULTIPLE
    # Small times lie on whole milliseconds, so that the next one may be far away.
    assert found.far <= max(1.6 * threshold, threshold + 2) / 1000 + 1e-9


def test_every_revision_counts_the_ladder() -> None:
    assert LADDER.candidate == tuple(each / 1000 for each in LADDER_MS)
