"""`kubectl mdep explain`: why a rollout is where it is, and what would change that."""

import math
import time
from typing import TYPE_CHECKING, Any

import click

from model_rollouts.cli.mdep import options
from model_rollouts.cli.mdep.forecast import judged
from model_rollouts.cli.mdep.get import serialized
from model_rollouts.cli.mdep.view import View, awaits, is_current, objectives, record, summary, utc

if TYPE_CHECKING:
    from model_rollouts.cli.mdep.api import Api

LEAST_WINDOW = 60
"""Seconds of a query: `increase` needs two scrapes."""
ENDED_WINDOW = 600
"""The same before the end of a rollout: when it began is not known any more."""


@click.command(short_help="Explain why a rollout is where it is, with its numbers.")
@options.named
@options.output("json", "yaml")
def explain(**given: Any) -> None:
    """Explain why the rollout of NAME is where it is.

    Counts of candidate and stable, evidence for and against each objective, the last scrape that
    was counted, what would change the verdict, and queries to see it in Prometheus. The numbers are
    those that the operator keeps in the status, which it writes every two minutes while only
    numbers change. docs/decisions.md derives the method.

    Exit codes: 0 success, 1 it could not be read, 2 wrong command line.
    """
    api, namespace = options.connected(given)
    seen = explained(api, namespace, given["name"], time.time())
    if given["output"] is not None:
        click.echo("\n".join(serialized(seen, given["output"])))
    else:
        _draw(seen)


def explained(api: "Api", namespace: str, name: str, now: float) -> View:
    """The explanation as JSON."""
    obj = options.fetch(api, namespace, name)
    seen = {
        **summary(obj, now),
        "awaits": awaits(obj, now),
        "decided": None,
        "evidence": None,
        "objectives": objectives(obj),
        "changes": _changes(obj),
        "queries": [],
    }
    from model_rollouts.rollout import queries

    deployment, known = judged(api, namespace, obj)
    status = obj.get("status") or {}
    write = record(obj).get("write") or {}
    if isinstance(write.get("ms"), int):
        seen["decided"] = {"at": utc(write["ms"] / 1000), "why": write.get("why") or None}
    has_ended = status.get("phase") in ("RolledBack", "Undecided")
    window = LEAST_WINDOW if not has_ended else ENDED_WINDOW
    if known is not None:
        begun = known.trial.started_ms / 1000 + known.trial.entered
        window = max(LEAST_WINDOW, math.ceil(now - begun))
        seen["evidence"] = _evidence(known, now)
        seen["changes"] = _would_change(known) + seen["changes"]
    arm = status.get("candidate") or status.get("stable")
    if arm:
        seen["queries"] = [
            {"about": each.about, "total": each.total, "bad": each.bad}
            for each in queries(
                deployment.spec,
                namespace,
                arm["revision"],
                window,
                mirrored=status.get("phase") == "Shadow",
                at=None if known is not None or not has_ended else write.get("ms"),
            )
        ]
    return seen


def _evidence(known: Any, now: float) -> View:
    verdict, state = known.explained, known.trial.state
    at = known.until_ms / 1000
    return {
        "toward": verdict.toward,
        "decision": verdict.decision.value,
        "why": verdict.why,
        "traffic": known.trial.traffic.value,
        "requestsPerSecond": known.rate,
        "countedSeconds": round(state.elapsed),
        "lastScrape": {"at": utc(at), "seconds": max(0, int(now - at))},
        "failedAt": None if known.failed_ms is None else utc(known.failed_ms / 1000),
        "failEvidence": verdict.fail_evidence,
        "failNeeded": verdict.fail_needed,
        "objectives": [
            {
                "name": each.name,
                "role": each.role.value,
                "compare": each.compare.value,
                "isAsked": each.is_asked,
                "passed": each.passed,
                "failed": each.failed,
                "candidate": {"total": each.candidate.total, "bad": each.candidate.bad},
                "stable": {"total": each.stable.total, "bad": each.stable.bad},
                "limit": each.limit,
                "failEvidence": each.fail_evidence,
                "passEvidence": each.pass_evidence,
                "passNeeded": each.pass_needed,
                "moreRequests": each.more_requests,
                "unit": each.unit,
                "message": each.words,
            }
            for each in verdict.objectives
        ],
    }


def _would_change(known: Any) -> list[str]:
    """What would let it advance, and what would roll it back, by the numbers."""
    from model_rollouts.rollout import failures_to_roll_back
    from model_rollouts.text import about

    told = []
    for each in known.explained.objectives:
        if not each.is_asked or each.failed:
            continue
        more = each.more_requests
        if more is None:
            told.append(f"{each.name} will not pass while failures come at the rate so far.")
        elif more:
            told.append(f"{each.name} passes after about {about(more)} more {each.unit} as so far.")
        failures = failures_to_roll_back(known, each.name)
        if failures is not None:
            told.append(
                f"{each.name} rolls the version back after about {about(failures)} {each.unit} if "
                "all of them fail."
            )
    return told


def _changes(obj: dict[str, Any]) -> list[str]:
    """What you can do, by where it is."""
    name, phase = obj["metadata"]["name"], (obj.get("status") or {}).get("phase")
    place = f"{name} -n {obj['metadata']['namespace']}"
    if not is_current(obj):
        return ["The operator has not seen the spec as it is now."]
    if phase in ("RolledBack", "Undecided"):
        return [
            f"To try the version again: kubectl mdep retry {place}",
            f"To give it all users all the same: kubectl mdep promote {place} --reason …",
        ]
    if phase == "Paused":
        return [f"To continue: kubectl mdep resume {place}"]
    if phase == "Shadow":
        return [f"To end the shadow now: kubectl mdep skip-shadow {place} --reason …"]
    if phase == "Canary":
        return [
            f"To give it all users now: kubectl mdep promote {place} --reason …",
            f"To give all users to stable: kubectl mdep rollback {place} --reason …",
        ]
    return []


def _draw(seen: View) -> None:
    from model_rollouts.cli.mdep import drawing

    to = drawing.console()
    to.print(*drawing.explanation(seen, to), sep="\n")
