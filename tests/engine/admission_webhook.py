"""An admission webhook that a real API server asks, and that says what a test wants."""

import base64
import contextlib
import json
import ssl
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

import trustme
from aiohttp import web
from ephemeral_port_reserve import reserve

from e2e.fixtures import ApiServer

Review = dict[str, Any]
"""The `request` of an AdmissionReview."""

Answer = dict[str, Any] | int
"""The `response` without its uid; or the status of an answer that is none."""

ALLOWED: Answer = {"allowed": True}
OPERATOR = "model-rollouts"
"""How the field managers of the operator begin."""

RULES = (
    ("apps", "v1", ("deployments", "controllerrevisions")),
    ("gateway.networking.k8s.io", "v1", ("httproutes",)),
    ("modelrollouts.dev", "v1alpha1", ("modeldeployments/status",)),
    ("", "v1", ("services",)),
)


def denied(why: str) -> Answer:
    """The answer of a policy."""
    return {"allowed": False, "status": {"code": 403, "message": why}}


def patched(*patch: dict[str, Any]) -> Answer:
    """The answer of a webhook that changes what is written."""
    text = base64.b64encode(json.dumps(patch).encode()).decode()
    return {"allowed": True, "patchType": "JSONPatch", "patch": text}


@dataclass
class Webhook:
    """`rule` answers what the operator writes; it is asked about nothing else."""

    rule: Callable[[Review], Answer] = lambda review: ALLOWED
    asked: list[tuple[float, str]] = field(default_factory=list)
    """Time and resource of each write of the operator."""
    clock: Callable[[], float] = lambda: 0.0

    async def _answer(self, request: web.Request) -> web.Response:
        review = (await request.json())["request"]
        manager = (review.get("options") or {}).get("fieldManager", "")
        said: Answer = ALLOWED
        if manager.startswith(OPERATOR):
            self.asked.append((self.clock(), review["resource"]["resource"]))
            said = self.rule(review)
        if isinstance(said, int):
            return web.Response(status=said, text="the policy engine has no leader")
        response = {**said, "uid": review["uid"]}
        return web.json_response(
            {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response}
        )

    @contextlib.asynccontextmanager
    async def running(self, server: ApiServer, namespace: str) -> AsyncIterator[None]:
        """It serves, and the API server asks it about `namespace`."""
        authority, port = trustme.CA(), reserve()
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        authority.issue_cert("localhost", "127.0.0.1").configure_cert(context)
        app = web.Application()
        app.router.add_post("/", self._answer)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port, ssl_context=context).start()
        bundle = base64.b64encode(authority.cert_pem.bytes()).decode()
        body = _configuration(namespace, f"https://127.0.0.1:{port}/", bundle)
        server.kubectl("apply", "-f", "-", stdin=json.dumps(body))
        try:
            yield
        finally:
            server.kubectl("delete", body["kind"], body["metadata"]["name"])
            await runner.cleanup()


def _configuration(namespace: str, url: str, bundle: str) -> dict[str, Any]:
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "MutatingWebhookConfiguration",
        "metadata": {"name": f"policy-{namespace}"},
        "webhooks": [
            {
                "name": "policy.example.com",
                "clientConfig": {"url": url, "caBundle": bundle},
                "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}},
                "rules": [
                    {
                        "apiGroups": [group],
                        "apiVersions": [version],
                        "resources": list(resources),
                        "operations": ["CREATE", "UPDATE"],
                    }
                    for group, version, resources in RULES
                ],
                "failurePolicy": "Fail",
                "sideEffects": "None",
                "admissionReviewVersions": ["v1"],
                "timeoutSeconds": 2,
            }
        ],
    }
