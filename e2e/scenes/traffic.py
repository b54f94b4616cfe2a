"""Users: a load generator in the cluster that asks through the gateway until it is told to stop."""

import json
from dataclasses import dataclass, field
from typing import Any

from e2e.cluster.kubectl import Kubectl
from e2e.jobs import LOAD, Jobs
from e2e.scenes.answers import Answer, Answers
from e2e.scenes.following import Follower
from e2e.waiting import wait_until

LONGEST_SECONDS = 900
"""Traffic ends by itself then, so that a scene that broke leaves no load behind."""
SETTLED = 20
"""So many good answers in a row are taken for a gateway that knows the way."""
_END = "import os, signal; os.kill(1, signal.SIGTERM)"


@dataclass
class Traffic:
    """Users of one host name. `rate` in requests per second; clients give up after `patience` s."""

    kubectl: Kubectl
    namespace: str
    gateway: str
    host: str
    rate: float = 50
    patience: float = 10
    name: str = "users"
    header: str = ""
    """One more header of their requests, such as `x-haul: long`."""
    _records: list[Answer] = field(default_factory=list)
    _summary: dict[str, Any] = field(default_factory=dict)

    @property
    def _jobs(self) -> Jobs:
        return Jobs(self.kubectl, self.namespace)

    def start(self) -> float:
        """Begin, and wait until users are answered; when that was, in Unix seconds.

        A route is accepted a little before the gateway knows its endpoints, so that the very first
        requests of a new route may fail; none may from the returned moment on.
        """
        self._jobs.run(
            self.name,
            *LOAD,
            f"--url={self.gateway}/predict",
            f"--host={self.host}",
            f"--requests={int(self.rate * LONGEST_SECONDS)}",
            f"--seconds={LONGEST_SECONDS}",
            f"--rate={self.rate:g}",
            f"--timeout={self.patience:g}",
            "--records",
            *([f"--header={self.header}"] if self.header else []),
        )
        self._jobs.wait_until_ready(self.name)
        self._follower = Follower(
            self.kubectl,
            *("logs", "-f", f"job/{self.name}", "-n", self.namespace),
            take=self._take,
        )
        settled = None

        def answered() -> bool:
            nonlocal settled
            settled = self.so_far().settled(SETTLED)
            return settled is not None

        try:
            wait_until(answered, f"users of {self.host} were not answered")
        except AssertionError as error:
            raise AssertionError(f"{error}, but got {self.so_far().counts()}") from error
        assert settled is not None
        return settled

    def _take(self, _: float, line: str) -> None:
        found = json.loads(line)
        if "statuses" in found:
            self._summary = found
        else:
            self._records.append(Answer(**found))

    def so_far(self) -> Answers:
        """What came back until now."""
        return Answers(tuple(self._records))

    def wait_for_more(self, count: int, version: str = "", seconds: float = 60) -> None:
        """Wait until `count` more requests have been answered, by `version` when it is given."""

        def answered() -> int:
            return sum(version in ("", one.version) for one in tuple(self._records))

        before = answered()
        wait_until(
            lambda: answered() >= before + count,
            f"{count} more answers of version {version or 'any'} did not come",
            seconds,
        )

    def stop(self) -> Answers:
        """Stop asking and return every record.

        Raises AssertionError when the traffic had ended before, or when records were lost.
        """
        assert self._follower.running, f"the traffic of {self.host} ended by itself"
        pod = f"job/{self.name}"
        self.kubectl("exec", pod, "-n", self.namespace, "--", "python3", "-c", _END)
        self._follower.wait(self.patience + 60)
        sent = self._summary.get("sent")
        assert sent == len(self._records), f"{len(self._records)} records of {sent} requests"
        return self.so_far()

    def abandon(self) -> None:
        """Stop following; the Job goes with its namespace."""
        if follower := getattr(self, "_follower", None):
            follower.stop()
