"""GitHub, against a stand-in of the parts of its REST API that are used: it was not run on GitHub.

A stand-in, because GitHub cannot be reached from a test.
"""

import asyncio
import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from model_rollouts.notifications.kinds import Topic
from model_rollouts.notifications.message import Writer
from model_rollouts.notifications.occasions import Occasion
from model_rollouts.notifications.settings import SettingsError, checked
from model_rollouts.notifications.store import Batch
from model_rollouts.notifications.targets.github import STATES, GitHub
from model_rollouts.notifications.targets.target import Place, RefusedError, UnansweredError
from tests.notifications.objects import only, rollout, unavailable

COMMIT = "0123456789abcdef0123456789abcdef01234567"
ROOT = "/repos/example/models"


class Repository:
    """Statuses by commit, and deployments with theirs."""

    def __init__(self) -> None:
        self.statuses: list[dict[str, Any]] = []
        self.deployments: list[dict[str, Any]] = []
        self.asked: list[str] = []
        self.refuses: int | None = None
        self.port = 0


class _Handler(BaseHTTPRequestHandler):
    repository: Repository

    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""

    def do_GET(self) -> None:
        """Deployments that were asked for."""
        repository, url = self.repository, urlsplit(self.path)
        wanted = {name: values[0] for name, values in parse_qs(url.query).items()}
        repository.asked.append(f"GET {url.path}")
        assert url.path == f"{ROOT}/deployments"
        number = int(wanted.pop("per_page"))
        found = [
            each
            for each in repository.deployments
            if all({**each, "sha": each["ref"]}[name] == value for name, value in wanted.items())
        ]
        self._answer(200, found[:number])

    def do_POST(self) -> None:
        """A status, a deployment, or the status of one."""
        repository, path = self.repository, self.path.removeprefix(ROOT)
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        repository.asked.append(f"POST {self.path}")
        if self.headers["Authorization"] != "Bearer t0ken" or repository.refuses:
            self._answer(repository.refuses or 401, {"message": "Bad credentials"})
            return
        match path.strip("/").split("/"):
            case ["statuses", commit]:
                assert body["state"] in ("error", "failure", "pending", "success")
                repository.statuses.append({**body, "sha": commit})
                self._answer(201, {})
            case ["deployments"]:
                assert body["required_contexts"] == []
                made = {**body, "id": 7 + len(repository.deployments), "statuses": []}
                repository.deployments.append(made)
                self._answer(201, made)
            case ["deployments", number, "statuses"]:
                (found,) = (each for each in repository.deployments if str(each["id"]) == number)
                found["statuses"].append(body)
                self._answer(201, {})
            case _:
                self._answer(404, {})

    def _answer(self, status: int, content: Any) -> None:
        text = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)


@pytest.fixture
def repository() -> Iterator[Repository]:
    found = Repository()
    handler = type("Handler", (_Handler,), {"repository": found})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    found.port = int(server.server_address[1])
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield found
    server.shutdown()
    server.server_close()
    thread.join()


def sent(repository: Repository, folder: Path, *occasions: Occasion) -> None:
    (folder / "token").write_text("t0ken")
    api = f"http://127.0.0.1:{repository.port}"

    async def story() -> None:
        target = GitHub(Place("t", None, folder / "token", "example/models", api))
        try:
            for each in occasions:
                await target.send(Writer("eu-1").message(Batch(each.id, (each,))))
        finally:
            await target.close()

    asyncio.run(story())


def committed(moment: str, kind: Topic) -> Occasion:
    obj = rollout(moment)
    obj["spec"]["model"]["gitCommit"] = COMMIT
    return only(obj, kind)


def test_a_rollback_fails_the_commit_and_its_deployment(
    repository: Repository, tmp_path: Path
) -> None:
    sent(repository, tmp_path, committed("rolled back", Topic.ROLLED_BACK))

    (status,) = repository.statuses
    assert (status["sha"], status["state"]) == (COMMIT, "failure")
    assert status["context"] == "model-rollouts/eu-1/flights/arrival"
    assert status["target_url"] == "https://wiki.example.com/arrival"
    assert status["description"].startswith("errors failed: 99 % of requests must succeed")
    assert len(status["description"]) <= 140
    (deployment,) = repository.deployments
    assert (deployment["ref"], deployment["environment"]) == (COMMIT, "eu-1/flights/arrival")
    assert [each["state"] for each in deployment["statuses"]] == ["failure"]


def test_a_rollout_is_one_deployment_however_often_it_is_told(
    repository: Repository, tmp_path: Path
) -> None:
    canary = committed("canary", Topic.PROGRESS)
    half = replace(canary, id="2", share="50%")
    promoted = committed("promoted", Topic.PROMOTED)

    sent(repository, tmp_path, canary, canary, half, promoted)

    (deployment,) = repository.deployments
    states = [each["state"] for each in deployment["statuses"]]
    assert states == ["in_progress", "in_progress", "in_progress", "success"]
    assert deployment["statuses"][2]["description"] == "Version 2: Canary, 50 % of users"
    assert [each["state"] for each in repository.statuses] == ["pending"] * 3 + ["success"]


def test_another_revision_is_another_deployment(repository: Repository, tmp_path: Path) -> None:
    canary = committed("canary", Topic.PROGRESS)

    sent(repository, tmp_path, canary, replace(canary, id="2", revision="arrival-2"))

    assert len(repository.deployments) == 2


@pytest.mark.parametrize(
    "occasion", [only(rollout(), Topic.ROLLED_BACK), only(unavailable(), Topic.UNAVAILABLE)]
)
def test_what_is_about_no_commit_is_not_told(
    occasion: Occasion, repository: Repository, tmp_path: Path
) -> None:
    sent(repository, tmp_path, occasion)

    assert repository.asked == []


@pytest.mark.parametrize(
    ("status", "error"), [(401, RefusedError), (422, RefusedError), (502, UnansweredError)]
)
def test_what_github_refuses_is_tried_again(
    status: int, error: type[Exception], repository: Repository, tmp_path: Path
) -> None:
    repository.refuses = status

    with pytest.raises(error, match=f"^HTTP {status}$"):
        sent(repository, tmp_path, committed("rolled back", Topic.ROLLED_BACK))


TARGET = {"name": "a", "type": "GitHub", "repository": "example/models", "tokenFile": "a"}


def test_it_is_told_of_what_it_has_a_state_for() -> None:
    (wanted,) = checked({"targets": [TARGET]}, Path()).targets

    assert set(wanted.kinds()) == set(STATES)


@pytest.mark.parametrize(
    ("change", "refusal"),
    [
        ({"repository": "models"}, r"repository: found 'models', write owner/name, such as"),
        ({"repository": None}, r"repository: found none with type GitHub, write it"),
        ({"tokenFile": None}, r"tokenFile: found none with type GitHub, write it"),
        ({"urlFile": "a"}, r"urlFile: found one with type GitHub, remove it"),
        ({"api": "github.com"}, r"api: found 'github.com', write an address such as https"),
    ],
)
def test_a_repository_is_named_in_full(change: dict[str, Any], refusal: str) -> None:
    with pytest.raises(SettingsError, match=refusal):
        checked({"targets": [{**TARGET, **change}]}, Path())
