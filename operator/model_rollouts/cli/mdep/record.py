"""`kubectl mdep record`: a rollout as one file that can be replayed anywhere."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from model_rollouts.cli.duration import DURATION
from model_rollouts.cli.mdep import options
from model_rollouts.cli.mdep.view import Object, moment, utc
from model_rollouts.cli.mdep.view import record as record_of
from model_rollouts.cli.prometheus_options import prometheus_options, read_samples
from model_rollouts.cluster.kinds import EVENT, HTTP_ROUTE, MODEL_DEPLOYMENT, POD

if TYPE_CHECKING:
    from model_rollouts.cli.mdep.api import Api
    from model_rollouts.replay.recording import Header

LONGEST_S = 3600
"""How long before its end a rollout is recorded, unless --since says otherwise."""
AFTER_S = 60
"""How long after its end: samples of the last interval come later."""


@click.command(short_help="Record a rollout as one file that can be replayed.")
@options.named
@click.argument("file", required=False, type=click.Path(dir_okay=False, path_type=Path))
@prometheus_options
@click.option(
    "--since",
    type=DURATION,
    help="Samples of so long a time before the end, such as 2h.  [default: since the rollout "
    "began, 1h at most]",
)
@click.option("--step", default="5s", show_default=True, type=DURATION, help="Scrape interval.")
@click.option("--force", is_flag=True, help="Write over FILE if it is there.")
def record(**given: Any) -> None:
    """Record the rollout of NAME, under way or the last one, into FILE.

    Samples of both versions, the ModelDeployment with its status, its route, pods and events, as
    far as you may read them. Neither secrets nor requests are in it: of templates only the names
    and images of containers are kept, of answers only counts. FILE is by default
    NAME-<time>.jsonl.gz; it is packed if its name ends with .gz. docs/samples.md describes it.

    \b
      kubectl mdep record arrival --prometheus http://localhost:9090
      model-rollouts replay arrival-20261122T150000Z.jsonl.gz

    Without --prometheus the file has no samples: it can be read, and not replayed.

    Exit codes: 0 success, 1 it could not be recorded, 2 wrong command line.
    """  # noqa: D301 - click's mark for a paragraph that keeps its lines is a backspace
    now = time.time()
    api, namespace = options.connected(given)
    obj = options.fetch(api, namespace, given["name"])
    rollout = _rollout(obj, now)
    stamp = utc(now).replace("-", "").replace(":", "")
    path: Path = given["file"] or Path(f"{given['name']}-{stamp}.jsonl.gz")
    if path.exists() and not given["force"]:
        raise click.UsageError(f"'{path}' is there already: write another FILE, or --force")
    _save(api, obj, _header(obj, rollout, given), path, given)


class _Rollout(NamedTuple):
    """What is recorded: revisions, and from when until when (Unix seconds)."""

    candidate: str
    stable: str | None
    began: float
    ended: float


def _rollout(obj: Object, now: float) -> _Rollout:
    """The rollout that is under way, else the last one that has ended."""
    status = obj.get("status") or {}
    past = [*(status.get("history") or ())]
    stable = (status.get("stable") or {}).get("revision")
    candidate = (status.get("candidate") or {}).get("revision")
    if candidate:
        ended = moment(past[0]["endedAt"]) if past else None
        return _Rollout(candidate, stable, _begun(ended, now), now)
    if past:
        last, before = past[0], past[1:]
        ended = min(now, (moment(last["endedAt"]) or now) + AFTER_S)
        began = _begun(moment(before[0]["endedAt"]) if before else None, ended)
        if last["revision"] != stable:
            return _Rollout(last["revision"], stable, began, ended)
        return _Rollout(last["revision"], record_of(obj).get("previous"), began, ended)
    if stable:
        return _Rollout(stable, None, _begun(None, now), now)
    raise click.ClickException(
        f"ModelDeployment '{obj['metadata']['name']}' has had no rollout yet: there is nothing to "
        "record"
    )


def _begun(before: float | None, ended: float) -> float:
    """The end of the rollout before, as long as that is not too long ago."""
    return max(before or 0.0, ended - LONGEST_S)


def _header(obj: Object, rollout: _Rollout, given: dict[str, Any]) -> "Header":
    from model_rollouts.replay.recording import Header

    since = given["since"]
    began = rollout.began if since is None else rollout.ended - since
    step = round(1000 * given["step"])
    return Header(
        namespace=obj["metadata"]["namespace"],
        stable=rollout.stable,
        candidate=rollout.candidate,
        from_ms=round(1000 * began),
        # Also of a rollout that has begun in this second.
        until_ms=max(round(1000 * rollout.ended), round(1000 * began) + step),
        step_ms=step,
    )


def _save(api: "Api", obj: Object, header: "Header", path: Path, given: dict[str, Any]) -> None:
    from model_rollouts.metrics.errors import InputError
    from model_rollouts.prometheus.errors import AnswerError, QueryError
    from model_rollouts.replay.incident import kept
    from model_rollouts.replay.recording import Recording

    unread: list[str] = []
    objects = [kept(MODEL_DEPLOYMENT, obj)]
    name, namespace = given["name"], header.namespace
    mine = options.owned_by(name)
    for kind, chosen in ((HTTP_ROUTE, mine), (POD, mine), (EVENT, options.about(name))):
        readable = options.allowed(api, kind, namespace, **chosen)
        if readable is None:
            unread.append(kind.plural)
        objects += [kept(kind, each) for each in readable or ()]
    try:
        found = Recording(header)
        if given["url"] is not None:
            found = read_samples(given, header, _counted(obj))
        found.objects = tuple(objects)
        found.save(path)
    except (InputError, QueryError, AnswerError) as error:
        raise click.ClickException(str(error)) from None
    except OSError as error:
        raise click.ClickException(f"could not write '{path}': {error.strerror}") from None
    series, samples = found.size()
    click.echo(
        f"wrote {path}: {header.candidate} beside {header.stable or 'none'}, "
        f"{utc(header.from_ms / 1000)} to {utc(header.until_ms / 1000)}, {len(objects)} objects, "
        f"{series} series with {samples} samples",
        err=True,
    )
    if unread:
        click.echo(f"Without {' and '.join(unread)}: you may not list them.", err=True)
    if given["url"] is None:
        click.echo("Without samples: write --prometheus URL to replay it.", err=True)
    elif not series:
        click.echo(
            "Prometheus has no samples of these revisions in this time: is it the one that scrapes "
            "this cluster, and does it keep samples that long?",
            err=True,
        )
    else:
        click.echo(f"To replay it: model-rollouts replay {path}", err=True)


def _counted(obj: Object) -> Any:
    """What the objectives of the spec count, own counters of the model server among it."""
    from model_rollouts.api.deployment import read
    from model_rollouts.rollout import Counting, declared

    spec = options.readable(dict(obj), read).spec
    try:
        judge = declared(spec, (), (), baseline=True).judge
    except ValueError:
        return ()
    return Counting(judge.rules.objectives).counted()
