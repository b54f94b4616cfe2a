"""What is remembered about one objective, and the proofs it can be asked for."""

from typing import NamedTuple

from model_rollouts.decision.evalue import StableBet


class Ahead(NamedTuple):
    """The candidate's counts of an interval, as of `Counts`; 1 for comparable load, otherwise 0."""

    start: float
    end: float
    comparable: float
    total: float
    bad_at_least: float
    bad_at_most: float
    far: float


class Pair(NamedTuple):
    """Counts of both since `start`, while one of them has no request.

    In `looks` of the intervals the candidate had bad ones.
    """

    start: float
    comparable: float
    looks: float
    total: float
    bad_at_least: float
    bad_at_most: float
    far: float
    stable_total: float
    stable_bad_at_least: float
    stable_bad_at_most: float
    stable_far: float


class Edge(NamedTuple):
    """The requests of the last comparison, and stable's bad ones whose time is not sure.

    `late` were given to what follows and may have come before; the others were taken in, and may
    have come after.
    """

    total: float
    stable_total: float
    late: float
    early_at_least: float
    early_at_most: float
    early_far: float


class Evidence(NamedTuple):
    """What is known about one objective; logarithms of wealth, and sums of counts.

    `seen_*` is everything in the present arm: it is told to people, and counts for the steps;
    `passed_*` is what counts for promotion (of latency less, under incomparable load). `sealed` is
    Auto's log evidence for Fail when the present block began, `block_target` and `block_stable` are
    its parts then, and `block_total` are the candidate's requests since. `looked_*` is the log of
    all wealth in `fail_*` before the last look.
    `betting` is the state of `block_bets.Betting`, empty when errors are not known to come in
    bursts.

    What waits to be compared: `ahead` are candidate's counts of intervals that stable's do not
    cover yet, `pair` the counts of both since the last comparison while one of them has no request
    (None for nothing), and `edge` says how sure the time of the last comparison is. While stable is
    not seen, `unseen` is the log evidence against the target when it was seen last; `alone` is
    whether the target decides by itself in the present block.

    `last` is what counted for promotion when the last step began: the three `passed_*`, then the
    logs of promotion against stable. Empty for nothing: there was no step before.
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
    block_total: float = 0.0
    looked_target: float = 0.0
    looked_stable: float = 0.0
    ahead: tuple[Ahead, ...] = ()
    pair: Pair | None = None
    edge: Edge | None = None
    unseen: float | None = None
    alone: bool = False
    last: tuple[float, ...] = ()


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
