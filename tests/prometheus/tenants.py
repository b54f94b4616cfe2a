"""Many rollouts of several tenants, and a Prometheus with which one of them is in trouble."""

import asyncio
import json
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from model_rollouts.metrics.batching import Batching
from model_rollouts.metrics.counts import Counted, Unavailable
from model_rollouts.metrics.intake import Intake
from model_rollouts.metrics.objectives import errors
from model_rollouts.metrics.requests import Arm, MeasuredRollout, Request
from model_rollouts.prometheus.errors import PassingError, QueryError, Smaller
from model_rollouts.prometheus.reader import SampleReader
from tests.metrics.fake_prometheus import GRID, START, STEP

PER_STEP = 10
"""Requests that each rollout has in an interval."""

_NAMES = re.compile(r'(namespace|modelrollouts_revision)=~?"([^"]*)"')
_LISTENER = "envoy_http_conn_manager_prefix"


class Trouble(StrEnum):
    """What is wrong with the series of one rollout."""

    HUGE = "its answer is larger than the client reads"
    LIMITED = "it exceeds a limit of the server, HTTP 422"
    NATIVE = "one of its series is a native histogram"
    MIXED = "one of its series became a native histogram"
    LABELS = "a label set that is no text"
    SAMPLE = "a sample that is no sample"
    SLOW = "its query takes longer than the timeout"
    DEADLY = "the server ends while it reads it"


PATIENT = (Trouble.SLOW, Trouble.DEADLY)
"""Troubles that look like a server that is away: they are found over several ticks."""

_NATIVE = [START / 1000, {"count": "5", "sum": "1", "buckets": []}]


@dataclass
class Tenants:
    """Rollouts by number, `each` of them in a namespace, and what befalls some of them."""

    namespaces: int
    each: int
    troubles: dict[int, Trouble] = field(default_factory=dict)
    batching: Batching = field(default_factory=Batching)
    away: Exception | None = None
    asked: list[str] = field(default_factory=list)
    """The namespaces and revisions of the queries of the last tick."""
    now: float = 0.0
    heard: list[str | None] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.requests = {
            number: Request(
                MeasuredRollout(
                    f"{self.namespace(number)}/m{number}",
                    self.namespace(number),
                    (Arm("stable", f"r{number}"),),
                    (errors("errors"),),
                    START,
                )
            )
            for number in range(self.namespaces * self.each)
        }
        self.totals = dict.fromkeys(self.requests, 0)
        self.ticks = 1
        self.reader = SampleReader(
            self.ask, Intake(GRID, self.batching), lambda: self.now, self.heard.append
        )

    def namespace(self, number: int) -> str:
        """Where a rollout is."""
        return f"n{number // self.each}"

    def tick(self) -> dict[int, Counted | Unavailable]:
        """Read one more interval; what each rollout got."""
        self.ticks += 1
        self.now += STEP / 1000
        self.asked.clear()
        found = asyncio.run(
            self.reader.tick(list(self.requests.values()), START + self.ticks * STEP)
        )
        results = {n: found[request.rollout.key] for n, request in self.requests.items()}
        for number, result in results.items():
            if isinstance(result, Counted):
                request = self.requests[number]
                self.requests[number] = Request(request.rollout, result.watermark)
                tallies = (each.arms["stable"].tallies["errors"] for each in result.intervals)
                self.totals[number] += sum(tally.total for tally in tallies)
        return results

    def unavailable(self) -> dict[int, str]:
        """One more interval; the rollouts that got nothing, and why."""
        return {
            number: result.finding.message
            for number, result in self.tick().items()
            if isinstance(result, Unavailable)
        }

    @property
    def due(self) -> int:
        """What a rollout has counted that missed nothing."""
        return PER_STEP * (self.ticks - 1)

    async def ask(self, text: str, at_ms: int, namespace: str) -> bytes:
        """The answer of Prometheus, or how it fails."""
        self.asked.append(text)
        if self.away is not None:
            raise self.away
        names = {label: set(value.split("|")) for label, value in _NAMES.findall(text)}
        numbers = [
            int(revision[1:])
            for revision in names["modelrollouts_revision"]
            if self.namespace(int(revision[1:])) in names["namespace"]
        ]
        assert namespace in names["namespace"]
        self._fail(numbers)
        wanted = re.search(r'__name__=~?"([^"]*)"', text)
        assert wanted is not None
        range_ms = int(text.rpartition("[")[2].removesuffix("ms]"))
        result = [
            series
            for number in numbers
            for series in self._series(number, wanted[1].split("|"), at_ms - range_ms, at_ms)
        ]
        body = {"status": "success", "data": {"resultType": "matrix", "result": result}}
        return json.dumps(body).encode()

    def _fail(self, numbers: Collection[int]) -> None:
        for trouble in {self.troubles[n] for n in numbers if n in self.troubles}:
            match trouble:
                case Trouble.HUGE:
                    raise QueryError("the answer exceeds 9 bytes", Smaller.HELPS)
                case Trouble.LIMITED:
                    raise QueryError("HTTP 422: too many samples", Smaller.HELPS)
                case Trouble.SLOW:
                    raise QueryError("no answer within 10 s", Smaller.MAY_HELP)
                case Trouble.DEADLY:
                    raise PassingError("server disconnected", Smaller.MAY_HELP)

    def _series(
        self, number: int, metrics: Collection[str], after_ms: int, until_ms: int
    ) -> Iterator[dict[str, Any]]:
        times = [at for at in range(START - STEP, until_ms + 1, STEP // 2) if at > after_ms]
        for metric in metrics:
            labels: dict[str, Any] = {
                "__name__": metric,
                "namespace": self.namespace(number),
                "modelrollouts_revision": f"r{number}",
                "pod": f"p{number}",
            }
            if metric.startswith("envoy_http"):
                labels[_LISTENER] = "live"
            if metric.endswith("_xx"):
                labels["envoy_response_code_class"] = "5"
            values: list[Any] = [[at / 1000, self._value(metric, at)] for at in times]
            series: dict[str, Any] = {"metric": labels, "values": values}
            if metric.endswith("completed"):
                trouble = self.troubles.get(number)
                if trouble is Trouble.NATIVE:
                    series = {"metric": labels, "histograms": [_NATIVE]}
                elif trouble is Trouble.MIXED:
                    series["histograms"] = [_NATIVE]
                elif trouble is Trouble.LABELS:
                    labels["version"] = 7
                elif trouble is Trouble.SAMPLE:
                    values.append([at_s(until_ms), 3])
            yield series

    @staticmethod
    def _value(metric: str, at_ms: int) -> str:
        since = at_ms - START
        if metric.endswith("uptime"):
            return str(since // 1000 + 1_000)
        return str(max(since * PER_STEP // STEP, 0)) if metric.endswith("completed") else "0"


def at_s(at_ms: int) -> float:
    """Unix seconds."""
    return at_ms / 1000
