"""Starts the node's programs, finds them again by pid and start time, and ends them.

A record of each lies in the state directory. A pid alone would not do: after a crash of the machine
the same number may belong to somebody else.
"""

import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from e2e.cluster.local import cgroup
from e2e.cluster.progress import StepError

POLL_SECONDS = 0.1


@dataclass(frozen=True)
class Program:
    """One long-running program of the node.

    Attributes:
        name: of the record and the log.
        argv: program and arguments.
        ready: tells whether it does its work; asked until true.
        env: variables added to the environment.
        within: seconds it may take to become ready.
        before_exec: runs in the new process before the program does; joins the node's cgroup, so
            that no child of the program can be born outside it.
    """

    name: str
    argv: Sequence[str]
    ready: Callable[[], bool]
    env: Mapping[str, str]
    within: float = 60
    before_exec: Callable[[], None] = cgroup.join


def ensure(program: Program, run: Path, logs: Path) -> str:
    """Make `program` run with exactly these arguments and be ready; return what was done.

    A program that runs with other arguments, or runs and does not answer, is started anew.

    Raises:
        StepError: it ended, or was not ready in time.
    """
    log = logs / f"{program.name}.log"
    if recorded_argv(run, program.name) == list(program.argv) and alive(run, program.name):
        # Long enough for a program that another run has just started.
        if _wait(program, run, within=10):
            return "running"
        done = "did not answer, started again"
    else:
        done = "started"
    stop(run, program.name)
    _start(program, run, log)
    if not _wait(program, run, within=program.within):
        state = "does not answer" if alive(run, program.name) else "ended"
        raise StepError(
            f"{program.name} {state} ({program.within:.0f} s allowed)",
            log=log,
            hint="`make cluster-down` and `make cluster` start from nothing",
        )
    return done


def alive(run: Path, name: str) -> bool:
    """Whether the recorded process `name` is still that process, and not a zombie."""
    record = _record(run, name)
    return record is not None and 0 != record["started"] == _started(record["pid"])


def recorded_argv(run: Path, name: str) -> list[str]:
    """What process `name` was last started with; empty when it never was."""
    record = _record(run, name)
    return record["argv"] if record is not None else []


def pid(run: Path, name: str) -> int | None:
    """The pid of the running process `name`, or None."""
    record = _record(run, name)
    return record["pid"] if record is not None and alive(run, name) else None


def stop(run: Path, name: str, within: float = 10) -> None:
    """End process `name` if it runs: first asked, then, after `within` seconds, made to."""
    found = pid(run, name)
    if found is not None:
        for wish in (signal.SIGTERM, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError):
                os.kill(found, wish)
            deadline = time.monotonic() + within
            while alive(run, name) and time.monotonic() < deadline:
                time.sleep(POLL_SECONDS)
            if not alive(run, name):
                break
    (run / f"{name}.json").unlink(missing_ok=True)


def _start(program: Program, run: Path, log: Path) -> None:
    log.parent.mkdir(parents=True, exist_ok=True)
    run.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as sink:
        process = subprocess.Popen(
            list(program.argv),
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=subprocess.STDOUT,
            env={"PATH": os.environ["PATH"], **program.env},
            cwd="/",
            start_new_session=True,
            preexec_fn=program.before_exec,
        )
    record = {
        "pid": process.pid,
        "started": _started(process.pid),
        "argv": list(program.argv),
    }
    (run / f"{program.name}.json").write_text(json.dumps(record))
    # The node outlives this program: nobody waits for the process here.
    process.returncode = 0


def _wait(program: Program, run: Path, within: float) -> bool:
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        if not alive(run, program.name):
            return False
        if program.ready():
            return True
        time.sleep(POLL_SECONDS)
    return False


def _record(run: Path, name: str) -> dict[str, Any] | None:
    try:
        record: dict[str, Any] = json.loads((run / f"{name}.json").read_text())
    except (FileNotFoundError, json.JSONDecodeError):
        return None
    return record


def _started(pid: int) -> int:
    """Start time of `pid` in clock ticks since boot; 0 when there is no such live process."""
    try:
        # The name in brackets may hold spaces: fields are counted from behind it (proc(5)).
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return 0 if fields[0] in "ZX" else int(fields[19])
