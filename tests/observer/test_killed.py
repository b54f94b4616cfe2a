"""The process killed at any moment: rows stay exactly once, and what was lost is told exactly."""

import asyncio
import signal
import sys
from pathlib import Path
from typing import Any

from deltalake import DeltaTable

from model_rollouts.observer.capture.messages import Batch
from tests.observer.batches import STABLE, answer, entry, first
from tests.observer.running import Pod, Scraped, options, speaking
from tests.observer.stub_api import StubApi, served


async def started(made: Any) -> asyncio.subprocess.Process:
    """The command, as a pod runs it."""
    tls = made.certificate and (
        *("--certificate-file", str(made.certificate.certificate)),
        *("--key-file", str(made.certificate.key)),
    )
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "model_rollouts.cli.main", "observer"),
        *("--log", made.log, "--id", made.observer, "--address", made.address),
        *("--port", str(made.port), "--metrics-port", str(made.metrics_port)),
        *("--kubeconfig", str(made.kubeconfig), "--flush", "1s"),
        *(tls or ()),
    )


def records(numbers: range, *, is_first: bool) -> Any:
    batch = first("live", "stable-0", STABLE) if is_first else Batch()
    for number in numbers:
        entry(batch, f"r{number}", number, got=answer("cat"))
    return batch


def test_after_kill_9_each_row_is_there_once_and_losses_are_exact(tmp_path: Path) -> None:
    async def story() -> None:
        async with served(StubApi(), tmp_path) as kubeconfig:
            made = options(tmp_path, kubeconfig)
            observer = Scraped(made.metrics_port)
            process = await started(made)
            try:
                async with speaking(made) as channel:
                    pod = Pod(channel, "stable-0")
                    await pod.send(records(range(1, 101), is_first=True))
                    await observer.shows(100, "stored_records_total")
                    await pod.send(records(range(101, 151), is_first=False))
                    await observer.shows(150, "records_total")
            finally:
                process.kill()
                await process.wait()
            kept = rows(made.log)
            assert kept[:100] == list(range(1, 101))

            process = await started(made)
            try:
                async with speaking(made) as channel:
                    pod = Pod(channel, "stable-0")
                    await pod.send(records(range(201, 211), is_first=True))
                    await observer.shows(10, "stored_records_total")
                    # 50 came and may have been committed or not, 50 more were never heard.
                    await observer.shows(200 - len(kept), "lost_records_total", arm="live")
            finally:
                process.send_signal(signal.SIGTERM)
                assert await process.wait() == 0
            assert rows(made.log) == [*kept, *range(201, 211)]

    asyncio.run(story())


def rows(log: str) -> list[int]:
    table = DeltaTable(f"{log}/predictions").to_pyarrow_table(columns=["request_id"])
    return sorted(int(each["request_id"].removeprefix("r")) for each in table.to_pylist())
