"""Which guards a rollout has: all of them, unless it says otherwise."""

from typing import Any

import pytest

from model_rollouts.decision import Objective, Role, client_errors, restarts
from model_rollouts.rollout.trial.guards import guards_latency
from model_rollouts.rollout.trial.trial import trial_rules
from tests.api.objects import LATENCY
from tests.rollout.made_up import spec

ERRORS = {"name": "errors", "type": "Availability", "availability": {"target": "99%"}}
ALL = {"client-errors", "latency-against-stable", "restarts"}
REPORTED = LATENCY | {"role": "Report"}


def guards(
    changes: dict[str, Any] | None = None, *, baseline: bool = True, usual: float | None = 0.25
) -> dict[str, Objective]:
    """The guards of a trial by name."""
    rules = trial_rules(spec(changes), baseline=baseline, usual=usual)
    return {each.name: each for each in rules.objectives if each.name in ALL}


def test_all_are_on_by_default() -> None:
    found = guards()

    assert found.keys() == ALL
    assert {each.role for each in found.values()} == {Role.GUARD}
    slow = found["latency-against-stable"].latency
    assert slow is not None
    assert slow.edges.exact and slow.stable.exact
    assert (slow.edges.lower, slow.edges.far) == (0.25, None)


@pytest.mark.parametrize(
    ("field", "name"),
    [
        ("clientErrors", "client-errors"),
        ("restarts", "restarts"),
        ("latencyAgainstStable", "latency-against-stable"),
    ],
)
def test_each_can_be_turned_off_or_only_shown(field: str, name: str) -> None:
    off = guards({"spec.strategy.guards": {field: {"role": "Off"}}})
    shown = guards({"spec.strategy.guards": {field: {"role": "Report"}}})

    assert off.keys() == ALL - {name}
    assert shown[name].role is Role.REPORT


def test_what_compares_with_stable_needs_it() -> None:
    assert guards(baseline=False).keys() == {"restarts"}


def test_what_is_usual_at_stable_has_to_be_known() -> None:
    assert guards(usual=None).keys() == ALL - {"latency-against-stable"}


@pytest.mark.parametrize(
    ("objectives", "guarded"),
    [([ERRORS], True), ([ERRORS, LATENCY], False), ([ERRORS, REPORTED], True)],
)
def test_latency_is_promised_or_guarded(objectives: list[Any], guarded: bool) -> None:
    changes = {"spec.objectives": objectives}

    assert ("latency-against-stable" in guards(changes)) is guarded
    assert guards_latency(spec(changes)) is guarded


def test_an_objective_of_the_same_name_stands_in_place_of_the_guard() -> None:
    own = {
        "name": "restarts",
        "type": "Counters",
        "counters": {"bad": {"metric": "my_restarts_total"}, "total": {"metric": "my_runs_total"}},
        "limits": {"good": "1%", "bad": "2%"},
        "role": "Guard",
    }

    found = guards({"spec.objectives": [ERRORS, own]})

    assert found["restarts"].counters is not None


def test_the_limits_are_those_of_the_spec() -> None:
    by_default, found = (
        guards(),
        guards(
            {
                "spec.strategy.guards": {
                    "clientErrors": {"tolerance": "0.5%"},
                    "restarts": {"limit": "0.2"},
                    "latencyAgainstStable": {"tolerance": "45%", "role": "Report"},
                }
            }
        ),
    )

    # Exactly the limits of before they could be set: evidence outlives the upgrade.
    assert by_default["client-errors"] == client_errors()
    assert by_default["restarts"] == restarts()
    assert by_default["latency-against-stable"].good == 0.01
    assert {name: (each.good, each.bad) for name, each in found.items()} == {
        "client-errors": (0.005, 0.01),
        "restarts": (0.2, 2.0),
        "latency-against-stable": (0.45, 0.9),
    }
    assert found["latency-against-stable"].role is Role.REPORT
