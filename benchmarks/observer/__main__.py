"""The command: measure, write benchmarks/results/observer.{json,md}."""

import asyncio
import json
import os
import platform
import statistics
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import click

from benchmarks.machine import cpu_model, cpu_of, rss_mib
from benchmarks.observer.load import INPUTS, SCORES, send
from tests.observer.running import Scraped, options, speaking
from tests.observer.stub_api import StubApi, served

RESULTS = Path(__file__).resolve().parents[1] / "results"
POLL_S = 0.25
WITHIN_S = 120.0
"""How long the last records may take to be stored."""
INCLUDES = {
    "metadata": {},
    "all values": {"inputs": ["*"], "outputs": ["*"]},
}
"""What of a record is stored: the bodies are read and compared in either case."""


@click.command()
@click.option("--rate", default=10_000.0, show_default=True, help="Records a second, both arms.")
@click.option("--seconds", default=20.0, show_default=True, help="How long, for each run.")
@click.option(
    "--away", default=60.0, show_default=True, help="Seconds without storage, after a run."
)
@click.option("--output", type=click.Path(path_type=Path), default=RESULTS, show_default=True)
def main(rate: float, seconds: float, away: float, output: Path) -> None:
    """Measure an observer on loopback, with a stand-in for the API server."""
    runs = [
        asyncio.run(_measured(name, rate, seconds, away if name == "metadata" else 0.0))
        for name in INCLUDES
    ]
    report = {"conditions": _conditions(rate, seconds), "runs": runs}
    (output / "observer.json").write_text(json.dumps(report, indent=2) + "\n")
    (output / "observer.md").write_text(_page(report))
    click.echo((output / "observer.md").read_text())


async def _measured(name: str, rate: float, seconds: float, away: float) -> dict[str, Any]:
    stub = StubApi()
    stub.spec["capture"]["include"] = INCLUDES[name]
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        async with served(stub, root) as kubeconfig:
            made = options(root, kubeconfig)
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "model_rollouts.cli.main", "observer"),
                *("--log", made.log, "--id", made.observer, "--address", made.address),
                *("--port", str(made.port), "--metrics-port", str(made.metrics_port)),
                *("--kubeconfig", str(kubeconfig)),
            )
            try:
                async with speaking(made) as channel:
                    watched = _Watched(process.pid, Scraped(made.metrics_port))
                    figures = await watched.under(channel, rate, seconds)
                    if away:
                        log = Path(made.log)
                        log.rename(root / "hidden")
                        log.write_text("away")
                        figures["away"] = await watched.without_storage(
                            channel, rate, away, figures["records"]
                        )
                        log.unlink()
                        (root / "hidden").rename(log)
            finally:
                process.terminate()
                await process.wait()
    return {"stored": name, **figures}


class _Watched:
    """An observer's process, from outside."""

    def __init__(self, pid: int, scraped: Scraped) -> None:
        self._pid = pid
        self._scraped = scraped

    async def under(self, channel: Any, rate: float, seconds: float) -> dict[str, Any]:
        """CPU, lag and memory at a rate, until all of it is committed."""
        sent: list[tuple[float, int]] = [(time.monotonic(), 0)]
        lags, resident = [], []
        cpu, begun = cpu_of(self._pid), time.monotonic()
        sending = asyncio.create_task(send(channel, rate, seconds, sent))
        came = 0.0
        while not sending.done() or came < sent[-1][1]:
            came = await self._scraped.value("records_total")
            now = time.monotonic()
            waiting = next((moment for moment, count in reversed(sent) if count <= came), now)
            lags.append(0.0 if came >= sent[-1][1] else now - waiting)
            resident.append(rss_mib(self._pid))
            await asyncio.sleep(POLL_S)
        await sending
        took = time.monotonic() - begun
        total = sent[-1][1]
        stored = dropped = 0
        async with asyncio.timeout(WITHIN_S):
            while stored + dropped < total:
                # What it cannot store in time it drops, and counts.
                stored = int(await self._scraped.value("stored_records_total"))
                dropped = int(await self._scraped.value("dropped_total"))
                await asyncio.sleep(POLL_S)
        return {
            "records": total,
            "records_per_s": round(total / took),
            "cpu_us_per_record": round((cpu_of(self._pid) - cpu) / total * 1e6, 1),
            "lag_p99_s": round(statistics.quantiles(lags, n=100)[-1], 2),
            "rss_mib": round(max(resident)),
            "pairs": int(await self._scraped.value("pairs_total")),
            "stored_records": stored,
            "dropped": dropped,
            "lost": int(await self._scraped.value("lost_records_total")),
        }

    async def without_storage(
        self, channel: Any, rate: float, seconds: float, before: int
    ) -> dict[str, Any]:
        """Memory while no commit succeeds, after so many records."""
        sent = [(time.monotonic(), before)]
        sending = asyncio.create_task(send(channel, rate, seconds, sent))
        resident = []
        while not sending.done():
            resident.append(rss_mib(self._pid))
            await asyncio.sleep(1.0)
        await sending
        third = max(len(resident) // 3, 1)
        return {
            "records": sent[-1][1] - before,
            "rss_mib_second_third": round(max(resident[third : 2 * third], default=resident[-1])),
            "rss_mib_last_third": round(max(resident[2 * third :])),
            "dropped": int(await self._scraped.value("dropped_total")),
        }


def _conditions(rate: float, seconds: float) -> dict[str, Any]:
    return {
        "cpu": cpu_model(),
        "cores": os.cpu_count(),
        "load_average": [round(each, 1) for each in os.getloadavg()],
        "python": platform.python_version(),
        **{name: version(name) for name in ("grpcio", "protobuf", "deltalake", "pyarrow")},
        "rate": rate,
        "seconds": seconds,
        "values_in": INPUTS,
        "values_out": SCORES + 1,
    }


def _page(report: dict[str, Any]) -> str:
    conditions = ", ".join(f"{name} {value}" for name, value in report["conditions"].items())
    lines = [
        "# The observer, for a record",
        "",
        "`make bench-observer`. Records of 4 kB in and 4 kB out, of two arms, over gRPC on",
        "loopback; each is decoded, read, paired, compared and stored. The sender shares the",
        "machine. CPU is that of the observer's process with its commits.",
        "",
        f"{conditions}.",
        "",
        "| stored | records/s sent | dropped and counted | CPU for a record "
        "| records/s of one core | lag p99 | RSS |",
        "|---|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {run['stored']} | {run['records_per_s']:,} | {run['dropped']:,} "
        f"| {run['cpu_us_per_record']} us | {round(1e6 / run['cpu_us_per_record']):,} "
        f"| {run['lag_p99_s']} s | {run['rss_mib']} MiB |"
        for run in report["runs"]
    ]
    for run in report["runs"]:
        if away := run.get("away"):
            lines += [
                "",
                f"Without storage, {away['records']:,} further records, {away['dropped']:,} of "
                f"them dropped and counted: {away['rss_mib_second_third']} MiB in the second "
                f"third of the time, {away['rss_mib_last_third']} MiB in the last.",
            ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
