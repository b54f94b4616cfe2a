"""`lint`, `forecast` and `what-if`: what is known of a rollout before it begins."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from model_rollouts.api.base import VALIDATIONS
from model_rollouts.api.deployment import read
from model_rollouts.cli.mdep import cel, practice
from model_rollouts.cli.mdep.offline import problems
from tests.api.bad_examples import ROWS
from tests.api.objects import ERRORS, LATENCY, MINIMAL, changed
from tests.api.test_accepted import GOOD
from tests.cli.mdep.conftest import Command
from tests.cli.mdep.fake_api import FakeApi
from tests.cli.mdep.rollouts import NAME

Put = Callable[[str], dict[str, Any]]

GO = (
    *("Too many", "Too long", "Required value", "Invalid value", "Unsupported value", "Duplicate"),
    *("should be", "must be", "may not", "at least", "more than", "less than", "greater than"),
    *('"', "supported values", "to 1", "Required", "should have"),
)
"""How the API server's own words about a schema begin; ours say what to write."""


def test_what_the_api_server_refuses_is_found_without_it() -> None:
    """Every bad example of the resource: the same field, and of rules the same message."""
    missed = []
    for where, value, field, message in ROWS:
        found = problems(changed({where: value}))
        there = [each.message for each in found if each.field == field]
        if not there or not (message.startswith(GO) or any(message in each for each in there)):
            missed.append((where, field, message, found))

    assert missed == []


def test_what_the_api_server_takes_is_taken() -> None:
    assert [problems(changed(changes)) for changes in GOOD.values()] == [[]] * len(GOOD)


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("has(self.a) || self.a == 1", True),
        ("self.b.all(x, x > 1) ? 'y' : 'n'", "n"),
        ("1 / 0 == 1 || true", True),
        ("self.b.filter(x, x > 1).map(x, x * 2)", [4, 6]),
        ("self.b.exists_one(x, x == 2) && !(3 in self.b && false)", True),
        ("duration('1m') + duration('30s') > duration('80s')", True),
        ("duration('1500ms').getMilliseconds() % 1000", 500),
        ("'a\\\"\\u00e9' + \"'\"", "a\"é'"),
        ("-2 + 3 * 2 - 1", 3),
        ("{'a': [1, 2], 'b': []}['a'].size() + {}.size()", 2),
    ],
)
def test_an_expression_has_the_value_that_cel_gives_it(expression: str, value: Any) -> None:
    names = {"self": {"a": 1, "b": [1, 2, 3]}}

    try:
        found = cel.compiled(expression)(names)
    except ZeroDivisionError:
        found = None

    assert found == value


@pytest.mark.parametrize("expression", ["self.", "a ? b", "unknown(1)", "self.b.fold(1)", "1 #"])
def test_what_is_no_expression_is_refused(expression: str) -> None:
    with pytest.raises(cel.CelError):
        cel.compiled(expression)


FILE = """\
# the first
apiVersion: v1
kind: Service
---
apiVersion: modelrollouts.dev/v1alpha1
kind: ModelDeployment
metadata: {name: arrival}
spec:
  model:
    version: 3 x
  port: 8080
  template:
    spec:
      containers:
        - name: model
          image: registry.example.com/arrival:latest
  route: {hostnames: [arrival.example.com], parentRefs: [{name: models}]}
  strategy:
    shaddow: {percent: 0}
"""


def test_a_problem_has_its_file_and_line(mdep: Command, tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(FILE)
    (tmp_path / "b.yaml").write_text(FILE.replace("shaddow", "shadow"))

    result = mdep("lint", str(tmp_path))

    assert result.exit_code == 1
    lines = [
        line.removeprefix(f"{tmp_path}/").split(": ")[:3] for line in result.stdout.splitlines()
    ]
    assert lines == [
        ["a.yaml:19", "error", "spec.strategy.shaddow"],
        ["b.yaml:14", "error", "spec.template.spec.containers"],
        ["b.yaml:10", "error", "spec.model.version"],
    ]
    assert "write shadow" in result.stdout
    assert result.stderr == "2 checked: 3 errors, 0 warnings\n"


def written(tmp_path: Path, changes: dict[str, Any]) -> str:
    path = tmp_path / "manifest.yaml"
    path.write_text(yaml.safe_dump(changed(changes)))
    return str(path)


FAST = ("--rate", "1000")
"""Traffic that decides at once: how much it takes is not looked for."""

PROBED = {"name": "model", "image": "m@sha256:" + 64 * "0", "readinessProbe": {"httpGet": {}}}


@pytest.mark.parametrize(
    ("changes", "options", "said"),
    [
        ({}, FAST, "found no readinessProbe"),
        (
            {
                "spec.objectives": [{**ERRORS, "availability": {"target": "99.999%"}}],
                "spec.strategy.deadline": "10m",
            },
            (),
            "req/s to be decided before the deadline of 10 min",
        ),
        (
            {"spec.strategy.deadline": "10m"},
            ("--rate", "0.001"),
            "comes before a decision",
        ),
        (
            {"spec.replicas": 4, "spec.strategy.maxExtraReplicas": 1},
            FAST,
            "its pods carry 5 %, 20 %",
        ),
        (
            {"spec.objectives": [LATENCY], "spec.strategy.canary": {"steps": ["5%", "10%"]}},
            FAST,
            "add a last step of 50%",
        ),
        (
            {"spec.objectives": [LATENCY], "spec.route.timeouts": {"request": "200ms"}},
            FAST,
            "spec.route.timeouts.request ends requests after 200ms",
        ),
        (
            {
                "spec.objectives": [LATENCY],
                "spec.fallback": {"type": "Static", "static": {"body": "{}"}, "after": "300ms"},
            },
            FAST,
            "spec.fallback.after ends requests after 300ms",
        ),
        (
            {
                "spec.route.timeouts": {"backendRequest": "2s"},
                "spec.fallback": {"type": "Static", "static": {"body": "{}"}, "after": "2s"},
            },
            FAST,
            "found 2s, and spec.route.timeouts.backendRequest ends requests after 2s: no user gets "
            "the fallback",
        ),
    ],
    ids=[
        "no probe",
        "no traffic",
        "rate",
        "steps",
        "last step",
        "timeout",
        "fallback",
        "late fallback",
    ],
)
def test_what_only_practice_knows_is_a_warning(
    mdep: Command, tmp_path: Path, changes: dict[str, Any], options: tuple[str, ...], said: str
) -> None:
    path = written(tmp_path, changes)

    result = mdep("lint", path, *options, "--strict", "-o", "json")

    found = json.loads(result.stdout)
    assert said in " ".join(each["message"] for each in found)
    assert {each["severity"] for each in found} == {"warning"}
    assert result.exit_code == 1


def test_of_a_sound_manifest_nothing_is_said(mdep: Command, tmp_path: Path) -> None:
    result = mdep("lint", written(tmp_path, {"spec.template.spec.containers": [PROBED]}))

    assert (result.exit_code, result.stdout) == (0, "")
    warned = mdep("lint", written(tmp_path, {}))
    assert (warned.exit_code, "warning" in warned.stdout) == (0, True)
    assert practice.odd(
        read(changed({"metadata.namespace": "a", "spec.strategy.mode": "Immediate"}))
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: [", "file.yaml:1: "),
        ("a: 1", "found no ModelDeployment in the files"),
        (None, "could not read"),
    ],
)
def test_a_file_that_cannot_be_checked_is_told(
    mdep: Command, tmp_path: Path, text: str | None, said: str
) -> None:
    path = tmp_path / "file.yaml"
    if text is not None:
        path.write_text(text)

    result = mdep("lint", str(path))

    assert result.exit_code == 1
    assert said in result.stderr


def test_the_forecast_is_by_the_traffic_that_was_counted(mdep: Command, at: Put) -> None:
    at("canary")

    counted = json.loads(mdep("forecast", NAME, "-o", "json").stdout)
    faster = json.loads(mdep("forecast", NAME, "--rate", "500", "-o", "json").stdout)

    assert counted["requestsPerSecond"] == 5.0
    assert counted["decision"] == "Pass"
    assert faster["seconds"] < counted["seconds"]


def test_without_traffic_the_forecast_asks_for_it(mdep: Command, at: Put) -> None:
    at("rolled back")

    result = mdep("forecast", NAME)

    assert result.exit_code == 1
    assert "write --rate" in result.stderr
    assert mdep("forecast", NAME, "--rate", "5").exit_code == 0


def test_another_spec_is_forecast_beside_this_one(mdep: Command, api: FakeApi, at: Put) -> None:
    at("canary")
    stricter = ("--assurance", "Strict", "--objective", "errors:target=99.9%", "--replicas", "2")

    found = json.loads(mdep("what-if", NAME, *stricter, "-o", "json").stdout)

    assert found["then"]["seconds"] > 2 * found["now"]["seconds"]
    assert mdep("what-if", NAME, "--steps", "50%").stdout.startswith("Now:  At 5 req/s")
    assert api.updates == []


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        ((), 2, "write --steps, --objective or another"),
        (("--steps", "50%,10%"), 1, "write ascending weights"),
        (("--objective", "errors"), 2, "write NAME:FIELD=VALUE"),
        (("--objective", "errors:within=1s"), 1, "it has no within"),
        (("--deadline", "soon"), 1, "spec.strategy.deadline: found 'soon', write a time"),
    ],
)
def test_another_spec_has_to_be_one(
    mdep: Command, at: Put, options: tuple[str, ...], code: int, said: str
) -> None:
    at("canary")

    result = mdep("what-if", NAME, *options)

    assert result.exit_code == code
    assert said in " ".join(result.stderr.split())


def test_the_smallest_resource_has_rules_to_be_held_against() -> None:
    assert problems(MINIMAL) == []
    assert VALIDATIONS
