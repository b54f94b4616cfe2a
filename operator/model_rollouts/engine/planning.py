"""The plan of a pass: made of what is known now; what it needs besides is asked beside the pass."""

from collections.abc import Callable, Mapping
from dataclasses import replace

from model_rollouts.cluster.kinds import POD_DISRUPTION_BUDGET
from model_rollouts.engine.children import children
from model_rollouts.engine.other_budgets import OtherBudgets
from model_rollouts.engine.pods import Pods
from model_rollouts.engine.questions import Question, Questions
from model_rollouts.engine.rights import Rights
from model_rollouts.engine.sessions import Session
from model_rollouts.engine.sight import Sight
from model_rollouts.engine.store import Key, Store
from model_rollouts.resources.shapes import Object
from model_rollouts.rollout import Memory, Need, Observed, Plan

Planner = Callable[[Observed, Memory, float], Plan]
"""`rollout.make_plan` with its settings."""

_BESIDE: Mapping[Need, Callable[[Session, Observed, Plan], Question]] = {
    Need.SIZES: lambda session, seen, plan: Question(session, seen, sizes=plan.sizes),
    Need.CASES: lambda session, seen, plan: Question(session, seen, cases=plan.cases),
    Need.BUCKETS: lambda session, seen, plan: Question(session, seen, buckets=plan.buckets),
    Need.FALLBACK: lambda session, seen, plan: Question(session, seen, fallback=plan.fallback),
    Need.LATENCIES: lambda session, seen, plan: Question(session, seen, latencies=plan.latencies),
    Need.INPUTS: lambda session, seen, plan: Question(session, seen, inputs=plan.inputs),
}
"""The question for what a plan asks for and never waits for."""


class Planning:
    """Makes plans. Nothing is awaited: what a plan was made of is so until something is."""

    def __init__(
        self,
        store: Store,
        sight: Sight,
        planner: Planner,
        questions: Questions,
        pods: Pods,
        clock: Callable[[], float],
        rights: Rights | None = None,
        budgets: OtherBudgets | None = None,
    ) -> None:
        self._store = store
        self._sight = sight
        self._planner = planner
        self._questions = questions
        self._pods = pods
        self._clock = clock
        self._rights = rights
        self._budgets = budgets

    def plan(self, key: Key, model: Object, session: Session) -> tuple[Observed, Plan]:
        """What is seen of `model`, and the plan; raises whatever the planner raises."""
        session.forget_generation(model["metadata"]["generation"])
        seen = self.observed(key, model, session)
        found = self._planner(seen, session.memory, self._clock())
        for need in Need:
            self._ask(key, need, session, seen, found)
        if found.follows_pods:
            self._pods.follow(key)
            self._pods.doubt(key, found.doubted)
        else:
            self._pods.forget(key)
        return seen, found

    def observed(self, key: Key, model: Object, session: Session) -> Observed:
        """What is seen of `model`."""
        return replace(
            session.observed(model, children(self._store, model), self._pods.of(key)),
            unlisted=self._sight.unseen(key.namespace),
            keeps_budget=self._rights is None
            or self._rights.keeps(POD_DISRUPTION_BUDGET, key.namespace),
            awaits_pods=self._pods.awaits(key),
            foreign_pods=self._pods.foreign(key),
            other_budgets=() if self._budgets is None else self._budgets.of(key.namespace),
        )

    def sees_again_in(self, key: Key) -> float | None:
        """In how many seconds something is not told any more that is told of all; None for never.

        Nobody else asks for a plan then: who was asked when it ended may have planned since.
        """
        return self._sight.ends_in(key.namespace)

    def forget(self, key: Key) -> None:
        """Its ModelDeployment is gone, or another one: nothing is asked about it."""
        self._questions.forget(key)
        self._pods.forget(key)

    def _ask(self, key: Key, need: Need, session: Session, seen: Observed, plan: Plan) -> None:
        is_awaited = need in plan.needs
        if (beside := _BESIDE.get(need)) is not None:
            if is_awaited:
                self._questions.ask(key, need, beside(session, seen, plan), is_awaited=False)
            else:
                self._questions.drop(key, need)
            return
        if need is Need.PARENTS:
            self._ask_parents(key, session, seen, plan.silent)
            return
        asking = plan if is_awaited else self._again(key, need, session, seen)
        if asking is None:
            self._questions.drop(key, need)
        elif need is Need.CHECK:
            question = Question(session, seen, tries=asking.tries, alike=asking.alike)
            self._questions.ask(key, need, question, is_awaited=is_awaited)
        else:
            question = Question(session, seen, history=asking.history)
            self._questions.ask(key, need, question, is_awaited=is_awaited)

    def _ask_parents(
        self, key: Key, session: Session, seen: Observed, silent: tuple[str, ...]
    ) -> None:
        """Whether those exist that are silent; again after a while, for somebody may make them."""
        known = session.absent
        if not silent:
            session.absent = None
            self._questions.drop(key, Need.PARENTS)
        elif known is None or known.asked != silent or self._clock() >= known.again_at:
            question = Question(session, seen, silent=silent)
            self._questions.ask(key, Need.PARENTS, question, is_awaited=False)

    def _again(self, key: Key, need: Need, session: Session, seen: Observed) -> Plan | None:
        """A plan that asks for what is known already, when it is time that it is asked again.

        What is known holds until there is an answer. When no plan asks for it, it is forgotten.
        """
        now, is_open = self._clock(), self._questions.is_open(key, need)
        if need is Need.CHECK:
            answered = session.answered
            if answered is None or (now < answered.again_at and not is_open):
                return None
            unknown = replace(seen, checked=None)
        else:
            past, is_blind = session.history, session.past_failed
            if past is None:
                if not is_blind:
                    return None
            elif not is_open and now < session.past_again_at(seen.children):
                return None
            error = None if is_blind else seen.metrics_error
            unknown = replace(seen, history=None, metrics_error=error)
        asking = self._planner(unknown, session.memory, now)
        if need in asking.needs:
            return asking
        if need is Need.CHECK:
            session.answered = None
        else:
            session.history = None
        return None
