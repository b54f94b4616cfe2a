"""A Prometheus on loopback whose samples are made up: users, pods and scrapes of one namespace.

It answers the questions that the operator asks and refuses all others: a selector with a range,
which is computed as Prometheus would, and questions about the past, which are answered with nothing
because this world has none. `test_standin_prometheus.py` holds it against a real Prometheus.
"""

import asyncio
import contextlib
import re
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

STEP_S = 1.0
KEPT_S = 300.0
JOB = "models"

_SELECTOR = re.compile(r"(\w*)\{(.*)\}\[(\d+)ms\]")
_MATCHER = re.compile(r'(\w+)(=~|=)"((?:[^"\\]|\\.)*)"(?:,|$)')
_PAST = re.compile(
    r"count by \(pod\) \(\w+\{.*\}\)|sum\(.* offset 60000ms\)+ / 2\).*"
    r"|sum by \(le\) \(.*\{.*\}\)+|sum by \(modelrollouts_revision, le\) \(.* > 0\)+"
)
_LISTENER = "envoy_http_conn_manager_prefix"
_TOLD = "model_rollouts_observer"
OBSERVER = (("namespace", "observers"), ("job", "observer"))
"""The labels that only the observer's target has."""

Labels = tuple[tuple[str, str], ...]
Split = tuple[dict[str, int], tuple[str, int]]
"""Weights by revision, and the revision that gets copies with its percent."""


@dataclass
class Pod:
    """The pods of a revision, as one: its proxy counts from zero when it starts."""

    revision: str
    version: str
    born: float
    counted_ms: tuple[int, ...] = ()
    """The latency thresholds that its proxy has an edge for."""
    requests: float = 0.0
    bad: float = 0.0
    copies: float = 0.0
    bad_copies: float = 0.0
    slow: dict[tuple[str, float], float] = field(default_factory=dict)
    """By listener and seconds: answers that took so long; all others took none."""
    known_as: str = ""

    @property
    def name(self) -> str:
        """Its name as a target."""
        return self.known_as or f"{self.revision}-pod"

    def counters(self, now: float) -> Iterator[tuple[str, Mapping[str, str], int]]:
        """Metrics with labels and value, as its proxy shows them."""
        yield "envoy_server_uptime", {}, int(now - self.born)
        arms = (("live", self.requests, self.bad), ("shadow", self.copies, self.bad_copies))
        for listener, requests, bad in arms:
            of, completed = {_LISTENER: listener}, int(requests + 1e-6)
            errors = {**of, "envoy_response_code_class": "5"}
            yield "envoy_http_downstream_rq_completed", of, completed
            yield "envoy_http_downstream_rq_rx_reset", of, 0
            yield "envoy_http_downstream_rq_xx", errors, int(bad + 1e-6)
            yield "envoy_http_downstream_rq_time_count", of, completed
            for threshold in self.counted_ms:
                slower = self._slower(listener, threshold)
                labels = {**of, "le": str(threshold - 1)}
                yield "envoy_http_downstream_rq_time_bucket", labels, completed - slower

    def _slower(self, listener: str, threshold_ms: int) -> int:
        found = (
            number
            for (arm, seconds), number in self.slow.items()
            if arm == listener and seconds * 1000 > threshold_ms
        )
        return int(sum(found) + 1e-6)

    def page(self, now: float) -> str:
        """The same in the text that Prometheus scrapes."""
        lines = []
        for metric, labels, value in self.counters(now):
            shown = {**labels, "modelrollouts_revision": self.revision}
            text = ",".join(f'{name}="{value}"' for name, value in shown.items())
            lines.append(f"{metric}{{{text}}} {value}\n")
        return "".join(lines)


@dataclass
class StandinPrometheus:
    """Users who are split by weights, pods that answer them, and what was scraped of the pods."""

    namespace: str
    rate: float = 1_000.0
    """Requests per second of all users of a route."""
    errors: dict[str, float] = field(default_factory=dict)
    """Share of bad answers by version; none when it is not named."""
    slow: dict[str, dict[float, float]] = field(default_factory=dict)
    """Shares of answers that take so many seconds, by version."""
    down: bool = False
    """Every query is answered with 503. Pods are scraped all the same."""
    unscraped: set[str] = field(default_factory=set)
    """Versions of which nothing is scraped."""
    differing: dict[str, float] = field(default_factory=dict)
    """Shares of answers to copies that differ from stable's, by version."""
    comparison: str = ""
    """The digest of what an observer compares; there is none without it."""
    doubled: set[str] = field(default_factory=set)
    """Versions whose pods a second job scrapes as well."""
    asked: set[str] = field(default_factory=set)
    """The times that were asked about: one for each time that samples were read."""
    refused: int = 0
    """How often it was asked while it was down. For what was not answered the same time is asked
    about again, once that is as far from the last answer as one reading goes."""
    unanswered: float = 0.0
    """Requests that were sent to a revision without pods."""

    def __post_init__(self) -> None:
        self.pods: dict[str, Pod] = {}
        self.ended: list[Pod] = []
        self._splits: dict[str, Split] = {}
        self._served_until = time.time()
        self._samples: dict[Labels, list[tuple[float, int]]] = {}
        self.url = ""

    # What happens in the cluster

    def starts(self, revision: str, version: str, counted_ms: tuple[int, ...] = ()) -> None:
        """The pods of a revision are ready; nothing happens when they are already."""
        self._serve()
        self.pods.setdefault(revision, Pod(revision, version, time.time(), counted_ms))

    def ends(self, revision: str) -> None:
        """The pods of a revision are gone."""
        self._serve()
        pod = self.pods.pop(revision, None)
        if pod is not None:
            self.ended.append(pod)

    def splits(
        self, weights: Mapping[str, int], copied: tuple[str, int] = ("", 0), *, route: str = ""
    ) -> None:
        """Users of a route are split by these weights from now on; no weights are no users.

        A revision, given by the name of its Deployment, gets copies of so many percent.
        """
        split = dict(weights), copied
        if split != self._splits.get(route):
            self._serve()
            self._splits[route] = split

    def split_of(self, route: str) -> dict[str, int]:
        """The weights by which users of a route are split now."""
        weights, _ = self._splits.get(route, ({}, None))
        return weights

    def requests_of(self, version: str) -> float:
        """How many requests a version has answered."""
        self._serve()
        pods = [*self.pods.values(), *self.ended]
        return sum(pod.requests for pod in pods if pod.version == version)

    def copies_of(self, version: str) -> float:
        """How many copies of requests a version has answered."""
        self._serve()
        pods = [*self.pods.values(), *self.ended]
        return sum(pod.copies for pod in pods if pod.version == version)

    def _serve(self) -> None:
        now = time.time()
        due, self._served_until = self.rate * (now - self._served_until), now
        for split in self._splits.values():
            self._serve_split(due, *split)

    def _serve_split(self, due: float, weights: dict[str, int], copied: tuple[str, int]) -> None:
        total = sum(weights.values())
        for revision, weight in weights.items():
            requests, pod = due * weight / total, self.pods.get(revision)
            if pod is None:
                self.unanswered += requests
                continue
            pod.requests += requests
            pod.bad += requests * self.errors.get(pod.version, 0.0)
            self._slow_down(pod, "live", requests)
        shadowed, percent = copied
        if weights and (pod := self.pods.get(shadowed)) is not None:
            copies = due * percent / 100
            pod.copies += copies
            pod.bad_copies += copies * self.errors.get(pod.version, 0.0)
            self._slow_down(pod, "shadow", copies)

    def _slow_down(self, pod: Pod, listener: str, requests: float) -> None:
        for seconds, share in self.slow.get(pod.version, {}).items():
            arm = listener, seconds
            pod.slow[arm] = pod.slow.get(arm, 0.0) + requests * share

    # What is scraped

    def scrape(self) -> None:
        """Take one sample of everything."""
        self._serve()
        now = round(time.time(), 3)
        for pod in self.pods.values():
            if pod.version not in self.unscraped:
                self.take(pod, now)
            if self.comparison:
                self._observe(pod, now)

    def take(self, pod: Pod, at: float) -> None:
        """Take one sample of a pod at a time (Unix seconds)."""
        for job in (JOB, "again") if pod.version in self.doubled else (JOB,):
            target = {
                "namespace": self.namespace,
                "pod": pod.name,
                "job": job,
                "instance": "10.0.0.1:9901",
                "modelrollouts_revision": pod.revision,
            }
            for metric, labels, value in pod.counters(at):
                self._keep({"__name__": metric, **target, **labels}, at, value)

    def _observe(self, pod: Pod, at: float) -> None:
        """Take one sample of what the observer tells of a revision: it lacks nothing."""
        target = {
            **dict(OBSERVER),
            "pod": "observer-0",
            "instance": "10.0.0.2:9801",
            "model_namespace": self.namespace,
            "modelrollouts_revision": pod.revision,
        }
        pairs, compared = int(pod.copies + 1e-6), {"comparison": self.comparison, "slice": ""}
        disagree = int(pairs * self.differing.get(pod.version, 0.0))
        told: list[tuple[str, dict[str, str], int]] = [
            ("start_time_seconds", {}, int(pod.born)),
            ("pairs_total", compared, pairs),
            ("disagreements_total", compared, disagree),
        ]
        for arm, requests in (("live", pod.requests), ("shadow", pod.copies)):
            sent = {"arm": arm, "outcome": "taken"}
            told.append(("records_total", sent, int(requests + 1e-6)))
            told.append(("lost_records_total", {"arm": arm}, 0))
        for name, labels, value in told:
            self._keep({"__name__": f"{_TOLD}_{name}", **target, **labels}, at, value)

    def _keep(self, labels: Mapping[str, str], at: float, value: int) -> None:
        kept = self._samples.setdefault(tuple(sorted(labels.items())), [])
        kept.append((at, value))
        if kept[0][0] < at - KEPT_S:
            kept.pop(0)

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(STEP_S - (time.time() - 0.1) % STEP_S)
            self.scrape()

    # What is answered

    def select(self, text: str, at: float) -> list[dict[str, Any]]:
        """The answer to a selector with a range; ValueError for any other query."""
        parsed = _SELECTOR.fullmatch(text)
        if parsed is None:
            raise ValueError(f"nobody asks such a thing: {text}")
        metric, inside, range_ms = parsed.groups()
        matchers = _MATCHER.findall(inside)
        if _MATCHER.sub("", inside):
            raise ValueError(f"matchers that are not understood: {inside}")
        after = at - int(range_ms) / 1000
        found = []
        for series, samples in self._samples.items():
            labels = dict(series)
            if metric and labels["__name__"] != metric:
                continue
            if not all(_matches(labels, *m) for m in matchers):
                continue
            values = [(when, str(value)) for when, value in samples if after < when <= at]
            if values:
                found.append({"metric": labels, "values": values})
        return found

    async def _query(self, request: web.Request) -> web.Response:
        form = await request.post()
        text = str(form["query"])
        self.asked.add(str(form.get("time", "")))
        if self.down:
            self.refused += 1
            return web.Response(status=503, text="the stand-in is down")
        try:
            if request.path.endswith("query_range") and _PAST.fullmatch(text):
                result: list[dict[str, Any]] = []
            else:
                result = self.select(text, float(str(form["time"])))
        except (KeyError, ValueError) as error:
            told = {"status": "error", "errorType": "bad_data", "error": str(error)}
            return web.json_response(told, status=400)
        return web.json_response(
            {"status": "success", "data": {"resultType": "matrix", "result": result}}
        )

    async def _page(self, request: web.Request) -> web.Response:
        self._serve()
        return web.Response(text=self.pods[request.match_info["revision"]].page(time.time()))

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator["StandinPrometheus"]:
        """Serves at `url` and scrapes, until the end of the context."""
        app = web.Application()
        app.router.add_post("/api/v1/query", self._query)
        app.router.add_post("/api/v1/query_range", self._query)
        app.router.add_get("/pods/{revision}", self._page)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        beat = asyncio.create_task(self._beat())
        try:
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
            yield self
        finally:
            beat.cancel()
            await asyncio.wait({beat})
            await runner.cleanup()


def _matches(labels: Mapping[str, str], label: str, how: str, quoted: str) -> bool:
    wanted = re.sub(r"\\(.)", r"\1", quoted)
    value = labels.get(label, "")
    return value == wanted if how == "=" else re.fullmatch(wanted, value) is not None
