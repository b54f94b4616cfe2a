"""What threshold rules would have done on the same samples.

A rule compares a figure of the last minute with a limit. It does not know how much a minute can
prove: with few requests chance alone crosses the limit, and every check is one more chance.
"""

import json
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from demo.load.replay import NOBODY, Line
from demo.story.environment import NAMESPACE, SCRAPE_SECONDS
from demo.story.followed_rollout import Course
from e2e.cluster.shell import run
from model_rollouts.decision import Traffic, errors, latency
from model_rollouts.replay.recording import read_file
from model_rollouts.replay.story import intervals
from model_rollouts.rollout.trial.samples import Counting

TARGET, WITHIN, SHARE = 0.99, 0.3, 0.99
"""The objectives of the manifests, by which the replay judges too, with their steps; a service
without history is taken for bursty: dispersion 2."""
WINDOW_SECONDS = 60.0


@dataclass(frozen=True)
class Interval:
    """Counts of a version up to `end` (Unix seconds), since the interval before."""

    end: float
    total: int
    errors: int
    slow: int


@dataclass(frozen=True)
class Rule:
    """Checks the last minute every `every` seconds; rolls back after `failures` failed checks.

    The failed checks add up over the rollout, as Flagger's do.
    """

    name: str
    what: str
    limit: float
    every: float
    failures: int

    def rolls_back_at(self, intervals: Sequence[Interval]) -> float | None:
        """When it would have rolled back, in Unix seconds; None when it would not have."""
        if not intervals:
            return None
        failed, next_check = 0, intervals[0].end + self.every
        for one in intervals:
            if one.end < next_check:
                continue
            next_check = one.end + self.every
            last = [each for each in intervals if one.end - WINDOW_SECONDS < each.end <= one.end]
            total = sum(each.total for each in last)
            bad = sum(getattr(each, self.what) for each in last)
            failed += total > 0 and bad / total > self.limit
            if failed >= self.failures:
                return one.end
        return None


RULES = (
    Rule("p99 above 300 ms, every 60 s, 1 failed check", "slow", 0.01, 60, 1),
    Rule("p99 above 300 ms, every 60 s, 5 failed checks", "slow", 0.01, 60, 5),
    Rule("p99 above 300 ms, every 15 s, 1 failed check", "slow", 0.01, 15, 1),
    Rule("more than 1 % failed, every 60 s, 1 failed check", "errors", 0.01, 60, 1),
)
"""A p99 is above 300 ms exactly when more than 1 % of the answers took longer than 300 ms."""


def record(course: Course, prometheus: str, folder: Path) -> tuple[Path, str]:
    """Save the samples of a rollout from its first user on; the file, and how the replay ends.

    You can replay them by other objectives. They continue for two scrapes after its end: the
    scrape that decided lies in an interval that closes later. Raises StepError when Prometheus lost
    them.
    """
    stable, candidate = next(one.revisions for one in course.seen if one.weight > 0)
    until = course.ended + 2 * SCRAPE_SECONDS
    samples = folder / f"v{course.version}.samples.jsonl"
    replayed = run(
        (
            *(sys.executable, "-m", "model_rollouts.cli.main", "replay"),
            *("--prometheus", prometheus, "--record", samples, "--namespace", NAMESPACE),
            *("--stable", stable, "--candidate", candidate, "--step", f"{SCRAPE_SECONDS}s"),
            *("--from", _time(course.met_users_at()), "--until", _time(until)),
            *("--target", f"{TARGET:.0%}", "--within", f"{1000 * WITHIN:.0f}ms"),
            *("--share", f"{SHARE:.0%}", "--steps", "20%,50%", "--min-step", "60s"),
            *("--dispersion", "2", "--output", "jsonl"),
        )
    )
    events = [event for line in replayed.splitlines() for event in json.loads(line)["events"]]
    return samples, events[-1]["what"]


def recorded(samples: Path) -> list[Interval]:
    """What was counted of the candidate's users, by the operator's own intake."""
    recording = read_file(samples)
    timed = latency("latency", WITHIN, SHARE, recording.thresholds())
    counting = Counting((errors("errors", TARGET), timed))
    closed = list(intervals(recording, counting))
    found = []
    for one in closed:
        counted = counting.interval(one, closed[0].start_ms, Traffic.LIVE).samples
        if counted:
            failed, late = counted["errors"].candidate, counted["latency"].candidate
            found.append(
                Interval(
                    one.end_ms / 1000,
                    round(failed.total),
                    round(failed.bad_at_least),
                    round(late.bad_at_least),
                )
            )
    return found


def noted(lines: Iterable[Line], version: str) -> list[Interval]:
    """The same from the load generator's books, for a version without a proxy."""
    found = []
    for line in lines:
        counts = [line.versions[name] for name in (version, NOBODY) if name in line.versions]
        total, errors, slow = (
            sum(getattr(each, what) for each in counts) for what in ("total", "errors", "slow")
        )
        found.append(Interval(line.at, total, errors, slow))
    return found


def _time(moment: float) -> str:
    return datetime.fromtimestamp(moment).astimezone().isoformat()
