"""Runs the real operator against a real API server, and measures it size by size."""

import asyncio
import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from benchmarks.engine.changes import load, quantile
from benchmarks.engine.fleet import NAMESPACES, Pattern, grow, place
from benchmarks.machine import cpu_of, rss_mib
from e2e.fixtures import ApiServer
from e2e.scenes.operator_process import REQUESTS, WRITING, Operator
from model_rollouts.cluster import connection
from model_rollouts.cluster.client import ClusterClient
from model_rollouts.cluster.kinds import LEASE as LEASE_KIND
from model_rollouts.cluster.kinds import WATCHED
from model_rollouts.cluster.requests import Requests

PASSES = "model_rollouts_pass_duration_seconds_count"
NO_PROMETHEUS = "http://127.0.0.1:9"
"""Nobody answers there: each service is asked about once a minute, which is a part of what an idle
operator costs; what answers cost is in benchmarks/results/settled.md."""

LEASE = "default/model-rollouts"

Say = Callable[[str], None]


def imports_mib() -> float:
    """Memory of a process that has imported the operator and done nothing."""
    code = "import model_rollouts.cli.run; from benchmarks.machine import rss_mib; print(rss_mib())"
    told = subprocess.run(
        [sys.executable, "-c", code],
        check=True,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(("operator", "."))},
    )
    return float(told.stdout)


class Bench:
    """One API server that gets more and more ModelDeployments, and an operator for each size."""

    def __init__(
        self, server: ApiServer, audit_log: Path, logs: Path, versions: int, say: Say
    ) -> None:
        self._server = server
        self._audit_log = audit_log
        self._logs = logs
        self._say = say
        self.pattern = Pattern(versions)
        self._there = 0
        self._last: Counter[tuple[str, str]] = Counter()

    def size(
        self, models: int, idle_s: float, rates: Sequence[float], load_s: float
    ) -> dict[str, Any]:
        """Measure with that many ModelDeployments, at least as many as there are already."""
        self._grow_to(models)
        log = self._logs / f"{models}.log"
        operator = Operator(self._server.kubeconfig, NO_PROMETHEUS, log)
        begun = time.monotonic()
        operator.start()
        try:
            found: dict[str, Any] = {"models": models, "objects": models * self.pattern.objects}
            found |= {"ready_s": round(time.monotonic() - begun, 1)}
            while not self._settled(operator, models):
                # Each look costs the operator a page of metrics.
                time.sleep(1)
            found |= {
                "settled_s": round(time.monotonic() - begun, 1),
                "settled_cpu_s": round(cpu_of(operator.pid), 1),
                "rss_listed_mib": round(rss_mib(operator.pid), 1),
                "writes_at_start": _writes(_requests(operator)),
            }
            self._say(f"{models}: settled, {found}")
            found["idle"] = self._idle(operator, idle_s)
            self._say(f"{models}: {found['idle']}")
            found["loads"] = []
            for rate in rates if models else ():
                found["loads"].append(self._load(operator, models, rate, load_s))
                self._say(f"{models}: {found['loads'][-1]}")
            return found
        finally:
            operator.stop()

    def standby(self, idle_s: float) -> dict[str, Any]:
        """What one that stands by costs beside one that leads, with the ModelDeployments there."""
        leader, other = (
            Operator(self._server.kubeconfig, NO_PROMETHEUS, self._logs / "two.log", lease=LEASE)
            for _ in range(2)
        )
        try:
            leader.start()
            while not (leader.leads and self._settled(leader, self._there)):
                time.sleep(1)
            other.start()
            while not self._listens(other):
                time.sleep(1)
            before = cpu_of(leader.pid), cpu_of(other.pid)
            # Time that has to pass is what is measured here.
            time.sleep(idle_s)
            after = cpu_of(leader.pid), cpu_of(other.pid)
            assert leader.leads
            assert not other.leads
            return {
                "seconds": idle_s,
                "rss_mib": [round(rss_mib(each.pid), 1) for each in (leader, other)],
                "cpu_percent": [
                    round(100 * (end - begun) / idle_s, 2)
                    for begun, end in zip(before, after, strict=True)
                ],
            }
        finally:
            other.stop()
            leader.stop()

    def _settled(self, operator: Operator, models: int) -> bool:
        """Whether each model had a pass, and the list after the first watch is over."""
        passes = sum(operator.total(PASSES).values())
        waiting = sum(operator.total("model_rollouts_queue_depth").values())
        return self._listens(operator) and passes >= models and not waiting

    def _listens(self, operator: Operator) -> bool:
        """Whether all its watches stand and the list after the first of them is over."""
        requests = _requests(operator)
        watches = sum(count for (verb, _), count in requests.items() if verb == "WATCH")
        # Who leads and who stands by look at their Lease all the time.
        others = Counter({key: n for key, n in requests.items() if key[1] != LEASE_KIND.plural})
        quiet, self._last = others == self._last, others
        return watches >= len(WATCHED) and quiet

    def _idle(self, operator: Operator, seconds: float) -> dict[str, Any]:
        before, cpu = _requests(operator), cpu_of(operator.pid)
        begun, since = time.time(), time.monotonic()
        # Time that has to pass is what is measured here.
        time.sleep(seconds)
        # Before the page of metrics: what that costs is no idleness, and told apart.
        spent, lasted = cpu_of(operator.pid) - cpu, time.monotonic() - since
        own = _requests(operator) - before
        page_s = cpu_of(operator.pid) - cpu - spent
        audited = Counter(_audited(self._audit_log, begun, time.time()))
        return {
            "seconds": round(lasted),
            "requests": own.total(),
            "requests_by_kind": {" ".join(key): count for key, count in sorted(own.items())},
            "writes": _writes(own),
            "requests_by_audit_log": audited.total(),
            "cpu_percent": round(100 * spent / lasted, 2),
            "page_ms": round(1000 * page_s),
            "rss_mib": round(rss_mib(operator.pid), 1),
        }

    def _load(self, operator: Operator, models: int, rate: float, seconds: float) -> dict[str, Any]:
        before = _requests(operator)
        cpu, server = cpu_of(operator.pid), self._server_cpu()
        answers = asyncio.run(load(self._server, models, rate, seconds))
        spent = answers.lasted
        writes = _requests(operator) - before
        return {
            "asked": rate,
            "rate": round(answers.changes / spent, 1),
            "changes": answers.changes,
            "lost": answers.lost,
            "refused": answers.refused,
            "load_late_ms": round(1000 * answers.late),
            "median_ms": round(1000 * quantile(answers.seconds, 0.5), 1),
            "p99_ms": round(1000 * quantile(answers.seconds, 0.99), 1),
            "max_ms": round(1000 * max(answers.seconds), 1),
            "status_writes": sum(
                n for (verb, of), n in writes.items() if (verb, of) == ("PATCH", "modeldeployments")
            ),
            "operator_cpu_ms_per_change": round(
                1000 * (cpu_of(operator.pid) - cpu) / answers.changes, 2
            ),
            "api_server_cpu_ms_per_change": round(
                1000 * (self._server_cpu() - server) / answers.changes, 2
            ),
            "rss_mib": round(rss_mib(operator.pid), 1),
            "load_average": round(os.getloadavg()[0], 1),
        }

    def _grow_to(self, models: int) -> None:
        numbers = range(self._there, models)
        if not numbers:
            return

        async def go() -> None:
            configuration = await connection.load(self._server.kubeconfig)
            requests = Requests(configuration, user_agent="benchmark")
            async with ClusterClient(requests) as client:
                await grow(client, requests, self.pattern, numbers, lambda: None)

        if not self._there:
            namespaces = {place(number)[0] for number in range(NAMESPACES)}
            for namespace in sorted(namespaces):
                self._server.kubectl("create", "namespace", namespace)
        begun = time.monotonic()
        asyncio.run(go())
        self._there = models
        self._say(f"{models}: there after {time.monotonic() - begun:.0f} s")

    def _server_cpu(self) -> float:
        """Seconds of CPU that the API server has used."""
        text = self._server.kubectl("get", "--raw", "/metrics")
        return next(
            sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
            if sample.name == "process_cpu_seconds_total"
        )


def _requests(operator: Operator) -> Counter[tuple[str, str]]:
    """Its requests to the API server so far, by verb and resource."""
    found: Counter[tuple[str, str]] = Counter()
    for (_, resource, verb), count in operator.total(REQUESTS).items():
        found[verb, resource] += round(count)
    return found


def _writes(requests: Counter[tuple[str, str]]) -> int:
    return sum(count for (verb, _), count in requests.items() if verb in WRITING)


def _audited(audit_log: Path, begun: float, ended: float) -> Iterator[str]:
    """The verbs of the requests that the operator sent in that time, as the API server saw them."""
    seen = set()
    with audit_log.open() as lines:
        for line in lines:
            if '"userAgent":"model-rollouts' not in line:
                continue
            event = json.loads(line)
            at = datetime.fromisoformat(event["requestReceivedTimestamp"]).timestamp()
            if begun <= at <= ended and event["auditID"] not in seen:
                seen.add(event["auditID"])
                yield event["verb"]
