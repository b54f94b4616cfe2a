"""`kubectl mdep wait`: until a rollout has ended, and how it ended as the exit code."""

import json
import queue
import sys
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from model_rollouts.cli.duration import DURATION
from model_rollouts.cli.mdep import options
from model_rollouts.cli.mdep.changes import changes
from model_rollouts.cli.mdep.errors import Unreachable
from model_rollouts.cli.mdep.view import conditions, is_current, summary
from model_rollouts.cluster.kinds import MODEL_DEPLOYMENT

if TYPE_CHECKING:
    from model_rollouts.cli.mdep.api import Api

PROMOTED, ROLLED_BACK, UNDECIDED, STALLED, TIMEOUT = 0, 3, 4, 5, 6
ENDS = {"RolledBack": ROLLED_BACK, "Undecided": UNDECIDED, "Paused": STALLED}
NAMES = {
    PROMOTED: "Promoted",
    ROLLED_BACK: "RolledBack",
    UNDECIDED: "Undecided",
    STALLED: "Stalled",
    TIMEOUT: "Timeout",
}
AGAIN = 10.0
"""Seconds after which it is read once more: a watch can be silent for long."""


class End(NamedTuple):
    """How it ended: the exit code, and the sentence of the status."""

    code: int
    message: str


@click.command(short_help="Wait until a rollout has ended.")
@options.named
@click.option(
    "--timeout",
    type=DURATION,
    help="Exit with 6 after this time, such as 30m.  [default: wait as long as it takes]",
)
@options.output("json")
def wait(**given: Any) -> None:
    """Wait until the rollout of NAME that its spec asks for has ended, and say how.

    Progress is on stderr. A version that is applied meanwhile ends the wait: it is another rollout.

    \b
    In a pipeline, after kubectl apply:
      kubectl mdep wait arrival -n flights --timeout 2h || exit 1

    Exit codes: 0 promoted, 3 rolled back, 4 undecided, 5 stalled or paused otherwise, 6 timeout,
    1 it could not be read or another version was applied, 2 wrong command line.
    """  # noqa: D301 - click's mark for a paragraph that keeps its lines is a backspace
    api, namespace = options.connected(given)
    name, begun = given["name"], time.monotonic()
    obj = options.fetch(api, namespace, name)
    version = obj["spec"]["model"]["version"]
    end = end_of(obj)
    if end is None:
        try:
            selectors = {"fieldSelector": f"metadata.name={name}"}
            with changes(api, namespace, (MODEL_DEPLOYMENT, selectors)) as changed:
                end = _await(api, namespace, name, version, given["timeout"], changed)
        except KeyboardInterrupt:
            raise SystemExit(130) from None
    took = time.monotonic() - begun
    if given["output"] == "json":
        told = {
            "namespace": namespace,
            "name": name,
            "version": version,
            "outcome": NAMES[end.code],
            "exitCode": end.code,
            "seconds": round(took),
            "message": end.message,
        }
        click.echo(json.dumps(told, ensure_ascii=False))
    else:
        click.echo(end.message)
    raise SystemExit(end.code)


def end_of(obj: Mapping[str, Any]) -> End | None:
    """How the rollout that the spec asks for has ended; None while it has not."""
    if not is_current(obj):
        return None
    status, known = obj.get("status") or {}, conditions(obj)
    phase, message = status.get("phase"), status.get("message") or ""
    if phase in ENDS:
        return End(ENDS[phase], message)
    if phase == "Full" and known.get("Ready", {}).get("status") == "True":
        return End(PROMOTED, message)
    stalled = known.get("Stalled", {})
    if stalled.get("status") == "True":
        return End(STALLED, f"{stalled.get('reason')}: {stalled.get('message') or message}")
    return None


def _await(
    api: "Api",
    namespace: str,
    name: str,
    version: str,
    timeout: float | None,
    changed: "queue.Queue[None]",
) -> End:
    until = None if timeout is None else time.monotonic() + timeout
    told = ""
    while True:
        try:
            obj = options.fetch(api, namespace, name)
        except Unreachable as error:
            told = _tell(error.message, told)
        else:
            asked = obj["spec"]["model"]["version"]
            if asked != version:
                raise click.ClickException(
                    f"version {version} was superseded: the spec asks for version {asked} now. "
                    "Wait again for that one"
                )
            if (end := end_of(obj)) is not None:
                return end
            told = _tell(_progress(obj), told)
        left = AGAIN if until is None else min(AGAIN, until - time.monotonic())
        if left <= 0:
            return End(TIMEOUT, f"no end within {timeout:g} s. Last: {told}")
        try:
            changed.get(timeout=left)
        except queue.Empty:
            continue


def _progress(obj: Mapping[str, Any]) -> str:
    seen = summary(obj, time.time())
    if not seen["isCurrent"]:
        return "the operator has not seen the spec yet: does it run?"
    return f"{seen['phase']}: {seen['message']}"


def _tell(words: str, told: str) -> str:
    """Say it on stderr, unless it was said last."""
    if words != told:
        click.echo(f"{time.strftime('%H:%M:%S', time.gmtime())} {words}", err=True)
        sys.stderr.flush()
    return words
