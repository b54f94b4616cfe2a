"""Programs are found again by pid and start time, and ended, whatever state they are in."""

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from e2e.cluster.local import process
from e2e.cluster.local.process import Program
from e2e.cluster.progress import StepError

STUBBORN = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(600)"  # noqa: E501


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Path]:
    """A directory of records whose processes are ended after the test."""
    yield tmp_path / "run"
    for record in (tmp_path / "run").glob("*.json"):
        process.stop(tmp_path / "run", record.stem, within=0.2)


def program(*argv: str, ready: bool = True) -> Program:
    return Program("it", argv, lambda: ready, {}, within=0.5, before_exec=lambda: None)


def test_a_running_program_is_left_alone(run: Path, tmp_path: Path) -> None:
    assert process.ensure(program("sleep", "600"), run, tmp_path) == "started"
    first = process.pid(run, "it")
    assert process.ensure(program("sleep", "600"), run, tmp_path) == "running"
    assert process.pid(run, "it") == first


def test_other_arguments_start_it_anew(run: Path, tmp_path: Path) -> None:
    process.ensure(program("sleep", "600"), run, tmp_path)
    first = process.pid(run, "it")
    assert process.ensure(program("sleep", "601"), run, tmp_path) == "started"
    assert process.pid(run, "it") not in (None, first)


def test_a_program_that_ends_is_an_error_with_its_log(run: Path, tmp_path: Path) -> None:
    with pytest.raises(StepError, match="it ended") as raised:
        process.ensure(program("sh", "-c", "echo out of luck; exit 3", ready=False), run, tmp_path)
    assert raised.value.log is not None
    assert "out of luck" in raised.value.log.read_text()


def test_a_program_that_never_answers_is_an_error(run: Path, tmp_path: Path) -> None:
    with pytest.raises(StepError, match="it does not answer"):
        process.ensure(program("sleep", "600", ready=False), run, tmp_path)


def test_a_stranger_with_the_same_pid_is_not_ours(run: Path) -> None:
    run.mkdir()
    record = {"pid": os.getpid(), "started": 1, "argv": ["sleep", "600"]}
    (run / "it.json").write_text(json.dumps(record))
    assert not process.alive(run, "it")
    # And so it is not ended: this test would not reach its last line.
    process.stop(run, "it")
    assert not (run / "it.json").exists()


def test_a_dead_process_is_not_alive(run: Path, tmp_path: Path) -> None:
    process.ensure(program("sleep", "600"), run, tmp_path)
    pid = process.pid(run, "it")
    assert pid is not None
    os.kill(pid, 9)
    # This test is the parent and does not collect it: a zombie must count as dead.
    while Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z":
        os.sched_yield()
    assert not process.alive(run, "it")


def test_one_that_ignores_the_wish_to_end_is_made_to(run: Path, tmp_path: Path) -> None:
    log = tmp_path / "it.log"
    stubborn = Program(
        "it",
        [sys.executable, "-c", STUBBORN],
        lambda: "up" in log.read_text(),
        {},
        within=20,
        before_exec=lambda: None,
    )
    process.ensure(stubborn, run, tmp_path)
    process.stop(run, "it", within=0.2)
    assert not process.alive(run, "it")
