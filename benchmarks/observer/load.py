"""Records of both arms, encoded as Envoy does, at a given rate."""

import asyncio
import json
import random
import time
from collections.abc import Iterator
from typing import Any

from tests.observer.batches import CANDIDATE, STABLE, entry, first
from tests.observer.running import Pod

RECORDS = 30
"""Of one batch: as many records of 8 kB as Envoy's buffer of 256 KiB holds."""
INPUTS, SCORES = 680, 660
"""Numbers in a request and in an answer: 4 kB of JSON each."""


def bodies() -> tuple[bytes, bytes]:
    """A request and an answer of the Open Inference Protocol, 4 kB each."""
    chance = random.Random(7)  # noqa: S311 - made-up numbers

    def tensor(name: str, count: int) -> dict[str, Any]:
        data = [round(chance.random(), 2) for _ in range(count)]
        return {"name": name, "shape": [1, count], "datatype": "FP64", "data": data}

    label = {"name": "species", "shape": [1], "datatype": "BYTES", "data": ["cat"]}
    return (
        json.dumps({"inputs": [tensor("features", INPUTS)]}).encode(),
        json.dumps({"outputs": [label, tensor("scores", SCORES)]}).encode(),
    )


def batches(number: int) -> Iterator[tuple[Any, Any]]:
    """The same requests of both arms, batch by batch, after the first `number` ones."""
    sent, got = bodies()
    made = first("live", "stable-0", STABLE), first("shadow", "candidate-0", CANDIDATE)
    for batch in made:
        for _ in range(RECORDS):
            entry(batch, "", 1, sent=sent, got=got)
    while True:
        for index in range(RECORDS):
            number += 1
            for batch in made:
                each = batch.http_logs.log_entry[index]
                each.request.request_id = b"%032d" % number
                each.common_properties.start_time.seconds = int(time.time())
                (namespace,) = each.common_properties.metadata.filter_metadata
                for field in namespace.value.fields:
                    if field.key == b"seq":
                        field.value.number_value = number
        yield made


async def send(channel: Any, rate: float, seconds: float, sent: list[tuple[float, int]]) -> None:
    """Send both arms at `rate` records a second; `sent` gets when how many were on their way."""
    pods = Pod(channel, "stable-0"), Pod(channel, "candidate-0")
    begun, base = time.monotonic(), sent[-1][1]
    count = base
    for both in batches(base // 2):
        due = begun + (count - base) / rate
        if due - begun >= seconds:
            return
        await asyncio.sleep(max(due - time.monotonic(), 0))
        for pod, batch in zip(pods, both, strict=True):
            await pod.send(batch)
        count += 2 * RECORDS
        sent.append((time.monotonic(), count))
