"""What is known of the pods of a rollout: what a plan needs of them, and nothing more.

The API server keeps tens of kilobytes about a pod; a few hundred bytes of it say whether the pod
serves, why it does not, and whether what ended it was the model or the machine under it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum


class Trouble(StrEnum):
    """Why a pod does not serve, as the cluster tells it."""

    UNSCHEDULABLE = "Unschedulable"
    IMAGE = "Image"
    CONFIG = "Config"
    CRASH_LOOP = "CrashLoop"
    NOT_READY = "NotReady"


@dataclass(frozen=True, slots=True)
class Ended:
    """How a container of the model ended last: its exit code, the kubelet's reason, its last words.

    `message` is the end of the termination message, bounded; `at` is in Unix seconds.
    """

    exit_code: int
    reason: str = ""
    message: str = ""
    at: float | None = None

    @property
    def out_of_memory(self) -> bool:
        """Whether the kernel ended it for want of memory."""
        return self.reason == "OOMKilled"


@dataclass(frozen=True, slots=True)
class Pod:
    """One pod of a revision.

    `revision` is the name of the revision. `began` (Unix seconds) is when it was created,
    `ready_since` since when it is Ready, None while it is not. `restarts` counts those of the
    containers that are the user's, never those of the proxy; `ended` is how the last of them ended.
    `trouble` is why it does not serve and `words` what the cluster says of it, bounded.
    `disruption` is the reason of the condition DisruptionTarget, such as EvictionByEvictionAPI: the
    machine or the cluster ends the pod and not the model. `deleted`: it is about to go.
    """

    name: str
    uid: str
    revision: str
    began: float
    node: str = ""
    ready_since: float | None = None
    restarts: int = 0
    ended: Ended | None = None
    trouble: Trouble | None = None
    words: str = ""
    disruption: str = ""
    deleted: bool = False

    @property
    def is_ready(self) -> bool:
        """Whether it may get requests."""
        return self.ready_since is not None and not self.deleted


def pods_of(pods: Sequence[Pod], revision: str) -> tuple[Pod, ...]:
    """Those of one revision."""
    return tuple(pod for pod in pods if pod.revision == revision)
