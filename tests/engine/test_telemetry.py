"""What the operator tells of itself: metrics as documented, health, and lines of the log."""

import asyncio
import io
import json
import logging
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from aiohttp.test_utils import TestClient, TestServer

from model_rollouts.engine.logs import LogFormat, configure
from model_rollouts.engine.operator_metrics import OperatorMetrics, Shown
from model_rollouts.engine.server import application

PAGE = Path(__file__).resolve().parents[2] / "docs" / "metrics.md"


@pytest.fixture
def instruments() -> OperatorMetrics:
    """All metrics, with one ModelDeployment."""
    made = OperatorMetrics("1.2.3")
    made.follow(
        shown=lambda: [
            Shown(
                "shop",
                "arrival",
                "Canary",
                serves_spec=False,
                available=True,
                degraded=True,
                falls_back=True,
            )
        ],
        depth=lambda: 3.0,
        event_age=lambda: 7.0,
        unseen=lambda: ["list HTTPRoutes"],
        leads=lambda: True,
    )
    return made


def test_every_metric_is_documented_as_it_is(instruments: OperatorMetrics) -> None:
    rows = re.findall(r"^\| `(\w+)` \| (\w+) \| (.*?) \|", PAGE.read_text(), re.MULTILINE)
    documented = {name: (kind, set(re.findall(r"`(\w+)`", labels))) for name, kind, labels in rows}
    for each in (instruments.passes, instruments.queries, instruments.ticks):
        each.labels("x")
    instruments.requests.labels("GET", "services", "200")
    instruments.transitions.labels("x")
    instruments.broke("x")

    found = {}
    for family in instruments.registry.collect():
        if family.name.startswith("process_"):
            continue
        suffix = {"counter": "_total", "info": "_info"}.get(family.type, "")
        labels = set().union(*(sample.labels for sample in family.samples)) - {"le"}
        kind = "gauge" if family.type == "info" else family.type
        found[family.name + suffix] = (kind, labels)

    assert documented == found


def test_what_belongs_to_a_model_is_shown(instruments: OperatorMetrics) -> None:
    place = {"namespace": "shop", "name": "arrival"}
    value = instruments.registry.get_sample_value

    assert value("modeldeployment_spec_not_serving", place) == 1
    assert value("modeldeployment_available", place) == 1
    assert value("modeldeployment_not_answering", place) == 0
    assert value("modeldeployment_service_degraded", place) == 1
    assert value("modeldeployment_fallback_active", place) == 1
    assert value("modeldeployment_phase", {**place, "phase": "Canary"}) == 1
    assert value("model_rollouts_queue_depth") == 3


def test_health_says_what_is_wrong(instruments: OperatorMetrics) -> None:
    async def test() -> None:
        app = application(instruments.registry, alive=lambda: None, ready=lambda: "not listed")
        async with TestClient(TestServer(app)) as client:
            answers = [await client.get(path) for path in ("/healthz", "/readyz", "/metrics")]

            assert [answer.status for answer in answers] == [200, 503, 200]
            assert await answers[1].text() == "not listed"
            assert 'model_rollouts_build_info{release="1.2.3"} 1.0' in await answers[2].text()

    asyncio.run(test())


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """What is logged as JSON."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    stream = io.StringIO()
    configure(LogFormat.AUTO, stream)
    yield stream
    root.handlers, root.level = handlers, level


def test_a_line_is_json_with_its_reason(log: io.StringIO) -> None:
    extra = {"model": "shop/arrival", "reason": "Advanced", "unknown": "x"}
    logging.getLogger("engine").info("shop/arrival: to %s", "25 %", extra=extra)

    (line,) = log.getvalue().splitlines()
    told = json.loads(line)
    assert told.pop("time").endswith("+00:00")
    assert told == {
        "level": "info",
        "logger": "engine",
        "message": "shop/arrival: to 25 %",
        "model": "shop/arrival",
        "reason": "Advanced",
    }


def test_an_error_stays_one_line(log: io.StringIO) -> None:
    try:
        raise ZeroDivisionError
    except ZeroDivisionError:
        logging.getLogger("engine").exception("the pass failed")

    (line,) = log.getvalue().splitlines()
    assert "ZeroDivisionError" in json.loads(line)["traceback"]
