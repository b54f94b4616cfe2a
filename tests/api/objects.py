"""ModelDeployments to try, and a client that tells how the API server answers them."""

import copy
import json
import ssl
from dataclasses import dataclass
from typing import Any, Self

import httpx

from e2e.fixtures import ApiServer
from model_rollouts.api.group import GROUP, PLURAL, VERSION

Object = dict[str, Any]

DIGEST = "sha256:" + "0123456789abcdef" * 4
OTHER_DIGEST = "sha256:" + "fedcba9876543210" * 4
IMAGE = f"registry.example.com/arrival@{DIGEST}"

ARTIFACT = {"uri": "s3://models/arrival/3", "digest": DIGEST}
DATASET = {"uri": "s3://data/2026q1", "digest": DIGEST, "asOf": "2026-03-31"}
BENCHMARK = {"name": "holdout", "metric": "brier", "value": "0.0663", "better": "Lower"}
ERRORS = {"name": "errors", "type": "Availability", "availability": {"target": "99.9%"}}
LATENCY = {"name": "latency", "type": "Latency", "latency": {"within": "300ms", "share": "99%"}}
COUNTERS = {
    "name": "own",
    "type": "Counters",
    "counters": {"bad": {"metric": "my_wrong_total"}, "total": {"metric": "my_answers_total"}},
    "limits": {"good": "1%", "bad": "2%"},
}
DISAGREEMENT = {
    "name": "answers",
    "type": "Disagreement",
    "disagreement": {"of": "Label", "output": "species"},
    "limits": {"good": "1%", "bad": "2%"},
}
OVERRIDE = {"version": "3", "action": "Promote", "reason": "INC-42"}

MINIMAL: Object = {
    "apiVersion": f"{GROUP}/{VERSION}",
    "kind": "ModelDeployment",
    "metadata": {"name": "arrival"},
    "spec": {
        "model": {"version": "3"},
        "port": 8080,
        "template": {"spec": {"containers": [{"name": "model", "image": IMAGE}]}},
        "route": {
            "parentRefs": [{"name": "models", "namespace": "gateways"}],
            "hostnames": ["arrival.example.com"],
        },
        "strategy": {"shadow": {"percent": 0}},
    },
}

ABSENT = object()


def changed(changes: dict[str, Any], base: Object = MINIMAL) -> Object:
    """A copy of `base` in which each path, such as 'spec.model.version', has the value given."""
    result = copy.deepcopy(base)
    for path, value in changes.items():
        *parents, last = path.split(".")
        inside = result
        for parent in parents:
            inside = inside.setdefault(parent, {})
        if value is ABSENT:
            del inside[last]
        else:
            inside[last] = copy.deepcopy(value)
    return result


@dataclass(frozen=True)
class RefusedError(Exception):
    """The API server's refusal: the message by field."""

    causes: dict[str, str]


class Client:
    """Objects of one kind, ModelDeployments by default, in one namespace of a real API server."""

    def __init__(
        self,
        server: ApiServer,
        namespace: str,
        api: str = f"{GROUP}/{VERSION}",
        plural: str = PLURAL,
    ) -> None:
        """A client with the administrator's rights."""
        self._http = httpx.Client(
            base_url=f"{server.url}/apis/{api}/namespaces/{namespace}/{plural}",
            headers={"Authorization": f"Bearer {server.token}"},
            verify=ssl.create_default_context(cafile=str(server.ca)),
            trust_env=False,
        )

    def __enter__(self) -> Self:
        """The client."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close its connections."""
        self._http.close()

    def create(self, obj: Object, *, dry_run: bool = False, strict: bool = False) -> Object:
        """The object as stored; raises RefusedError. `strict` asks as kubectl does."""
        params = {"dryRun": "All"} if dry_run else {}
        params |= {"fieldValidation": "Strict"} if strict else {}
        return _answer(self._http.post("", json=obj, params=params))

    def replace(self, obj: Object, *, subresource: str = "") -> Object:
        """The object as stored after its replacement; raises RefusedError."""
        return _answer(self._http.put(_path(obj["metadata"]["name"], subresource), json=obj))

    def apply(self, obj: Object, manager: str) -> Object:
        """The object as stored after a server-side apply; raises RefusedError."""
        return _answer(
            self._http.patch(
                obj["metadata"]["name"],
                content=json.dumps(obj),
                params={"fieldManager": manager},
                headers={"Content-Type": "application/apply-patch+yaml"},
            )
        )

    def get(self, name: str, subresource: str = "") -> Object:
        """The object as stored."""
        return _answer(self._http.get(_path(name, subresource)))


def _path(*parts: str) -> str:
    return "/".join(filter(None, parts))


def _answer(response: httpx.Response) -> Object:
    found: Object = response.json()
    if response.is_success:
        return found
    causes = found.get("details", {}).get("causes")
    if response.status_code != httpx.codes.UNPROCESSABLE_ENTITY or not causes:
        raise AssertionError(f"{response.status_code}: {found.get('message')}")
    raise RefusedError({cause.get("field", ""): cause["message"] for cause in causes})
