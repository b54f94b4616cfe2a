"""ModelDeployments as they are told: those of the simulated operator, with what a test changes."""

import copy
from typing import Any

from model_rollouts.notifications.kinds import Topic
from model_rollouts.notifications.occasions import Occasion, occasions_of
from tests.cli.mdep.rollouts import told

Object = dict[str, Any]

OWNER = {
    "team": "vision",
    "channel": "#vision-alerts",
    "runbook": "https://wiki.example.com/arrival",
}


def rollout(moment: str = "rolled back", /, **changes: Any) -> Object:
    """A rollout of the simulated operator, owned; `changes` are of its metadata."""
    obj = copy.deepcopy(told(moment))
    obj["spec"]["owner"] = dict(OWNER)
    obj["metadata"] |= changes
    return obj


def conditioned(type: str, status: str, reason: str, since: str, /, **changes: Any) -> Object:
    """A promoted rollout with one more condition, or another one of its type."""
    obj = rollout("promoted", **changes)
    conditions = [each for each in obj["status"]["conditions"] if each["type"] != type]
    condition = {"type": type, "status": status, "reason": reason, "message": f"It is {reason}."}
    obj["status"]["conditions"] = [*conditions, {**condition, "lastTransitionTime": since}]
    return obj


def unavailable(since: str = "2027-01-15T09:00:00Z", /, **changes: Any) -> Object:
    """A rollout whose users get no answers."""
    return conditioned("Available", "False", "StableUnavailable", since, **changes)


def only(obj: Object, kind: Topic) -> Occasion:
    """The newest fact of a kind."""
    return next(each for each in occasions_of(obj) if each.kind is kind)


def kinds(obj: Object) -> list[Topic]:
    """The kinds of all facts but promotions."""
    return [each.kind for each in occasions_of(obj) if each.kind is not Topic.PROMOTED]
