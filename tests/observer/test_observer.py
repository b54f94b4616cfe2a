"""The whole observer: batches by gRPC, counts, worst cases and rows."""

import asyncio
import json
from collections import Counter
from collections.abc import Coroutine
from functools import partial
from pathlib import Path
from typing import Any

import grpc
from deltalake import DeltaTable

from model_rollouts.observer.capture.messages import Batch
from tests.observer.batches import (
    CANDIDATE,
    MODEL,
    NAMESPACE,
    STABLE,
    answer,
    entry,
    first,
    request,
)
from tests.observer.running import Pod, Scraped, eventually, observing, options, speaking
from tests.observer.stub_api import StubApi, served

COMPARED = {"model_namespace": NAMESPACE, "model": MODEL, "modelrollouts_revision": CANDIDATE}


def run(story: Coroutine[Any, Any, None]) -> None:
    asyncio.run(story)


class Garbage:
    """What is no protobuf."""

    def SerializeToString(self) -> bytes:  # noqa: N802
        """Bytes."""
        return b"\xff" * 50


def rows(folder: Path) -> list[dict[str, Any]]:
    table = DeltaTable(str(folder / "log" / "predictions"))
    found: list[dict[str, Any]] = table.to_pyarrow_table().to_pylist()
    return found


def test_pairs_are_counted_told_and_kept(tmp_path: Path) -> None:
    async def story() -> None:
        async with served(StubApi(), tmp_path) as kubeconfig:
            made = options(tmp_path, kubeconfig)
            async with observing(made) as observer, speaking(made) as channel:
                stable, candidate = Pod(channel, "stable-0"), Pod(channel, "candidate-0")
                await candidate.send(first("shadow", "candidate-0", CANDIDATE))
                await observer.shows(2, "streams")

                live = first("live", "stable-0", STABLE)
                for number in range(1, 11):
                    entry(
                        live,
                        f"r{number}",
                        number,
                        sent=request(number),
                        got=answer("cat"),
                        prediction_id=f"p{number}",
                        slice_="vip" if number == 3 else "",
                    )
                await stable.send(live)
                shadow = Batch()
                for number in range(1, 11):
                    entry(shadow, f"r{number}", number, got=answer("dog" if number == 3 else "cat"))
                await candidate.send(shadow)

                await observer.shows(10, "pairs_total", **COMPARED)
                await observer.shows(1, "disagreements_total", **COMPARED)
                await observer.shows(1, "disagreements_total", slice="vip")
                await observer.shows(20, "stored_records_total")
                await observer.shows(0, "lost_records_total")
                path = f"/v1/namespaces/{NAMESPACE}/models/{MODEL}/revisions/{CANDIDATE}"
                _, text = await observer.get(f"{path}/disagreements?limit=5")
                for wrong in ("limit=0", "limit=101", "values=no"):
                    status, _ = await observer.get(f"{path}/disagreements?{wrong}")
                    assert status == 400
                _, other = await observer.get(f"{path}/disagreements?comparison=00000000")
                assert json.loads(other) == []
                digest = json.loads(text)[0]["comparison"]
                query = f"comparison={digest}&values=false"
                _, bare = await observer.get(f"{path}/disagreements?{query}")
                (case,) = json.loads(bare)
                assert (case["prediction_id"], case["stable"], case["candidate"]) == (
                    "p3",
                    None,
                    None,
                )
                assert json.loads(text) == [
                    {
                        "prediction_id": "p3",
                        "request_id": "r3",
                        "slice": "vip",
                        "comparison": json.loads(text)[0]["comparison"],
                        "why": "differs",
                        "score": 1.0,
                        "stable": "cat",
                        "candidate": "dog",
                    }
                ]
                assert (await observer.get("/healthz"))[0] == 200

    run(story())
    found = rows(tmp_path)
    third = {each["arm"]: each for each in found if each["request_id"] == "r3"}
    assert len(found) == 20
    assert third["live"]["features"] == [3.0]
    assert third["live"]["output_texts"] == ["cat"]
    assert third["shadow"]["output_texts"] == ["dog"]
    assert third["shadow"]["disagreement"] == 1.0
    assert [third["live"][name] for name in ("status", "answered_by", "pod", "slice")] == [
        200,
        "model",
        "stable-0",
        "vip",
    ]


def test_a_version_that_brings_its_comparison_is_compared_from_its_first_answer_on(
    tmp_path: Path,
) -> None:
    async def story() -> None:
        stub = StubApi()
        stub.status = {"stable": {"revision": STABLE, "version": "1"}}
        objectives = stub.spec.pop("objectives")
        async with served(stub, tmp_path) as kubeconfig:
            made = options(tmp_path, kubeconfig)
            async with observing(made) as observer, speaking(made) as channel:
                stable = Pod(channel, "stable-0")
                await stable.send(first("live", "stable-0", STABLE))
                await observer.shows(1, "streams")

                stub.spec |= {"objectives": objectives, "model": {"version": "2"}}
                stub.status["candidate"] = {"revision": CANDIDATE, "version": "2"}
                candidate = Pod(channel, "candidate-0")
                await candidate.send(first("shadow", "candidate-0", CANDIDATE))
                await observer.shows(2, "streams")
                for pod, said in ((stable, "cat"), (candidate, "dog")):
                    batch = Batch()
                    entry(batch, "r1", 1, got=answer(said))
                    await pod.send(batch)

                await observer.shows(1, "disagreements_total", **COMPARED)
                await observer.shows(2, "stored_records_total")

    run(story())
    assert {each["arm"]: each["version"] for each in rows(tmp_path)} == {"live": "1", "shadow": "2"}


def test_who_is_not_who_speaks_is_refused_and_counted(tmp_path: Path) -> None:
    denied, invalid = grpc.StatusCode.PERMISSION_DENIED, grpc.StatusCode.INVALID_ARGUMENT
    live = partial(first, "live")
    streams = [
        ("", live("stable-0", STABLE), denied, "no_token"),
        ("expired", live("stable-0", STABLE), denied, "token"),
        ("stable-0-elsewhere", live("stable-0", STABLE), denied, "audience"),
        ("person", live("person", STABLE), denied, "no_pod"),
        ("gone-0", live("gone-0", STABLE), denied, "gone"),
        ("stable-0", live("stable-0", CANDIDATE), denied, "claims"),
        ("stable-0", live("candidate-0", STABLE), denied, "claims"),
        ("stable-0", live("stable-0", STABLE, model="other"), denied, "claims"),
        ("stable-0", first("other", "stable-0", STABLE), invalid, "log_name"),
        ("stable-0", Garbage(), invalid, "unreadable"),
    ]

    async def story() -> None:
        stub = StubApi()
        stub.uids["gone-0"] = "uid-gone-0"
        async with served(stub, tmp_path) as kubeconfig:
            made = options(tmp_path, kubeconfig)
            async with observing(made) as observer, speaking(made) as channel:
                for token, batch, code, _ in streams:
                    pod = Pod(channel, token)
                    if not isinstance(batch, Garbage):
                        entry(batch, "r", 1, got=answer("cat"))
                    await pod.send(batch)
                    assert (await pod.refusal())[0] is code

                for why, count in Counter(each[-1] for each in streams).items():
                    await observer.shows(count, "refused_streams_total", why=why)
                await observer.shows(0, "records_total")

    run(story())


def test_what_is_wrong_with_a_record_is_counted_and_costs_no_other(tmp_path: Path) -> None:
    async def story() -> None:
        async with served(StubApi(), tmp_path) as kubeconfig:
            made = options(tmp_path, kubeconfig)
            async with observing(made) as observer, speaking(made) as channel:
                live = first("live", "stable-0", STABLE)
                entry(live, "good", 1, got=answer("cat"))
                entry(live, "cut", 2, got=answer("cat"), got_length=70_000)
                entry(live, "unreadable", 3, got=b"\xff{", path="/v2/models/species/infer")
                entry(live, "x" * 65_536, 4, got=answer("cat"))
                entry(live, "late", 5, got=answer("cat"), start_s=1.0)
                entry(live, "good", 6, got=answer("cat"))
                entry(live, "other", 1, got=answer("cat"))
                entry(live, "no-such-number", -1, got=answer("cat"))
                entry(live, "not-sampled", None)
                entry(live, "year-9999", 9, got=answer("cat"), start_s=253_370_764_800)
                await Pod(channel, "stable-0").send(live)

                await observer.shows(10, "records_total")
                for outcome, count in {
                    "cut": 1,
                    "unreadable": 1,
                    "refused": 3,
                    "late": 1,
                    "repeated": 2,
                    "taken": 2,
                }.items():
                    await observer.shows(count, "records_total", outcome=outcome)
                await observer.shows(5, "stored_records_total")

    run(story())


def test_an_api_server_that_is_away_is_asked_again(tmp_path: Path) -> None:
    async def story() -> None:
        stub = StubApi()
        stub.is_away = True
        async with served(stub, tmp_path) as kubeconfig:
            made = options(tmp_path, kubeconfig)
            async with observing(made) as observer, speaking(made) as channel:
                refused = Pod(channel, "stable-0")
                assert (await refused.refusal())[0] is grpc.StatusCode.UNAVAILABLE
                stub.is_away = False
                live = Pod(channel, "stable-0")
                await live.send(first("live", "stable-0", STABLE))
                await observer.shows(1, "streams")
                shadow = Pod(channel, "stable-0")
                await shadow.send(first("shadow", "stable-0", STABLE))
                await observer.shows(2, "streams")
                assert stub.reviews == 1

    run(story())


def test_records_go_on_to_be_compared_while_the_storage_is_away(tmp_path: Path) -> None:
    async def fills(observer: Scraped, pod: Pod) -> int:
        sent = 0
        while not await observer.value("dropped_total", why="storage_away"):
            batch = Batch() if sent else first("live", "stable-0", STABLE)
            for number in range(sent + 1, sent + 501):
                entry(batch, f"r{number}", number, sent=request(*range(20)), got=answer("cat"))
            await pod.send(batch)
            sent += 500
        return sent

    async def story() -> None:
        async with served(StubApi(), tmp_path) as kubeconfig:
            made = options(tmp_path, kubeconfig)
            async with observing(made) as observer, speaking(made) as channel:
                await observer.shows(0, "streams")
                log, hidden = tmp_path / "log", tmp_path / "hidden"
                log.rename(hidden)
                log.write_text("no folder")
                sent = await fills(observer, Pod(channel, "stable-0"))
                assert await observer.value("waiting_bytes") <= made.most_bytes + 10_000_000
                assert (await observer.get("/healthz"))[0] == 200
                log.unlink()
                hidden.rename(log)

                async def all_are_told() -> bool:
                    stored = await observer.value("stored_records_total")
                    return stored + await observer.value("dropped_total") == sent

                await observer.shows(sent, "records_total")
                await eventually(all_are_told)
                assert await observer.value("lost_records_total") == 0

    run(story())
    assert len({each["request_id"] for each in rows(tmp_path)}) == len(rows(tmp_path))
