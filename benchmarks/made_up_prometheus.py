"""A Prometheus in this process, for benchmarks: healthy pods, scraped every five seconds.

What it costs to make up answers is counted apart, so that it can be taken from what is measured.
"""

import re
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

SCRAPE_MS = 5_000
AFTER_MS = 1_234
"""How long after the beginning of an interval its scrape is."""

_SELECTOR = re.compile(r"(\w*)\{(.*)\}\[(\d+)ms\]")
_MATCHER = re.compile(r'(\w+)(=~|=)"((?:[^"\\]|\\.)*)"(?:,|$)')
_RQ = "envoy_http_downstream_rq_"
_LISTENER = "envoy_http_conn_manager_prefix"
_SERIES: tuple[tuple[str, Mapping[str, str], Callable[[int], int]], ...] = (
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
"""What each pod counts, of so many requests so far: metric, labels and number."""


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
        alike = [each for each in _SERIES if _matches(each[0], each[1], matchers)]
        has_clock = _matches("envoy_server_uptime", {}, matchers)
        series = [
            one
            for revision in wanted
            if revision in self._of
            for one in self._revision(revision, numbers, alike, has_clock=has_clock)
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
        self,
        revision: str,
        numbers: range,
        alike: list[tuple[str, Mapping[str, str], Callable[[int], int]]],
        *,
        has_clock: bool,
    ) -> Iterator[str]:
        of = self._of[revision]
        scrapes = [(n, (n * SCRAPE_MS + AFTER_MS) / 1000, n - self._began) for n in numbers]
        for pod in of.pods:
            target = (
                f'"namespace":"{of.namespace}","pod":"{pod}","container":"proxy",'
                f'"endpoint":"metrics","job":"{of.namespace}/models","prometheus":"monitoring/k8s",'
                f'"instance":"10.0.0.1:17090","modelrollouts_revision":"{revision}"'
            )
            for metric, labels, number in alike:
                more = "".join(f',"{label}":"{value}"' for label, value in labels.items())
                values = ",".join(
                    f'[{at},"{number(max(0, age) * of.requests)}"]' for _, at, age in scrapes
                )
                yield (f'{{"metric":{{"__name__":"{metric}",{target}{more}}},"values":[{values}]}}')
            if has_clock:
                ups = ",".join(f'[{at},"{age * SCRAPE_MS // 1000}"]' for _, at, age in scrapes)
                name = "envoy_server_uptime"
                yield f'{{"metric":{{"__name__":"{name}",{target}}},"values":[{ups}]}}'


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
