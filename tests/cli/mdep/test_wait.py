"""`wait`: exit codes for scripts, and progress for people."""

import json
import threading
from collections.abc import Callable
from typing import Any

import pytest

from model_rollouts.api.phase import Phase
from model_rollouts.cli.mdep import options, wait
from model_rollouts.cluster.kinds import MODEL_DEPLOYMENT
from tests.cli.mdep.conftest import Command
from tests.cli.mdep.fake_api import FakeApi
from tests.cli.mdep.rollouts import NAME, told

Put = Callable[[str], dict[str, Any]]


@pytest.mark.parametrize(("name", "code"), [("promoted", 0), ("rolled back", 3), ("paused", 5)])
def test_it_exits_with_how_it_ended(mdep: Command, at: Put, name: str, code: int) -> None:
    obj = at(name)

    result = mdep("wait", NAME, "-o", "json")

    assert result.exit_code == code
    assert json.loads(result.stdout)["exitCode"] == code
    assert json.loads(result.stdout)["message"] == obj["status"]["message"]


def test_undecided_and_stalled_have_codes_of_their_own(
    mdep: Command, api: FakeApi, at: Put
) -> None:
    obj = at("rolled back")
    obj["status"]["phase"] = "Undecided"
    api.put(MODEL_DEPLOYMENT, obj)
    assert mdep("wait", NAME).exit_code == 4

    obj["status"]["phase"] = "Starting"
    api.put(MODEL_DEPLOYMENT, obj)
    result = mdep("wait", NAME)
    assert result.exit_code == 5
    assert result.stdout.startswith("RolledBack: Version 3 was rolled back")


def test_what_is_about_an_older_spec_is_no_end(mdep: Command, api: FakeApi, at: Put) -> None:
    obj = at("promoted")
    obj["metadata"]["generation"] += 1
    api.put(MODEL_DEPLOYMENT, obj)

    result = mdep("wait", NAME, "--timeout", "50ms")

    assert result.exit_code == 6
    assert "the operator has not seen the spec yet" in result.stderr


def test_it_follows_the_rollout_to_its_end(
    mdep: Command, api: FakeApi, at: Put, monkeypatch: pytest.MonkeyPatch
) -> None:
    obj = at("canary")
    told_first = threading.Event()
    tell = wait._tell

    def noted(words: str, before: str) -> str:
        told_first.set()
        return tell(words, before)

    def promote() -> None:
        told_first.wait(30)
        api.put(MODEL_DEPLOYMENT, {**obj, "status": told("promoted")["status"]})

    monkeypatch.setattr(wait, "_tell", noted)
    other = threading.Thread(target=promote)
    other.start()
    result = mdep("wait", NAME, "--timeout", "30s")
    other.join()

    assert result.exit_code == 0, result.output
    assert "Canary: Canary: version 2 gets 10 % of users" in result.stderr
    assert result.stdout.startswith("Version 2 serves all users")


def test_an_api_server_in_trouble_does_not_end_the_wait(
    mdep: Command, api: FakeApi, at: Put, monkeypatch: pytest.MonkeyPatch
) -> None:
    obj = at("canary")
    monkeypatch.setattr(wait, "AGAIN", 0.01)
    tell = wait._tell

    def noted(words: str, before: str) -> str:
        if words.startswith("Canary"):
            api.troubled = 2
        elif "503" in words:
            api.put(MODEL_DEPLOYMENT, {**obj, "status": told("promoted")["status"]})
        return tell(words, before)

    monkeypatch.setattr(wait, "_tell", noted)

    result = mdep("wait", NAME)

    assert result.exit_code == 0, result.output
    assert "HTTP 503: etcd is away" in result.stderr


def test_another_version_is_another_rollout(
    mdep: Command, api: FakeApi, at: Put, monkeypatch: pytest.MonkeyPatch
) -> None:
    obj = at("canary")
    monkeypatch.setattr(wait, "AGAIN", 0.01)
    fetch = options.fetch

    def edited(*arguments: Any) -> Any:
        found = fetch(*arguments)
        api.put(
            MODEL_DEPLOYMENT,
            {**obj, "spec": {**obj["spec"], "model": {"version": "9"}}},
        )
        return found

    monkeypatch.setattr(options, "fetch", edited)

    result = mdep("wait", NAME)

    assert result.exit_code == 1
    assert "version 2 was superseded: the spec asks for version 9 now" in result.stderr


def test_it_knows_every_phase_in_which_a_rollout_has_ended() -> None:
    assert {phase.value for phase in Phase if phase.has_ended} | {"Paused"} == set(wait.ENDS)
