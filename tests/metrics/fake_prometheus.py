"""A Prometheus in memory: series that tests write down, and answers to the intake's queries."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from model_rollouts.metrics.answers import Answer, Failed, Shown
from model_rollouts.metrics.batching import Query
from model_rollouts.metrics.counts import Counted, IntervalCounts
from model_rollouts.metrics.findings import Finding
from model_rollouts.metrics.grid import Grid
from model_rollouts.metrics.intake import Intake
from model_rollouts.metrics.objectives import CountedObjective, errors
from model_rollouts.metrics.pods import KnownPods, Pod
from model_rollouts.metrics.requests import Arm, MeasuredRollout, Request
from model_rollouts.metrics.series import LabelNames, Sample, Series, read_series
from model_rollouts.metrics.sources import Listener
from model_rollouts.metrics.watermark import Watermark

STEP = 1_000
LOOKBACK = 5_000
GRID = Grid(STEP, LOOKBACK)
START = 1_000_000
"""When counting begins, in milliseconds: on the grid."""

COMPLETED = "envoy_http_downstream_rq_completed"
GIVEN_UP = "envoy_http_downstream_rq_rx_reset"
CLASS = "envoy_http_downstream_rq_xx"
GRPC = "envoy_cluster_grpc"
THROTTLED = "envoy_cluster_upstream_rq"
UPTIME = "envoy_server_uptime"
TIMED = "envoy_http_downstream_rq_time_count"
BUCKET = "envoy_http_downstream_rq_time_bucket"


_TARGET = frozenset(
    {
        "namespace",
        "modelrollouts_revision",
        "job",
        "instance",
        "pod",
        "replica",
        "prometheus_replica",
    }
)


def at(seconds: float) -> float:
    """The Unix time `seconds` after counting began."""
    return START / 1000 + seconds


def in_pairs(shown: Iterable[Shown]) -> list[tuple[Series, Sequence[Sample] | Failed]]:
    """The series of an answer with their samples, or why nothing is counted of them."""
    return [
        (series, each.failed or samples)
        for each in shown
        for series, samples in zip(each.exposition.series, each.samples, strict=True)
    ]


@dataclass
class World:
    """Series by their labels, with samples in Unix seconds."""

    series: dict[tuple[tuple[str, str], ...], list[Sample]] = field(default_factory=dict)
    names: LabelNames = field(default_factory=LabelNames)
    left_open: bool = False
    """Whether a sample on the older end of a range is left out, as Prometheus 3 does."""
    whole: bool = True
    """Whether a process also shows, at zero, what its exporter shows from the start."""

    def write(
        self,
        metric: str,
        samples: Mapping[float, object] | Sequence[tuple[float, object]],
        *,
        revision: str = "new",
        pod: str | None = "p",
        listener: Listener = Listener.LIVE,
        job: str = "models",
        namespace: str = "shop",
        more: Mapping[str, str] = MappingProxyType({}),
        **labels: str,
    ) -> None:
        """Add samples, by seconds after counting began, to the series with these labels.

        `more` are labels whose names the test computes.
        """
        labels |= dict(more) | {
            "__name__": metric,
            "namespace": namespace,
            "modelrollouts_revision": revision,
            "job": job,
            "instance": f"{pod}:9901",
        }
        if pod is not None:
            labels["pod"] = pod
        if metric.startswith("envoy_http"):
            labels["envoy_http_conn_manager_prefix"] = listener
        if metric == CLASS:
            labels.setdefault("envoy_response_code_class", "5")
        if metric == GRPC:
            labels["envoy_cluster_name"] = listener
        if metric == THROTTLED:
            labels["envoy_cluster_name"] = listener
            labels.setdefault("envoy_response_code", "429")
        pairs = samples.items() if isinstance(samples, Mapping) else samples
        kept = self.series.setdefault(tuple(sorted(labels.items())), [])
        kept += [(at(seconds), str(value)) for seconds, value in pairs]
        kept.sort()

    def answer(self, query: Query) -> list[tuple[Series, list[Sample]]]:
        """What Prometheus would send."""
        found = re.search(r"\[(\d+)ms\]$", query.text)
        assert found is not None
        oldest = query.at_ms - int(found.group(1)) + self.left_open
        result = []
        for labels, samples in self._shown(query):
            inside = [s for s in samples if oldest <= round(s[0] * 1000) <= query.at_ms]
            if not inside:
                continue
            for template in query.templates:
                series = read_series(template, labels, self.names)
                if series is not None:
                    result.append((series, inside))
        return result

    def _shown(self, query: Query) -> Iterator[tuple[dict[str, str], list[Sample]]]:
        """All series, and those that a test did not write down because nothing is in them."""
        has: dict[tuple[tuple[str, str], ...], set[str]] = {}
        times: dict[tuple[tuple[str, str], ...], dict[float, str]] = {}
        for pairs, samples in self.series.items():
            labels = dict(pairs)
            yield labels, samples
            target = tuple(pair for pair in pairs if pair[0] in _TARGET)
            shown = times.setdefault(target, {})
            for at, value in samples:
                # A target that was gone is marked so in all of its series.
                shown[at] = "NaN" if value == "NaN" and shown.get(at, "NaN") == "NaN" else "0"
            for template in query.templates:
                if read_series(template, labels, self.names) is not None:
                    has.setdefault(target, set()).add(template.group)
        for target, seen in has.items() if self.whole else ():
            for template in query.templates:
                if template.counter.from_start and template.group not in seen:
                    edge = {} if template.edge is None else {"le": f"{template.edge:g}"}
                    named = {"__name__": template.counter.metric, **template.fixed, **edge}
                    yield dict(target) | named, sorted(times[target].items())


def rollout(
    *,
    objectives: Iterable[CountedObjective] = (errors("errors"),),
    arms: Sequence[Arm] = (Arm("candidate", "new"),),
    pods: Sequence[Pod] | KnownPods = (),
    started_ms: int = START,
    warmup_ms: int = 0,
) -> MeasuredRollout:
    """A rollout with one arm unless said otherwise; without pods nobody knows any."""
    known = pods if isinstance(pods, KnownPods) else KnownPods(tuple(pods))
    return MeasuredRollout(
        "shop/model",
        "shop",
        tuple(arms),
        tuple(objectives),
        started_ms,
        known if known.there or known.gone else None,
        warmup_ms,
    )


def run(
    world: World,
    measured: MeasuredRollout,
    until: float,
    *,
    since: Watermark | None = None,
    ticks: Iterable[float] = (),
) -> tuple[list[IntervalCounts], Watermark]:
    """Tick at each of `ticks` and at `until` (seconds after the start), as one operator would.

    Returns all closed intervals and the watermark behind them.
    """
    intake = Intake(GRID)
    records: list[IntervalCounts] = []
    for seconds in (*ticks, until):
        now = START + round(seconds * 1000) + STEP
        behind = True
        while behind:
            tick = intake.plan([Request(measured, since)], now)
            answers: list[Answer] = [world.answer(query) for query in tick.queries]
            counted = intake.advance(tick, answers)[measured.key]
            assert isinstance(counted, Counted)
            records += counted.intervals
            since = counted.watermark
            behind = counted.behind
    assert since is not None
    return records, since


def count(world: World, measured: MeasuredRollout, until: float) -> list[IntervalCounts]:
    """The intervals that close up to `until` seconds after the start, a tick for each."""
    return run(world, measured, until, ticks=range(1, int(until)))[0]


def totals(
    records: Iterable[IntervalCounts], arm: str = "candidate", objective: str = "errors"
) -> list[int]:
    """The total of each interval."""
    return [record.arms[arm].tallies[objective].total for record in records]


def bads(
    records: Iterable[IntervalCounts],
    arm: str = "candidate",
    objective: str = "errors",
    level: int = 0,
) -> list[int]:
    """The bad ones of each interval."""
    return [record.arms[arm].tallies[objective].bad[level] for record in records]


def findings(records: Iterable[IntervalCounts]) -> list[Finding]:
    """All findings in order."""
    return [finding for record in records for finding in record.findings]
