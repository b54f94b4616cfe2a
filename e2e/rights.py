"""What the operator may do and what it may not, asked of the API server itself."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from e2e.cluster.kubectl import Kubectl

OURS = "modelrollouts.dev"
GATEWAY = "gateway.networking.k8s.io"


@dataclass(frozen=True)
class Right:
    """A verb on a resource, whose subresource stands after a slash; on one of that name, if any."""

    verb: str
    group: str
    resource: str
    name: str = ""

    def __str__(self) -> str:
        return f"{self.verb} {self.resource}{'.' if self.group else ''}{self.group}"


def rights(verbs: str, group: str, *resources: str) -> list[Right]:
    """One right for each of the verbs, which stand between spaces, and each resource."""
    return [Right(verb, group, resource) for resource in resources for verb in verbs.split()]


MAY = [
    *rights("get list watch", OURS, "modeldeployments"),
    *rights("patch", OURS, "modeldeployments/status"),
    *rights("update", OURS, "modeldeployments/finalizers"),
    *rights("get list watch create patch delete", "apps", "controllerrevisions", "deployments"),
    *rights("get list watch", "", "pods"),
    *rights("get list watch create patch delete", "policy", "poddisruptionbudgets"),
    *rights("get list watch create patch delete", "", "services"),
    *rights("get list watch create patch delete", GATEWAY, "httproutes"),
    *rights("get list watch", GATEWAY, "gateways", "gatewayclasses"),
    *rights("get list create patch", "events.k8s.io", "events"),
]
LEASES = "coordination.k8s.io"


def own(lease: str) -> list[Right]:
    """What it may do in its own namespace besides, where its Lease is called so."""
    named = [Right(verb, LEASES, "leases", lease) for verb in ("get", "patch")]
    return [Right("create", LEASES, "leases"), *named]


MAY_NOT = [
    # The user's object is the user's.
    *rights("create update patch delete deletecollection", OURS, "modeldeployments"),
    *rights("update", OURS, "modeldeployments/status"),
    *rights("update patch", OURS, "modeldeployments/scale"),
    # Secrets, and the ways around not being allowed to read them.
    *rights("get list watch create update patch delete", "", "secrets", "configmaps"),
    *rights("get list watch create update patch delete", "", "serviceaccounts"),
    *rights("create update patch delete deletecollection", "", "pods"),
    *rights("create get", "", "pods/exec", "pods/attach", "pods/portforward", "pods/log"),
    *rights("create", "", "serviceaccounts/token"),
    # What it owns, it replaces never and deletes one by one.
    *rights("update deletecollection", "apps", "deployments", "controllerrevisions"),
    *rights("update deletecollection", "policy", "poddisruptionbudgets"),
    *rights("update deletecollection", GATEWAY, "httproutes"),
    *rights("patch update", GATEWAY, "httproutes/status", "gateways", "gatewayclasses"),
    *rights("create", GATEWAY, "gateways", "referencegrants"),
    *rights("get list create patch", "apps", "replicasets", "statefulsets", "daemonsets"),
    *rights("get list create patch", "batch", "jobs", "cronjobs"),
    *rights("watch delete", "events.k8s.io", "events"),
    *rights("create", "", "pods/eviction"),
    *rights("get list create patch", "networking.k8s.io", "networkpolicies"),
    # By a Lease of others it would lead them, or keep them from leading.
    *rights("get list watch create update patch delete", LEASES, "leases"),
    # The cluster itself.
    *rights("get list create patch delete", "", "namespaces", "nodes", "persistentvolumes"),
    *rights("get list create patch", "apiextensions.k8s.io", "customresourcedefinitions"),
    *rights("create patch bind escalate", "rbac.authorization.k8s.io", "roles", "clusterroles"),
    *rights("create patch", "rbac.authorization.k8s.io", "rolebindings", "clusterrolebindings"),
    *rights(
        "create patch",
        "admissionregistration.k8s.io",
        "validatingwebhookconfigurations",
        "mutatingwebhookconfigurations",
    ),
    *rights("impersonate", "", "users", "groups", "serviceaccounts"),
]


def allowed(
    kubectl: Kubectl, user: str, asked: Sequence[Right], namespace: str = "default"
) -> list[Right]:
    """Those of the rights that `user` has in `namespace`."""
    reviews = [
        {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SubjectAccessReview",
            "spec": {
                "user": user,
                "groups": ["system:serviceaccounts", "system:authenticated"],
                "resourceAttributes": {
                    "namespace": namespace,
                    "verb": right.verb,
                    "group": right.group,
                    "resource": right.resource.partition("/")[0],
                    "subresource": right.resource.partition("/")[2],
                    "name": right.name,
                },
            },
        }
        for right in asked
    ]
    text = "\n---\n".join(map(json.dumps, reviews))
    told = kubectl("create", "-f", "-", "-o", "jsonpath={.status.allowed}{'\\n'}", stdin=text)
    answers = [line == "true" for line in told.splitlines()]
    assert len(answers) == len(asked)
    return [right for right, answer in zip(asked, answers, strict=True) if answer]
