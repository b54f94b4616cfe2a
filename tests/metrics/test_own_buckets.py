"""Which bucket edges a histogram of the model server's own has, by what Prometheus tells."""

import pytest

from model_rollouts.api.runtimes import SERVER_TIMING
from model_rollouts.metrics.batching import Batching
from model_rollouts.metrics.own_buckets import MOST_EDGES, buckets_text, nearest, read_buckets
from model_rollouts.metrics.series import LabelNames

OLD, NEW = "arrival-1", "arrival-2"


def answer(*series: tuple[str, str, int]) -> list[tuple[dict[str, str], list[tuple[float, str]]]]:
    """Series by revision and edge, each with how many pods have it."""
    return [
        ({"modelrollouts_revision": revision, "le": edge}, [(60.0, str(times))])
        for revision, edge, times in series
    ]


@pytest.mark.parametrize(
    ("series", "unit", "found"),
    [
        ((), 1.0, {}),
        (((NEW, "0.5", 1), (NEW, "0.25", 1), (NEW, "+Inf", 1)), 1.0, {NEW: (0.25, 0.5)}),
        (((NEW, "100", 2), (NEW, "1e3", 2), (NEW, "+Inf", 2)), 1e-3, {NEW: (0.1, 1.0)}),
        (
            ((NEW, "18", 1), (NEW, "58.320000000000007", 1), (NEW, "+Inf", 1)),
            1e-6,
            {NEW: (0.000018, 0.00005832)},
        ),
        # Two revisions have their own.
        (
            ((OLD, "0.1", 1), (OLD, "+Inf", 1), (NEW, "0.2", 1), (NEW, "+Inf", 1)),
            1.0,
            {OLD: (0.1,), NEW: (0.2,)},
        ),
        # Not all series of a revision have the edge 0.2: it is left out.
        (((NEW, "0.1", 3), (NEW, "0.2", 2), (NEW, "+Inf", 3)), 1.0, {NEW: (0.1,)}),
        # One edge in two spellings.
        (((NEW, "0.1", 1), (NEW, "0.10", 2), (NEW, "+Inf", 3)), 1.0, {NEW: (0.1,)}),
        # A histogram without its last bucket is none, and neither is one with that alone.
        (((NEW, "0.1", 1),), 1.0, {}),
        (((NEW, "+Inf", 1),), 1.0, {}),
        (((NEW, "x", 1), (NEW, "NaN", 1), (NEW, "0", 1), (NEW, "+Inf", 1)), 1.0, {}),
        ((("", "0.1", 1), ("", "+Inf", 1)), 1.0, {}),
    ],
)
def test_edges_are_those_that_all_series_of_a_revision_have(
    series: tuple[tuple[str, str, int], ...], unit: float, found: dict[str, tuple[float, ...]]
) -> None:
    assert read_buckets(answer(*series), unit) == found


def test_the_query_has_the_matchers_of_the_user_and_of_the_administrator() -> None:
    batching = Batching(matchers=(("cluster", "eu"),))
    matchers = (("model_name", ("a", "b.c")), ("stage", ("x",)))

    text = buckets_text("m", matchers, "shop", [NEW, OLD], batching, {f"{NEW}-a", f"{NEW}-b"})

    assert text == (
        "count by (modelrollouts_revision, le) ("
        'm_bucket{namespace="shop",modelrollouts_revision=~"arrival-1|arrival-2",stage="x",'
        'cluster="eu",model_name=~"a|b\\\\.c",pod=~"arrival-2-(a|b)"})'
    )


def test_what_the_observer_counts_is_asked_of_its_targets_whatever_the_pods_of_the_model() -> None:
    names = LabelNames(observer=(("namespace", "rollouts"),))

    text = buckets_text(
        SERVER_TIMING, (("stage", ("Predict",)),), "shop", [NEW], Batching(names), {f"{NEW}-a"}
    )

    assert text == (
        "count by (modelrollouts_revision, le) (model_rollouts_observer_stage_seconds_bucket{"
        'model_namespace="shop",modelrollouts_revision="arrival-2",stage="Predict",'
        'namespace="rollouts"})'
    )


def test_of_very_many_edges_those_near_the_promised_times_are_kept() -> None:
    edges = tuple(each / 1000 for each in range(1, 501))

    kept = nearest(edges, (0.1, 0.3))

    assert len(kept) == MOST_EDGES
    assert kept == tuple(sorted(kept))
    assert {0.1, 0.105, 0.3} <= set(kept)
    assert nearest((0.1, 5.0), (0.3,)) == (0.1, 5.0)
