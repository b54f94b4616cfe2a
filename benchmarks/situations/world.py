"""One service with a candidate beside stable, its proxies' counters, and who scraped them when."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from model_rollouts.replay.recording import Header, Recording

NAMESPACE, STABLE, CANDIDATE = "shop", "m-1", "m-2"
STEP = 5.0
BEGAN = 1_774_965_600
"""Unix seconds at which judging begins, a multiple of the scrape interval."""
BEFORE = 60.0
"""Seconds that were scraped before."""

_HTTP = "envoy_http_conn_manager_prefix"


@dataclass(frozen=True, slots=True)
class Outage:
    """A share of all requests fails in [begin, begin + length), in seconds of the trial."""

    begin: float
    length: float
    share: float


@dataclass(frozen=True, slots=True)
class Gap:
    """No scrape of an arm's pods in [begin, begin + length); `pods` None for all of them."""

    revision: str
    begin: float
    length: float
    pods: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """Rates in requests per second and shares. `*_at` are seconds of a scrape within its interval.

    In shadow each request of stable is copied with the chance `weight`.
    """

    requests: float
    weight: float
    errors: float
    stable_errors: float
    seconds: float
    candidate_at: tuple[float, ...] = (4.9,)
    stable_at: tuple[float, ...] = (4.9, 4.9, 4.9)
    outages: tuple[Outage, ...] = ()
    gaps: tuple[Gap, ...] = ()
    shadow: bool = False

    def recording(self, rng: np.random.Generator) -> Recording:
        """What Prometheus has of it."""
        header = Header(
            namespace=NAMESPACE,
            stable=STABLE,
            candidate=CANDIDATE,
            from_ms=BEGAN * 1000,
            until_ms=round((BEGAN + self.seconds) * 1000),
            step_ms=round(STEP * 1000),
        )
        recording = Recording(header)
        stable_share = 1.0 if self.shadow else 1 - self.weight
        for revision, moments, share, rate in (
            (STABLE, self.stable_at, stable_share, self.stable_errors),
            (CANDIDATE, self.candidate_at, self.weight, self.errors),
        ):
            for pod, at in enumerate(moments):
                requests = self.requests * share / len(moments)
                scrapes = list(self._scrapes(revision, pod, at))
                listener = "shadow" if self.shadow and revision == CANDIDATE else "live"
                counted = self._counted(rng, scrapes, requests, rate)
                _add(recording, revision, pod, listener, counted)
        return recording

    def _scrapes(self, revision: str, pod: int, at: float) -> Iterator[float]:
        for start in np.arange(-BEFORE, self.seconds, STEP):
            moment = float(start) + at
            missed = any(
                gap.revision == revision
                and (gap.pods is None or pod < gap.pods)
                and gap.begin <= moment < gap.begin + gap.length
                for gap in self.gaps
            )
            if not missed:
                yield moment

    def _counted(
        self, rng: np.random.Generator, scrapes: list[float], requests: float, rate: float
    ) -> Iterator[tuple[float, int, int]]:
        """Requests and failed ones in all at each scrape."""
        total = bad = 0
        before = -BEFORE
        for moment in scrapes:
            for length, share in self._parts(before, moment):
                # Users come when the trial begins to them; stable has them all the time.
                came = int(rng.poisson(requests * length))
                total += came
                bad += int(rng.binomial(came, 1 - (1 - rate) * (1 - share)))
            before = moment
            yield moment, total, bad

    def _parts(self, begin: float, end: float) -> Iterator[tuple[float, float]]:
        """Lengths and shares of outage between two moments; outages do not overlap."""
        rest = end - begin
        for outage in self.outages:
            shared = min(end, outage.begin + outage.length) - max(begin, outage.begin)
            if shared > 0:
                rest -= shared
                yield shared, outage.share
        if rest > 0:
            yield rest, 0.0


def _add(
    recording: Recording,
    revision: str,
    pod: int,
    listener: str,
    counted: Iterable[tuple[float, int, int]],
) -> None:
    target = {
        "namespace": NAMESPACE,
        "pod": f"{revision}-{pod}",
        "job": "proxies",
        "instance": f"10.0.0.{pod}:9901",
        "modelrollouts_revision": revision,
    }
    seen = list(counted)
    series: dict[tuple[str, str], list[tuple[float, float]]] = {
        ("envoy_server_uptime", ""): [(at, BEFORE + 100 + at) for at, _, _ in seen],
        ("envoy_http_downstream_rq_completed", ""): [(at, total) for at, total, _ in seen],
        ("envoy_http_downstream_rq_rx_reset", ""): [(at, 0) for at, _, _ in seen],
        ("envoy_http_downstream_rq_xx", "5"): [(at, bad) for at, _, bad in seen],
    }
    for (metric, answers), samples in series.items():
        labels = {**target, "__name__": metric}
        if metric != "envoy_server_uptime":
            labels[_HTTP] = listener
        if answers:
            labels["envoy_response_code_class"] = answers
        recording.add(labels, [(BEGAN + at, str(int(value))) for at, value in samples])
