"""Runs other programs: argument lists only, output kept in a log, failures told in one way."""

import contextlib
import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from e2e.cluster.progress import StepError


def run(
    command: Sequence[str | Path],
    *,
    log: Path | None = None,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    stdin: str | None = None,
    hint: str = "",
    timeout: float = 900,
) -> str:
    """Run `command` to its end and return what it printed on standard output.

    Args:
        command: program and arguments.
        log: file that the output is appended to; with a log, nothing is returned.
        cwd: directory to run it in.
        env: variables added to the environment.
        stdin: text given on standard input.
        hint: what the reader can do when it fails.
        timeout: seconds after which it is ended.

    Raises:
        StepError: the program is missing, failed, or took longer than `timeout`.
    """
    words = [str(word) for word in command]
    shown = " ".join(words)
    try:
        with contextlib.ExitStack() as opened:
            output: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
            if log is not None:
                log.parent.mkdir(parents=True, exist_ok=True)
                sink = opened.enter_context(log.open("a"))
                sink.write(f"$ {shown}\n")
                sink.flush()
                output = {"stdout": sink, "stderr": subprocess.STDOUT}
            done = subprocess.run(
                words,
                cwd=cwd,
                env={**os.environ, **(env or {})},
                input=stdin,
                text=True,
                timeout=timeout,
                **output,
            )
    except FileNotFoundError as error:
        raise StepError(f"`{words[0]}` was not found", hint=hint) from error
    except subprocess.TimeoutExpired as error:
        raise StepError(
            f"`{shown}` took longer than {timeout:.0f} s", log=log, hint=hint
        ) from error
    if done.returncode != 0:
        detail = f": {done.stderr.strip()[-2000:]}" if log is None else ""
        raise StepError(
            f"`{shown}` ended with exit code {done.returncode}{detail}", log=log, hint=hint
        )
    return done.stdout or ""
