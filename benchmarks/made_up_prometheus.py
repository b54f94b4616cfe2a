"""A Prometheus in this process, for benchmarks: healthy pods, scraped every five seconds.

What it costs to make up answers is counted apart, so that it can be taken from what is measured.
"""

import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from benchmarks.intake.exporter import SLICE_EDGES_MS, STAGE_EDGES, STAGES, slice_names

SCRAPE_MS = 5_000
AFTER_MS = 1_234
"""How long after the beginning of an interval its scrape is."""

_SELECTOR = re.compile(r"(\w*)\{(.*)\}\[(\d+)ms\]")
_MATCHER = re.compile(r'(\w+)(=~|=)"((?:[^"\\]|\\.)*)"(?:,|$)')
_RQ = "envoy_http_downstream_rq_"
_LISTENER = "envoy_http_conn_manager_prefix"
_Kind = tuple[str, Mapping[str, str], Callable[[int], int]]
_SERIES: tuple[_Kind, ...] = (
    (f"{_RQ}completed", {_LISTENER: "live"}, lambda total: total),
    (f"{_RQ}rx_reset", {_LISTENER: "live"}, lambda _: 0),
    (
        f"{_RQ}xx",
        {_LISTENER: "live", "envoy_response_code_class": "5"},
        lambda total: total // 1_000,
    ),
    (f"{_RQ}time_count", {_LISTENER: "live"}, lambda total: total),
    *(
        (f"{_RQ}time_bucket", {_LISTENER: "live", "le": str(edge)}, lambda total: total)
        for edge in (249, 299, 499, 999, 2_499)
    ),
    (
        "envoy_cluster_upstream_rq",
        {"envoy_cluster_name": "live", "envoy_response_code": "404"},
        lambda _: 0,
    ),
)
"""What each proxy counts, of so many requests so far: metric, labels and number."""

_OF_SLICES: tuple[_Kind, ...] = tuple(
    (f"envoy_slice_{metric}", {_LISTENER: "live", "envoy_slice": name, **edge}, number)
    for name in slice_names(8)
    for metric, edge, number in (
        ("total", {}, lambda total: total // 10),
        ("failed", {}, lambda total: total // 10_000),
        ("given_up", {}, lambda _: 0),
        ("time_count", {}, lambda total: total // 10),
        *(
            ("time_bucket", {"le": str(each - 1)}, lambda total: total // 10)
            for each in SLICE_EDGES_MS
        ),
    )
)
_OF_SERVER: tuple[_Kind, ...] = tuple(
    (f"{metric}_{part}", edge, lambda total: total)
    for metric in STAGES
    for part, edge in (
        ("count", {}),
        *(("bucket", {"le": str(each)}) for each in STAGE_EDGES),
    )
)
"""What each model server counts itself."""


@dataclass(frozen=True, slots=True)
class Scraped:
    """The pods of a revision: their names, and how many requests each has between two scrapes."""

    namespace: str
    pods: tuple[str, ...]
    requests: int


class MadeUpPrometheus:
    """Answers selectors with a range. `cpu_s` is what that took, in seconds."""

    def __init__(self, of: Mapping[str, Scraped], began_ms: int) -> None:
        self._of = of
        self._began = began_ms // SCRAPE_MS
        self.bytes = self.queries = 0
        self.cpu_s = 0.0

    async def ask(self, text: str, at_ms: int, namespace: str) -> bytes:
        """The answer to a raw range selector."""
        begun = time.process_time()
        found = _SELECTOR.fullmatch(text)
        assert found is not None, text
        metric, inside, range_ms = found.groups()
        assert not metric, text
        matchers = {label: (how, value) for label, how, value in _MATCHER.findall(inside)}
        wanted = _values(*matchers.pop("modelrollouts_revision"))
        del matchers["namespace"]
        numbers = range(
            -(-(at_ms - int(range_ms) - AFTER_MS + 1) // SCRAPE_MS),
            (at_ms - AFTER_MS) // SCRAPE_MS + 1,
        )
        wanted_of = [
            (container, [each for each in kinds if _matches(each[0], each[1], matchers)], clock)
            for container, kinds, clock in (
                ("proxy", (*_SERIES, *_OF_SLICES), "envoy_server_uptime"),
                ("model", _OF_SERVER, "process_start_time_seconds"),
            )
        ]
        series = [
            one
            for revision in wanted
            if revision in self._of
            for container, kinds, clock in wanted_of
            for one in self._revision(
                revision, numbers, container, kinds, clock if _matches(clock, {}, matchers) else ""
            )
        ]
        body = (
            '{"status":"success","data":{"resultType":"matrix","result":['
            + ",".join(series)
            + "]}}"
        ).encode()
        self.bytes += len(body)
        self.queries += 1
        self.cpu_s += time.process_time() - begun
        return body

    def _revision(
        self, revision: str, numbers: range, container: str, kinds: Sequence[_Kind], clock: str
    ) -> Iterator[str]:
        of = self._of[revision]
        scrapes = [(n, (n * SCRAPE_MS + AFTER_MS) / 1000, n - self._began) for n in numbers]
        for pod in of.pods:
            target = (
                f'"namespace":"{of.namespace}","pod":"{pod}","container":"{container}",'
                f'"endpoint":"metrics","job":"{of.namespace}/models","prometheus":"monitoring/k8s",'
                f'"instance":"10.0.0.1:17090","modelrollouts_revision":"{revision}"'
            )
            for metric, labels, number in kinds:
                more = "".join(f',"{label}":"{value}"' for label, value in labels.items())
                values = ",".join(
                    f'[{at},"{number(max(0, age) * of.requests)}"]' for _, at, age in scrapes
                )
                yield (f'{{"metric":{{"__name__":"{metric}",{target}{more}}},"values":[{values}]}}')
            if clock:
                started = self._began * SCRAPE_MS // 1000
                told = [
                    (at, age * SCRAPE_MS // 1000 if container == "proxy" else started)
                    for _, at, age in scrapes
                ]
                ups = ",".join(f'[{at},"{value}"]' for at, value in told)
                yield f'{{"metric":{{"__name__":"{clock}",{target}}},"values":[{ups}]}}'


def _values(how: str, text: str) -> list[str]:
    """The names that a matcher lets pass: they have nothing that a regular expression reads."""
    plain = text.replace("\\\\", "")
    return plain.split("|") if how == "=~" else [plain]


def _matches(
    metric: str, labels: Mapping[str, str], matchers: Mapping[str, tuple[str, str]]
) -> bool:
    of = {"__name__": metric, **labels}
    return all(
        of.get(label, "") == value
        if how == "="
        else re.fullmatch(value.replace("\\\\", "\\"), of.get(label, ""))
        for label, (how, value) in matchers.items()
    )
