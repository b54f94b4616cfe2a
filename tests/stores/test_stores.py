"""Good versions stay and bad ones are found with stores that people have, unconfigured.

Slow and not in CI: `make test-stores` builds the stores and takes about a minute for each.
"""

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from model_rollouts.metrics.findings import Reason
from tests.metrics.exporter_pod import wait_for_scrapes
from tests.stores import stores
from tests.stores.judged import Rollout, read_until
from tests.stores.services import Service, under_way
from tests.stores.stores import Setting

pytestmark = [pytest.mark.prometheus, pytest.mark.slow, pytest.mark.timeout(300)]

EVERY = "1s"
BAD = 0.06
"""Of the requests of the bad candidate, against an objective of 99 %."""

TOLD = {
    # The trial begins before the store has anything of its pods, and requests end before it does.
    Reason.HISTORY_LOST,
    Reason.METRICS_UNAVAILABLE,
    Reason.NO_TRAFFIC,
    # One candidate is started again.
    Reason.COUNTERS_RESET,
}

Store = Callable[[Setting], AbstractContextManager[str]]

STORES: dict[str, Store] = {
    "victoria-metrics scrapes": stores.victoria_metrics_scrapes,
    "victoria-metrics behind remote write": stores.victoria_metrics_behind_remote_write,
    "victoria-metrics behind two Prometheus": stores.victoria_metrics_behind_two,
    "victoria-metrics deduplicates two Prometheus": stores.victoria_metrics_deduplicates_two,
}


@pytest.mark.parametrize("name", STORES)
@pytest.mark.usefixtures("victoria_metrics")
def test_versions_are_judged_by_exact_counts(name: str, prometheus: Path, tmp_path: Path) -> None:
    good, bad = Service("good", 0.002, tmp_path), Service("bad", BAD, tmp_path)
    services = [good, bad]
    pods = [pod for service in services for pod in service.pods]
    targets = [target for service in services for target in service.targets()]
    with contextlib.ExitStack() as cleanup:
        for pod in pods:
            cleanup.callback(pod.crash)
            pod.start()
        url = cleanup.enter_context(STORES[name](Setting(prometheus, tmp_path, targets, EVERY)))
        wait_for_scrapes(pods, 5)
        rollouts = [Rollout(service, round(time.time() * 1000)) for service in services]
        kept, failed = rollouts
        ended = threading.Event()

        def story() -> None:
            with under_way(services):
                wait_for_scrapes(pods, 15)
            wait_for_scrapes(pods, 4)
            # Nothing that was counted is lost; a scrape or two fails before it is back.
            good.candidate.crash()
            wait_for_scrapes([good.stable], 3)
            good.candidate.start()
            with under_way(services):
                wait_for_scrapes(pods, 15)
            wait_for_scrapes(pods, 4)
            ended.set()

        def is_counted() -> bool:
            return ended.is_set() and all(
                each.totals() == each.service.truth() for each in rollouts
            )

        telling = threading.Thread(target=story)
        telling.start()
        try:
            exact = asyncio.run(read_until(url, rollouts, is_counted, 120))
        finally:
            telling.join()
    for each in rollouts:
        assert each.last is not None, each.unavailable
        print(
            f"{name}, {each.service.namespace}: counted {each.totals()}, failed at "
            f"{each.failed_at}, scraped every {each.last.scraped_every_ms} ms, waited "
            f"{each.last.delay_ms} ms, {len(each.records)} intervals, candidate held "
            f"{each.held_s('candidate'):g} s, found {sorted(map(str, each.reasons()))}, "
            f"unavailable {each.unavailable[:2]}"
        )
    assert exact, [(each.totals(), each.service.truth()) for each in rollouts]
    assert kept.failed_at is None
    assert failed.failed_at is not None
    for each in rollouts:
        assert not each.unavailable
        assert each.reasons() <= TOLD
        assert sum(record.arms["candidate"].resets for record in each.records) == (each is kept)
