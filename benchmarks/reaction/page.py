"""The results as a page, beside what other tools did on the same kind of machine."""

import os
import platform
import statistics
from collections.abc import Iterator
from typing import Any

from benchmarks.machine import cpu_model
from benchmarks.reaction.measure import ERRORS, PAST_ERRORS, RATE, STEPS, Case

GOALS = {"99.9%": (25, 6), "99%": (45, 12)}
"""Seconds of exposure and failed requests: medians to stay within, for a service with history."""
SIMULATED = {
    Case("99.9%", history=True): (20, 6),
    Case("99.9%", history=False): (60, 15),
    Case("99%", history=True): (35, 11),
    Case("99%", history=False): (80, 21),
}
"""The same judge in simulation, with no time between a request and its count: medians when errors
are known to come one by one (`--dispersion 1`), and when nothing is known of it (2)."""


def conditions(runs: int, loads: list[float]) -> dict[str, Any]:
    """Where and with what it was measured."""
    return {
        "command": f"python -m benchmarks.reaction --runs {runs}",
        "cpu": cpu_model(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "load_average": {
            "median": round(statistics.median(loads), 1),
            "highest": round(max(loads), 1),
        },
        "requests_per_second": RATE,
        "errors": ERRORS,
        "weight": STEPS[0],
        "scrape_interval_s": 5,
    }


def cases(report: dict[str, Any]) -> Iterator[tuple[Case, list[dict[str, Any]]]]:
    """What was measured, and the runs of each."""
    for each in report["cases"]:
        yield Case(each["target"], each["history"]), each["runs"]


def page(report: dict[str, Any]) -> str:
    """The result as Markdown."""
    where = report["conditions"]
    load = where["load_average"]
    lines = [
        "# Reaction: how long users get a bad version, and how many of their requests fail",
        "",
        f"Command: `{where['command']}`. Versions with 5 % errors, at {where['weight']} of"
        f" {where['requests_per_second']} requests per second through a real gateway, Prometheus"
        f" scraping every {where['scrape_interval_s']} s; the objectives at the same time on one"
        f" cluster with everything that belongs to it ({where['cpu']}, {where['cores']} shared"
        f" cores, load average {load['median']} in the median and {load['highest']} at most)."
        f" Python {where['python']}. Exposure runs from the first request that the version got to"
        " its last answer.",
        "",
        "A stable version with history has a day of it in Prometheus, written there before the"
        f" first run, in which {PAST_ERRORS:.2%} of requests failed, each by itself: so the judge"
        " knows that errors do not come in bursts. A young one has served for minutes: less than"
        " six hours do not tell whether errors come in bursts, and the judge assumes that they do"
        " (dispersion 2, docs/decisions.md) and asks for twice the evidence. Simulated is the same"
        " without lag.",
        "",
        "| | exposure, median | (range) | failed requests, median | (range) | simulated | goal |",
        "|---|---|---|---|---|---|---|",
    ]
    for case, runs in cases(report):
        exposure, bad = ([run[key] for run in runs] for key in ("exposure_s", "bad"))
        goal, ideal = GOALS[case.target], SIMULATED[case]
        lines.append(
            f"| {case}, {len(runs)} runs | {statistics.median(exposure):.1f} s"
            f" | {min(exposure):.1f}-{max(exposure):.1f} s | {statistics.median(bad):g}"
            f" | {min(bad)}-{max(bad)} | {ideal[0]} s, {ideal[1]}"
            f" | {f'{goal[0]} s, {goal[1]}' if case.history else ''} |"
        )
    lines += [
        "| Flagger 1.44, 99 %, 5 runs | | 60-70 s | | 15-35 | | |",
        "| Argo Rollouts 1.10, 99 %, 1 run (40 req/s, from 20 %) | 74 s | | 64 | | | |",
        "",
        "The other tools were measured on the same kind of machine, with the same Prometheus.",
        "",
        "| | decision after the scrape that allowed it | last request after the decision"
        " | requests lost |",
        "|---|---|---|---|",
    ]
    for case, runs in cases(report):
        scrape = [run["behind_the_scrape_s"] for run in runs]
        plane = [run["behind_the_decision_s"] for run in runs]
        lines.append(
            f"| {case} | {statistics.median(scrape):.2f} s, at most {max(scrape):.2f} s"
            f" | {statistics.median(plane):.3f} s, at most {max(plane):.3f} s"
            f" | {sum(run['lost'] for run in runs)} |"
        )
    return "\n".join(lines) + "\n"
