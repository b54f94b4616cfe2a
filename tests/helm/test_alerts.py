"""The alerts of the chart are PromQL that a real Prometheus understands."""

from contextlib import AbstractContextManager, closing
from pathlib import Path

import pytest
import yaml
from ephemeral_port_reserve import reserve

from e2e.chart import REQUIRED, render
from e2e.waiting import wait_until
from model_rollouts.engine.operator_metrics import OperatorMetrics, Shown
from model_rollouts.prometheus.errors import QueryError
from model_rollouts.prometheus.inspect import connect
from model_rollouts.prometheus.server import ServerOptions
from tests.prometheus_server import Target, exposed, prometheus_server


class Replica:
    """The metrics of one replica of the operator."""

    def __init__(self, name: str, *, leads: bool) -> None:
        self.target = Target(reserve(), {"namespace": "operators", "pod": name}, "operator")
        self.leads = leads
        self.shown: tuple[Shown, ...] = ()
        self._instruments = OperatorMetrics("test")
        self._instruments.follow(
            shown=lambda: self.shown,
            depth=lambda: 0,
            event_age=lambda: 0,
            unseen=lambda: (),
            leads=lambda: self.leads,
        )

    def running(self) -> AbstractContextManager[None]:
        """It is there."""
        return exposed(self._instruments.registry, self.target.port)


@pytest.mark.usefixtures("helm")
def test_it_is_told_that_nobody_leads_and_that_the_standby_is_missing(
    prometheus: Path, tmp_path: Path
) -> None:
    objects = yaml.safe_load_all(render({**REQUIRED, "prometheusRule": {"enabled": True}}))
    (group,) = next(obj for obj in objects if obj["kind"] == "PrometheusRule")["spec"]["groups"]
    expressions = {rule["alert"]: rule["expr"] for rule in group["rules"]}
    one = Replica("model-rollouts-5f-abcde", leads=True)
    other = Replica("model-rollouts-5f-fghij", leads=False)
    # Another operator, of other models, is none of these.
    foreign = Replica("another-5f-klmno", leads=True)
    targets = [each.target for each in (one, other, foreign)]

    with (
        prometheus_server(prometheus, tmp_path, targets, "1s") as server,
        closing(connect(ServerOptions(server.url))) as asked,
        one.running(),
        foreign.running(),
    ):

        def firing() -> set[str]:
            names = ("OperatorDown", "NoLeader", "StandbyMissing")
            alerts = [f"ModelRollouts{each}" for each in names]
            return {each for each in alerts if asked.custom_query(expressions[each])}

        with other.running():
            wait_until(lambda: firing() == set(), "two are well", 30.0)
            one.leads = False
            wait_until(lambda: firing() == {"ModelRolloutsNoLeader"}, "nobody leads", 30.0)
            other.leads = True
            wait_until(lambda: firing() == set(), "the other leads", 30.0)
        one.leads = True
        wait_until(lambda: firing() == {"ModelRolloutsStandbyMissing"}, "one is missing", 30.0)


@pytest.mark.usefixtures("helm")
def test_it_is_told_that_users_get_answers_of_the_fallback(
    prometheus: Path, tmp_path: Path
) -> None:
    objects = yaml.safe_load_all(render({**REQUIRED, "prometheusRule": {"enabled": True}}))
    (group,) = next(obj for obj in objects if obj["kind"] == "PrometheusRule")["spec"]["groups"]
    rule = next(each for each in group["rules"] if each["alert"].endswith("FallbackActive"))
    replica = Replica("model-rollouts-5f-abcde", leads=True)

    with (
        prometheus_server(
            prometheus, tmp_path, [replica.target], "1s", honor_labels=True
        ) as server,
        closing(connect(ServerOptions(server.url))) as asked,
        replica.running(),
    ):

        def named() -> list[str]:
            found = asked.custom_query(rule["expr"])
            return sorted(f"{at['namespace']}/{at['name']}" for at in (e["metric"] for e in found))

        assert named() == []
        well = Shown("shop", "ranking", "Full", serves_spec=True, available=True)
        ill = Shown("shop", "arrival", "Full", serves_spec=True, available=True, falls_back=True)
        replica.shown = (well, ill)
        wait_until(lambda: named() == ["shop/arrival"], "one is told", 30.0)
        replica.shown = (well,)
        wait_until(lambda: named() == [], "it is over", 30.0)


@pytest.mark.usefixtures("helm")
def test_prometheus_understands_every_alert(prometheus: Path, tmp_path: Path) -> None:
    objects = yaml.safe_load_all(render({**REQUIRED, "prometheusRule": {"enabled": True}}))
    (group,) = next(obj for obj in objects if obj["kind"] == "PrometheusRule")["spec"]["groups"]
    assert group["rules"]

    with (
        prometheus_server(prometheus, tmp_path, [], "5s") as server,
        closing(connect(ServerOptions(server.url))) as asked,
    ):
        for rule in group["rules"]:
            try:
                asked.custom_query(rule["expr"])
            except QueryError as error:
                pytest.fail(f"{rule['alert']}: {error}")
