"""The process as a pod runs it: with an API server, a target, restarts and kills."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from ephemeral_port_reserve import reserve

from e2e.cluster.paths import REPOSITORY
from model_rollouts.cluster.kinds import MODEL_DEPLOYMENT
from tests.cli.mdep.fake_api import FakeApi, serving
from tests.notifications.objects import conditioned, rollout
from tests.notifications.receiver import WITHIN_S, Receiver, receiving

STALLED = ("Stalled", "True", "InvalidTemplate", "2027-01-15T09:00:00Z")
FAST = {"groupWait": "1ms", "groupInterval": "1ms", "mostPerHour": 3_600}


@pytest.fixture
def api(tmp_path: Path) -> Iterator[FakeApi]:
    with serving(tmp_path) as found:
        yield found


class Office:
    """The command with its files; each `start` is another life of it."""

    def __init__(self, folder: Path, kubeconfig: Path, *arguments: str) -> None:
        self.folder = folder
        self.arguments = arguments
        self.kubeconfig = kubeconfig
        self.port = reserve()
        self.processes: list[subprocess.Popen[bytes]] = []

    def configure(self, *targets: tuple[dict[str, Any], str], **more: Any) -> None:
        """Write the file, and an address for each target."""
        for target, url in targets:
            (self.folder / target["urlFile"]).write_text(url)
        said = {"targets": [target for target, _ in targets], **FAST, **more}
        (self.folder / "config.yaml").write_text(yaml.safe_dump(said))

    def start(self, *arguments: str) -> subprocess.Popen[bytes]:
        """A process."""
        with (self.folder / "log").open("ab") as log, (self.folder / "out").open("ab") as out:
            process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "model_rollouts.cli.main", "notifications", "run"),
                    *("--config", str(self.folder / "config.yaml")),
                    *("--kubeconfig", str(self.kubeconfig)),
                    *("--address", "127.0.0.1", "--port", str(self.port)),
                    *self.arguments,
                    *(arguments or ("--cursor", str(self.folder / "cursor.db"))),
                ],
                env={**os.environ, "PYTHONPATH": str(REPOSITORY / "operator")},
                stderr=log,
                stdout=out,
            )
        self.processes.append(process)
        return process

    @property
    def log(self) -> str:
        """What all processes have said."""
        return (self.folder / "log").read_text()

    def metric(self, line: str) -> bool:
        """Whether /metrics has that line now."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/metrics") as answer:
                return line in answer.read().decode()
        except OSError:
            return False


@pytest.fixture
def office(tmp_path: Path, api: FakeApi) -> Iterator[Office]:
    found = Office(tmp_path, api.kubeconfig)
    yield found
    put_away(found)


def put_away(office: Office) -> None:
    """End what still runs."""
    for each in office.processes:
        each.kill()
        each.wait()


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WITHIN_S
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def ended(process: subprocess.Popen[bytes]) -> int:
    process.send_signal(signal.SIGTERM)
    return process.wait(30)


def hook(name: str = "hook", **more: Any) -> dict[str, Any]:
    return {"name": name, "type": "Webhook", "urlFile": f"{name}.url", **more}


def stalled(number: int) -> dict[str, Any]:
    return conditioned(*STALLED, uid=f"s-{number}", name=f"m{number}")


def put(api: FakeApi, obj: dict[str, Any]) -> None:
    api.put(MODEL_DEPLOYMENT, obj)


def names(receiver: Receiver) -> list[str]:
    return [each["name"] for post in receiver.posts for each in post.body["occasions"]]


WATCHING = "model_rollouts_notifications_watching 1.0"


def test_what_happens_is_told_once_over_restarts(
    api: FakeApi, office: Office, receiver: Receiver
) -> None:
    put(api, rollout("canary"))
    office.configure((hook(), receiver.url))
    process = office.start()
    until(lambda: office.metric(WATCHING))

    # Its history is older than this process, as after a loss of the volume: what holds is told.
    put(api, stalled(1))
    assert receiver.wait(1)[0].body["occasions"][0]["name"] == "m1"
    assert ended(process) == 0

    # What happens while nothing runs is in the status.
    put(api, stalled(2))
    process = office.start()
    receiver.wait(2)
    put(api, stalled(3))
    receiver.wait(3)

    assert names(receiver) == ["m1", "m2", "m3"]
    assert ended(process) == 0
    assert "s3cr3t" not in office.log
    assert "Traceback" not in office.log


def test_killed_between_the_answer_and_its_record_it_sends_the_same_message_again(
    api: FakeApi, office: Office, receiver: Receiver
) -> None:
    office.configure((hook(), receiver.url))
    process = office.start()
    until(lambda: office.metric(WATCHING))

    # It stands still from before the answer is written until it is killed: the answer is on its
    # side of the connection, and was not recorded.
    def killed() -> None:
        process.kill()
        process.wait()

    receiver.before = lambda: process.send_signal(signal.SIGSTOP)
    receiver.after = killed
    put(api, stalled(1))
    receiver.wait(1)
    assert process.wait(30) == -signal.SIGKILL
    receiver.before = receiver.after = lambda: None

    process = office.start()
    first, second = receiver.wait(2)
    put(api, stalled(2))
    third = receiver.wait(3)[2]

    assert first.body == second.body
    assert first.headers["Idempotency-Key"] == second.headers["Idempotency-Key"]
    assert third.body["id"] != first.body["id"]
    until(lambda: office.metric('model_rollouts_notifications_waiting{target="hook"} 0.0'))
    assert ended(process) == 0
    process = office.start()
    until(lambda: office.metric(WATCHING))
    assert len(receiver.posts) == 3


def test_killed_at_any_other_moment_it_sends_each_message_once(
    api: FakeApi, office: Office, receiver: Receiver
) -> None:
    """Five lives, each killed after a message was recorded and while another object comes."""
    office.configure((hook(), receiver.url))
    for number in range(5):
        process = office.start()
        until(lambda: office.metric(WATCHING))
        put(api, stalled(number))
        receiver.wait(number + 1)
        until(lambda: office.metric('notifications_sent_total{target="hook"} 1.0'))
        process.kill()
        process.wait()

    assert names(receiver) == [f"m{number}" for number in range(5)]


def test_a_target_that_hangs_or_refuses_keeps_no_other_waiting(
    api: FakeApi, office: Office, receiver: Receiver
) -> None:
    with receiving() as silent, receiving() as refusing:
        silent.silent.set()
        refusing.statuses = [403] * 1_000
        slow = {"name": "slow", "type": "Apprise", "urlFile": "slow.url"}
        office.configure(
            (slow, silent.url.replace("http", "json")),
            (hook("no"), refusing.url),
            (hook(), receiver.url),
        )
        process = office.start()
        until(lambda: office.metric(WATCHING))
        for number in range(3):
            put(api, stalled(number))
            receiver.wait(number + 1)

        silent.wait(1)
        refusing.wait(2)
        refused = 'model_rollouts_notifications_failed_total{target="no",why="refused"}'
        until(lambda: office.metric(refused))
        assert "target 'no' did not take message" in office.log
        assert "s3cr3t" not in office.log
        assert ended(process) == 0
    assert names(receiver) == ["m0", "m1", "m2"]


def test_an_api_server_that_is_away_is_waited_for(
    api: FakeApi, office: Office, receiver: Receiver
) -> None:
    api.has_crd = False
    office.configure((hook(), receiver.url))
    office.start()
    until(lambda: "ModelDeployments could not be listed" in office.log)
    put(api, stalled(1))
    api.has_crd = True

    receiver.wait(1)
    until(lambda: office.metric(WATCHING))


def test_two_processes_do_not_share_a_cursor(
    api: FakeApi, office: Office, receiver: Receiver
) -> None:
    office.configure((hook(), receiver.url))
    office.start()
    until(lambda: office.metric(WATCHING))

    assert office.start().wait(60) == 1
    assert "another process uses it" in office.log


def test_a_dry_run_prints_and_sends_nothing(
    api: FakeApi, office: Office, receiver: Receiver
) -> None:
    put(api, stalled(1))
    office.configure((hook(), receiver.url))
    process = office.start("--dry-run")
    until(lambda: "the rollout of version 2 is stalled" in (office.folder / "out").read_text())

    assert ended(process) == 0
    assert (office.folder / "out").read_text().startswith("to hook:\n  flights/m1: the rollout")
    assert receiver.posts == []
    assert not (office.folder / "cursor.db").exists()


def test_it_asks_for_nothing_but_modeldeployments(
    api: FakeApi, office: Office, receiver: Receiver
) -> None:
    office.configure((hook(), receiver.url))
    process = office.start()
    until(lambda: office.metric(WATCHING))
    put(api, stalled(1))
    receiver.wait(1)
    assert ended(process) == 0

    root = "/apis/modelrollouts.dev/v1alpha1/modeldeployments"
    asked = {each.partition("?")[0] for each in api.asked}
    # Which kinds there are, every client may ask.
    assert {each for each in asked if each.count("/") > 3} == {root}
    assert json.dumps(api.updates) == "[]"


def test_told_to_end_while_a_message_is_sent_it_waits_for_the_answer(
    api: FakeApi, office: Office, receiver: Receiver
) -> None:
    office.configure((hook(), receiver.url))
    process = office.start()
    until(lambda: office.metric(WATCHING))
    receiver.silent.set()
    put(api, stalled(1))
    receiver.wait(1)
    process.send_signal(signal.SIGTERM)
    # It is ending, and what was begun is not.
    until(lambda: not office.metric(WATCHING))
    receiver.silent.clear()
    assert process.wait(30) == 0

    office.start()
    until(lambda: office.metric(WATCHING))
    put(api, stalled(2))
    receiver.wait(2)

    assert names(receiver) == ["m1", "m2"]
