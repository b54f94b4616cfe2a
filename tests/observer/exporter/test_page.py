"""docs/observer.md describes every metric of the observer, and no other."""

import re

from prometheus_client import CollectorRegistry, Counter

from e2e.cluster.paths import REPOSITORY
from model_rollouts.observer.exporter.counters import Counters


def test_the_page_has_every_metric() -> None:
    counters = vars(Counters(CollectorRegistry())).values()
    made = {
        f"{each.describe()[0].name}{'_total' if isinstance(each, Counter) else ''}"
        for each in counters
    }
    text = (REPOSITORY / "docs" / "observer.md").read_text()
    page = text.partition("## Its metrics")[2].partition("\n## ")[0]

    rows = set(re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE))

    assert {f"model_rollouts_observer_{each}" for each in rows} == made
