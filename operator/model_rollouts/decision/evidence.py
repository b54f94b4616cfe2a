"""What is remembered about one objective, and the proofs it can be asked for."""

from typing import NamedTuple

from model_rollouts.decision.evalue import StableBet


class Evidence(NamedTuple):
    """What is known about one objective; logarithms of wealth, and sums of counts.

    `seen_*` is everything in the present arm: it is told to people, and counts for the steps;
    `passed_*` is what counts for promotion (of latency less, under incomparable load). `sealed` is
    Auto's log evidence for Fail when the present block began, the other two are its parts then.
    `betting` is the state of `block_bets.Betting`, empty when errors are not known to come in
    bursts.
    """

    fail_target: tuple[float, ...]
    fail_stable: tuple[float, ...]
    pass_stable: tuple[float, ...]
    far_stable: tuple[float, ...]
    betting: tuple[float, ...] = ()
    seen_total: float = 0.0
    seen_bad: float = 0.0
    seen_stable_total: float = 0.0
    seen_stable_bad: float = 0.0
    passed_total: float = 0.0
    passed_bad: float = 0.0
    passed_far: float = 0.0
    sealed: float = 0.0
    block_target: float = 0.0
    block_stable: float = 0.0


class FailEvidence(NamedTuple):
    """E-values against "good"; `decides` is the one that may roll back."""

    target: float
    stable: float
    decides: float


class Proof(NamedTuple):
    """Bets that something is below a limit, which a Gate must win: of a level, or the dual one.

    `first` is where their logs begin in the evidence against stable, None when unknown there.
    `any_load` says that latency counts under whatever load it was seen.
    """

    target_bets: tuple[tuple[float, float], ...]
    stable_bets: tuple[StableBet, ...]
    first: int | None
    is_far: bool
    any_load: bool = False
