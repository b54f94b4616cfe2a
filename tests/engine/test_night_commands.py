"""The commands of docs/night.md, as they stand there, with the operator running and stopped."""

import asyncio
import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from e2e.cluster import tools
from e2e.fixtures import ApiServer
from model_rollouts.routes import record
from model_rollouts.routes.record import RecordedVerdict
from tests.engine.whole_operator import MARKS, NAME, Play, Whole, play
from tests.kubernetes_clients import until

pytestmark = MARKS

PAGE = Path(__file__).resolve().parents[2] / "docs" / "night.md"
LOOK, GIVE_BACK, GIVE_BACK_IN_WATCH, KEEP = re.findall(r"```bash\n(.*?)```", PAGE.read_text(), re.S)


@pytest.fixture
def playing(api_server: ApiServer, namespace: str) -> Play:
    """Plays a story in a namespace of its own."""
    return lambda story: play(api_server, namespace, story)


@pytest.fixture
def typed(api_server: ApiServer, namespace: str) -> Callable[[str], str]:
    """Runs a command of the page in a shell, with the names of the test."""
    kubectl = tools.binary("kubectl")

    def run(command: str) -> str:
        script = command.replace("arrival", NAME).replace("flights", namespace)
        path = f"{kubectl.parent}:{os.environ['PATH']}"
        environment = {**os.environ, "PATH": path, "KUBECONFIG": str(api_server.kubeconfig)}
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


async def run(typed: Callable[[str], str], command: str) -> str:
    """The same, while everything else goes on."""
    return await asyncio.to_thread(typed, command)


async def in_phase(whole: Whole, phase: str) -> tuple[str, str]:
    """The revisions of versions 1 and 2, the second one in its canary or in the watch after it."""
    watch = "1h" if phase == "Full" else "0s"
    await whole.apply("v1", ("50%",), watch=watch)
    first = await whole.told("Full", "v1")
    # Without users nothing is decided until it is asked for.
    await whole.apply("v2", ("50%",), watch=watch)
    status = await whole.told("Canary", "v2")
    assert first.stable is not None
    assert status.candidate is not None
    if phase == "Full":
        await whole.told("Full", "v2")
    else:
        whole.prometheus.rate = 0.0
    return first.stable.revision, status.candidate.revision


async def only(whole: Whole, revision: str) -> None:
    """All users get the revision."""

    async def alone() -> bool:
        return {name for name, weight in (await whole.weights()).items() if weight} == {revision}

    await until(alone, f"users did not get {revision} back")


@pytest.mark.parametrize("stopped", [False, True], ids=["running", "stopped"])
@pytest.mark.parametrize(
    ("phase", "command"),
    [("Canary", GIVE_BACK), ("Full", GIVE_BACK_IN_WATCH)],
    ids=["canary", "watch"],
)
def test_users_are_given_back_and_it_stays_so(
    playing: Play, typed: Callable[[str], str], phase: str, command: str, *, stopped: bool
) -> None:
    async def story(whole: Whole) -> None:
        async with whole.operator():
            one, _ = await in_phase(whole, phase)
            if not stopped:
                await run(typed, command)
                await whole.told("RolledBack", "v2")
        if stopped:
            await run(typed, command)
            await only(whole, one)
        whole.prometheus.rate = 1_000.0
        async with whole.operator():
            status = await whole.told("RolledBack", "v2")
            await only(whole, one)

        assert "HTTPRoute" in status.history[0].message

    playing(story)


def test_the_version_before_comes_back_where_a_version_alone_has_one_backend(
    api_server: ApiServer, namespace: str, typed: Callable[[str], str]
) -> None:
    async def story(whole: Whole) -> None:
        async with whole.operator():
            one, _ = await in_phase(whole, "Full")
            assert len((await whole.route())["spec"]["rules"][0]["backendRefs"]) == 1
            await run(typed, GIVE_BACK_IN_WATCH)
            await whole.told("RolledBack", "v2")
            await only(whole, one)

    play(api_server, namespace, story, "example.com/gateway")


def test_a_rollout_is_looked_at_and_kept_where_it_is(
    playing: Play, typed: Callable[[str], str]
) -> None:
    async def story(whole: Whole) -> None:
        async with whole.operator():
            one, _ = await in_phase(whole, "Canary")
            assert "Canary" in await run(typed, LOOK)
            await run(typed, KEEP)
            await whole.told("Paused", "v1")
            await run(typed, GIVE_BACK)

            async def recorded() -> bool:
                kept = record.read(await whole.route())
                return kept is not None and kept.verdict == RecordedVerdict.ROUTE_EDITED

            await until(recorded, "the edit was not recorded")
            await only(whole, one)

    playing(story)
