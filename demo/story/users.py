"""The users of a scene: the load generator as a Job of the cluster, and its books."""

from demo.story.manifests import Manifests
from demo.story.user_results import Ledger
from e2e.cluster.kubectl import Kubectl
from e2e.scenes.following import Follower

RATE = 50


class Users:
    """Users of one host name, from `start` to `stop`."""

    def __init__(
        self, kubectl: Kubectl, manifests: Manifests, namespace: str, host: str, skip: int = 0
    ) -> None:
        """Prepare them; `skip` flights are left out at the beginning."""
        self._kubectl = kubectl
        self._where = ("job/users", "-n", namespace)
        self._manifest = manifests.write(
            "users",
            f"users-{namespace}",
            namespace=namespace,
            host=host,
            skip=str(skip),
            rate=str(RATE),
        )
        self.skipped = skip
        self.ledger = Ledger()
        self._follower: Follower | None = None

    def start(self) -> None:
        """Let them come."""
        self._kubectl("apply", "-f", self._manifest)
        running = ("--for=jsonpath={.status.ready}=1", "--timeout=60s")
        self._kubectl("wait", *self._where, *running)
        self._follower = Follower(
            self._kubectl,
            *("logs", "-f", *self._where),
            take=self.ledger.take,
        )

    @property
    def come(self) -> bool:
        """Whether they still do, and their books are read."""
        return self._follower is not None and self._follower.running

    def stop(self) -> None:
        """Let no more come; those who wait are still answered."""
        self._kubectl("delete", *self._where, "--ignore-not-found", "--timeout=60s")
        if self._follower is not None:
            self._follower.wait()

    def leave(self) -> None:
        """Stop reading their books; users keep coming."""
        if self._follower is not None:
            self._follower.stop()
