"""The kinds of objects that the operator reads or writes, and where the API server keeps them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from model_rollouts.api.group import GROUP, KIND, PLURAL, VERSION

_GATEWAY_API = "gateway.networking.k8s.io/v1"


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of objects; `plural` is its name in paths."""

    api_version: str
    name: str
    plural: str
    namespaced: bool = True

    @property
    def group(self) -> str:
        """The API group; the core group is the empty string."""
        return self.api_version.rpartition("/")[0]

    @property
    def version(self) -> str:
        """The version within the group."""
        return self.api_version.rpartition("/")[2]

    def path(self, namespace: str | None, name: str = "", subresource: str = "") -> str:
        """Where the API server keeps the object, or all of them; no namespace is all namespaces."""
        root = f"/apis/{self.api_version}" if self.group else f"/api/{self.api_version}"
        scope = f"namespaces/{namespace}" if self.namespaced and namespace is not None else ""
        return "/".join(filter(None, (root, scope, self.plural, name, subresource)))


MODEL_DEPLOYMENT = Kind(f"{GROUP}/{VERSION}", KIND, PLURAL)
CONTROLLER_REVISION = Kind("apps/v1", "ControllerRevision", "controllerrevisions")
DEPLOYMENT = Kind("apps/v1", "Deployment", "deployments")
SERVICE = Kind("v1", "Service", "services")
POD_DISRUPTION_BUDGET = Kind("policy/v1", "PodDisruptionBudget", "poddisruptionbudgets")
HTTP_ROUTE = Kind(_GATEWAY_API, "HTTPRoute", "httproutes")
GATEWAY = Kind(_GATEWAY_API, "Gateway", "gateways")
GATEWAY_CLASS = Kind(_GATEWAY_API, "GatewayClass", "gatewayclasses", namespaced=False)
POD = Kind("v1", "Pod", "pods")
EVENT = Kind("events.k8s.io/v1", "Event", "events")
LEASE = Kind("coordination.k8s.io/v1", "Lease", "leases")
CONFIG_MAP = Kind("v1", "ConfigMap", "configmaps")
TOKEN_REVIEW = Kind("authentication.k8s.io/v1", "TokenReview", "tokenreviews", namespaced=False)

CHILDREN: Sequence[Kind] = (
    CONTROLLER_REVISION,
    DEPLOYMENT,
    SERVICE,
    POD_DISRUPTION_BUDGET,
    HTTP_ROUTE,
)
"""What a ModelDeployment owns."""

WATCHED: Sequence[Kind] = (*CHILDREN, MODEL_DEPLOYMENT)
"""Children come first: a ModelDeployment whose children are not known looks like a new one."""

_BY_NAME = {kind.name: kind for kind in (*WATCHED, POD, GATEWAY, GATEWAY_CLASS, EVENT)}


def kind_named(name: str) -> Kind:
    """The kind that is called `name`; KeyError for one that is not ours to touch."""
    return _BY_NAME[name]


def kind_of(body: Mapping[str, Any]) -> Kind:
    """The kind of an object; raises KeyError like `kind_named`."""
    return kind_named(body["kind"])
