"""Bets on the mean of blocks of time, for errors that come in bursts.

Likelihood ratios of bursty errors are divided by the dispersion, and only an approximation keeps
them fair, so their alternatives are capped. A bet on the *mean* needs no law of the errors: a
block's bad share over the allowed one is at most 1 in expectation, however they cluster inside
the block. Blocks are longer than bursts, so that one block says little about the next.

Against stable, blocks after the first four are twice as long. Short ones find a large regression
soon; in long ones stable has more bad answers, which makes its mean surer, so that they find a
small one sooner. The longer nothing was found, the smaller is what is left to find.
"""

from collections.abc import Sequence
from typing import Final

from model_rollouts.decision.alternatives import (
    BLOCK_MINUTES,
    RESTART_WEIGHT,
    START_WEIGHT,
    unspent,
)
from model_rollouts.decision.counts import Sample

SHARES: Final = (0.02, 0.06, 0.15, 0.35, 0.65, 0.9)
"""Shares of the wealth that are bet on every block."""
WEIGHTS: Final = (0.05, 0.1, 0.2, 0.3, 0.2, 0.15)
"""How the wealth is spread over them: most where large regressions are found, which the capped
likelihood ratios find late."""

_SHORTEST = 60.0
_SHORT_BLOCKS = 4
"""Blocks of the first length, before longer ones."""
_LARGEST = 1e250
_TOLERANCE = 1e-6
_START = tuple(START_WEIGHT * weight for weight in WEIGHTS)

_MEMORY = 600.0
"""Seconds over which the usual traffic is averaged."""

State = tuple[float, ...]
"""Number of the block, usual requests per second (0 if unknown), what the block has seen so far
(its requests; t, C, S and `largest` of `Betting`), then the wealth of each share against the
target and against stable. Empty when errors do not come in bursts."""

_SEEN: Final = 7
_NOTHING: Final = (0.0,) * (_SEEN - 2)


class Betting:
    """Bets of one objective against the target, against stable, or both. Stateless.

    Interval i takes the part c_i of its block and brings n_i requests where so much time brought
    m_i in earlier blocks. It weighs w_i = c_i n_i / max(n_i, m_i): by requests, so that an outage
    in which few are served is not taken for a long one, but never by more than its time, so that
    the weights are fixed before the bad ones are seen. (A mean by requests is not fair: after a
    good half block the candidate may get more traffic.) With t = sum w_i, C = sum w_i d_i / n_i
    for the candidate and S = sum w_i D_i / N_i for stable, a bet of the share b multiplies its
    wealth by

        1 - b t + b C / good                                            against the target,
        1 - b t + b t C / (times (S + largest dispersion) + slack t)    against stable,

    `largest` being the largest w_i / N_i. Adding the dispersion makes up for dividing by a random
    S: E 1 / (D + phi) <= 1 / E D for every compound Poisson count D of dispersion phi or less, and
    a slack only helps (u / (1 + c u) is concave). While a block lasts, wealth is what is left if no
    bad answer comes any more; that makes it an e-process at every time and not only at ends.
    """

    __slots__ = ("_good", "_pair", "_slack", "_smoothing", "_times", "block", "later", "target")

    def __init__(
        self,
        *,
        plateau: float,
        target: bool,
        stable_dispersion: float | None,
        good: float,
        times: float,
        slack: float,
    ) -> None:
        """Bets on blocks at least twice as long as `plateau`, in seconds, and a minute.

        `target` and `stable_dispersion` (None for no bets) say against what; limits are the rate
        `good`, and `times` stable's rate plus the rate `slack`.
        """
        self.block = _SHORTEST
        # Doubled minutes: fresh wealth comes by the minute, and Auto's blocks are whole ones.
        while self.block < 2 * plateau:
            self.block *= 2
        self.target = target
        self._pair = stable_dispersion is not None
        # Whole ones have to fit into a block of Auto.
        doubles = self._pair and 2 * self.block <= 60 * BLOCK_MINUTES
        self.later = 2 * self.block if doubles else self.block
        """Seconds of a block after the first ones."""
        self._smoothing = stable_dispersion or 0.0
        self._good = good
        self._times = times
        self._slack = slack

    @property
    def compares(self) -> bool:
        """Whether it bets against stable."""
        return self._pair

    def start(self) -> State:
        """All wealth of these bets, without what is kept for later."""
        sides = self.target + self._pair
        return (0.0, 0.0, *_NOTHING, *(_START * sides))

    def update(self, state: State, start: float, end: float, sample: Sample) -> State:
        """The state after one interval, which belongs to the block in which it begins."""
        over = self._begin(state[0] + 1) - _TOLERANCE
        if start >= over:
            state = self.advance(state, start)
            over = self._begin(state[0] + 1) - _TOLERANCE
        candidate, stable = sample.candidate, sample.stable
        total = candidate.total
        # One weight for both sides: without stable's requests neither has this interval.
        if total > 0 and (stable.total > 0 or not self._pair):
            number, pace, requests, part, share, stable_share, largest, *bets = state
            weight = min((end - start) / self._length(number), 1 - part)
            usual = pace * (end - start)
            if total < usual:
                weight *= total / usual
            requests += total
            part += weight
            share += weight * candidate.bad_at_least / total
            if self._pair:
                stable_share += weight * stable.bad_at_most / stable.total
                if weight > largest * stable.total:
                    largest = weight / stable.total
            state = (number, pace, requests, part, share, stable_share, largest, *bets)
        return state if end < over else self.advance(state, end)

    def advance(self, state: State, now: float) -> State:
        """The state at a time: a block that is over is settled, and the next gets fresh wealth."""
        late = now + _TOLERANCE - _SHORT_BLOCKS * self.block
        number = float(_SHORT_BLOCKS + late // (self.block if late < 0 else self.later))
        if number <= state[0]:
            return state
        fresh = self._kept(state[0]) - self._kept(number)
        settled = [
            min(wealth + weight * fresh, _LARGEST)
            for side in self._settled(state)
            for wealth, weight in zip(side, WEIGHTS, strict=False)
        ]
        return (number, self._pace(state), *_NOTHING, *settled)

    def _length(self, number: float) -> float:
        """Seconds of a block."""
        return self.block if number < _SHORT_BLOCKS else self.later

    def _begin(self, number: float) -> float:
        """When a block begins, in seconds."""
        late = max(number - _SHORT_BLOCKS, 0.0)
        return (number - late) * self.block + late * self.later

    def _pace(self, state: State) -> float:
        number, pace, requests = state[:3]
        length = self._length(number)
        now = requests / length
        return pace + (now - pace) * min(length / _MEMORY, 1) if pace and now else now or pace

    def _kept(self, number: float) -> float:
        return unspent(int(self._begin(number) / 60))

    def _settled(self, state: State) -> tuple[list[float], list[float]]:
        part, share, stable_share, largest = state[3:_SEEN]
        target, stable = self._wealth(state)
        won = share / self._good - part
        pair_won = 0.0
        if part and self._pair:
            expected = self._times * (stable_share + largest * self._smoothing) + self._slack * part
            pair_won = part * (share / expected - 1)
        return (
            [wealth * (1 + bet * won) for bet, wealth in zip(SHARES, target, strict=False)],
            [wealth * (1 + bet * pair_won) for bet, wealth in zip(SHARES, stable, strict=False)],
        )

    def _wealth(self, state: State) -> tuple[Sequence[float], Sequence[float]]:
        bets = state[_SEEN:]
        if not self.target:
            return (), bets
        return bets[: len(SHARES)], bets[len(SHARES) :]

    def values(self, state: State) -> tuple[float, float]:
        """The e-values against the target and against stable, with what is kept for later."""
        target, stable = self._wealth(state)
        kept = self._kept(state[0])
        lost = float(state[3] > 0)
        won = state[4] / self._good - lost
        return (
            kept + sum([wealth * (1 + b * won) for b, wealth in zip(SHARES, target, strict=False)]),
            kept
            + sum([wealth * (1 - b * lost) for b, wealth in zip(SHARES, stable, strict=False)]),
        )

    def bound(self, state: State) -> float:
        """No e-value is larger than this, and it costs less."""
        won = state[4] / self._good
        return RESTART_WEIGHT + sum(state[_SEEN:]) * (1 + won)
