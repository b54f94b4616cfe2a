"""A stand-in for the API server: the real one cannot have tokens expire or be away on demand."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer

from model_rollouts.resources.names import MODEL_LABEL, REVISION_LABEL
from tests.observer.batches import CANDIDATE, MODEL, NAMESPACE, STABLE

AUDIENCE = "model-rollouts-observer"


class StubApi:
    """Tokens are names of pods."""

    def __init__(self) -> None:
        self.pods = {"stable-0": STABLE, "stable-1": STABLE, "candidate-0": CANDIDATE}
        self.uids = {pod: f"uid-{pod}" for pod in self.pods}
        self.audience = AUDIENCE
        self.is_away = False
        self.reviews = 0
        self.status: dict[str, Any] = {}
        self.config_maps: dict[str, dict[str, str]] = {}
        self.forbids_config_maps = False
        self.spec: dict[str, Any] = {
            "model": {"version": "2"},
            "capture": {"include": {"inputs": ["*"], "outputs": ["species"]}},
            "objectives": [
                {
                    "name": "answers",
                    "type": "Disagreement",
                    "disagreement": {"of": "Label", "output": "species"},
                }
            ],
        }

    def application(self) -> web.Application:
        """The four requests that an observer sends."""
        made = web.Application()
        made.router.add_post("/apis/authentication.k8s.io/v1/tokenreviews", self._review)
        made.router.add_get("/api/v1/namespaces/{namespace}/pods/{name}", self._pod)
        made.router.add_get("/api/v1/namespaces/{namespace}/configmaps/{name}", self._config_map)
        made.router.add_get(
            "/apis/modelrollouts.dev/v1alpha1/namespaces/{namespace}/modeldeployments/{name}",
            self._model,
        )
        return made

    async def _review(self, request: web.Request) -> web.Response:
        if self.is_away:
            return web.json_response({"message": "away"}, status=500)
        self.reviews += 1
        spec = (await request.json())["spec"]
        pod = spec["token"].removesuffix("-elsewhere")
        status: dict[str, Any] = {"authenticated": False, "error": "token has expired"}
        if pod in self.uids or pod == "person":
            extra = {
                "authentication.kubernetes.io/pod-name": [pod],
                "authentication.kubernetes.io/pod-uid": [self.uids.get(pod, "")],
            }
            status = {
                "authenticated": True,
                "audiences": [self.audience] if spec["token"] == pod else ["elsewhere"],
                "user": {
                    "username": f"system:serviceaccount:{NAMESPACE}:default",
                    "extra": extra if pod != "person" else {},
                },
            }
        return web.json_response({"status": status}, status=201)

    async def _pod(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        if name not in self.pods:
            return web.json_response({"message": "not found"}, status=404)
        labels = {MODEL_LABEL: MODEL, REVISION_LABEL: self.pods[name]}
        metadata = {"name": name, "uid": f"uid-{name}", "labels": labels}
        return web.json_response({"metadata": metadata})

    async def _config_map(self, request: web.Request) -> web.Response:
        if self.forbids_config_maps:
            return web.json_response({"message": "forbidden"}, status=403)
        found = self.config_maps.get(request.match_info["name"])
        if found is None:
            return web.json_response({"message": "not found"}, status=404)
        return web.json_response({"data": found})

    async def _model(self, request: web.Request) -> web.Response:
        return web.json_response({"spec": self.spec, "status": self.status})


@asynccontextmanager
async def served(stub: StubApi, folder: Path) -> AsyncIterator[Path]:
    """A kubeconfig for the stand-in."""
    async with TestServer(stub.application()) as server:
        path = folder / "kubeconfig"
        path.write_text(
            json.dumps(
                {
                    "apiVersion": "v1",
                    "kind": "Config",
                    "current-context": "stub",
                    "contexts": [{"name": "stub", "context": {"cluster": "stub", "user": "stub"}}],
                    "clusters": [{"name": "stub", "cluster": {"server": str(server.make_url(""))}}],
                    "users": [{"name": "stub", "user": {"token": "observer"}}],
                }
            )
        )
        yield path
