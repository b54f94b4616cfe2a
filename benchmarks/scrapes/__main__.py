"""The command: many runs at each scrape interval, to benchmarks/results/scrapes.{json,md}."""

import json
import os
import platform
import statistics
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any

import click

from benchmarks.scrapes.measure import (
    CONFIGURED_S,
    LASTS_S,
    RATE,
    SHARE,
    TARGET,
    Found,
    rules,
    run,
)
from model_rollouts.decision import Rules

RESULTS = Path(__file__).resolve().parents[1] / "results"
INTERVALS_S = (5, 10, 15, 30, 60)
BAD = 0.05
GOOD = 0.001
"""Errors of stable, and of a good candidate."""

_rules = cache(rules)


def _run(given: tuple[str, float, int, int]) -> Found:
    kind, errors, every_s, number = given
    judged_by: Rules = _rules()
    return run(f"{kind}/{every_s}/{number}", judged_by, every_s, errors, GOOD)


@click.command()
@click.option("--bad", default=40, show_default=True, help="Bad versions at each interval.")
@click.option("--good", default=100, show_default=True, help="Good versions at each interval.")
@click.option("--output", type=click.Path(path_type=Path), default=RESULTS, show_default=True)
def main(bad: int, good: int, output: Path) -> None:
    """Find bad versions, and leave good ones, at each scrape interval."""
    rows = []
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        for every_s in INTERVALS_S:
            given = [("bad", BAD, every_s, n) for n in range(bad)]
            given += [("good", GOOD, every_s, n) for n in range(good)]
            found = list(pool.map(_run, given, chunksize=4))
            rows.append(_row(every_s, found[:bad], found[bad:]))
    report = {
        "conditions": {
            "command": f"python -m benchmarks.scrapes --bad {bad} --good {good}",
            "python": platform.python_version(),
        },
        "rows": rows,
    }
    output.mkdir(parents=True, exist_ok=True)
    (output / "scrapes.json").write_text(json.dumps(report, indent=2) + "\n")
    (output / "scrapes.md").write_text(page(report))
    click.echo((output / "scrapes.md").read_text())


def _row(every_s: int, bad: list[Found], good: list[Found]) -> dict[str, Any]:
    times = sorted(each.at_s for each in bad if each.at_s is not None)
    return {
        "scraped_every_s": every_s,
        "bad": len(bad),
        "found": len(times),
        "median_s": statistics.median(times) if times else None,
        "p90_s": times[int(0.9 * (len(times) - 1))] if times else None,
        "longest_s": times[-1] if times else None,
        "good": len(good),
        "rolled_back": sum(each.at_s is not None for each in good),
        "intervals": max((each.intervals for each in good), default=0),
    }


def page(report: dict[str, Any]) -> str:
    """The result as Markdown."""
    lines = [
        "# Scrapes: bad versions are found however seldom pods are scraped",
        "",
        f"Command: `{report['conditions']['command']}`. The operator's own intake and judge, set "
        f"to {CONFIGURED_S} s, in made-up time. {RATE:g} requests per second come at random, "
        f"{100 * SHARE:g} % of them to the candidate; `availability: {TARGET}`. Stable and good "
        f"versions fail {100 * GOOD:g} % of requests, bad ones {100 * BAD:g} %, from the first "
        f"one on. Every pod is scraped at moments of its own. A run lasts {LASTS_S // 60} min. "
        "Times are from the first request to the reading after which the version is rolled back.",
        "",
        "| scraped every | bad versions found | median | 9 of 10 within | longest | "
        "good versions rolled back | intervals judged |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in report["rows"]:
        times = " | ".join(f"{row[name]:g} s" for name in ("median_s", "p90_s", "longest_s"))
        lines.append(
            f"| {row['scraped_every_s']} s | {row['found']} of {row['bad']} | {times} | "
            f"{row['rolled_back']} of {row['good']} | {row['intervals']} |"
        )
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
