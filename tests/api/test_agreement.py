"""What the resource allows is what the decision engine can judge; the words are the same."""

from enum import StrEnum

import pytest

from model_rollouts import decision
from model_rollouts.api import objectives, strategy
from model_rollouts.api.base import Word
from model_rollouts.api.deployment import read
from model_rollouts.rollout.trial.trial import trial_rules
from tests.api.objects import COUNTERS, ERRORS, LATENCY, Client, Object, RefusedError, changed


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
    assert_judged_exactly_when_accepted(dry, written)


@pytest.mark.parametrize("assurance", strategy.Assurance)
@pytest.mark.parametrize("share", ["49.9%", "50%", "54.9999%", "55%", "99.9999%", "100%"])
def test_a_share_is_accepted_exactly_when_it_can_be_judged(
    dry: Client, assurance: strategy.Assurance, share: str
) -> None:
    latency = {"within": "300ms", "share": share}
    written = changed(
        {
            "metadata.namespace": "default",
            "spec.objectives": [{**LATENCY, "latency": latency}],
            "spec.strategy.assurance": assurance.value,
        }
    )
    # The engine could judge less than half, too; nobody promises that.
    if share == "49.9%":
        with pytest.raises(RefusedError):
            dry.create(written, dry_run=True)
        return
    assert_judged_exactly_when_accepted(dry, written)


@pytest.mark.parametrize("good", ["0%", "0.0001%", "1.9999%", "2%", "2.0001%"])
@pytest.mark.parametrize("bad", ["2%", "90%", "90.0001%"])
def test_limits_are_accepted_exactly_when_they_can_be_judged(
    dry: Client, good: str, bad: str
) -> None:
    limits = {"good": good, "bad": bad}
    written = changed(
        {
            "metadata.namespace": "default",
            "spec.objectives": [{**COUNTERS, "limits": limits}],
        }
    )
    assert_judged_exactly_when_accepted(dry, written)


@pytest.mark.parametrize("within", ["300ms", "1s", "200ms"])
@pytest.mark.parametrize("share", ["95%", "99%", "99.9%"])
def test_two_latency_gates_are_accepted_exactly_when_they_can_be_judged(
    dry: Client, within: str, share: str
) -> None:
    other = {**LATENCY, "name": "other", "latency": {"within": within, "share": share}}
    written = changed({"metadata.namespace": "default", "spec.objectives": [LATENCY, other]})
    assert_judged_exactly_when_accepted(dry, written)


def assert_judged_exactly_when_accepted(dry: Client, written: Object) -> None:
    """The API server takes an object whose objectives can be judged, and refuses all others."""
    try:
        trial_rules(read(written).spec, baseline=True)
    except ValueError:
        with pytest.raises(RefusedError):
            dry.create(written, dry_run=True)
    else:
        dry.create(written, dry_run=True)


def test_the_defaults_can_be_judged() -> None:
    found = trial_rules(read(changed({"metadata.namespace": "default"})).spec, baseline=True)

    assert found.steps == (0.05, 0.25, 0.5)
    assert (found.false_rollback, found.false_promotion) == (0.01, 0.05)
