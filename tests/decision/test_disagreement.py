"""Answers that differ from stable's: judged on copies alone, and what was found there stands."""

from dataclasses import replace

import pytest

from model_rollouts.decision import (
    Compare,
    Counts,
    DeadlineAction,
    DeadlinePolicy,
    Decision,
    Interval,
    Judge,
    ObjectiveError,
    Role,
    Rules,
    Sample,
    State,
    Traffic,
    at_deadline,
    disagreement,
    encode,
    errors,
    explain,
    forecast_decision,
    resume,
)

ANSWERS = disagreement("answers", 0.01, 0.02, comparison="1ce1f3ed")
ERRORS = errors("errors", 0.99)


def judge(role: Role = Role.GUARD) -> Judge:
    return Judge(Rules((ERRORS, replace(ANSWERS, role=role))))


def after(
    judge: Judge,
    pairs: int,
    differing: int,
    *,
    state: State | None = None,
    arm: Traffic = Traffic.SHADOW,
) -> State:
    """An interval of 5,000 good requests in which so many answers were compared."""
    state = state or judge.start()
    samples = {"errors": Sample(Counts.of(5_000, 5), Counts.of(5_000, 5))}
    if pairs:
        samples["answers"] = Sample(Counts.of(pairs, differing))
    begin = state.elapsed
    return judge.update(state, Interval(begin, begin + 30, samples, arm))


def test_agreement_is_not_quality_so_it_is_a_guard_unless_written() -> None:
    assert (ANSWERS.role, ANSWERS.compare) == (Role.GUARD, Compare.TARGET)


def test_a_version_that_answers_otherwise_fails_whatever_its_role() -> None:
    for role in (Role.GATE, Role.GUARD):
        judging = judge(role)
        state = judging.start()
        for _ in range(10):
            state = after(judging, 100, 10, state=state)
        assert judging.decide(state) is Decision.FAIL
    assert "answers failed" in explain(judging, state).why
    assert "disagreed in 100 of 1,000 (10 %)" in explain(judging, state).why


def test_a_gate_holds_in_shadow_until_it_passes_for_all_users() -> None:
    """Also toward the first step: after it there are no more pairs."""
    judging = judge(Role.GATE)
    few = after(judging, 200, 0)
    enough = after(judging, 4_000, 4, state=few)

    assert judging.decide(few, 0.05) is Decision.INCONCLUSIVE
    assert "answers needs about" in explain(judging, few, 0.05).why
    assert "more pairs for the step to 5 % (200 of" in explain(judging, few, 0.05).why
    assert judging.decide(enough, 0.05) is Decision.PASS


def test_a_guard_holds_nothing() -> None:
    judging = judge()

    assert judging.decide(after(judging, 0, 0), 0.05) is Decision.PASS


def test_what_copies_showed_stands_in_the_canary() -> None:
    judging = judge(Role.GATE)
    state = judging.enter_live(after(judging, 4_000, 4))

    told = next(each for each in explain(judging, state, 0.05).objectives if each.name == "answers")
    assert (told.passed, told.is_asked, told.candidate.total) == (True, False, 4_000)
    live = after(judging, 0, 0, state=state, arm=Traffic.LIVE)
    last = after(judging, 0, 0, state=judging.enter_last_step(live), arm=Traffic.LIVE)
    assert judging.decide(last) is Decision.PASS


def test_where_nothing_was_compared_users_are_not_kept_waiting() -> None:
    """Whoever skips the shadow has decided so."""
    judging = judge(Role.GATE)
    state = after(judging, 0, 0, arm=Traffic.LIVE)

    assert judging.decide(state) is Decision.PASS
    told = next(each for each in explain(judging, state).objectives if each.name == "answers")
    assert (told.passed, told.is_asked) == (False, False)
    assert told.words.endswith("Only mirrored requests show more of it.")
    outcome = at_deadline(judging, state, DeadlinePolicy.PROMOTE_WITH_BOUND)
    assert outcome.action is DeadlineAction.PROMOTE
    assert [each.objective for each in outcome.bounds] == ["errors"]


def test_evidence_against_it_stands_too() -> None:
    judging = judge()
    state = after(judging, 150, 9)
    assert state.failed_at is None

    live = after(judging, 0, 0, state=state, arm=Traffic.LIVE)
    index = [each.name for each in judging.rules.objectives].index("answers")
    assert live.evidence[index].seen_bad == 9


def test_the_forecast_is_that_of_users() -> None:
    plain = forecast_decision(Judge(Rules((ERRORS,))), 50.0, deadline=86_400.0)
    compared = forecast_decision(judge(Role.GATE), 50.0, deadline=86_400.0)

    assert (compared.decision, compared.seconds) == (plain.decision, plain.seconds)


def test_evidence_is_bound_to_what_was_compared() -> None:
    judging = judge()
    text = encode(judging, after(judging, 100, 1))
    other = Rules((ERRORS, replace(ANSWERS, comparison="00000000")))

    _, state = resume(text, judging.rules)
    assert state == after(judging, 100, 1)
    with pytest.raises(ValueError, match="another definition of objective 'answers'"):
        resume(text, other)


def test_a_comparison_alone_is_no_gate_for_users() -> None:
    with pytest.raises(ObjectiveError, match="found no Gate among"):
        Rules((replace(ANSWERS, role=Role.GATE),))


@pytest.mark.parametrize(
    "make",
    [
        lambda: replace(ERRORS, comparison="1ce1f3ed"),
        lambda: replace(ANSWERS, comparison=None),
    ],
)
def test_only_a_disagreement_names_what_is_compared(make: object) -> None:
    with pytest.raises(ObjectiveError, match="it for the kind Disagreement"):
        make()  # type: ignore[operator]
