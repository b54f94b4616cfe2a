"""Traffic through the gateway is split and mirrored as the route says, seen by Prometheus."""

import math
import time

from e2e.cluster import addons
from e2e.fixtures import Cluster
from e2e.smoke import servers
from e2e.waiting import wait_until
from model_rollouts.routes import controllers
from model_rollouts.routes.features import MIRROR_PERCENT

REQUESTS = 2_000
CANDIDATE_SHARE = 0.10
MIRRORED_SHARE = 0.30
FALSE_ALARM = 1e-6
"""Chance that a correct gateway fails one of the two checks: once in a million runs, each."""


def test_split_and_mirror_are_what_the_route_says(cluster: Cluster, cluster_namespace: str) -> None:
    """2,000 requests at 90/10 with a 30 % mirror: the counts lie within binomial bounds."""
    servers.start(cluster, cluster_namespace)
    probed = servers.reached(cluster, cluster_namespace, {"1", "2"})
    before = _counted(cluster, cluster_namespace, probed)

    servers.send(cluster, cluster_namespace, REQUESTS, rate=200)
    told = servers.answered(cluster, cluster_namespace)

    assert told["statuses"] == {"200": REQUESTS}
    answers = _counted(cluster, cluster_namespace, probed + REQUESTS)
    candidate, mirrored, mirrored_of_stable = (
        answers[key] - before[key] for key in (("2", "false"), ("2", "true"), ("1", "true"))
    )
    print(f"candidate {candidate:.0f} of {REQUESTS}, mirrored {mirrored:.0f}, clients saw {told}")

    assert told["versions"] == {"1": REQUESTS - candidate, "2": candidate}
    assert mirrored_of_stable == 0
    assert within(candidate, CANDIDATE_SHARE)
    if MIRROR_PERCENT in (controllers.of([addons.chosen().controller], {}).features or ()):
        assert within(mirrored, MIRRORED_SHARE)
    else:
        # It mirrors all, whatever share the route names: hence it is said to mirror no share.
        assert mirrored == REQUESTS


def test_the_bounds_refuse_a_wrong_share() -> None:
    """The check can fail: shares half as large or twice as large lie outside the bounds."""
    assert within(200, CANDIDATE_SHARE)
    assert not within(100, CANDIDATE_SHARE)
    assert not within(400, CANDIDATE_SHARE)


def within(count: float, share: float) -> bool:
    """Whether `count` of REQUESTS agrees with `share`: both exact binomial tails are likely."""
    below = _tail(range(int(count) + 1), share)
    above = _tail(range(int(count), REQUESTS + 1), share)
    return min(below, above) > FALSE_ALARM / 2


def _tail(counts: range, share: float) -> float:
    def term(k: int) -> float:
        chosen = math.lgamma(REQUESTS + 1) - math.lgamma(k + 1) - math.lgamma(REQUESTS - k + 1)
        return math.exp(chosen + k * math.log(share) + (REQUESTS - k) * math.log1p(-share))

    return math.fsum(map(term, counts))


def _answers(cluster: Cluster, namespace: str) -> dict[tuple[str, str], float]:
    selector = f'model_answers_total{{namespace="{namespace}"}}'
    found = cluster.query(f"sum by (version, mirrored) ({selector})")
    return {(labels["version"], labels["mirrored"]): value for labels, value in found}


def _counted(cluster: Cluster, namespace: str, live: int) -> dict[tuple[str, str], float]:
    """What Prometheus knows once it has counted all `live` answers that clients got."""
    wait_until(lambda: _live(cluster, namespace) == live, "answers are missing")
    ended = time.time()
    wait_until(lambda: _scraped_since(cluster, namespace, ended), "the servers left Prometheus")
    return _answers(cluster, namespace)


def _live(cluster: Cluster, namespace: str) -> float:
    answers = _answers(cluster, namespace)
    return sum(answers.get((version, "false"), 0.0) for version in ("1", "2"))


def _scraped_since(cluster: Cluster, namespace: str, moment: float) -> bool:
    found = cluster.query(f'timestamp(model_answers_total{{namespace="{namespace}"}})')
    return len(found) >= 4 and all(value > moment for _, value in found)
