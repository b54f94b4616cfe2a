"""What people are told: the process that sends messages, which prints them here instead."""

import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Self

from ephemeral_port_reserve import reserve

TARGET = "people"
CONFIG = f"targets: [{{name: {TARGET}, type: Webhook, urlFile: url}}]\n"
_BEGINS = re.compile(rf"^to {TARGET}:\n", re.M)


class Messages:
    """A context manager: inside, it follows the ModelDeployments of a namespace."""

    def __init__(self, kubeconfig: Path, namespace: str) -> None:
        """Prepare to follow, with the rights of `kubeconfig`."""
        self._kubeconfig, self._namespace = kubeconfig, namespace
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        """Start the process."""
        self._folder = tempfile.TemporaryDirectory()
        folder = Path(self._folder.name)
        (folder / "config.yaml").write_text(CONFIG)
        # It sends nothing: the address is read and not asked.
        (folder / "url").write_text("http://127.0.0.1:9/")
        self._told = folder / "told"
        with self._told.open("wb") as told, (folder / "log").open("wb") as log:
            self._process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "model_rollouts.cli.main", "notifications", "run"),
                    *("--dry-run", "--config", folder / "config.yaml"),
                    *("--kubeconfig", self._kubeconfig, "--namespace", self._namespace),
                    *("--address", "127.0.0.1", "--port", str(reserve())),
                ],
                stdout=told,
                stderr=log,
            )
        return self

    def __exit__(self, *_: object) -> None:
        """End it."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait()
        self._folder.cleanup()

    def about(self, words: str) -> str:
        """The newest message whose title has these words; empty before there is one."""
        told = _BEGINS.split(self._told.read_text())[1:]
        found = [each for each in told if words in each.partition("\n")[0]]
        lines = found[-1].rstrip().splitlines() if found else []
        return "\n".join(line.removeprefix("  ") for line in lines)
