"""What every scene needs of the cluster: the CRD of this checkout, and eyes on all objects."""

import contextlib
from collections.abc import Iterator

from e2e.cluster.kubectl import Kubectl
from e2e.cluster.paths import REPOSITORY
from e2e.cluster.progress import StepError
from e2e.scenes.chronicle import Chronicle
from e2e.scenes.rollout import Chronicles
from model_rollouts.api.group import GROUP, PLURAL, VERSION

_CRD = f"{PLURAL}.{GROUP}"
_FOLDER = str(REPOSITORY / "crds")
_FOLLOWED = (
    f"/apis/{GROUP}/{VERSION}/{PLURAL}",
    "/apis/gateway.networking.k8s.io/v1/httproutes",
    "/api/v1/pods",
)


@contextlib.contextmanager
def world(kubectl: Kubectl) -> Iterator[Chronicles]:
    """Every change of the objects that scenes look at, while inside."""
    with _crd(kubectl), contextlib.ExitStack() as following:
        yield Chronicles(*(following.enter_context(Chronicle(kubectl, path)) for path in _FOLLOWED))


@contextlib.contextmanager
def _crd(kubectl: Kubectl) -> Iterator[None]:
    """The CRD of this checkout. It goes again if it was not there: a chart brings its own."""
    try:
        kubectl.get("crd", _CRD)
        was_there = True
    except StepError:
        was_there = False
    kubectl("apply", "--server-side", "--force-conflicts", "-f", _FOLDER)
    kubectl("wait", f"crd/{_CRD}", "--for=condition=Established", "--timeout=60s")
    try:
        yield
    finally:
        if not was_there:
            kubectl("delete", "-f", _FOLDER, "--timeout=120s")
