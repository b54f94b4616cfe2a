"""The plan of a pass: made of what is known now; what it needs besides is asked beside the pass."""

from collections.abc import Callable
from dataclasses import replace

from model_rollouts.engine.answers import pods_of
from model_rollouts.engine.children import children
from model_rollouts.engine.questions import Question, Questions
from model_rollouts.engine.sessions import Session
from model_rollouts.engine.store import Key, Store
from model_rollouts.resources.shapes import Object
from model_rollouts.rollout import Memory, Need, Observed, Plan

Planner = Callable[[Observed, Memory, float], Plan]
"""`rollout.make_plan` with its settings."""


class Planning:
    """Makes plans. Nothing is awaited: what a plan was made of is so until something is."""

    def __init__(
        self, store: Store, planner: Planner, questions: Questions, clock: Callable[[], float]
    ) -> None:
        self._store = store
        self._planner = planner
        self._questions = questions
        self._clock = clock

    def plan(self, key: Key, model: Object, session: Session) -> tuple[Observed, Plan]:
        """What is seen of `model`, and the plan; raises whatever the planner raises."""
        session.forget_generation(model["metadata"]["generation"])
        seen = session.observed(model, children(self._store, model))
        found = self._planner(seen, session.memory, self._clock())
        for need in Need:
            self._ask(key, need, session, seen, found)
        return seen, found

    def _ask(self, key: Key, need: Need, session: Session, seen: Observed, plan: Plan) -> None:
        is_awaited = need in plan.needs
        asking = plan if is_awaited else self._again(key, need, session, seen)
        if asking is None:
            self._questions.drop(key, need)
        elif need is Need.CHECK:
            question = Question(session, seen, tries=asking.tries)
            self._questions.ask(key, need, question, is_awaited=is_awaited)
        else:
            question = Question(session, seen, history=asking.history)
            self._questions.ask(key, need, question, is_awaited=is_awaited)

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
            elif not is_open and now < past.again_at(
                pods_of(past.asked.candidate, seen.children.deployments)
            ):
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
