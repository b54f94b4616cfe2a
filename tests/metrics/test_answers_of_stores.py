"""Answers as other stores than Prometheus gave them, word for word but for the labels of targets.

`tests/stores/` asks such stores themselves; it is slow and not in CI.
"""

import json

from model_rollouts.metrics.counts import Counted, IntervalCounts
from model_rollouts.metrics.grid import Grid
from model_rollouts.metrics.intake import Intake
from model_rollouts.metrics.objectives import errors
from model_rollouts.metrics.requests import Arm, MeasuredRollout, Request
from model_rollouts.metrics.series import LabelNames
from model_rollouts.prometheus.decode import SeriesCache
from tests.metrics.fake_prometheus import in_pairs

BEGAN = 1795920738.5
"""Just before the first sample of what is counted below."""

_TARGET = {"namespace": "shop", "job": "models", "pod": "a", "modelrollouts_revision": "model-1"}
_HTTP = "envoy_http_downstream_rq_"
_LIVE = {"envoy_http_conn_manager_prefix": "live"}

VICTORIA_METRICS = {
    "envoy_server_uptime": (
        {},
        '[[1795920738.978,"7"],[1795920739.978,"8"],[1795920740.978,"9"],[1795920741.978,"10"],'
        '[1795920742.978,"NaN"],[1795920744.978,"0"],[1795920745.978,"1"],[1795920746.978,"2"]]',
    ),
    f"{_HTTP}completed": (
        _LIVE,
        '[[1795920738.978,"0"],[1795920739.978,"5"],[1795920740.978,"5"],[1795920741.978,"5"],'
        '[1795920742.978,"NaN"],[1795920744.978,"0"],[1795920745.978,"0"],[1795920746.978,"3"]]',
    ),
    f"{_HTTP}rx_reset": (
        _LIVE,
        '[[1795920738.978,"0"],[1795920739.978,"0"],[1795920740.978,"0"],[1795920741.978,"0"],'
        '[1795920742.978,"NaN"],[1795920744.978,"0"],[1795920745.978,"0"],[1795920746.978,"0"]]',
    ),
    f"{_HTTP}xx": (
        _LIVE | {"envoy_response_code_class": "5"},
        '[[1795920738.978,"0"],[1795920739.978,"1"],[1795920740.978,"1"],[1795920741.978,"1"],'
        '[1795920742.978,"NaN"],[1795920744.978,"0"],[1795920745.978,"0"],[1795920746.978,"1"]]',
    ),
    "envoy_cluster_upstream_rq": (
        {"envoy_cluster_name": "live", "envoy_response_code": "429"},
        '[[1795920739.978,"1"],[1795920740.978,"1"],[1795920741.978,"1"],[1795920742.978,"NaN"],'
        '[1795920744.978,"NaN"]]',
    ),
}
"""A pod whose process was killed after a scrape, and started again after one that failed.

Labels came in the order of the scrape configuration, and no `isPartial`."""


def _answer() -> bytes:
    series = [
        {"metric": {"__name__": name, **_TARGET, **labels}, "values": json.loads(values)}
        for name, (labels, values) in VICTORIA_METRICS.items()
    ]
    return json.dumps(
        {"status": "success", "data": {"resultType": "matrix", "result": series}}
    ).encode()


def test_victoria_metrics_shows_where_a_series_was_gone_and_that_is_no_sample() -> None:
    measured = MeasuredRollout(
        "shop/model",
        "shop",
        (Arm("candidate", "model-1"),),
        (errors("errors"),),
        round(BEGAN * 1000),
    )
    intake, cache, since = Intake(Grid(1_000, 30_000)), SeriesCache(LabelNames()), None
    records: list[IntervalCounts] = []
    for second in range(1, 12):
        tick = intake.plan([Request(measured, since)], round((BEGAN + second) * 1000))
        answers = [in_pairs(cache.decode(query.templates, _answer())) for query in tick.queries]
        counted = intake.advance(tick, answers)[measured.key]
        assert isinstance(counted, Counted)
        records += counted.intervals
        since = counted.watermark

    candidate = [record.arms["candidate"] for record in records]
    assert sum(each.tallies["errors"].total for each in candidate) == 5 + 3
    assert sum(each.tallies["errors"].bad[0] for each in candidate) == 1 + 1 + 1
    assert sum(each.resets for each in candidate) == 1
    told = {finding.reason.value for record in records for finding in record.findings}
    assert "NotACount" not in told
