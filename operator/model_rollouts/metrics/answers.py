"""The answers of one tick as they come: a rollout is counted as soon as all of its own are there.

What was counted is not kept, so a tick holds the samples of few rollouts at once.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from model_rollouts.metrics.batching import Query
from model_rollouts.metrics.counts import Counted, Unavailable
from model_rollouts.metrics.findings import Finding, Reason
from model_rollouts.metrics.series import Exposition, Sample, Series


@dataclass(frozen=True, slots=True)
class Failed:
    """A query without an answer, and why."""

    message: str


Answer = Iterable[tuple[Series, Sequence[Sample] | Failed]] | Failed
"""What came back for one query: its series with raw samples, or why there are none.

A series may have failed alone: then nothing is counted of its rollout, and others go on."""


class Shown(NamedTuple):
    """What an answer has of one process by one target: the samples of each series, in their order.

    `failed` says why those of one cannot be counted; nothing is, of its rollout.
    """

    exposition: Exposition
    samples: Sequence[Sequence[Sample]]
    failed: Failed | None = None


Samples = list[Shown]
"""The series of one rollout with their samples."""


def shown(answer: Iterable[tuple[Series, Sequence[Sample] | Failed]]) -> Iterator[Shown]:
    """The series of an answer, those of one process and target together."""
    found: dict[tuple[str, str, str], list[tuple[Series, Sequence[Sample] | Failed]]] = {}
    for one, samples in answer:
        found.setdefault((one.namespace, one.process, one.target), []).append((one, samples))
    for each in found.values():
        failed = None
        for _, samples in each:
            failed = samples if isinstance(samples, Failed) else failed
        read = [() if isinstance(samples, Failed) else samples for _, samples in each]
        yield Shown(Exposition([one for one, _ in each]), read, failed)


class Counting:
    """What the rollouts of one tick have counted, each once.

    `queries` are all that are asked, `owners` the rollouts by namespace and revision, and `count`
    counts one of them. A query may be taken in parts, no rollout of which is in two.
    """

    def __init__(
        self,
        queries: Iterable[Query],
        owners: Mapping[tuple[str, str], str],
        count: Callable[[str, Samples], Counted],
    ) -> None:
        self._owners = owners
        self._count = count
        self._left = Counter(key for query in queries for key in query.keys)
        self._series: dict[str, Samples] = defaultdict(list)
        self._failed: dict[str, str] = {}
        self._done: set[str] = set()

    def take(
        self, query: Query, answer: Iterable[Shown] | Failed
    ) -> Iterator[tuple[str, Counted | Unavailable]]:
        """Take what came back, and count the rollouts of which nothing is awaited any more.

        One with a query that failed does not move. Nothing is lost: its watermark stays, and the
        next tick asks again from there.
        """
        if isinstance(answer, Failed):
            self._failed.update(dict.fromkeys(query.keys, answer.message))
        else:
            self._sort(query, answer)
        for key in sorted(query.keys):
            self._left[key] -= 1
            if not self._left[key]:
                yield key, self._counted(key)

    def rest(self, keys: Iterable[str]) -> Iterator[tuple[str, Counted | Unavailable]]:
        """Those among `keys` that no query was about."""
        for key in keys:
            if key not in self._done:
                yield key, self._counted(key)

    def _sort(self, query: Query, answer: Iterable[Shown]) -> None:
        place, key, found = ("", ""), "", Samples()
        for each in answer:
            one = each.exposition.first
            # Those of one revision mostly come together.
            if one.revision != place[1] or one.namespace != place[0]:
                place = one.namespace, one.revision
                owner = self._owners.get(place)
                key = owner if owner is not None and owner in query.keys else ""
                found = self._series[key] if key else Samples()
            if not key:
                continue
            if each.failed is not None:
                self._failed[key] = each.failed.message
            found.append(each)

    def _counted(self, key: str) -> Counted | Unavailable:
        self._done.add(key)
        series = self._series.pop(key, [])
        if key in self._failed:
            message = self._failed[key]
            return Unavailable(Finding(Reason.METRICS_UNAVAILABLE, "", (), message))
        return self._count(key, series)
