"""What became of the actions of a plan, and how each of them is named."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby

from model_rollouts.cluster.kinds import DEPLOYMENT, HTTP_ROUTE, MODEL_DEPLOYMENT
from model_rollouts.engine.store import Key
from model_rollouts.resources.shapes import Object
from model_rollouts.rollout import (
    Accompany,
    Action,
    Apply,
    Create,
    Delete,
    Emit,
    Scale,
    WriteRoute,
    WriteStatus,
)


@dataclass(frozen=True, slots=True)
class Undone:
    """An action that failed: what came back.

    `is_outdated`: the object was not what the plan took it for, and the store has it as it is.
    """

    what: str
    answer: str
    is_refusal: bool = False
    is_outdated: bool = False


@dataclass(slots=True)
class Outcome:
    """Of one plan: what was done and what was not. What was not tried is in neither."""

    done: list[str] = field(default_factory=list)
    undone: list[Undone] = field(default_factory=list)
    left: list[Action] = field(default_factory=list)
    """What failed, or was not tried because of that."""
    waiting: list[str] = field(default_factory=list)
    """What was not tried because it failed a moment ago."""
    is_whole: bool = True
    """Whether every action was done."""

    def add(self, other: "Outcome") -> None:
        """Of these actions too."""
        self.done += other.done
        self.undone += other.undone
        self.left += other.left
        self.waiting += other.waiting
        self.is_whole &= other.is_whole

    @property
    def is_outdated(self) -> bool:
        """Whether it is worth planning again at once."""
        return any(each.is_outdated for each in self.undone)


def named(body: Object) -> str:
    """`Kind namespace/name` of an object."""
    metadata = body["metadata"]
    return f"{body['kind']} {metadata['namespace']}/{metadata['name']}"


def what(action: Action, key: Key) -> str:
    """An action on behalf of a ModelDeployment, as `Failure.what`."""
    match action:
        case Create(body):
            return f"create {named(body)}"
        case Apply(body) | Accompany(body):
            return f"apply {named(body)}"
        case Scale(revision):
            return f"scale {DEPLOYMENT.name} {key.namespace}/{revision}"
        case Delete(kind, name):
            return f"delete {kind} {key.namespace}/{name}"
        case WriteRoute():
            return f"apply {HTTP_ROUTE.name} {key}"
        case WriteStatus():
            return f"write the status of {MODEL_DEPLOYMENT.name} {key}"
        case Emit(_, reason):
            return f"record the event {reason}"


def adoption(orphan: Object) -> str:
    """That an object without a controller becomes a child again, as `Failure.what`."""
    return f"adopt {named(orphan)}"


def is_of_workloads(action: Action) -> bool:
    """Whether an action depends on no other and none on it."""
    return isinstance(action, Create | Apply | Accompany | Scale | Delete)


def in_order(
    actions: Iterable[Action], key: Key, failing: Sequence[str]
) -> Iterator[tuple[Action, str]]:
    """The actions with their names. Among neighbours that are of workloads, what failed goes last.

    Of those, the one that failed longest ago is the first: a write that hangs holds up no other
    for ever.
    """
    every = [(action, what(action, key)) for action in actions]
    for movable, neighbours in groupby(every, lambda each: is_of_workloads(each[0])):
        if movable:
            ranks = {name: rank for rank, name in enumerate(failing)}
            yield from sorted(neighbours, key=lambda each: ranks.get(each[1], -1))
        else:
            yield from neighbours
