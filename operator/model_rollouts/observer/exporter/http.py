"""The endpoints: metrics, health, and the worst cases of a revision."""

from collections.abc import Callable, Mapping
from operator import attrgetter

import msgspec
from aiohttp import web
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import generate_latest

from model_rollouts.observer.compare import Case, Worst
from model_rollouts.observer.exporter.counters import Revision
from model_rollouts.observer.inputs import InputsReport

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
MOST_CASES = 100
DEFAULT_CASES = 20
_WORDS = {"true": True, "false": False}


def application(
    registry: CollectorRegistry,
    worst: Mapping[Revision, Mapping[str, Worst]],
    inputs: Mapping[tuple[str, str], InputsReport],
    ails: Callable[[], str],
) -> web.Application:
    """The endpoints. ails: what keeps this process from working at all, "" for nothing."""

    async def metrics(request: web.Request) -> web.Response:
        return web.Response(body=generate_latest(registry), headers={"Content-Type": CONTENT_TYPE})

    async def health(request: web.Request) -> web.Response:
        trouble = ails()
        return web.Response(text=(trouble or "ok") + "\n", status=503 if trouble else 200)

    async def disagreements(request: web.Request) -> web.Response:
        text = request.query.get("limit", str(DEFAULT_CASES))
        if not text.isdecimal() or not 1 <= (limit := int(text[:9])) <= MOST_CASES:
            message = f"limit: found {text[:40]!r}, write a number from 1 to {MOST_CASES}\n"
            return web.Response(text=message, status=400)
        shown = request.query.get("values", "true")
        if shown not in _WORDS:
            message = f"values: found {shown[:40]!r}, write true or false\n"
            return web.Response(text=message, status=400)
        names = request.match_info
        found = worst.get((names["namespace"], names["model"], names["revision"]), {})
        cases = _cases(found, request.query.get("comparison"), limit)
        if not _WORDS[shown]:
            cases = [msgspec.structs.replace(each, stable=None, candidate=None) for each in cases]
        return web.Response(body=msgspec.json.encode(cases), content_type="application/json")

    async def moved(request: web.Request) -> web.Response:
        names = request.match_info
        found = inputs.get((names["namespace"], names["model"]))
        if found is None:
            return web.Response(text="no inputs were looked at\n", status=404)
        return web.Response(body=msgspec.json.encode(found), content_type="application/json")

    made = web.Application()
    made.router.add_get("/metrics", metrics)
    made.router.add_get("/healthz", health)
    made.router.add_get("/readyz", health)
    made.router.add_get(
        "/v1/namespaces/{namespace}/models/{model}/revisions/{revision}/disagreements",
        disagreements,
    )
    made.router.add_get("/v1/namespaces/{namespace}/models/{model}/inputs", moved)
    return made


def _cases(found: Mapping[str, Worst], comparison: str | None, limit: int) -> list[Case]:
    """The worst first: of one comparison, or of all of them."""
    wanted = found.values() if comparison is None else filter(None, [found.get(comparison)])
    cases = [case for each in wanted for case in each.cases(limit)]
    return sorted(cases, key=attrgetter("score"), reverse=True)[:limit]
