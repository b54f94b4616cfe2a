"""The command: measure, write benchmarks/results/capture.{json,md}.

Two proxies with one model server get the same load at the same moment: one as every revision has
it, and one that captures, counts slices or has a fallback. Whatever else the machine does, it does
to both.
"""

import asyncio
import contextlib
import json
import multiprocessing
import os
import platform
from collections.abc import AsyncIterator, Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import click

from benchmarks.capture import load
from benchmarks.machine import cpu_model, rss_mib
from model_rollouts.resources.capture import Capture
from model_rollouts.resources.edges import LADDER_MS
from model_rollouts.resources.fallback import Fallback, Static
from model_rollouts.resources.fallback_proxy import Chance
from model_rollouts.resources.slices import CountedSlice, Slice
from tests.resources.envoy import Proxied, free_ports, proxied
from tests.resources.observed import observed

RESULTS = Path(__file__).resolve().parents[1] / "results"
CHANCE = Chance(
    Fallback(Static("{}", "application/json"), after_ms=2000), "flights", "arrival-delay"
)
SLICES = (
    CountedSlice(Slice(name="long-haul", header="x-haul", value="long"), (99, 299)),
    # The bodies of the load are in it.
    CountedSlice(Slice(name="large", at_least=1024), (99, 299)),
)

Proxy = contextlib.AbstractAsyncContextManager[Proxied]
Change = Callable[[dict[str, Any]], None]


def _capturing(capture: Capture) -> Callable[[Change], Proxy]:
    @contextlib.asynccontextmanager
    async def run(change: Change) -> AsyncIterator[Proxied]:
        async with observed(capture, edges_ms=LADDER_MS, change=change) as pod, pod.receiving():
            yield pod.proxy

    return run


def _bare(change: Change) -> Proxy:
    """The same Envoy as a plain reverse proxy: whatever it is asked to do besides is taken out."""

    def strip(config: dict[str, Any]) -> None:
        change(config)
        config.pop("stats_config", None)
        for cluster in config["static_resources"]["clusters"]:
            cluster.pop("track_cluster_stats", None)
        for listener in config["static_resources"]["listeners"]:
            (chain,) = listener["filter_chains"]
            manager = chain["filters"][0]["typed_config"]
            manager["http_filters"] = manager["http_filters"][-1:]
            for extra in ("early_header_mutation_extensions", "upgrade_configs", "access_log"):
                manager.pop(extra, None)
            manager["common_http_protocol_options"] = {}
            routes = manager["route_config"]
            routes.pop("response_headers_to_add", None)
            routes.pop("request_headers_to_remove", None)
            for host in routes["virtual_hosts"]:
                host["routes"] = host["routes"][-1:]

    return proxied(LADDER_MS, strip)


SETTINGS: dict[str, Callable[[Change], Proxy]] = {
    "Envoy alone: nothing of ours": _bare,
    "records without bodies": _capturing(Capture()),
    "bodies of 10 %": _capturing(Capture(Fraction(1, 10))),
    "bodies of 100 %": _capturing(Capture(Fraction(1))),
    "a fallback stands by": lambda change: proxied(LADDER_MS, change, chance=CHANCE),
    "two slices": lambda change: proxied(LADDER_MS, change, counted=SLICES),
    "two slices and a fallback": lambda change: proxied(
        LADDER_MS, change, counted=SLICES, chance=CHANCE
    ),
}
"""What the other proxy of each row does."""


@contextlib.contextmanager
def _model() -> Iterator[int]:
    """A model server in a process of its own."""
    (port,) = free_ports(1)
    context = multiprocessing.get_context("spawn")
    process = context.Process(target=load.serve, args=(port,), daemon=True)
    process.start()
    try:
        yield port
    finally:
        process.kill()
        process.join()


def _to(port: int) -> Callable[[dict[str, Any]], None]:
    """Let a proxy serve the model at `port`, with the edges that every revision has."""

    def change(config: dict[str, Any]) -> None:
        for cluster in config["static_resources"]["clusters"]:
            if cluster["name"] in ("live", "shadow"):
                (endpoints,) = cluster["load_assignment"]["endpoints"]
                (endpoint,) = endpoints["lb_endpoints"]
                endpoint["endpoint"]["address"]["socket_address"]["port_value"] = port

    return change


def _cpu_s(pid: int) -> float:
    """Seconds of CPU of all threads of a process, to the nanosecond."""
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e9


async def _measured(
    setting: Callable[[Change], Proxy], model: int, rate: float, seconds: float
) -> dict[str, Any]:
    async with proxied(LADDER_MS, _to(model)) as plain, setting(_to(model)) as other:
        proxies = plain, other
        await asyncio.gather(*(load.Users(each.ports.live, rate).ask(2) for each in proxies))
        before = [_cpu_s(each.process.pid) for each in proxies]
        users = [load.Users(each.ports.live, rate) for each in proxies]
        await asyncio.gather(*(each.ask(seconds) for each in users))
        return {
            name: {
                "requests": len(each.took_ms),
                "failed": each.failed,
                "p50_ms": round(each.at(0.5), 2),
                "p99_ms": round(each.at(0.99), 2),
                "cpu_us": round(1e6 * (_cpu_s(proxy.process.pid) - cpu) / len(each.took_ms)),
                "rss_mib": round(rss_mib(proxy.process.pid), 1),
            }
            for name, proxy, each, cpu in zip(
                ("plain", "other"), proxies, users, before, strict=True
            )
        }


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--seconds", default=10.0, show_default=True, type=click.FloatRange(1))
@click.option("--rounds", default=2, show_default=True, type=click.IntRange(1))
@click.option("--output", type=click.Path(path_type=Path), default=RESULTS, show_default=True)
def main(seconds: float, rounds: int, output: Path) -> None:
    """Measure what capture, slices and a fallback cost a request, at 50 and 500 per second."""
    rows = []
    with _model() as model:
        for _ in range(rounds):
            for rate in (50, 500):
                for title, setting in SETTINGS.items():
                    found = asyncio.run(_measured(setting, model, rate, seconds))
                    now = os.getloadavg()[0]
                    rows.append({"setting": title, "rate": rate, "load": now, **found})
                    click.echo(json.dumps(rows[-1]), err=True)
    conditions = {
        "seconds": seconds,
        "body_bytes": len(load.BODY),
        "cpu": cpu_model(),
        "cores": os.cpu_count(),
        "machine": platform.machine(),
    }
    (output / "capture.json").write_text(
        json.dumps({"conditions": conditions, "rows": rows}, indent=1) + "\n"
    )
    (output / "capture.md").write_text(_page(conditions, rows))


def _page(conditions: dict[str, Any], rows: list[dict[str, Any]]) -> str:
    lines = [
        "# What capture, slices and a fallback cost the proxy",
        "",
        "Written by `make bench-capture` (`python -m benchmarks.capture`); do not edit.",
        "",
        "Two proxies with one thread each get the same load at the same moment, one as every"
        " revision has it, one with what the row says: bodies of"
        f" {conditions['body_bytes']} bytes each way,"
        f" {conditions['seconds']:g} s a row, times from when a request was due. Client, model"
        f" server and receiver, in Python, share {conditions['cores']} cores"
        f" ({conditions['cpu']}) with them and with other work: `load` is the load average. CPU of"
        " a request is the measure; times are only comparable within a row. The first row is the"
        " other way round: what the same Envoy takes on this machine as a plain reverse proxy,"
        " without the histogram's edges, ids of predictions, revisions and gRPC.",
        "",
        "| with | requests/s | load | CPU of a request in us | p50 in ms | p99 in ms"
        " | memory in MiB | failed |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        pairs = (
            f"{row['plain'][key]} without, {row['other'][key]} with"
            for key in ("cpu_us", "p50_ms", "p99_ms", "rss_mib")
        )
        failed = row["plain"]["failed"] + row["other"]["failed"]
        cells = (row["setting"], row["rate"], f"{row['load']:.1f}", *pairs, failed)
        lines.append(f"| {' | '.join(map(str, cells))} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
