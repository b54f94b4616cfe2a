"""An API server that keeps a few objects: refusals, conflicts and watches as the real one has them.

A stand-in, because a real one can neither be away nor refuse when a test wants it; what must be
tried for real is in tests/engine/test_mdep_on_api_server.py.
"""

import copy
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from model_rollouts.cluster.kinds import EVENT, HTTP_ROUTE, MODEL_DEPLOYMENT, POD, Kind

Object = dict[str, Any]

KINDS = {each.plural: each for each in (MODEL_DEPLOYMENT, HTTP_ROUTE, POD, EVENT)}


class FakeApi:
    """Objects by kind, namespace and name."""

    def __init__(self) -> None:
        self.objects: dict[tuple[str, str, str], Object] = {}
        self.forbidden: set[tuple[str, str]] = set()
        """Verb and plural."""
        self.has_crd = True
        self.edits: list[Object] = []
        """What somebody else writes, one before each write of ours."""
        self.updates: list[tuple[dict[str, list[str]], Object]] = []
        """Query and body of each PUT."""
        self.asked: list[str] = []
        self.changed = threading.Condition()
        self.version = 100
        self.kubeconfig = Path()
        self.refuses: tuple[int, Object] | None = None
        """The answer to every write."""
        self.troubled = 0
        """So many of the next reads are answered 503."""

    def put(self, kind: Kind, obj: Object) -> None:
        """Keep it, as whoever writes it."""
        metadata = obj["metadata"]
        with self.changed:
            self.version += 1
            metadata["resourceVersion"] = str(self.version)
            self.objects[kind.plural, metadata["namespace"], metadata["name"]] = obj
            self.changed.notify_all()

    def stored(self, name: str = "arrival", namespace: str = "flights") -> Object:
        """A ModelDeployment."""
        return self.objects[MODEL_DEPLOYMENT.plural, namespace, name]

    def of(self, plural: str, namespace: str | None) -> list[Object]:
        """All of a kind."""
        return [
            obj
            for (kind, place, _), obj in self.objects.items()
            if kind == plural and namespace in (None, place)
        ]


def _status(code: int, reason: str, message: str) -> tuple[int, Object]:
    return code, {"kind": "Status", "code": code, "reason": reason, "message": message}


def _discovered(path: str) -> Object | None:
    """What a client is told that asks which kinds there are; None for every other question."""
    group, version = MODEL_DEPLOYMENT.group, MODEL_DEPLOYMENT.version
    named = {"groupVersion": f"{group}/{version}", "version": version}
    known: dict[str, Object] = {
        "/api": {"versions": ["v1"]},
        "/api/v1": {"resources": [_resource("namespaces", "Namespace", namespaced=False)]},
        "/apis": {"groups": [{"name": group, "versions": [named], "preferredVersion": named}]},
        f"/apis/{group}/{version}": {
            "resources": [_resource(MODEL_DEPLOYMENT.plural, MODEL_DEPLOYMENT.name)]
        },
    }
    return known.get(path)


def _resource(plural: str, kind: str, *, namespaced: bool = True) -> Object:
    return {
        "name": plural,
        "kind": kind,
        "singularName": kind.lower(),
        "namespaced": namespaced,
        "verbs": ["get", "list", "watch", "patch"],
    }


class _Handler(BaseHTTPRequestHandler):
    api: FakeApi

    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""

    def _place(self) -> tuple[str, str | None, str, dict[str, list[str]]]:
        url = urlsplit(self.path)
        parts = url.path.strip("/").split("/")
        parts = parts[2:] if parts[0] == "api" else parts[3:]
        namespace = None
        if parts[0] == "namespaces":
            namespace, parts = parts[1], parts[2:]
        return parts[0], namespace, parts[1] if parts[1:] else "", parse_qs(url.query)

    def _refused(self, verb: str, plural: str, namespace: str | None) -> tuple[int, Object] | None:
        if (verb, plural) not in self.api.forbidden:
            return None
        where = f' in the namespace "{namespace}"' if namespace else " at the cluster scope"
        group = KINDS[plural].group
        return _status(
            403,
            "Forbidden",
            f'{plural}{f".{group}" if group else ""} is forbidden: User "jane" cannot {verb} '
            f'resource "{plural}" in API group "{group}"{where}',
        )

    def do_GET(self) -> None:
        """An object, a list, or a watch."""
        self.api.asked.append(self.path)
        if (known := _discovered(urlsplit(self.path).path)) is not None:
            self._answer(200, known)
            return
        plural, namespace, name, query = self._place()
        if plural == MODEL_DEPLOYMENT.plural and not self.api.has_crd:
            self._answer(404, None)
            return
        verb = "get" if name else "watch" if "watch" in query else "list"
        if self.api.troubled and verb == "get":
            self.api.troubled -= 1
            self._answer(*_status(503, "ServiceUnavailable", "etcd is away"))
            return
        if refused := self._refused(verb, plural, namespace):
            self._answer(*refused)
        elif verb == "watch":
            self._watch(plural, namespace, query)
        elif verb == "list":
            items = self.api.of(plural, namespace)
            metadata = {"resourceVersion": str(self.api.version)}
            self._answer(200, {"kind": "List", "metadata": metadata, "items": items})
        elif (found := self.api.objects.get((plural, namespace or "", name))) is None:
            self._answer(*_status(404, "NotFound", f'{plural} "{name}" not found'))
        else:
            self._answer(200, found)

    def do_PUT(self) -> None:
        """Replace an object, unless it was changed since it was read."""
        plural, namespace, name, query = self._place()
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.api.edits:
            self.api.put(KINDS[plural], self.api.edits.pop(0))
        if refused := self._refused("update", plural, namespace) or self.api.refuses:
            self._answer(*refused)
            return
        stored = self.api.objects[plural, namespace or "", name]
        if body["metadata"]["resourceVersion"] != stored["metadata"]["resourceVersion"]:
            self._answer(*_status(409, "Conflict", "the object has been modified"))
            return
        self.api.updates.append((query, copy.deepcopy(body)))
        if "dryRun" not in query:
            self.api.put(KINDS[plural], body)
        self._answer(200, body)

    def _watch(self, plural: str, namespace: str | None, query: dict[str, list[str]]) -> None:
        """Objects that are newer than the version, until the client goes."""
        self.send_response(200)
        self.end_headers()
        seen = int(query["resourceVersion"][0])
        while True:
            with self.api.changed:
                newer = [
                    obj
                    for obj in self.api.of(plural, namespace)
                    if int(obj["metadata"]["resourceVersion"]) > seen
                ]
                if not newer and not self.api.changed.wait(0.5):
                    continue
                seen = max([seen, *(int(each["metadata"]["resourceVersion"]) for each in newer)])
            for obj in newer:
                try:
                    change = {"type": "MODIFIED", "object": obj}
                    self.wfile.write(json.dumps(change).encode() + b"\n")
                    self.wfile.flush()
                except OSError:
                    return

    def _answer(self, status: int, content: Object | None) -> None:
        text = b"404 page not found\n" if content is None else json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/plain" if content is None else "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)


@contextmanager
def serving(folder: Path) -> Iterator[FakeApi]:
    """An API server and a kubeconfig for it, until the end of the context."""
    api = FakeApi()
    handler = type("Handler", (_Handler,), {"api": api})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    server.block_on_close = False
    serving = threading.Thread(target=server.serve_forever, args=(0.01,))
    serving.start()
    api.kubeconfig = folder / "kubeconfig"
    write_kubeconfig(api.kubeconfig, f"http://127.0.0.1:{server.server_address[1]}")
    try:
        yield api
    finally:
        server.shutdown()
        server.server_close()
        serving.join()


def write_kubeconfig(path: Path, url: str, namespace: str = "flights", **user: Any) -> None:
    """A kubeconfig with one context, `test`."""
    path.write_text(
        json.dumps(
            {
                "current-context": "test",
                "contexts": [
                    {
                        "name": "test",
                        "context": {"cluster": "c", "user": "u", "namespace": namespace},
                    }
                ],
                "clusters": [{"name": "c", "cluster": {"server": url}}],
                "users": [{"name": "u", "user": user}],
            }
        )
    )
