"""What commands have in common: where they look, whose object, and objects that are not there."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import click

from model_rollouts.cluster.errors import ApiError
from model_rollouts.cluster.kinds import MODEL_DEPLOYMENT, Kind
from model_rollouts.resources.names import MODEL_LABEL

if TYPE_CHECKING:
    # Help and mistakes need no API server, and TLS alone takes longer than they may.
    from click.shell_completion import CompletionItem

    from model_rollouts.cli.mdep.api import Api

Object = dict[str, Any]

Command = TypeVar("Command", bound=Callable[..., Any])
Read = TypeVar("Read")

_PREFIXES = (
    "mdep/",
    "modeldeployment/",
    "modeldeployments/",
    "modeldeployments.modelrollouts.dev/",
)


class Name(click.ParamType[str]):
    """A ModelDeployment, as kubectl lets people write it: `arrival` or `mdep/arrival`."""

    name = "name"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The name alone."""
        text = str(value)
        prefix = next((each for each in _PREFIXES if text.startswith(each)), "")
        text = text.removeprefix(prefix)
        if not text or "/" in text:
            self.fail(f"found '{value}', write the name of a ModelDeployment", param, ctx)
        return text

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> "list[CompletionItem]":
        """Names that there are; none when the API server cannot be asked."""
        from click.shell_completion import CompletionItem

        try:
            api, namespace = connected(ctx.params)
            found, _ = api.list(MODEL_DEPLOYMENT, namespace)
        except (ApiError, click.ClickException):
            return []
        names = sorted(each["metadata"]["name"] for each in found)
        return [CompletionItem(each) for each in names if each.startswith(incomplete)]


NAME = Name()

_WHERE = (
    click.option("--namespace", "-n", help="Namespace.  [default: that of the context]"),
    click.option("--context", help="Context of the kubeconfig.  [default: the current one]"),
    click.option(
        "--kubeconfig",
        help="Kubeconfig.  [default: $KUBECONFIG, or ~/.kube/config]",
    ),
)


def where(command: Command) -> Command:
    """Add the options that say which cluster and namespace."""
    for option in reversed(_WHERE):
        command = option(command)
    return command


def named(command: Command) -> Command:
    """Add the argument NAME, and the options that say where it is."""
    return click.argument("name", type=NAME)(where(command))


def output(*formats: str) -> Callable[[Command], Command]:
    """Add `-o`; without it, a command prints for people."""
    return click.option(
        "--output", "-o", type=click.Choice(formats), help="Print this instead, for programs."
    )


def connected(options: dict[str, Any]) -> "tuple[Api, str]":
    """The cluster that the options of `where` mean, and the namespace."""
    from model_rollouts.cli.mdep import kubeconfig
    from model_rollouts.cli.mdep.api import Api

    found = kubeconfig.connection(options.get("kubeconfig"), options.get("context"))
    return Api(found), options.get("namespace") or found.namespace


def fetch(api: "Api", namespace: str, name: str) -> Object:
    """The ModelDeployment. Raises ClickException that names similar ones when there is none."""
    try:
        return api.get(MODEL_DEPLOYMENT, namespace, name)
    except ApiError as error:
        if error.is_missing:
            _missing(api, namespace, name)
        raise refused(error, MODEL_DEPLOYMENT, namespace, api) from None


def listed(api: "Api", kind: Kind, namespace: str | None, **selectors: str) -> list[Object]:
    """All objects of a kind. Raises ClickException."""
    try:
        return list(api.list(kind, namespace, **selectors)[0])
    except ApiError as error:
        raise refused(error, kind, namespace, api) from None


def allowed(api: "Api", kind: Kind, namespace: str, **selectors: str) -> list[Object] | None:
    """The objects; None where they may not be read: the rest is worth to be seen without them."""
    try:
        return list(api.list(kind, namespace, **selectors)[0])
    except ApiError:
        return None


def owned_by(name: str) -> dict[str, str]:
    """The selector of what is made for a ModelDeployment."""
    return {"labelSelector": f"{MODEL_LABEL}={name}"}


def about(name: str) -> dict[str, str]:
    """The selector of the events about a ModelDeployment."""
    return {"fieldSelector": f"regarding.kind={MODEL_DEPLOYMENT.name},regarding.name={name}"}


def refused(error: ApiError, kind: Kind, namespace: str | None, api: "Api") -> click.ClickException:
    """What the API server refused, and what can be done about it."""
    from model_rollouts.cli.mdep.api import refusal

    return refusal(error, kind, namespace, api)


def _missing(api: "Api", namespace: str, name: str) -> NoReturn:
    """Tell where it is, or what is called like it; as far as the rights of who asks go."""
    import difflib

    try:
        everywhere = api.list(MODEL_DEPLOYMENT, None)[0]
    except ApiError as error:
        if error.is_missing:
            raise refused(error, MODEL_DEPLOYMENT, None, api) from None
        try:
            everywhere = api.list(MODEL_DEPLOYMENT, namespace)[0]
        except ApiError:
            everywhere = ()
    places = [(each["metadata"]["namespace"], each["metadata"]["name"]) for each in everywhere]
    said = f"found no ModelDeployment '{name}' in namespace '{namespace}'"
    elsewhere = sorted(place for place, known in places if known == name)
    if elsewhere:
        there = ", ".join(f"-n {each}" for each in elsewhere)
        raise click.ClickException(f"{said}; there is one with {there}")
    here = sorted(known for place, known in places if place == namespace)
    similar = difflib.get_close_matches(name, here, n=3)
    if similar:
        raise click.ClickException(f"{said}; similar: {', '.join(similar)}")
    if here:
        shown = ", ".join(here[:10]) + (", …" if len(here) > 10 else "")
        raise click.ClickException(f"{said}; there is {shown}")
    raise click.ClickException(
        f"{said}; there is none at all in it: choose another namespace with -n, or list all with "
        "`kubectl mdep list -A`"
    )


def readable(obj: Object, read: Callable[[Object], Read]) -> Read:
    """The object by the models of the resource; `read` is not imported before it is needed.

    Raises ClickException for a spec that this release does not take.
    """
    try:
        return read(obj)
    except ValueError as error:
        name = obj["metadata"]["name"]
        raise click.ClickException(
            f"this release cannot read ModelDeployment '{name}': {error}"
        ) from None
