"""`get`, `list`, `history` and `explain`: what they show, and what they say when they cannot."""

import io
import json
import threading
from collections.abc import Callable
from typing import Any

import pytest
from rich.console import Console

from model_rollouts.api.status import ObjectiveStatus
from model_rollouts.cli.mdep import drawing, get, live
from model_rollouts.cli.mdep.view import Object, view
from model_rollouts.cluster.kinds import EVENT, MODEL_DEPLOYMENT, POD
from tests.cli.mdep.conftest import Command, pod
from tests.cli.mdep.fake_api import FakeApi, write_kubeconfig
from tests.cli.mdep.rollouts import NAME, NAMESPACE, told, when

Put = Callable[[str], dict[str, Any]]

NO_NODE = {
    "phase": "Pending",
    "conditions": [
        {"type": "PodScheduled", "status": "False", "message": "0/12 nodes: 12 Insufficient gpu."}
    ],
    "containerStatuses": [],
}
NO_IMAGE = {
    "phase": "Pending",
    "conditions": [{"type": "Ready", "status": "False"}],
    "containerStatuses": [
        {
            "name": "model",
            "restartCount": 0,
            "state": {"waiting": {"reason": "ErrImagePull", "message": "not\n found \x1b[31m"}},
        }
    ],
}
CRASHES = {
    "phase": "Running",
    "conditions": [{"type": "Ready", "status": "False"}],
    "containerStatuses": [
        {
            "name": "model",
            "restartCount": 4,
            "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off"}},
            "lastState": {"terminated": {"exitCode": 137, "reason": "OOMKilled"}},
        }
    ],
}


def seen(name: str, *pods: Object) -> dict[str, Any]:
    """The view of a rollout a minute later."""
    return view(told(name), pods, [], when(name) + 60)


def drawn(found: dict[str, Any], width: int) -> str:
    """As a terminal of that width shows it, without the marks of colours."""
    to = Console(width=width, file=io.StringIO(), force_terminal=True, color_system=None)
    to.print(drawing.rollout(found, to))
    assert isinstance(to.file, io.StringIO)
    return to.file.getvalue()


@pytest.mark.parametrize("width", [80, 160])
@pytest.mark.parametrize("name", ["starting", "canary", "rolled back", "paused", "promoted"])
def test_every_terminal_shows_all_of_it(name: str, width: int) -> None:
    found = seen(name)

    text = drawn(found, width)

    assert all(len(line) <= width for line in text.splitlines())
    words = " ".join(text.split())
    assert found["message"] in words
    assert all(each["name"] in words for each in found["objectives"])
    assert all(f"{each['role']} {each['version']}" in words for each in found["revisions"])


def test_a_terminal_has_colours() -> None:
    to = Console(width=80, file=io.StringIO(), color_system="standard", force_terminal=True)

    to.print(drawing.rollout(seen("rolled back"), to))

    assert isinstance(to.file, io.StringIO)
    assert "\x1b[31mRolledBack" in to.file.getvalue()


def test_a_canary_is_told_with_its_numbers() -> None:
    text = " ".join(drawn(seen("canary"), 160).split())

    assert "Canary action Wait step 1 of 2" in text
    assert "candidate 2 ██░░░░░░░░░░░░░░░░░░ 10%" in text
    assert "stable 1 ██████████████████░░ 90%" in text
    assert "errors undecided 0 bad of 60 (0 %) 4 % or 4 times stable's" in text
    assert "60/140" in text
    assert "Judging for" in text


@pytest.mark.parametrize(
    ("status", "cause"),
    [
        (NO_NODE, "cannot be scheduled: 0/12 nodes: 12 Insufficient gpu"),
        (NO_IMAGE, "container model: ErrImagePull: not found [31m"),
        (CRASHES, "container model ran out of memory (exit code 137)"),
    ],
    ids=["no node", "no image", "out of memory"],
)
def test_a_pod_that_does_not_start_says_why(status: dict[str, Any], cause: str) -> None:
    revision = told("canary")["status"]["candidate"]["revision"]

    found = seen("canary", pod("ill", revision, when("canary"), **status))

    (ill,) = found["revisions"][0]["pods"]
    assert (ill["ready"], ill["cause"]) == (False, cause)
    text = drawn(found, 160)
    assert cause in " ".join(text.split())
    assert "0 of 1 pods ready" in text
    assert "\x1b" not in text


def test_the_json_is_what_is_drawn(mdep: Command, at: Put) -> None:
    obj = at("canary")

    result = mdep("get", "mdep/arrival", "-o", "json")

    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert found["phase"] == "Canary"
    assert [(each["role"], each["weight"], each["ready"]) for each in found["revisions"]] == [
        ("candidate", "10%", 1),
        ("stable", "90%", 1),
    ]
    names = {each["name"]: each for each in found["objectives"]}
    errors = names["errors"]
    assert (errors["total"], errors["needed"], errors["role"]) == (60, 140, "Gate")
    assert errors["promise"] == "99% succeed"
    assert names["restarts"]["unit"] == "pod-minutes"
    assert found["awaits"]["reason"] == "Judging"
    assert found["awaits"]["seconds"] >= 60
    assert found["events"][0]["count"] == 2
    assert obj["status"]["message"] == found["message"]


def test_what_may_not_be_read_is_left_out_and_said(mdep: Command, api: FakeApi, at: Put) -> None:
    at("canary")
    api.forbidden |= {("list", POD.plural), ("list", EVENT.plural)}

    result = mdep("get", NAME)

    assert result.exit_code == 0
    assert "pods: no right to list them" in result.stdout
    assert "no right to list them" in result.stdout.partition("EVENTS")[2]


def test_without_a_terminal_there_are_no_colours_and_no_cut_lines(mdep: Command, at: Put) -> None:
    obj = at("canary")

    for arguments in (("get", NAME), ("list", "-A")):
        result = mdep(*arguments)
        assert "\x1b" not in result.stdout
        assert obj["status"]["message"] in result.stdout


def test_all_are_listed_or_those_that_need_you(mdep: Command, api: FakeApi, at: Put) -> None:
    at("canary")
    other = told("rolled back")
    other["metadata"] |= {"namespace": "shop", "name": "ranking"}
    api.put(MODEL_DEPLOYMENT, other)

    rows = json.loads(mdep("list", "-A", "-o", "json").stdout)
    urgent = mdep("list", "-A", "--urgent")
    here = mdep("list", "-o", "name")

    assert [(each["namespace"], each["name"]) for each in rows] == [
        ("flights", "arrival"),
        ("shop", "ranking"),
    ]
    assert "ranking" in urgent.stdout
    assert "arrival" not in urgent.stdout
    assert here.stdout == "modeldeployment.modelrollouts.dev/arrival\n"


def test_the_history_says_how_each_ended(mdep: Command, at: Put) -> None:
    at("rolled back")

    found = json.loads(mdep("history", NAME, "-o", "json").stdout)

    assert [(each["version"], each["outcome"]) for each in found][:2] == [
        ("3", "RolledBack"),
        ("2", "Promoted"),
    ]
    assert "errors failed" in mdep("history", NAME).stdout


def test_an_explanation_has_the_evidence_and_what_would_change_it(mdep: Command, at: Put) -> None:
    at("canary")

    found = json.loads(mdep("explain", NAME, "-o", "json").stdout)

    known = found["evidence"]
    (errors,) = (each for each in known["objectives"] if each["name"] == "errors")
    assert errors["candidate"] == {"total": 60.0, "bad": 0.0}
    assert 0 < errors["passEvidence"] < errors["passNeeded"]
    assert (known["decision"], known["toward"]) == ("Inconclusive", 0.5)
    changes = " ".join(found["changes"])
    assert "errors passes after about 77 more requests" in changes
    assert "errors rolls the version back after about 7 requests if all of them fail" in changes
    query = found["queries"][0]["total"]
    assert f'modelrollouts_revision="{told("canary")["status"]["candidate"]["revision"]}"' in query
    assert "EVIDENCE" in mdep("explain", NAME).stdout


def test_of_a_rollout_that_has_ended_the_query_ends_with_it(mdep: Command, at: Put) -> None:
    at("rolled back")

    found = json.loads(mdep("explain", NAME, "-o", "json").stdout)

    assert found["evidence"] is None
    assert "errors failed" in found["decided"]["why"]
    assert " @ 18000" in found["queries"][0]["bad"]
    assert any("mdep retry arrival -n flights" in each for each in found["changes"])


def _absent(api: FakeApi) -> None:
    del api.objects[MODEL_DEPLOYMENT.plural, NAMESPACE, NAME]


def _elsewhere(api: FakeApi) -> None:
    obj = api.stored()
    _absent(api)
    obj["metadata"]["namespace"] = "shop"
    api.put(MODEL_DEPLOYMENT, obj)


def _similar(api: FakeApi) -> None:
    obj = api.stored()
    _absent(api)
    obj["metadata"]["name"] = "arrivals"
    api.put(MODEL_DEPLOYMENT, obj)


def _no_right(api: FakeApi) -> None:
    api.forbidden.add(("get", MODEL_DEPLOYMENT.plural))


def _no_crd(api: FakeApi) -> None:
    api.has_crd = False


def _away(api: FakeApi) -> None:
    write_kubeconfig(api.kubeconfig, "http://127.0.0.1:9")


def _no_kubeconfig(api: FakeApi) -> None:
    api.kubeconfig.unlink()


@pytest.mark.parametrize(
    ("happens", "said"),
    [
        (_absent, "there is none at all in it"),
        (_elsewhere, "there is one with -n shop"),
        (_similar, "similar: arrivals"),
        (_no_right, "you have no right to get modeldeployments.modelrollouts.dev"),
        (_no_crd, "has no ModelDeployments: install Model Rollouts"),
        (_away, "does not answer: Connection refused"),
        (_no_kubeconfig, "set KUBECONFIG, or write --kubeconfig FILE"),
    ],
    ids=lambda each: each.__name__.strip("_") if callable(each) else "",
)
@pytest.mark.parametrize("command", ["get", "wait", "history", "explain"])
def test_a_mistake_is_answered_with_what_to_do(
    mdep: Command,
    api: FakeApi,
    at: Put,
    happens: Callable[[FakeApi], None],
    said: str,
    command: str,
) -> None:
    at("canary")
    happens(api)

    result = mdep(command, NAME)

    assert result.exit_code == 1
    assert isinstance(result.exception, SystemExit)
    assert said in " ".join(result.stderr.split())
    assert result.stdout == ""


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("get",), "Missing argument 'NAME'"),
        (("get", "pod/arrival"), "write the name of a ModelDeployment"),
        (("get", NAME, "-o", "xml"), "'xml' is not one of 'json', 'yaml'"),
        (("list", "-A", "-n", "shop"), "write one of them"),
        (("wait", NAME, "--timeout", "soon"), "write a time such as 24h"),
    ],
)
def test_a_wrong_command_line_says_what_to_write(
    mdep: Command, arguments: tuple[str, ...], said: str
) -> None:
    result = mdep(*arguments)

    assert result.exit_code == 2
    assert said in " ".join(result.stderr.split())


def test_watching_tells_each_change_once(
    mdep: Command, api: FakeApi, at: Put, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every look that differs is one line; the second change ends the test as Ctrl-C would."""
    obj = at("canary")
    monkeypatch.setattr(live, "QUIET", 0.0)
    monkeypatch.setattr(live, "AGAIN", 30.0)
    looks = 0

    def look(*arguments: Any) -> Any:
        nonlocal looks
        looks += 1
        found = get.look(*arguments)
        if found["phase"] == "Full":
            raise KeyboardInterrupt
        if looks == 2:
            # Whatever was heard of the beginning: now something does change.
            threading.Thread(target=api.put, args=(MODEL_DEPLOYMENT, _promoted(obj))).start()
        return found

    monkeypatch.setattr(live, "look", look)

    result = mdep("get", NAME, "-w", "-o", "json")

    assert result.exit_code == 0
    (line,) = result.stdout.splitlines()
    assert json.loads(line)["phase"] == "Canary"


def _promoted(obj: dict[str, Any]) -> dict[str, Any]:
    return {**obj, "status": told("promoted")["status"]}


def test_the_view_names_fields_that_the_status_has() -> None:
    fields = {field.alias or name for name, field in ObjectiveStatus.model_fields.items()}

    assert {"name", "slice", "verdict", "bad", "total", "limit", "needed", "message"} <= fields
