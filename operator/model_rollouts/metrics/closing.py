"""From an interval that is closed to the tallies of each arm, and what waits for the next one."""

from collections.abc import Iterator, Mapping, Sequence

from model_rollouts.metrics.counts import ArmCounts, SharedTally, Tally
from model_rollouts.metrics.findings import Finding, Reason
from model_rollouts.metrics.interval import Interval
from model_rollouts.metrics.slots import ArmSums, ObjectiveSums, Slots, total_of

Absent = Mapping[str, Sequence[str]]
"""The groups of series that no scrape of some pods has, and the pods."""


class Tallies:
    """Those of one rollout. `carry` are bad requests that wait for their total, by their key."""

    def __init__(self, layout: Slots, carry: Mapping[str, int]) -> None:
        waits = {key for arm in layout.arms for each in arm.objectives for key in each.carries}
        self.carry = {key: amount for key, amount in carry.items() if key in waits}

    def arm(
        self,
        arm: ArmSums,
        interval: Interval,
        absent: Absent,
        shared: Mapping[str, SharedTally] | None,
    ) -> ArmCounts:
        """What an arm counted in an interval; `shared` is `ArmCounts.shared`."""
        tallies = {
            each.name: self._tally(each, arm, interval)
            if each.groups.isdisjoint(absent)
            # What lacks a part of its sum has no counts, rather than wrong ones.
            else Tally(0, (0,) * len(each.bad))
            for each in arm.objectives
        }
        return ArmCounts(
            tallies,
            interval.pods_of(arm.revision),
            interval.resets_of(arm.revision),
            interval.is_warming(arm),
            interval.observers_of(arm.revision),
            shared,
        )

    def _tally(self, sums: ObjectiveSums, arm: ArmSums, interval: Interval) -> Tally:
        """The tally of one objective; bad ones beyond the total wait for the next interval."""
        increments, carry = interval.counted(warm=sums.of_warm_pods), self.carry
        total = max(0, total_of(sums.total, increments))
        bad: list[int] = []
        for level, key in zip(sums.bad, sums.carries, strict=True):
            waiting = total_of(level, increments)
            if carry:
                waiting += carry.pop(key, 0)
            counted = waiting if 0 <= waiting <= total else min(max(0, waiting), total)
            if waiting != counted:
                self.carry[key] = waiting - counted
                interval.carried(arm.name, sums.name, waiting - counted)
            bad.append(counted)
        return Tally(total, tuple(bad))


def series_missing(arm: ArmSums, absent: Absent) -> Iterator[Finding]:
    """What of an arm has no counts because its pods do not have the series."""
    for group, pods in sorted(absent.items()):
        lost = [each.name for each in arm.objectives if group in each.groups]
        if lost:
            named = ", ".join(sorted(set(pods)))
            message = f"Prometheus has no {group} of {named}, so {' and '.join(lost)} has no counts"
            yield Finding(Reason.SERIES_MISSING, arm.name, tuple(sorted(set(pods))), message)
