"""From a Prometheus to a recording: all raw samples that a verdict could need, slice by slice."""

from collections.abc import Callable, Iterable, Sequence

from model_rollouts.metrics.batching import Batching, Need
from model_rollouts.metrics.objectives import (
    CLIENT_ERRORS,
    COMPLETED,
    GIVEN_UP,
    SERVER_ERRORS,
    THROTTLED,
    TIMED,
    WITHIN,
    Template,
)
from model_rollouts.metrics.series import Sample
from model_rollouts.metrics.sources import PROXY
from model_rollouts.replay.recording import Header, Labels, Recording

Ask = Callable[[str, int], Iterable[tuple[Labels, Sequence[Sample]]]]
"""Ask a range selector at a time in milliseconds, for labels and samples of each series."""

SLICE_INTERVALS = 60

RECORDED = (
    COMPLETED,
    GIVEN_UP,
    SERVER_ERRORS,
    CLIENT_ERRORS,
    THROTTLED,
    TIMED,
    WITHIN,
)
"""Both listeners and every bucket edge, so that other thresholds can be tried later."""


def fetch(
    ask: Ask,
    header: Header,
    batching: Batching,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Recording:
    """Record the span of `header` and one lookback before it.

    `progress` is told slices done and slices in all. Raises what `ask` raises.
    """
    recording = Recording(header)
    grid = header.grid
    templates = [Template(PROXY, counter) for counter in RECORDED]
    if PROXY.clock is not None:
        templates.append(Template(PROXY, PROXY.clock, is_clock=True))
    need = Need("recording", header.namespace, header.revisions, pods=1)
    begin, span = header.from_ms - grid.lookback_ms, SLICE_INTERVALS * grid.step_ms
    slices = range(begin, header.until_ms, span)
    for done, after in enumerate(slices):
        progress(done, len(slices))
        until = min(after + span, header.until_ms)
        for template in templates:
            for query in batching.queries(
                template, [need], after_ms=after, until_ms=until, step_ms=grid.step_ms
            ):
                for labels, samples in ask(query.text, query.at_ms):
                    recording.add(labels, samples)
    progress(len(slices), len(slices))
    return recording
