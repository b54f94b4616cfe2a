"""A change of spec, as every command makes it: shown, asked about, written on the newest object.

What somebody else has edited meanwhile is never overwritten: the change is made anew on the object
as it is then, and asked about again when it would be another one.
"""

import copy
import difflib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import click

from model_rollouts.cli.mdep import options
from model_rollouts.cluster.errors import ApiError
from model_rollouts.cluster.kinds import MODEL_DEPLOYMENT

if TYPE_CHECKING:
    from model_rollouts.cli.mdep.api import Api

Object = dict[str, Any]
Edit = Callable[[Object], None]
"""Changes the object in place. Raises ClickException when there is nothing to do it to."""
Command = TypeVar("Command", bound=Callable[..., Any])

TRIES = 5
"""How often the change is made anew because the object was changed at the same time."""

_FLUX = {"kustomize.toolkit.fluxcd.io": "Kustomization", "helm.toolkit.fluxcd.io": "HelmRelease"}
_MANAGERS = {
    "kustomize-controller": "Flux",
    "helm-controller": "Flux",
    "argocd-controller": "Argo CD",
    "argocd-application-controller": "Argo CD",
}
_ABSENT = object()


class Changed(NamedTuple):
    """A field of the spec; None stands for absent."""

    path: str
    before: Any
    after: Any


_OPTIONS = (
    click.option(
        "--write",
        "file",
        type=click.Path(dir_okay=False),
        metavar="FILE",
        help="Edit the manifest in FILE instead of the cluster; comments stay.",
    ),
    click.option("--yes", "-y", is_flag=True, help="Do not ask."),
    click.option(
        "--dry-run",
        is_flag=False,
        flag_value="client",
        type=click.Choice(["client", "server"]),
        help="Change nothing; `--dry-run=server` has the API server check it.",
    ),
    click.option(
        "--output",
        "-o",
        type=click.Choice(["yaml", "json"]),
        help="Print the object as it is then.",
    ),
)


def changing(command: Command) -> Command:
    """Add NAME, where it is, and how a change is made."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return options.named(command)


def reasoned(command: Command) -> Command:
    """Add `--reason`, which messages and the history show."""
    return click.option(
        "--reason",
        help="Why, as messages and the history show it.  [default: that it was done by hand]",
    )(command)


def make(given: dict[str, Any], edit: Edit) -> None:
    """Make the change on the ModelDeployment that the options name."""
    if given["file"]:
        _make_in_file(given, edit)
        return
    api, namespace = options.connected(given)
    shown: list[Changed] | None = None
    for _ in range(TRIES):
        obj = options.fetch(api, namespace, given["name"])
        wanted = copy.deepcopy(obj)
        edit(wanted)
        found = list(_changed(obj["spec"], wanted["spec"], "spec"))
        if not found:
            click.echo("Nothing to change: the spec says so already.", err=True)
            return
        if shown is None:
            _warn(obj)
        if found != shown:
            if shown is not None and given["yes"]:
                raise click.ClickException(_met(shown, found))
            _show(obj, wanted)
            _ask(given)
            shown = found
        try:
            _write(api, given, wanted)
            return
        except ApiError as error:
            if not error.is_conflict:
                raise _refused(error, api, namespace) from None
    raise click.ClickException(
        f"ModelDeployment '{given['name']}' was changed {TRIES} times while this was tried: try "
        "again, or look who changes it (kubectl get mdep … -o yaml --show-managed-fields)"
    )


def _make_in_file(given: dict[str, Any], edit: Edit) -> None:
    """Make the change in a manifest. Where the rollout is, the cluster says, if it answers."""
    from model_rollouts.cli.mdep.manifest_file import Manifest

    manifest = Manifest(given["file"], given["name"])
    wanted = copy.deepcopy(manifest.obj)
    wanted.setdefault("spec", {})
    try:
        api, namespace = options.connected(given)
        live = options.fetch(api, namespace, given["name"])
        wanted["status"] = live.get("status") or {}
        wanted["metadata"]["generation"] = live["metadata"].get("generation")
    except click.ClickException as error:
        click.echo(f"The file alone is looked at: {error.message}", err=True)
    edit(wanted)
    wanted = {**manifest.obj, "spec": wanted["spec"]}
    text = manifest.edited(wanted)
    if text == manifest.text:
        click.echo("Nothing to change: the manifest says so already.", err=True)
        return
    _print_difference(manifest.text, text, given["file"])
    _ask(given)
    if given["dry_run"]:
        click.echo(f"{given['file']} would be changed (dry run)")
        return
    try:
        Path(given["file"]).write_text(text)
    except OSError as error:
        raise click.ClickException(f"could not write {given['file']}: {error.strerror}") from None
    if given["output"] is None:
        click.echo(f"{given['file']} changed")
    else:
        _print_object(given["output"], wanted)


def decide(given: dict[str, Any], version: str, action: str) -> Edit:
    """The edit that writes `strategy.override`."""
    reason = given["reason"] or f"by hand, with kubectl mdep {action.lower()}"

    def edit(obj: Object) -> None:
        strategy = obj["spec"].setdefault("strategy", {})
        strategy["override"] = {"version": version, "action": action, "reason": reason}

    return edit


def next_attempt(strategy: Object, tried: Any) -> int:
    """A number above the one in the spec and the one that was tried."""
    known = tried if isinstance(tried, int) else 0
    return max(int(strategy.get("attempt") or 1), known) + 1


def spec_version(obj: Object) -> str:
    """The version that the spec asks for."""
    return str(obj["spec"]["model"]["version"])


def phase_of(obj: Object) -> str:
    """The phase of its rollout, empty before the operator has told any."""
    return str((obj.get("status") or {}).get("phase") or "")


def owner(obj: Object) -> str | None:
    """Which GitOps tool puts its own manifest back, and from where; None for none that is known."""
    metadata = obj["metadata"]
    labels, notes = metadata.get("labels") or {}, metadata.get("annotations") or {}
    for prefix, kind in _FLUX.items():
        if f"{prefix}/name" in labels:
            place = f"{labels.get(f'{prefix}/namespace', '?')}/{labels[f'{prefix}/name']}"
            return f"Flux ({kind} {place})"
    tracked = notes.get("argocd.argoproj.io/tracking-id", "").partition(":")[0]
    application = tracked or labels.get("argocd.argoproj.io/instance")
    if application:
        return f"Argo CD (Application {application})"
    managers = (each.get("manager") for each in metadata.get("managedFields") or ())
    return next((_MANAGERS[each] for each in managers if each in _MANAGERS), None)


def _warn(obj: Object) -> None:
    who = owner(obj)
    if who is not None:
        click.secho(
            f"{who} owns this object and undoes this at its next sync: commit the same change to "
            "its repository, as --write FILE makes it there.",
            fg="yellow",
            err=True,
        )


def _show(obj: Object, wanted: Object) -> None:
    before, after = (_yaml({"spec": each["spec"]}) for each in (obj, wanted))
    _print_difference(before, after, obj["metadata"]["name"])


def _print_difference(before: str, after: str, name: str) -> None:
    now, then = f"{name} (now)", f"{name} (then)"
    lines = difflib.unified_diff(before.splitlines(), after.splitlines(), now, then, lineterm="")
    for line in lines:
        color = {"+": "green", "-": "red", "@": "cyan"}.get(line[:1])
        click.secho(line, fg=color, err=True)


def _ask(given: dict[str, Any]) -> None:
    if given["yes"] or given["dry_run"]:
        return
    if not sys.stdin.isatty():
        raise click.ClickException("found no terminal to ask on, write --yes to change it")
    click.confirm("Change it?", abort=True, err=True)


def _write(api: "Api", given: dict[str, Any], wanted: Object) -> None:
    stored, said = wanted, "would be changed (dry run)"
    if given["dry_run"] != "client":
        is_dry = given["dry_run"] == "server"
        stored = api.replace(wanted, dry_run=is_dry)
        said = "would be changed (server dry run)" if is_dry else "changed"
    if given["output"] is None:
        click.echo(f"modeldeployment.modelrollouts.dev/{given['name']} {said}")
    else:
        _print_object(given["output"], stored)


def _print_object(output: str, obj: Object) -> None:
    if output == "yaml":
        click.echo(_yaml(_manifest(obj)), nl=False)
    else:
        import json

        click.echo(json.dumps(_manifest(obj), indent=2, ensure_ascii=False))


def _refused(error: ApiError, api: "Api", namespace: str) -> click.ClickException:
    if error.status == 422:
        return click.ClickException(f"the API server refuses it: {error.message}")
    return options.refused(error, MODEL_DEPLOYMENT, namespace, api)


def _met(shown: list[Changed], found: list[Changed]) -> str:
    """That somebody else has changed the same fields, in words."""
    before = {each.path: each.before for each in shown}
    theirs = [
        f"{each.path} was {_said(before[each.path])} and is {_said(each.before)} now"
        for each in found
        if each.path in before and before[each.path] != each.before
    ]
    told = "; ".join(theirs) or "it would change other fields now"
    return f"the object was changed at the same time: {told}. Nothing was written: try again"


def _said(value: Any) -> str:
    return "absent" if value is None else repr(value)


def _changed(before: Any, after: Any, path: str) -> Iterator[Changed]:
    """The fields that differ; a list is one field."""
    if isinstance(before, dict) and isinstance(after, dict):
        for key in sorted(before.keys() | after.keys()):
            yield from _changed(before.get(key, _ABSENT), after.get(key, _ABSENT), f"{path}.{key}")
    elif before != after:
        yield Changed(path, *(None if each is _ABSENT else each for each in (before, after)))


def _manifest(obj: Object) -> Object:
    """What belongs into a file: without the status, and what the API server adds."""
    metadata = obj["metadata"]
    kept = {
        key: metadata[key]
        for key in ("name", "namespace", "labels", "annotations")
        if metadata.get(key)
    }
    notes = kept.get("annotations")
    if notes:
        last = "kubectl.kubernetes.io/last-applied-configuration"
        kept["annotations"] = {key: value for key, value in notes.items() if key != last}
        if not kept["annotations"]:
            del kept["annotations"]
    return {
        "apiVersion": obj["apiVersion"],
        "kind": obj["kind"],
        "metadata": kept,
        "spec": obj["spec"],
    }


def _yaml(value: Any) -> str:
    import yaml

    return str(yaml.safe_dump(value, sort_keys=False, allow_unicode=True, width=100))
