"""Each kind of target against real HTTP servers: taken, refused, silent, away."""

import asyncio
import logging
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ephemeral_port_reserve import reserve

from model_rollouts.notifications.kinds import Topic
from model_rollouts.notifications.message import Message, Writer
from model_rollouts.notifications.store import Batch
from model_rollouts.notifications.targets import apprise as apprise_target
from model_rollouts.notifications.targets import catalogue, http
from model_rollouts.notifications.targets.catalogue import TargetType
from model_rollouts.notifications.targets.target import (
    DeliveryError,
    Place,
    RefusedError,
    UnansweredError,
)
from tests.notifications.objects import only, rollout, unavailable
from tests.notifications.receiver import Receiver

pytestmark = [
    # Of Apprise's plugin for e-mail, which is loaded with all others.
    pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")
]

BY_HTTP = [TargetType.WEBHOOK, TargetType.CLOUD_EVENTS, TargetType.APPRISE]
Send = Callable[..., None]


def message(kind: Topic = Topic.ROLLED_BACK) -> Message:
    obj = unavailable() if kind is Topic.UNAVAILABLE else rollout()
    found = only(obj, kind)
    return Writer("eu-1").message(Batch(found.id, (found,)))


def address(type: TargetType, url: str) -> str:
    return url.replace("http://", "json://") if type is TargetType.APPRISE else url


@pytest.fixture
def send(tmp_path: Path) -> Send:
    """Sends one message by a target of that type; raises what it raises."""

    def go(type: TargetType, url: str, made: Message | None = None, token: str = "") -> None:
        url_file, token_file = tmp_path / "url", tmp_path / "token"
        url_file.write_text(address(type, url) + "\n")
        token_file.write_text(token)
        place = Place("t", url_file, token_file if token else None)

        async def story() -> None:
            target = catalogue.made(type, place)
            try:
                await target.send(made or message())
            finally:
                await target.close()

        asyncio.run(story())

    return go


def test_a_webhook_gets_id_words_and_facts(receiver: Receiver, send: Send) -> None:
    made = message()
    send(TargetType.WEBHOOK, receiver.url, made, token="t0ken")

    (post,) = receiver.posts
    assert post.path == "/s3cr3t"
    assert post.headers["Idempotency-Key"] == post.body["id"] == made.id
    assert post.headers["Authorization"] == "Bearer t0ken"
    assert post.body["title"] == "[eu-1] flights/arrival: version 3 was rolled back"
    assert (post.body["severity"], post.body["page"]) == ("Warning", False)
    (fact,) = post.body["occasions"]
    assert (fact["kind"], fact["namespace"], fact["version"]) == ("RolledBack", "flights", "3")
    assert fact["thread"] == "u-1/arrival-091c23cb9c"


def test_apprise_gets_title_text_and_how_bad_it_is(receiver: Receiver, send: Send) -> None:
    send(TargetType.APPRISE, receiver.url)
    send(TargetType.APPRISE, receiver.url, message(Topic.UNAVAILABLE))

    first, second = receiver.posts
    assert first.body["title"] == "[eu-1] flights/arrival: version 3 was rolled back"
    assert first.body["message"] == message().text
    assert (first.body["type"], second.body["type"]) == ("warning", "failure")


@pytest.mark.parametrize("type", BY_HTTP)
@pytest.mark.parametrize(
    ("status", "error"),
    [(403, RefusedError), (404, RefusedError), (503, UnansweredError), (408, UnansweredError)],
)
def test_a_refusal_is_told_from_an_answer_that_means_nothing(
    type: TargetType, status: int, error: type[DeliveryError], receiver: Receiver, send: Send
) -> None:
    receiver.statuses = [status]

    with pytest.raises(error, match=f"^HTTP {status}$"):
        send(type, receiver.url)


def test_a_redirect_does_not_get_the_secret(receiver: Receiver, send: Send) -> None:
    receiver.statuses, receiver.headers = [307], {"Location": "/elsewhere"}

    with pytest.raises(RefusedError, match="HTTP 307; redirects are not followed"):
        send(TargetType.WEBHOOK, receiver.url)

    assert len(receiver.posts) == 1


def test_a_target_may_ask_for_time(receiver: Receiver, send: Send) -> None:
    receiver.statuses, receiver.headers = [429], {"Retry-After": "120"}

    with pytest.raises(RefusedError) as error:
        send(TargetType.WEBHOOK, receiver.url)

    assert error.value.after_s == 120.0


def test_nobody_waits_for_ever_for_a_target_that_is_silent(
    receiver: Receiver, send: Send, monkeypatch: pytest.MonkeyPatch
) -> None:
    receiver.silent.set()
    monkeypatch.setattr(http.Http.__init__, "__defaults__", (0.3,))
    monkeypatch.setattr(apprise_target.Apprise.__init__, "__defaults__", (0.3,))

    for each in BY_HTTP:
        with pytest.raises(UnansweredError, match=r"^no answer within 0 s$"):
            send(each, receiver.url)


def test_threads_that_hang_do_not_pile_up(
    receiver: Receiver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    receiver.silent.set()
    (tmp_path / "url").write_text(f"{receiver.url.replace('http', 'json')}?rto=60")
    target = apprise_target.Apprise(Place("t", tmp_path / "url"), 0.2)

    async def story() -> list[str]:
        said = []
        for _ in range(5):
            try:
                await target.send(message())
            except DeliveryError as error:
                said.append(str(error))
        return said

    said = asyncio.run(story())

    assert said[:3] == ["no answer within 0 s"] * 3
    assert said[3:] == ["3 messages before it are still being sent"] * 2
    threads = [each for each in threading.enumerate() if each.name == "apprise"]
    receiver.silent.clear()
    for each in threads:
        each.join(30)
    assert len(threads) == 3
    asyncio.run(target.send(message()))


@pytest.mark.parametrize("type", BY_HTTP)
def test_a_target_that_is_away_is_told_without_its_address(type: TargetType, send: Send) -> None:
    with pytest.raises(DeliveryError) as error:
        send(type, f"http://127.0.0.1:{reserve()}/s3cr3t")

    assert "127.0.0.1" not in str(error.value)
    assert "s3cr3t" not in str(error.value)


@pytest.mark.parametrize("type", BY_HTTP)
def test_nothing_of_an_address_is_logged(
    type: TargetType, receiver: Receiver, send: Send, caplog: pytest.LogCaptureFixture
) -> None:
    receiver.statuses = [200, 500, 403]
    with caplog.at_level(logging.DEBUG):
        for _ in range(3):
            try:
                send(type, receiver.url.replace("127.0.0.1", "user:pa55@127.0.0.1"))
            except DeliveryError as error:
                assert "pa55" not in str(error)

    assert "s3cr3t" not in caplog.text
    assert "pa55" not in caplog.text


@pytest.mark.parametrize(
    ("type", "url", "refusal"),
    [
        (TargetType.WEBHOOK, "hooks.example.com/s3cr3t", "found no address of HTTP in the Secret"),
        (TargetType.WEBHOOK, "", "found 0 characters as the address of target 't', write one line"),
        (TargetType.WEBHOOK, "http://a\nhttp://b", "found 17 characters as the address of target"),
        (TargetType.APPRISE, "slag://s3cr3t", "found no Apprise URL in the Secret of target 't'"),
        (
            TargetType.APPRISE,
            "mailto://u:s3cr3t@example.com?to=a@example.com,b@example.com",
            "found 2 recipients in the Secret of target 't', write a target for each",
        ),
    ],
)
def test_a_secret_that_is_no_address_is_refused_and_not_shown(
    type: TargetType, url: str, refusal: str, send: Send
) -> None:
    with pytest.raises(RefusedError) as error:
        send(type, url)

    assert str(error.value).startswith(refusal)
    assert "s3cr3t" not in str(error.value)


def test_a_secret_that_is_not_there_is_waited_for(tmp_path: Path) -> None:
    with pytest.raises(RefusedError, match="the address of target 't' could not be read: No such"):
        Place("t", tmp_path / "none").url()


def test_a_long_text_is_cut_and_not_split(
    receiver: Receiver, send: Send, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("apprise.plugins.custom_json.NotifyJSON.body_maxlen", 200)

    send(TargetType.APPRISE, receiver.url)

    (post,) = receiver.posts
    assert len(post.body["message"]) <= 200


@pytest.mark.parametrize("type", catalogue.ROWS)
def test_each_row_names_a_target(type: TargetType, tmp_path: Path) -> None:
    place: Any = Place("t", tmp_path, tmp_path, "a/b")

    assert catalogue.made(type, place)
