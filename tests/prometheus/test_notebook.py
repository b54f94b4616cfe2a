"""The cells of docs/notebook.md, run on a real Prometheus: they show what was counted."""

import contextlib
import re
from pathlib import Path
from typing import Any

import pytest
from ephemeral_port_reserve import reserve

from model_rollouts.engine.operator_metrics import OperatorMetrics, Shown
from model_rollouts.metrics.sources import Listener
from tests.metrics.exporter_pod import ExporterPod, wait_for_scrapes, wait_until
from tests.prometheus_server import Target, exposed, prometheus_server

pytestmark = [
    pytest.mark.prometheus,
    pytest.mark.timeout(90),
    # The library's own; the extra `inspect` stays below the pandas that makes an error of it.
    pytest.mark.filterwarnings("ignore:The inplace keyword in MetricRangeDataFrame"),
]

PAGE = Path(__file__).parents[2] / "docs" / "notebook.md"
STABLE, CANDIDATE = "arrival-delay-4f2c", "arrival-delay-9be0"


def cells(url: str) -> str:
    """The code of the page, for the Prometheus at `url`."""
    text = PAGE.read_text()
    assert text.count("http://localhost:9090") == 2, "one in the code, one in the text"
    code = "\n".join(re.findall(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL))
    return code.replace("http://localhost:9090", url)


class Operator:
    """An operator's own metrics, served; its one ModelDeployment is in `phase`."""

    def __init__(self) -> None:
        self.port = reserve()
        self.phase = "Canary"
        self.scrapes = 0
        self.instruments = OperatorMetrics("test")
        self.instruments.follow(
            shown=self._shown,
            depth=lambda: 0,
            event_age=lambda: 0,
            unseen=lambda: (),
            leads=lambda: True,
        )

    def serving(self) -> contextlib.AbstractContextManager[None]:
        """Serve until the end of the context."""
        return exposed(self.instruments.registry, self.port)

    def wait_for_scrapes(self) -> None:
        """Wait until what is shown now is in Prometheus."""
        wanted = self.scrapes + 2
        wait_until(lambda: self.scrapes >= wanted, "scrapes of the operator")

    def _shown(self) -> list[Shown]:
        self.scrapes += 1
        return [Shown("flights", "arrival-delay", self.phase, False, True)]


def test_the_cells_show_what_was_counted(
    tmp_path: Path, any_prometheus: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MPLBACKEND", "Agg")
    stable = ExporterPod("stable-0", STABLE, tmp_path)
    candidates = [ExporterPod(f"candidate-{n}", CANDIDATE, tmp_path) for n in range(2)]
    pods, operator = [stable, *candidates], Operator()
    targets = [Target(pod.port, {"namespace": "flights", "pod": pod.name}) for pod in pods]
    targets.append(Target(operator.port, {"namespace": "model-rollouts"}, "operator"))
    with contextlib.ExitStack() as cleanup:
        for pod in pods:
            cleanup.callback(pod.crash)
            pod.start()
            pod.count({"2xx": 0})  # as Envoy has it from the start
        cleanup.enter_context(operator.serving())
        server = cleanup.enter_context(
            prometheus_server(any_prometheus, tmp_path, targets, "500ms", honor_labels=True)
        )
        wait_for_scrapes(pods)
        stable.count({"2xx": 97, "4xx": 2, "5xx": 1, "timed": 100, "within": 99})
        for pod in candidates:
            pod.count({"2xx": 20, "5xx": 3, "timed": 20, "within": 15})
        candidates[0].count({"2xx": 500, "5xx": 500, "timed": 500}, Listener.SHADOW)
        operator.instruments.transitions.labels("StepPassed").inc(2)
        wait_for_scrapes(pods)
        operator.wait_for_scrapes()
        candidates[1].crash()
        candidates[1].start()
        candidates[1].count({"2xx": 10, "timed": 10, "within": 5})
        operator.phase = "Full"
        operator.instruments.transitions.labels("Promoted").inc()
        wait_for_scrapes(pods)
        operator.wait_for_scrapes()

        shown: dict[str, Any] = {}
        exec(compile(cells(server.url), str(PAGE), "exec"), shown)

    assert shown["requests"].to_dict("index") == {
        STABLE: {"2": 97, "4": 2, "5": 1},
        CANDIDATE: {"2": 50, "4": 0, "5": 6},
    }
    assert shown["within"].loc[CANDIDATE].to_dict() == {299.0: 35, float("inf"): 50}
    assert shown["share"][299.0].to_dict() == {STABLE: 0.99, CANDIDATE: 0.7}
    assert sorted(line.get_ydata()[-1] for line in shown["axes"].lines) == [0, 1, 3]
    assert shown["decided"].to_dict() == {"StepPassed": 2, "Promoted": 1}
    assert list(shown["when"].index) == ["Canary", "Full"]
    assert shown["when"].loc["Canary", "max"] < shown["when"].loc["Full", "min"]
