"""One counter of one process: the increment between two samples, also when the value falls.

The state after a sample depends only on the samples of the last lookback, never on older ones.
That is what lets a restarted operator read one lookback of samples and go on exactly.
"""


class Cursor:
    """The last sample of a counter, and the higher ones before it that it has not reached again.

    `held` is empty except while a value lies below an earlier one without a restart: two
    Prometheus servers behind one address take turns and one is a little behind. Then it holds the
    earlier samples, each lower than the one before: the oldest is what was counted up to.
    """

    __slots__ = ("at", "held", "slot", "value")

    def __init__(self, slot: int, at: int, value: int) -> None:
        self.slot = slot
        self.at = at
        self.value = value
        self.held: list[tuple[int, int]] | None = None

    def rise(self, at: int, value: int, horizon: int) -> int:
        """Take a sample of the same run of the counter; return what it adds, 0 while it is below.

        `horizon` is the time at and before which higher samples are forgotten. The last one is not,
        whenever it was.
        """
        held = self.held
        if held is None:
            if value >= self.value:
                added = value - self.value
            else:
                self.held = [(self.at, self.value)]
                added = 0
        else:
            held.append((self.at, self.value))
            live = [sample for sample in held if sample[0] > horizon] or held[-1:]
            added = max(0, value - live[0][1])
            # What the new sample reaches will never be the highest again.
            self.held = [sample for sample in live if sample[1] > value] or None
        self.at = at
        self.value = value
        return added

    def restart(self, at: int, value: int) -> int:
        """Take the first sample after the counter began again from zero; return what it adds."""
        self.at = at
        self.value = value
        self.held = None
        return value
