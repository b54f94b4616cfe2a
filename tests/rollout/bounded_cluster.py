"""A world with few pods to spare, which sees that users have enough of them after every action."""

import random
from typing import Any

from model_rollouts.rollout.actions import Action, Apply, Scale, WriteRoute
from model_rollouts.rollout.observed import Failure
from model_rollouts.rollout.plan import Plan
from model_rollouts.rollout.state.capacity import carried, carrying, least
from model_rollouts.routes import reader
from tests.rollout.simulated_cluster import World


class Bounded(World):
    """Pods become ready one by one, where `chance` is given, and controllers are late.

    An action that would take users' pods away, or ask for more pods than the bound allows, is an
    AssertionError.
    """

    chance: random.Random | None = None

    def __post_init__(self) -> None:
        """Nobody is served."""
        super().__post_init__()
        self.decided = 0
        """The pods that serve all users by the plan that is carried out."""
        self.taken: dict[str, int] = {}
        """The weights that the gateway has taken, by revision."""

    @property
    def users(self) -> int:
        """Pods that serve all users: fewer are not followed at once."""
        asked: int = self.obj["spec"]["replicas"]
        return max(asked, self.decided)

    @property
    def bearing(self) -> int:
        """Pods that serve all users in a rollout: with none to spare stable lends one."""
        return self.users - (self.most == self.users)

    @property
    def most(self) -> float:
        """Pods that all versions may have together."""
        extra = self.obj["spec"]["strategy"].get("maxExtraReplicas")
        return float("inf") if extra is None else self.users + extra

    def deployments(self) -> dict[str, dict[str, Any]]:
        """All Deployments by revision."""
        return {name: obj for (kind, name), obj in self.objects.items() if kind == "Deployment"}

    def asked(self) -> dict[str, int]:
        """Pods that are asked for, by revision."""
        return {name: obj["spec"]["replicas"] for name, obj in self.deployments().items()}

    def ready(self, revision: str) -> int:
        """Pods of a revision that answer."""
        obj = self.deployments().get(revision, {})
        found: int = obj.get("status", {}).get("availableReplicas", 0)
        return found

    def _carry_out(self, found: Plan) -> list[Failure] | None:
        assert found.memory.replicas is not None
        self.decided = found.memory.replicas.pods
        return super()._carry_out(found)

    def do(self, action: Action) -> None:
        """Carry out one action, and look at what it did to users and to the bound."""
        asked, weights = self.asked(), self._weights()
        super().do(action)
        match action:
            case WriteRoute():
                self._users_have_pods(weights, self._weights())
            case Scale() | Apply():
                self._pods_are_allowed(asked, self.asked())

    def _weights(self) -> dict[str, int]:
        return {} if self.route is None else reader.weights(self.route)

    def _users_have_pods(self, before: dict[str, int], after: dict[str, int]) -> None:
        serving = sum(self.ready(revision) for revision in before) if before else self.users
        for revision, weight in after.items():
            share = carried(sum(after.values()), weight)
            if share > carried(sum(before.values()), before.get(revision, 0)):
                # Never fewer than serve now, where stable lacks pods that an autoscaler asks for.
                needed = least(carrying(min(self.bearing, serving), share))
                assert self.ready(revision) >= needed, f"{revision} has no pods for {share}"

    def _pods_are_allowed(self, before: dict[str, int], after: dict[str, int]) -> None:
        grown = [name for name, count in after.items() if count > before.get(name, 0)]
        assert not grown or sum(after.values()) <= self.most, f"{after}: more than {self.most}"
        for weights in (self._weights(), self.taken):
            for revision, weight in weights.items():
                if after.get(revision, 0) < before.get(revision, 0):
                    needed = carrying(self.bearing, carried(sum(weights.values()), weight))
                    assert after[revision] >= needed, f"{revision} gives away pods of its users"

    def _controllers(self) -> None:
        if self.chance is not None and self.chance.random() < 0.3:
            return
        super()._controllers()
        if self.gateway_accepts:
            self.taken = self._weights()

    def _start_pods(self, name: str, obj: dict[str, Any]) -> None:
        before = obj.get("status", {}).get("availableReplicas", 0)
        super()._start_pods(name, obj)
        if self.chance is not None:
            ready = min(obj["spec"]["replicas"], before + self.chance.choice((0, 0, 1, 2)))
            obj["status"]["availableReplicas"] = ready
