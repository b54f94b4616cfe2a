"""From a Prometheus to a recording: all raw samples that a verdict could need, slice by slice."""

from collections.abc import Callable, Iterable, Sequence

from model_rollouts.metrics.batching import Batching, Need
from model_rollouts.metrics.objectives import (
    CLIENT_ERRORS,
    COMPLETED,
    GIVEN_UP,
    GRPC_CLIENT_ERRORS,
    GRPC_ERRORS,
    SERVER_ERRORS,
    SESSIONS,
    SLICED,
    THROTTLED,
    TIMED,
    WITHIN,
    CountedObjective,
    Template,
)
from model_rollouts.metrics.series import LabelNames, Sample
from model_rollouts.metrics.sources import PROXY
from model_rollouts.replay.recording import Header, Labels, Recording

Ask = Callable[[str, int], Iterable[tuple[Labels, Sequence[Sample]]]]
"""Ask a range selector at a time in milliseconds, for labels and samples of each series."""

SLICE_INTERVALS = 60

RECORDED = (
    COMPLETED,
    GIVEN_UP,
    SESSIONS,
    SERVER_ERRORS,
    CLIENT_ERRORS,
    THROTTLED,
    GRPC_ERRORS,
    GRPC_CLIENT_ERRORS,
    TIMED,
    WITHIN,
    *SLICED,
)
"""Both listeners and every bucket edge, so that other thresholds can be tried later."""


def fetch(
    ask: Ask,
    header: Header,
    batching: Batching,
    progress: Callable[[int, int], None] = lambda done, total: None,
    counted: Iterable[CountedObjective] = (),
) -> Recording:
    """Record the span of `header` and one lookback before it, and what `counted` needs as well.

    Labels get their usual names, whatever they are called there: a recording is read anywhere.
    `progress` is told slices done and slices in all. Raises what `ask` raises.
    """
    recording = Recording(header)
    grid = header.grid
    templates = {Template(PROXY, counter) for counter in RECORDED}
    if PROXY.clock is not None:
        templates.add(Template(PROXY, PROXY.clock, is_clock=True))
    for each in counted:
        terms = (*each.total, *(term for level in each.bad for term in level))
        templates |= {Template(each.source, term.counter) for term in terms}
    # What is asked together comes from one source.
    sources = {each.source: None for each in templates}
    needs = [
        Need(
            "recording",
            header.namespace,
            header.revisions,
            1,
            frozenset(each for each in templates if each.source == source),
        )
        for source in sources
    ]
    begin, span = header.from_ms - grid.lookback_ms, SLICE_INTERVALS * grid.step_ms
    slices = range(begin, header.until_ms, span)
    for done, after in enumerate(slices):
        progress(done, len(slices))
        until = min(after + span, header.until_ms)
        for query in batching.queries(needs, after_ms=after, until_ms=until, step_ms=grid.step_ms):
            for labels, samples in ask(query.text, query.at_ms):
                recording.add(_as_usual(labels, batching.labels), samples)
    progress(len(slices), len(slices))
    return recording


def _as_usual(labels: Labels, names: LabelNames) -> Labels:
    """The labels of a target under their usual names; those of replicas become one."""
    usual = LabelNames()
    if names == usual:
        return labels
    found = {label: value for label, value in labels.items() if label not in names.replica}
    replica = "/".join(labels[label] for label in names.replica if label in labels)
    for label, name, value in (
        (usual.namespace, names.namespace, labels.get(names.namespace)),
        (usual.pod, names.pod, labels.get(names.pod)),
    ):
        if name != label:
            found.pop(name, None)
        if value is not None:
            found[label] = value
    if replica:
        found[usual.replica[0]] = replica
    return found
