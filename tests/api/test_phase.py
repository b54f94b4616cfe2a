"""The rows of phases and outcomes, held against what the docs and the other rooms rely on."""

from model_rollouts.api.phase import Outcome, Phase


def test_which_phases_are_what() -> None:
    def those(trait: str) -> set[str]:
        return {phase.value for phase in Phase if getattr(phase, trait)}

    assert those("is_preparing") == {"Admission", "Starting"}
    assert those("mirrors") == {"Shadow"}
    assert those("shares_traffic") == {"Canary"}
    assert those("is_judged") == {"Shadow", "Canary"}
    assert those("has_ended") == {"RolledBack", "Undecided"}
    assert those("keeps_evidence") == {"Starting", "Shadow", "Canary", "Paused"}


def test_a_phase_that_ended_says_how() -> None:
    assert {phase.outcome for phase in Phase if phase.has_ended} == {
        Outcome.ROLLED_BACK,
        Outcome.UNDECIDED,
    }
    # An outcome is told by the name of its phase, and its condition has the same reason.
    assert all(
        phase.value == str(phase.outcome) == str(phase.reason) for phase in Phase if phase.outcome
    )


def test_a_version_has_served_all_users_only_when_it_was_promoted() -> None:
    assert {outcome for outcome in Outcome if outcome.serves} == {
        Outcome.PROMOTED,
        Outcome.PROMOTED_WITH_BOUND,
    }
