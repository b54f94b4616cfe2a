"""What the resource allows is what the decision engine can judge; the words are the same."""

from enum import StrEnum

import pytest

from model_rollouts import decision
from model_rollouts.api import objectives, strategy
from model_rollouts.api.base import Word
from model_rollouts.api.deployment import Spec, read
from model_rollouts.api.ratio import share
from tests.api.objects import ERRORS, Client, RefusedError, changed


@pytest.mark.parametrize(
    ("words", "known"),
    [
        (objectives.Role, decision.Role),
        (objectives.Compare, decision.Compare),
        (strategy.Assurance, decision.Assurance),
        (strategy.OnDeadline, decision.DeadlinePolicy),
    ],
)
def test_the_engine_knows_every_word(words: type[Word], known: type[StrEnum]) -> None:
    assert [word.value for word in words] == [word.value for word in known]


def test_the_reserved_name_is_the_breakers() -> None:
    assert decision.breaker().name == objectives.BREAKER


def judged(spec: Spec) -> decision.Rules:
    """The rules that the engine makes of the spec; raises ValueError when it cannot."""
    promised = [
        decision.errors(
            objective.name,
            float(share(objective.availability.target)),
            assurance=decision.Assurance(spec.strategy.assurance.value),
            compare=decision.Compare(objective.compare.value),
            role=decision.Role(objective.role.value),
        )
        for objective in spec.objectives
        if objective.availability is not None
    ]
    return decision.Rules(
        (*promised, decision.breaker()),
        steps=tuple(float(share(step)) for step in spec.strategy.canary.steps),
        false_rollback=float(share(spec.strategy.advanced.false_rollback)),
        false_promotion=float(share(spec.strategy.advanced.false_promotion)),
    )


@pytest.mark.parametrize("assurance", strategy.Assurance)
@pytest.mark.parametrize("target", ["79.9%", "80%", "81.9%", "81.9999%", "82%", "99.9999%"])
def test_a_target_is_accepted_exactly_when_it_can_be_judged(
    dry: Client, assurance: strategy.Assurance, target: str
) -> None:
    written = changed(
        {
            "metadata.namespace": "default",
            "spec.objectives": [{**ERRORS, "availability": {"target": target}}],
            "spec.strategy.assurance": assurance.value,
        }
    )
    try:
        judged(read(written).spec)
    except ValueError:
        with pytest.raises(RefusedError):
            dry.create(written, dry_run=True)
    else:
        dry.create(written, dry_run=True)


def test_the_defaults_can_be_judged() -> None:
    rules = judged(read(changed({"metadata.namespace": "default"})).spec)

    assert rules.steps == (0.05, 0.25, 0.5)
    assert (rules.false_rollback, rules.false_promotion) == (0.01, 0.05)
