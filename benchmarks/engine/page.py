"""The results as a page."""

from collections.abc import Callable, Mapping
from typing import Any

GOALS_MIB = {100: 80, 300: 85, 1_000: 100, 10_000: 200}
GOALS_CPU_PERCENT = {300: 0.1, 1_000: 0.2}
GOAL_P99_MS = 200

Row = tuple[str, Callable[[dict[str, Any]], str]]


def page(report: dict[str, Any]) -> str:
    """The result as Markdown."""
    where, sizes = report["conditions"], report["sizes"]
    loads = [(size, load) for size in sizes for load in size["loads"]]
    lines = [
        "# Engine: what the operator costs with many ModelDeployments",
        "",
        f"Command: `{where['command']}`. The real operator process and a real API server with etcd"
        f" and an audit log, on one machine ({where['cpu']}, {where['cores']} shared cores, load"
        f" average {where['load_average_at_start']} before it began); the load and whatever else"
        " runs there share these cores. No pods, no controllers, no Prometheus: each"
        f" ModelDeployment is Full after {where['versions']} version(s), its watch over, with the"
        " revisions, Deployments, Services and the HTTPRoute that belong to it. Python"
        f" {where['python']}, kopf {where['kopf']}, kubernetes {where['kubernetes']}.",
        "",
        f"A process that only imported the operator has {report['imports_mib']} MiB.",
        "",
        *_table(["idle", *(f"{size['models']:,}" for size in sizes)], _IDLE, sizes),
        "",
        "Requests are those of the operator's own metric and, in the last row, those that the API"
        " server's audit log has of it. Each list of a kind takes a request for up to 500 objects,"
        " or 2 MB of them, every ten minutes; a watch is begun anew when the API server ends it.",
        "",
        "Two operators that share a Lease, for a minute or the idle time:",
        "",
        *_table(["idle", *(f"{size['models']:,}" for size in sizes)], _STANDBY, sizes),
        "",
        "Changes: `spec.paused` of random ModelDeployments, each rate for"
        f" {where['load_seconds']:g} s. The time runs from the API server's answer to the change"
        " until a watch shows the status that tells it, as the load sees both.",
        "",
        *_table(
            [
                "ModelDeployments; changes per second",
                *(f"{size['models']:,}; {load['asked']:g}" for size, load in loads),
            ],
            _LOAD,
            [load for _, load in loads],
        ),
        "",
        "One tick of the core alone, without any input or output: one interval is taken in, and one"
        " pass is planned, for each of so many canaries that stay undecided.",
        "",
        "| canaries | CPU of counting, median of a tick | CPU of planning, median of a tick |",
        "|---|---|---|",
        *(
            f"| {tick['canaries']:,} | {tick['take_s']:.2f} s | {tick['plan_s']:.2f} s |"
            for tick in report["ticks"]
        ),
    ]
    return "\n".join(lines) + "\n"


def _table(head: list[str], rows: list[Row], columns: list[dict[str, Any]]) -> list[str]:
    return [
        f"| {' | '.join(head)} |",
        "|---" * len(head) + "|",
        *(f"| {name} | {' | '.join(show(each) for each in columns)} |" for name, show in rows),
    ]


def _goal(size: dict[str, Any], goals: Mapping[int, float], unit: str) -> str:
    goal = goals.get(size["models"])
    return "" if goal is None else f"{goal} {unit}"


_IDLE: list[Row] = [
    ("objects watched", lambda s: f"{s['objects']:,}"),
    ("everything listed after", lambda s: f"{s['ready_s']} s"),
    ("and each planned once after", lambda s: f"{s['settled_s']} s"),
    ("CPU until then", lambda s: f"{s['settled_cpu_s']} s"),
    ("writes until then", lambda s: str(s["writes_at_start"])),
    ("memory then", lambda s: f"{s['rss_listed_mib']} MiB"),
    ("memory after the idle time", lambda s: f"{s['idle']['rss_mib']} MiB"),
    ("goal", lambda s: _goal(s, GOALS_MIB, "MiB")),
    ("idle time", lambda s: f"{s['idle']['seconds']} s"),
    ("CPU while idle, of one core", lambda s: f"{s['idle']['cpu_percent']} %"),
    ("goal", lambda s: _goal(s, GOALS_CPU_PERCENT, "%")),
    ("CPU of a page of metrics besides", lambda s: f"{s['idle']['page_ms']} ms"),
    ("writes while idle", lambda s: str(s["idle"]["writes"])),
    ("requests while idle", lambda s: str(s["idle"]["requests"])),
    (
        "requests per minute",
        lambda s: f"{60 * s['idle']['requests'] / s['idle']['seconds']:.1f}",
    ),
    ("requests by the audit log", lambda s: str(s["idle"]["requests_by_audit_log"])),
]

_STANDBY: list[Row] = [
    ("memory of the one that leads", lambda s: f"{s['standby']['rss_mib'][0]} MiB"),
    ("of the one that stands by", lambda s: f"{s['standby']['rss_mib'][1]} MiB"),
    ("CPU of the one that leads", lambda s: f"{s['standby']['cpu_percent'][0]} %"),
    ("of the one that stands by", lambda s: f"{s['standby']['cpu_percent'][1]} %"),
]

_LOAD: list[Row] = [
    ("changes per second, reached", lambda s: f"{s['rate']:g}"),
    ("event to write: median", lambda s: f"{s['median_ms']:g} ms"),
    (f"event to write: p99 (goal {GOAL_P99_MS} ms)", lambda s: f"{s['p99_ms']:g} ms"),
    ("event to write: longest", lambda s: f"{s['max_ms']:g} ms"),
    ("changes that no status told", lambda s: str(s["lost"])),
    ("changes that the API server refused", lambda s: str(s["refused"])),
    ("load behind its clock, at most", lambda s: f"{s['load_late_ms']} ms"),
    ("operator, CPU per change", lambda s: f"{s['operator_cpu_ms_per_change']} ms"),
    ("API server, CPU per change", lambda s: f"{s['api_server_cpu_ms_per_change']} ms"),
    ("memory after it", lambda s: f"{s['rss_mib']} MiB"),
    ("load average", lambda s: f"{s['load_average']:g}"),
]
