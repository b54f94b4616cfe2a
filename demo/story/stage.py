"""Where scenes play: the resource is applied and followed, users come, and waits have an end."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Self

from demo.story import text
from demo.story.environment import NAMESPACE, Setting
from demo.story.messages import Messages
from demo.story.status_view import Seen, seen
from demo.story.terminal import Teller
from demo.story.user_results import Ledger
from demo.story.users import Users
from e2e.scenes.chronicle import Chronicle
from e2e.scenes.rollout import Chronicles, Rollout, RouteWrite
from model_rollouts.api.group import GROUP, PLURAL, VERSION
from model_rollouts.text import count

HOST = "arrival.example.com"
NAME = "arrival"
_LOOK_SECONDS = 0.3
_FOLLOWED = (
    f"/apis/{GROUP}/{VERSION}/namespaces/{NAMESPACE}/{PLURAL}",
    f"/apis/gateway.networking.k8s.io/v1/namespaces/{NAMESPACE}/httproutes",
    f"/api/v1/namespaces/{NAMESPACE}/pods",
)


class StoryError(Exception):
    """Something did not happen in time; the message says what was seen last."""


class Stage:
    """A context manager: inside, everything is followed."""

    def __init__(self, setting: Setting, teller: Teller) -> None:
        """Prepare to play."""
        self.setting = setting
        self.kubectl = setting.kubectl
        self.teller = teller
        followed = Chronicles(*(Chronicle(self.kubectl, path) for path in _FOLLOWED))
        self._chronicles = (followed.objects, followed.routes, followed.pods)
        self._rollout = Rollout(self.kubectl, followed, NAMESPACE, HOST)
        self.users = self._users()
        self.messages = Messages(setting.provider.kubeconfig, NAMESPACE)
        self._scene_began = 0.0
        self._told = 0
        self._last: Seen | None = None

    def __enter__(self) -> Self:
        """Begin to follow."""
        for chronicle in self._chronicles:
            chronicle.__enter__()
        self.messages.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        """Follow no more; what runs on the cluster keeps running."""
        self.teller.rest()
        self.users.leave()
        self.messages.__exit__()
        for chronicle in self._chronicles:
            chronicle.__exit__()

    def _users(self, namespace: str = NAMESPACE, host: str = HOST, skip: int = 0) -> Users:
        return Users(self.kubectl, self.setting.manifests, namespace, host, skip)

    def scene(self, number: int, title: str, words: str) -> None:
        """Begin a scene."""
        self._scene_began = time.time()
        self.teller.scene(number, title, words)

    def send_users(self, namespace: str, host: str, skip: int) -> Ledger:
        """Send users elsewhere, beginning after `skip` flights; returns their books."""
        self.users.stop()
        self.users = self._users(namespace, host, skip)
        self.users.start()
        return self.users.ledger

    def send_users_back(self) -> None:
        """Send users to the resource again, with the flights that follow."""
        self.send_users(NAMESPACE, HOST, self.users.skipped + self.users.ledger.sent)

    def apply(self, manifest: Path) -> int:
        """Apply a manifest with kubectl, and return the generation of the resource."""
        self.teller.line(f"kubectl apply --server-side -f {_short(manifest)}", "bold")
        applied = json.loads(self.kubectl("apply", "-f", manifest, "-o", "json"))
        return int(applied["metadata"]["generation"])

    def seen(self, since: float = 0.0) -> list[Seen]:
        """Every status from `since` on, in their order."""
        changes = self._rollout.chronicles.objects.of(NAMESPACE, since)
        return [seen(change.at, change.object) for change in changes]

    def now(self) -> Seen:
        """The newest status; an empty one before there is any."""
        return (self.seen() or [seen(0.0, {})])[-1]

    def route_writes(self, since: float = 0.0) -> list[RouteWrite]:
        """The operator's writes of the route from `since` on."""
        return self._rollout.route_writes(since)

    def until(self, holds: Callable[[], bool], what: str, seconds: float, doing: str = "") -> None:
        """Tell what happens until `holds`.

        Raises StoryError when that takes longer than `seconds`, or users stop sending requests.
        """
        deadline = time.monotonic() + seconds
        while not holds():
            self.tell()
            if time.monotonic() > deadline:
                raise StoryError(f"{what}: not within {seconds:.0f} s. Last seen: {self._seen()}")
            if self.users.ledger.sent and not self.users.come:
                raise StoryError(
                    f"{what}: users stopped sending requests. Last seen: {self._seen()}"
                )
            self.teller.waiting(self._going_on(doing))
            time.sleep(_LOOK_SECONDS)
        self.tell()
        self.teller.rest()

    def tell(self) -> None:
        """Tell every status that has not been told."""
        found = self.seen()
        for one in found[self._told :]:
            if line := text.told(self._last, one):
                self.teller.status(one.phase, line)
            self._last = one
        self._told = len(found)

    def _seen(self) -> str:
        now = self.now()
        return f"{now.phase}: {now.message}" if now.phase else "no status"

    def _going_on(self, doing: str) -> str:
        lines = self.users.ledger.lines(time.time() - 5)
        rate = sum(line.sent for line in lines) / 5
        got = self.users.ledger.everyone(self._scene_began)
        harm = f"{count(got.total)} requests in this scene: {text.failed_or_slow(got)}"
        judged = text.verdicts(self.now())
        return " · ".join(filter(None, [doing, f"{count(round(rate))} requests/s", harm, judged]))


def _short(path: Path) -> str:
    working = Path.cwd()
    return str(path.relative_to(working) if path.is_relative_to(working) else path)
