"""Follows what a long-running kubectl prints, line by line: cheaper than asking again and again."""

import subprocess
import threading
import time
from collections.abc import Callable

from e2e.cluster import tools
from e2e.cluster.kubectl import Kubectl


class Follower:
    """A kubectl that keeps printing; `take` gets each line with its arrival in Unix seconds."""

    def __init__(
        self, kubectl: Kubectl, *arguments: str, take: Callable[[float, str], None]
    ) -> None:
        """Start it."""
        self._take = take
        program = tools.binary("kubectl")
        self._process = subprocess.Popen(
            [str(program), "--kubeconfig", str(kubectl.kubeconfig), *arguments],
            stdout=subprocess.PIPE,
            text=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as lines:
            for line in lines:
                self._take(time.time(), line)

    @property
    def running(self) -> bool:
        """Whether it still follows."""
        return self._process.poll() is None

    def stop(self) -> None:
        """End it, by pid."""
        self._process.terminate()
        self.wait()

    def wait(self, seconds: float = 60) -> None:
        """Wait until it has ended by itself and every line was taken."""
        self._process.wait(seconds)
        self._reader.join(seconds)
