"""A real Envoy as a user that no system knows, as OpenShift runs pods; some 2 s."""

import asyncio
import os
from pathlib import Path

import pytest

from tests.resources.envoy import eventually, proxied
from tests.resources.openshift import FIRST_USER

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can run it as another user")


@pytest.mark.timeout(60)
def test_it_serves_and_counts() -> None:
    async def scenario() -> None:
        async with proxied(user=FIRST_USER) as proxy:
            status = Path(f"/proc/{proxy.process.pid}/status").read_text()
            assert f"Uid:\t{FIRST_USER}\t" in status
            assert (await proxy.ask(proxy.ports.live)).status == 200

            async def counted() -> bool:
                completed = "envoy_http_downstream_rq_completed"
                live = ("envoy_http_conn_manager_prefix", "live")
                return any(
                    metric == completed and live in labels and value == 1
                    for (metric, labels), value in (await proxy.samples()).items()
                )

            await eventually(counted, "the request is counted")

    asyncio.run(scenario())
