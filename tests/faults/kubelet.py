"""Pods as objects: as many as a Deployment asks for, ready as its status says."""

from itertools import count

from model_rollouts.cluster.kinds import POD
from model_rollouts.resources.names import REVISION_LABEL
from tests.faults.api_server import ApiServer, time_now
from tests.faults.field_owners import Object
from tests.faults.refusals import Place

KUBELET = "kubelet"


class Kubelet:
    """Makes, readies and ends the pods of Deployments."""

    def __init__(self, server: ApiServer) -> None:
        self._server = server
        self._numbers = count(1)

    def follows(self, deployment: Object, asked: int, ready: int) -> None:
        """Have so many pods of a Deployment, the oldest of them ready."""
        pods = self._of(deployment)
        for obj in pods[asked:]:
            self._server.delete(_place(obj), KUBELET)
        pods = pods[:asked] + [self._created(deployment) for _ in range(asked - len(pods))]
        for index, obj in enumerate(pods):
            self._tell(obj, is_ready=index < ready)

    def evict(self, deployment: Object) -> None:
        """End all pods of a Deployment: those that come next have other names."""
        for obj in self._of(deployment):
            self._server.delete(_place(obj), KUBELET)

    def _of(self, deployment: Object) -> list[Object]:
        metadata = deployment["metadata"]
        labels = deployment["spec"]["template"]["metadata"]["labels"]
        selector = ",".join(f"{name}={value}" for name, value in labels.items())
        found = self._server.all(POD, metadata["namespace"], selector)
        return sorted(found, key=lambda each: _number(each["metadata"]["name"]))

    def _created(self, deployment: Object) -> Object:
        metadata, template = deployment["metadata"], deployment["spec"]["template"]
        name = f"{metadata['name']}-{next(self._numbers)}"
        body = {
            "apiVersion": POD.api_version,
            "kind": POD.name,
            "metadata": {"labels": template["metadata"]["labels"]},
            "spec": {"nodeName": "node", "containers": [{"name": "model"}]},
        }
        return self._server.create(Place(POD, metadata["namespace"], name), body, KUBELET)

    def _tell(self, obj: Object, *, is_ready: bool) -> None:
        word = "True" if is_ready else "False"
        before = (obj.get("status") or {}).get("conditions") or [{}]
        if before[0].get("status") == word:
            return
        condition = {"type": "Ready", "status": word, "lastTransitionTime": time_now()}
        started = {"running": {"startedAt": obj["metadata"]["creationTimestamp"]}}
        container = {"name": "model", "ready": is_ready, "restartCount": 0, "state": started}
        status = {"phase": "Running", "conditions": [condition], "containerStatuses": [container]}
        self._server.set_status(_place(obj), status, KUBELET)


def pod_names(server: ApiServer, namespace: str, revision: str) -> list[str]:
    """The names of a revision's pods, the oldest first."""
    found = server.all(POD, namespace, f"{REVISION_LABEL}={revision}")
    return sorted((each["metadata"]["name"] for each in found), key=_number)


def _number(name: str) -> int:
    return int(name.rpartition("-")[2])


def _place(obj: Object) -> Place:
    return Place(POD, obj["metadata"]["namespace"], obj["metadata"]["name"])
