"""What a fallback does: the answers that it gave in place of the model, and whether it is there.

The model is judged by none of it, so it is asked for beside the ticks, and not counted in them.
"""

from collections.abc import Collection, Iterable, Mapping
from typing import NamedTuple

from model_rollouts.metrics.batching import Batching
from model_rollouts.metrics.history import one_copy, some_pods
from model_rollouts.metrics.objectives import Template
from model_rollouts.metrics.selector import range_selector, selector
from model_rollouts.metrics.series import Sample
from model_rollouts.metrics.sources import PROXY, Counter

WINDOW_MS = 300_000
"""How far back answers are counted, in milliseconds."""

_PREFIX = "envoy_http_conn_manager_prefix"
_USERS, _FALLBACK = "users", "fallback"
_ANSWERS = Counter(
    "envoy_http_downstream_rq_completed", patterns=((_PREFIX, f"{_FALLBACK}|{_USERS}"),)
)
_HEALTHY = Counter("envoy_cluster_membership_healthy", (("envoy_cluster_name", "service"),))

_FAILED = Counter(
    "envoy_http_downstream_rq_xx", ((_PREFIX, _USERS), ("envoy_response_code_class", "5"))
)


class Given(NamedTuple):
    """Answers to users of a revision: those of the fallback, all, and those with a status 5xx."""

    of_fallback: float
    total: float
    failed: float = 0.0


Answer = Iterable[tuple[Mapping[str, str], list[Sample]]]


def answers_text(
    namespace: str,
    revisions: Collection[str],
    batching: Batching,
    pods: Collection[str] | None = None,
) -> str:
    """The query for the answers to users in the last `WINDOW_MS`, and those of the fallback.

    `pods` are the names of those that count, None where nobody knows them; of many some are enough,
    for what is told is a share.
    """
    return _increase(_ANSWERS, namespace, revisions, batching, pods)


def failed_text(
    namespace: str,
    revisions: Collection[str],
    batching: Batching,
    pods: Collection[str] | None = None,
) -> str:
    """The same for answers with a status 5xx that users got, whoever gave them."""
    return _increase(_FAILED, namespace, revisions, batching, pods)


def _increase(
    counter: Counter,
    namespace: str,
    revisions: Collection[str],
    batching: Batching,
    pods: Collection[str] | None,
) -> str:
    ranged = range_selector(
        Template(PROXY, counter),
        {namespace},
        revisions,
        WINDOW_MS,
        batching.labels,
        batching.matchers,
        some_pods(batching, pods),
    )
    revision = PROXY.revision_label
    alone = one_copy(PROXY, batching.labels, revision, _PREFIX)
    return f"sum by ({revision}, {_PREFIX}) (max {alone} (increase({ranged})))"


def reached_text(
    namespace: str,
    revisions: Collection[str],
    batching: Batching,
    pods: Collection[str] | None = None,
) -> str:
    """The query for whether the Service of the fallback takes connections from all pods."""
    text = selector(
        Template(PROXY, _HEALTHY),
        {namespace},
        revisions,
        batching.labels,
        batching.matchers,
        some_pods(batching, pods),
    )
    return f"min by ({PROXY.revision_label}) ({text})"


def read_answers(answers: Answer, failed: Answer) -> dict[str, Given]:
    """The answers to `answers_text` and `failed_text` by revision."""
    found, wrong = _by_hop(answers), _by_hop(failed)
    return {
        revision: Given(of.get(_FALLBACK, 0.0), of[_USERS], wrong.get(revision, {}).get(_USERS, 0))
        for revision, of in found.items()
        if _USERS in of
    }


def _by_hop(answer: Answer) -> dict[str, dict[str, float]]:
    found: dict[str, dict[str, float]] = {}
    for labels, samples in answer:
        if samples:
            of = found.setdefault(labels.get(PROXY.revision_label, ""), {})
            of[labels.get(_PREFIX, "")] = float(samples[-1][1])
    return found


def read_reached(answer: Answer) -> dict[str, bool]:
    """The answer to `reached_text` by revision; one of which nothing is known is not in it."""
    return {
        labels.get(PROXY.revision_label, ""): float(samples[-1][1]) > 0
        for labels, samples in answer
        if samples
    }
