"""The JSON of a rollout as people see it: a tree, bars, and colours where there is a terminal.

Texts of the cluster are texts: no markup is read out of them, and what is not printable is shown as
such.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from model_rollouts.cli.mdep.view import View, share
from model_rollouts.text import count, duration, observed, percent

WITHOUT_TERMINAL = 250
"""Columns where nobody looks: a script gets whole lines."""
BAR, SHORT_BAR = 20, 8
NARROW = 100

ACTIONS = {"None": "green", "Wait": "cyan", "Look": "yellow", "Now": "bold red"}
VERDICTS = {
    "Pass": ("passed", "green"),
    "Fail": ("failed", "bold red"),
    "Inconclusive": ("undecided", "yellow"),
}
ROLES = {"candidate": "cyan", "stable": "green", "previous": "dim", "retired": "dim"}
PHASES = {"Full": "green", "RolledBack": "red", "Undecided": "yellow", "Paused": "yellow"}
OUTCOMES = {
    "Promoted": "green",
    "PromotedWithBound": "green",
    "RolledBack": "red",
    "Undecided": "yellow",
    "Superseded": "dim",
}


def console(*, stderr: bool = False) -> Console:
    """Where it is drawn: as wide as the terminal, without colours where there is none."""
    made = Console(stderr=stderr, highlight=False, markup=False, emoji=False)
    if not made.is_terminal:
        made.width = WITHOUT_TERMINAL
    return made


def text(words: object, style: str = "") -> Text:
    """Words of the cluster in one line, as they are."""
    line = " ".join(str(words if words is not None else "").split())
    shown = "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in line)
    return Text(shown, style=style)


def age(seconds: int | None) -> str:
    """A time as kubectl writes ages, e.g. `35s`, `12m`, `3h`, `2d`."""
    if seconds is None:
        return "-"
    for unit, size in (("d", 86_400), ("h", 3_600), ("m", 60)):
        if seconds >= 2 * size:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"


def bar(part: float, to: Console, cells: int = BAR) -> str:
    """A share as a bar; any at all shows, and not quite all is not all."""
    full, empty = ("█", "░") if "utf" in to.encoding.lower() else ("#", ".")
    filled = round(max(0.0, min(1.0, part)) * cells)
    if 0 < part < 1:
        filled = min(max(filled, 1), cells - 1)
    return full * filled + empty * (cells - filled)


def grid(*columns: str | dict[str, Any]) -> Table:
    """A table without lines; a column is its title, or options of `add_column`."""
    made = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="bold")
    for each in columns:
        options = {"header": each} if isinstance(each, str) else each
        made.add_column(**{"no_wrap": True, **options})
    return made


def rollout(seen: View, to: Console) -> RenderableType:
    """The tree of `get`."""
    parts: list[RenderableType] = [_head(seen)]
    parts += _section("REVISIONS", _revisions(seen, to))
    if seen["objectives"]:
        parts += _section("OBJECTIVES", [_objectives(seen["objectives"], to)])
        parts += _told(seen["objectives"])
    if seen["awaits"] is not None:
        parts += _section("AWAITED", [_awaited(seen)])
    if seen["conditions"]:
        parts += _section("CONDITIONS", [_conditions(seen["conditions"])])
    parts += _section("EVENTS", [_events(seen["events"])])
    return Group(*parts)


def _section(title: str, inside: Iterable[RenderableType]) -> list[RenderableType]:
    return [Text(""), Text(title, style="bold"), *inside]


def _head(seen: View) -> RenderableType:
    phase, action = seen["phase"] or "Unknown", seen["action"] or "-"
    first = Text.assemble(
        (seen["name"], "bold"),
        f"  namespace {seen['namespace']}  ",
        (phase, PHASES.get(phase, "cyan")),
        "  action ",
        (action, ACTIONS.get(action, "")),
    )
    step = seen["step"]
    if step is not None:
        first.append(f"  step {step['number']} of {step['of']}")
    lines = [first, text(seen["message"] or "the operator has not told anything yet: does it run?")]
    if not seen["isCurrent"] and seen["phase"] is not None:
        lines.append(
            Text("The spec was changed since: the operator has not told of it yet.", "dim")
        )
    if seen["plan"]:
        lines.append(text(f"Plan: {seen['plan']}", "dim"))
    shadow = seen["shadow"]
    if shadow is not None:
        load = shadow.get("peakLoadPerPod")
        lines.append(
            text(
                f"Mirrored: {shadow['mirror']} of stable's requests, {count(shadow['copies'])} "
                f"answered{f'; peak load per pod {load}' if load else ''}"
            )
        )
    fallback = seen["fallback"]
    if fallback is not None and fallback["answers"]:
        lines.append(
            text(
                f"Fallback: {fallback['share']} of answers in five minutes "
                f"({count(fallback['answers'])} of {count(fallback['total'])})",
                "yellow",
            )
        )
    return Group(*lines)


def _revisions(seen: View, to: Console) -> list[RenderableType]:
    """A line for each revision and each pod; why a pod does not start has lines of its own."""
    is_utf = "utf" in to.encoding.lower()
    branch, last, down = ("├─ ", "└─ ", "│  ") if is_utf else ("|- ", "`- ", "|  ")
    revisions: Sequence[View] = seen["revisions"]
    if not revisions:
        return [Text("none yet")]
    names = [f"{each['role']} {each['version'] or '?'}" for each in revisions]
    widest = max(map(len, names))
    lines: list[RenderableType] = []
    for index, (name, each) in enumerate(zip(names, revisions, strict=True)):
        is_end = index == len(revisions) - 1
        known = each["pods"]
        line = Text(last if is_end else branch, no_wrap=True, overflow="ellipsis")
        line.append(f"{name:{widest}}", ROLES[each["role"]])
        cells = bar(share(each["weight"]), to, SHORT_BAR if to.width < NARROW else BAR)
        line.append(f"  {cells}", ROLES[each["role"]]).append(f" {each['weight']:>4}  ")
        line.append_text(_ready(each)).append(f"  {each['revision']}", "dim")
        lines.append(line)
        stem = "   " if is_end else down
        for number, pod in enumerate(known or ()):
            tip = last if number == len(known) - 1 else branch
            lines += _pod(pod, f"{stem}{tip}", indent=len(stem) + 3)
    return lines


def _ready(revision: View) -> Text:
    pods = revision["pods"]
    if pods is None:
        return Text("pods: no right to list them", style="yellow")
    style = "" if revision["ready"] == len(pods) else "yellow"
    return Text(f"{revision['ready']} of {len(pods)} pods ready", style=style)


def _pod(pod: View, tree: str, indent: int) -> list[RenderableType]:
    line = Text(f"{tree}{pod['name']}  ", no_wrap=True, overflow="ellipsis")
    line.append(pod["state"], "green" if pod["ready"] else "yellow")
    line.append(f"  {age(pod['ageSeconds'])}")
    if pod["restarts"]:
        line.append(f"  {pod['restarts']} restarts", "yellow")
    if not pod["cause"]:
        return [line]
    return [line, Padding(text(pod["cause"], "red"), (0, 0, 0, indent))]


def _objectives(objectives: Sequence[View], to: Console) -> Table:
    narrow = to.width < NARROW
    table = grid("NAME", "VERDICT", {"header": "COUNTED"}, {"header": "LIMIT", "no_wrap": False})
    table.add_column("PROGRESS", no_wrap=True)
    for each in objectives:
        words, style = VERDICTS.get(each["verdict"], (each["verdict"], ""))
        name = each["name"] if each["role"] == "Gate" else f"{each['name']} ({each['role']})"
        table.add_row(
            text(name),
            Text(words, style=style),
            Text(counted(each)),
            text(each["limit"] or each["promise"] or ""),
            _progress(each, to, SHORT_BAR if narrow else BAR),
        )
    return table


def counted(objective: View) -> str:
    """What was counted, e.g. `6 of 50 (12 %)`."""
    bad, total = objective["bad"], objective["total"]
    if not total:
        return "nothing yet"
    if objective["unit"] != "requests":
        return f"{count(bad)} in {count(total)} {objective['unit']}"
    return f"{count(bad)} bad of {count(total)} ({observed(bad / total)})"


def _progress(objective: View, to: Console, cells: int) -> Text:
    needed, total = objective["needed"], objective["total"]
    if objective["verdict"] == "Fail":
        return Text("")
    if needed is None:
        return Text("never at these rates" if objective["limit"] else "", style="yellow")
    part = min(1.0, total / needed) if needed else 0.0
    return Text.assemble((bar(part, to, cells), "cyan"), f" {count(total)}/{count(needed)}")


def _told(objectives: Sequence[View]) -> list[RenderableType]:
    """The sentence of each objective that failed, or cannot pass."""
    worst = [
        each
        for each in objectives
        if each["verdict"] == "Fail" or (each["limit"] and each["needed"] is None)
    ]
    return [text(each["message"], VERDICTS.get(each["verdict"], ("", ""))[1]) for each in worst]


def _awaited(seen: View) -> Text:
    awaited = seen["awaits"]
    lasts = [] if awaited["seconds"] is None else [f"for {duration(awaited['seconds'])}"]
    if awaited["stepSeconds"] is not None:
        lasts.append(f"weights as they are for {duration(awaited['stepSeconds'])}")
    line = text(f"{awaited['reason']} {', '.join(lasts)}".strip())
    line.stylize("yellow" if awaited["type"] == "Stalled" else "cyan", 0, len(awaited["reason"]))
    if awaited["message"] and awaited["message"] != seen["message"]:
        line.append(f": {text(awaited['message']).plain}")
    return line


def _conditions(found: Sequence[View]) -> Table:
    table = grid("", "", {"header": "", "no_wrap": False, "overflow": "fold", "ratio": 1})
    table.show_header = False
    for each in found:
        name = each["type"] if each["status"] == "True" else f"{each['type']}={each['status']}"
        table.add_row(text(name, "yellow"), text(age(each["seconds"])), text(each["message"]))
    return table


def _events(events: Sequence[View] | None) -> RenderableType:
    if events is None:
        return Text("no right to list them", style="dim")
    if not events:
        return Text("none that the API server still has", style="dim")
    table = grid("", "", {"header": "", "no_wrap": False, "overflow": "fold", "ratio": 1})
    table.show_header = False
    for each in events:
        style = "yellow" if each["type"] == "Warning" else ""
        times = f" (x{each['count']})" if each["count"] > 1 else ""
        table.add_row(
            text(f"{age(each['seconds'])} ago"),
            text(each["reason"], style),
            text(each["note"] + times),
        )
    return table


def explanation(seen: View, to: Console) -> list[RenderableType]:
    """What `explain` tells."""
    phase = seen["phase"] or "Unknown"
    parts: list[RenderableType] = [
        Text.assemble(
            (seen["name"], "bold"),
            f"  namespace {seen['namespace']}  ",
            (phase, PHASES.get(phase, "cyan")),
        ),
        text(seen["message"]),
    ]
    if seen["awaits"] is not None:
        parts += _section("AWAITED", [_awaited(seen)])
    if seen["decided"] is not None:
        why = f": {seen['decided']['why']}" if seen["decided"]["why"] else ""
        parts += _section("LAST CHANGE OF WEIGHTS", [text(f"{seen['decided']['at']}{why}")])
    known = seen["evidence"]
    if known is None:
        parts += _section("OBJECTIVES", [text(each["message"]) for each in seen["objectives"]])
    else:
        parts += _section("EVIDENCE", _evidence(known))
        parts += [text(each["message"]) for each in known["objectives"] if each["isAsked"]]
    if seen["changes"]:
        parts += _section("WHAT WOULD CHANGE IT", [text(each) for each in seen["changes"]])
    if seen["queries"]:
        told = "Prometheus, roughly: the operator counts raw samples, and increase() extrapolates."
        parts += _section("TO SEE IT YOURSELF", [text(told, "dim")])
        for each in seen["queries"]:
            parts.append(text(f"{each['about']}, all:"))
            # Never wrapped by us: it is copied.
            parts.append(Text(f"  {each['total']}", overflow="fold"))
            parts.append(text(f"{each['about']}, bad:"))
            parts.append(Text(f"  {each['bad']}", overflow="fold"))
    return parts


def _evidence(known: View) -> list[RenderableType]:
    rate = known["requestsPerSecond"]
    toward = "promotion" if known["toward"] == 1 else f"the step to {percent(known['toward'])}"
    scrape = known["lastScrape"]
    lines: list[RenderableType] = [
        text(f"{known['decision']} toward {toward}: {known['why']}."),
        text(
            f"Counted until {scrape['at']} ({age(scrape['seconds'])} ago), "
            f"{duration(known['countedSeconds'])} in all"
            + (f", {rate:.3g} req/s" if rate is not None else "")
            + "."
        ),
        text(
            f"Evidence to roll back: {known['failEvidence']:.3g} of {known['failNeeded']:.3g}"
            + (f", reached at {known['failedAt']}." if known["failedAt"] else ".")
        ),
    ]
    table = grid("NAME", "CANDIDATE", "STABLE", "FOR", "AGAINST", "VERDICT")
    for each in known["objectives"]:
        verdict = "failed" if each["failed"] else "passed" if each["passed"] else "undecided"
        style = {"failed": "bold red", "passed": "green"}.get(verdict, "yellow")
        table.add_row(
            text(each["name"]),
            *(
                text(f"{count(seen['bad'])} of {count(seen['total'])}")
                for seen in (each["candidate"], each["stable"])
            ),
            text(
                f"{each['passEvidence']:.3g}/{each['passNeeded']:.3g}" if each["isAsked"] else "-"
            ),
            text(f"{each['failEvidence']:.3g}"),
            Text(verdict, style=style),
        )
    return [*lines, table]
