"""What Prometheus had scraped of a revision, and when: what decisions were made from."""

from collections import defaultdict
from dataclasses import dataclass

from e2e.fixtures import Cluster

COMPLETED = "envoy_http_downstream_rq_completed"
GIVEN_UP = "envoy_http_downstream_rq_rx_reset"
BY_CLASS = "envoy_http_downstream_rq_xx"


@dataclass(frozen=True)
class Scrape:
    """One scrape of the only pod of a revision, in Unix seconds: requests since it started."""

    at: float
    total: int
    bad: int


def scrapes(cluster: Cluster, namespace: str, revision: str) -> list[Scrape]:
    """The scrapes of the last 20 minutes in their order, of users' requests.

    Raises AssertionError when the revision had several pods.
    """
    names = "|".join((COMPLETED, GIVEN_UP, BY_CLASS))
    selector = (
        f'{{__name__=~"{names}",namespace="{namespace}",modelrollouts_revision="{revision}",'
        'envoy_http_conn_manager_prefix="live"}[20m]'
    )
    series = cluster.samples(selector)
    pods = {labels["pod"] for labels, _ in series}
    assert len(pods) <= 1, f"revision {revision} had the pods {sorted(pods)}, expected one"
    total: dict[float, int] = defaultdict(int)
    bad: dict[float, int] = defaultdict(int)
    for labels, samples in series:
        name = labels["__name__"]
        for at, value in samples:
            if name in (COMPLETED, GIVEN_UP):
                total[at] += int(float(value))
            if name == GIVEN_UP or labels.get("envoy_response_code_class") == "5":
                bad[at] += int(float(value))
    return [Scrape(at, total[at], bad[at]) for at in sorted(total)]


def first_with(found: list[Scrape], total: int, bad: int) -> Scrape:
    """The first scrape that had seen as many requests and bad ones: it allowed what they decide."""
    return next(each for each in found if each.total >= total and each.bad >= bad)
