"""CloudEvents: the form of the specification, the data of the schema, and one event a fact."""

import asyncio
import json
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner
from cloudevents.core.bindings.http import HTTPMessage, from_http_event

from e2e.cluster.paths import REPOSITORY
from model_rollouts.cli.main import main
from model_rollouts.notifications.kinds import Topic
from model_rollouts.notifications.message import Writer
from model_rollouts.notifications.occasions import Exposure, Occasion, occasions_of
from model_rollouts.notifications.settings import checked
from model_rollouts.notifications.store import Batch
from model_rollouts.notifications.targets.cloudevents import CloudEvents, Data, schema
from model_rollouts.notifications.targets.target import Place, RefusedError
from tests.notifications.objects import only, rollout, unavailable
from tests.notifications.receiver import Receiver

SCHEMA = REPOSITORY / "docs" / "messages.schema.json"


def sent(receiver: Receiver, folder: Path, occasion: Occasion, cluster: str = "eu-1") -> None:
    (folder / "url").write_text(receiver.url)
    (folder / "token").write_text("t0ken")
    message = Writer(cluster).message(Batch(occasion.id, (occasion,)))

    async def story() -> None:
        target = CloudEvents(Place("t", folder / "url", folder / "token"))
        try:
            await target.send(message)
        finally:
            await target.close()

    asyncio.run(story())


def test_a_fact_is_an_event_that_others_can_read(receiver: Receiver, tmp_path: Path) -> None:
    found = replace(only(rollout(), Topic.ROLLED_BACK), exposure=Exposure("10%", 1_800_000_400.0))

    sent(receiver, tmp_path, found)

    (post,) = receiver.posts
    assert post.headers["content-type"] == "application/cloudevents+json"
    assert post.headers["Authorization"] == "Bearer t0ken"
    read = from_http_event(HTTPMessage(headers=post.headers, body=json.dumps(post.body).encode()))
    assert read.get_type() == "dev.modelrollouts.RolledBack"
    assert read.get_source() == "/clusters/eu-1/namespaces/flights/modeldeployments/arrival"
    assert (read.get_id(), read.get_subject()) == (found.id, "3")
    at = read.get_time()
    assert at is not None
    assert at.timestamp() == found.at
    data = post.body["data"]
    assert data["owner"]["team"] == "vision"
    assert data["users"] == {"share": "10%", "since": "2027-01-15T08:06:40Z"}


@pytest.mark.parametrize("obj", [rollout(), rollout("canary"), rollout("paused"), unavailable()])
def test_every_fact_has_the_form_of_the_schema(
    obj: dict[str, object], receiver: Receiver, tmp_path: Path
) -> None:
    for each in occasions_of(obj):
        sent(receiver, tmp_path, each, "")

    assert receiver.posts
    for post in receiver.posts:
        # It refuses fields that the schema does not have, and asks for all others.
        msgspec.convert(post.body["data"], Data, strict=True)
        assert post.body["source"] == "/namespaces/flights/modeldeployments/arrival"


def test_the_schema_of_the_page_is_the_one_that_is_sent() -> None:
    result = CliRunner().invoke(main, ["notifications", "schema"])

    assert json.loads(result.output) == json.loads(SCHEMA.read_text()) == schema()


def test_programs_are_told_of_everything_and_at_once() -> None:
    target = {"name": "a", "type": "CloudEvents", "urlFile": "a"}

    (wanted,) = checked({"targets": [target]}, Path()).targets

    assert set(wanted.kinds()) == set(Topic)


def test_a_receiver_that_refuses_is_told_so(receiver: Receiver, tmp_path: Path) -> None:
    receiver.statuses = [415]

    with pytest.raises(RefusedError, match=r"^HTTP 415$"):
        sent(receiver, tmp_path, only(rollout(), Topic.ROLLED_BACK))
