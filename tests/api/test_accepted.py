"""What the API server accepts and writes, and that the operator reads it as it was meant."""

from fractions import Fraction
from typing import Any

import pytest

from model_rollouts.api.crd import object_schema
from model_rollouts.api.deployment import read
from model_rollouts.api.runtimes import Runtime, Stage, stages_of
from model_rollouts.api.schema import Schema
from model_rollouts.api.status import Status
from model_rollouts.resources.names import Owner
from model_rollouts.routes import reader
from model_rollouts.routes.http_route import Backend, Mirror, RouteSpec, http_route
from model_rollouts.routes.record import RouteRecord
from tests.api.objects import (
    ARTIFACT,
    BENCHMARK,
    COUNTERS,
    DATASET,
    DIGEST,
    DISAGREEMENT,
    ERRORS,
    IMAGE,
    LATENCY,
    MINIMAL,
    OTHER_DIGEST,
    OVERRIDE,
    Client,
    Object,
    changed,
)

OFF = {"percent": 0}


def staged(stage: Stage) -> dict[str, Any]:
    """An objective on a stage."""
    timed = {"within": "300ms", "share": "95%", "stage": stage.value}
    return {**LATENCY, "name": stage.lower(), "latency": timed}


EVERY_FILTER = [
    {
        "type": "RequestHeaderModifier",
        "requestHeaderModifier": {"set": [{"name": "x-tenant", "value": "a"}]},
    },
    {
        "type": "ResponseHeaderModifier",
        "responseHeaderModifier": {
            "add": [{"name": "x-served-by", "value": "models"}],
            "remove": ["server"],
        },
    },
    {
        "type": "URLRewrite",
        "urlRewrite": {
            "hostname": "models.internal",
            "path": {"type": "ReplaceFullPath", "replaceFullPath": "/v2/models/arrival/infer"},
        },
    },
    {
        "type": "CORS",
        "cors": {
            "allowOrigins": ["https://app.example.com"],
            "allowMethods": ["POST"],
            "allowHeaders": ["content-type"],
            "exposeHeaders": ["x-model-revision"],
            "allowCredentials": True,
            "maxAge": 600,
        },
    },
    {
        "type": "ExtensionRef",
        "extensionRef": {"group": "example.com", "kind": "Limit", "name": "a"},
    },
]

DEFAULTS: Object = {
    "provenance": {"mode": "Enforce", "require": ["image"]},
    "replicas": 1,
    "objectives": [
        {
            "name": "errors",
            "type": "Availability",
            "availability": {"target": "99.9%"},
        }
    ],
    "strategy": {
        "mode": "Progressive",
        "assurance": "Standard",
        "shadow": {"percent": 0, "minRequests": 1000, "minDuration": "5m"},
        "canary": {"steps": ["5%", "25%", "50%"], "minStepDuration": "1m", "warmup": "1m"},
        "watch": {"duration": "6h"},
        "deadline": "24h",
        "onDeadline": "PromoteWithBound",
        "progressDeadline": "30m",
        "attempt": 1,
        "advanced": {"falseRollback": "1%", "falsePromotion": "5%"},
    },
    "paused": False,
    "protocol": "HTTP",
}

GOOD: dict[str, dict[str, Any]] = {
    "minimal": {},
    "longest name": {"metadata.name": "a" * 45},
    "whole provenance": {
        "spec.model": {
            "version": "2026-03-31.1",
            "artifact": ARTIFACT,
            "gitCommit": "0123456789" * 4,
            "dataset": DATASET,
            "benchmark": {**BENCHMARK, "limit": "0.0700"},
        },
        "spec.provenance.require": ["image", "artifact", "gitCommit", "dataset", "benchmark"],
    },
    "SHA-256 commit": {"spec.model.gitCommit": "01234567" * 8},
    "higher is better": {
        "spec.model.benchmark": {**BENCHMARK, "value": "0.9", "better": "Higher", "limit": "0.9"}
    },
    "negative value": {"spec.model.benchmark": {**BENCHMARK, "value": "-3", "limit": "-2.5"}},
    "tag with Warn": {
        "spec.provenance.mode": "Warn",
        "spec.template.spec.containers": [{"name": "model", "image": "arrival:3"}],
    },
    "tag that nobody asked about": {
        "spec.provenance.require": ["artifact"],
        "spec.model.artifact": ARTIFACT,
        "spec.template.spec.containers": [{"name": "model", "image": "arrival:3"}],
    },
    "tag in a sidecar": {
        "spec.template.spec.containers": [
            {"name": "model", "image": IMAGE},
            {"name": "sidecar", "image": "cache:1"},
        ],
    },
    "any field of a pod": {
        "spec.template": {
            "metadata": {"labels": {"team": "flights"}},
            "spec": {
                "nodeSelector": {"accelerator": "l4"},
                "containers": [{"name": "model", "image": IMAGE, "args": ["--threads", "4"]}],
            },
        }
    },
    "two listeners": {
        "spec.route.parentRefs": [
            {"name": "models", "sectionName": "http"},
            {"name": "models", "sectionName": "https", "port": 443},
            {"name": "models", "namespace": "other"},
        ]
    },
    "a parent of the core group": {
        "spec.route.parentRefs": [{"group": "", "kind": "Service", "name": "arrival"}]
    },
    "matches of every kind": {
        "spec.route.matches": [
            {"path": {"value": "/v2/models/arrival.1/~a;b=%20"}, "method": "POST"},
            {"path": {"type": "Exact", "value": "/"}},
            {"path": {"type": "RegularExpression", "value": "^/v[12]//?.*#$"}},
            {
                "headers": [{"name": "x-tenant", "value": "blue"}],
                "queryParams": [{"type": "RegularExpression", "name": "q", "value": "a|b"}],
            },
        ],
        "spec.route.hostnames": ["*.example.com"],
    },
    "rules as in an HTTPRoute": {
        "spec.route.rules": [
            {
                "name": "predict",
                "matches": [{"path": {"value": "/v1"}}],
                "filters": EVERY_FILTER,
                "timeouts": {"request": "10s", "backendRequest": "5s"},
            },
            {
                "matches": [{"path": {"type": "PathPrefix", "value": "/v1/"}, "method": "GET"}],
                "filters": [
                    {
                        "type": "URLRewrite",
                        "urlRewrite": {
                            "path": {"type": "ReplacePrefixMatch", "replacePrefixMatch": "/"}
                        },
                    }
                ],
            },
        ]
    },
    "rules beside empty matches": {"spec.route.rules": [{}], "spec.route.matches": []},
    "rules with matches in place of hostnames": {
        "spec.route": {
            "parentRefs": [{"name": "models"}],
            "rules": [{"matches": [{"path": {"value": "/v1"}}]}],
        }
    },
    "no limit of time": {"spec.route.timeouts": {"request": "0s", "backendRequest": "1h"}},
    "equal times": {"spec.route.timeouts": {"request": "1m", "backendRequest": "60s"}},
    "several objectives": {
        "spec.objectives": [
            ERRORS,
            {**ERRORS, "name": "strict", "role": "Guard", "compare": "Target"},
            {**ERRORS, "name": "loose", "availability": {"target": "80%"}, "role": "Report"},
        ]
    },
    "an objective of each type": {
        "spec.objectives": [ERRORS, LATENCY, {**COUNTERS, "role": "Guard", "compare": "Stable"}]
    },
    "shortest and longest time": {
        "spec.objectives": [
            {**LATENCY, "latency": {"within": "2ms", "share": "50%"}},
            {**LATENCY, "name": "longest", "latency": {"within": "1m", "share": "99.9999%"}},
        ]
    },
    "two significant digits however they are written": {
        "spec.objectives": [
            {**LATENCY, "name": name, "latency": {"within": within, "share": "99%"}}
            for name, within in (
                ("a", "99ms"),
                ("b", "370ms"),
                ("c", "1s500ms"),
                ("d", "1500ms"),
                ("e", "59s"),
                ("f", "0h0m10s"),
            )
        ]
    },
    "a longer time with a higher share": {
        "spec.objectives": [
            {**LATENCY, "latency": {"within": "300ms", "share": "95%"}},
            {**LATENCY, "name": "tail", "latency": {"within": "1s", "share": "99%"}},
        ]
    },
    "less for a longer time of a Guard": {
        "spec.objectives": [
            LATENCY,
            {**LATENCY, "name": "tail", "latency": {"within": "1s", "share": "95%"}}
            | {"role": "Guard"},
        ]
    },
    "lowest share of Fast": {
        "spec.objectives": [{**LATENCY, "latency": {"within": "300ms", "share": "55%"}}],
        "spec.strategy.assurance": "Fast",
    },
    "answers compared by label and by score, also as a gate": {
        "spec.capture": {"sample": "10%"},
        "spec.strategy.shadow": {"sideEffects": "None"},
        "spec.objectives": [
            ERRORS,
            {**DISAGREEMENT, "disagreement": {"of": "Label"}, "compare": "Target"},
            {
                **DISAGREEMENT,
                "name": "scores",
                "role": "Gate",
                "disagreement": {"of": "Score", "output": "délai/0", "tolerance": "0.5%"},
            },
        ],
    },
    "answers compared as vectors, rankings, texts and JSON": {
        "spec.capture": {"sample": "10%"},
        "spec.strategy.shadow": {"sideEffects": "None"},
        "spec.objectives": [
            ERRORS,
            *(
                {**DISAGREEMENT, "name": f"kind-{number}", "disagreement": block}
                for number, block in enumerate(
                    (
                        {"of": "Vector", "tolerance": "1%", "distance": "Mean"},
                        {"of": "Vector", "tolerance": "0.05", "distance": "Cosine"},
                        {"of": "Vector", "tolerance": "0.1"},
                        {"of": "Ranking", "top": 10, "atLeast": "80%"},
                        {"of": "Text"},
                        {"of": "Text", "atLeast": "90%", "against": "Self"},
                        {"of": "JSON", "fields": ["total", "items.0.price"]},
                    )
                )
            ),
        ],
    },
    "answers compared, for a version that is not judged": {
        "spec.strategy": {"mode": "Immediate"},
        "spec.objectives": [ERRORS, DISAGREEMENT],
    },
    "slices of a header and of a size, with objectives that say less or more than those of all": {
        "spec.slices": [
            {"name": "long-haul", "header": "x-haul", "value": "long"},
            {"name": "short-haul", "header": "x-haul", "prefix": "short-"},
            {"name": "large", "contentLength": {"atLeast": "8Ki"}},
        ],
        "spec.objectives": [
            ERRORS,
            LATENCY,
            {**ERRORS, "name": "long-errors", "slice": "long-haul"},
            {**LATENCY, "name": "large-latency", "slice": "large", "role": "Guard"},
            {**LATENCY, "name": "short-latency", "slice": "short-haul"}
            | {"latency": {"within": "400ms", "share": "95%"}},
            {**LATENCY, "name": "long-latency", "slice": "long-haul"}
            | {"latency": {"within": "1s", "share": "90%"}},
        ],
    },
    "own counters alone": {"spec.objectives": [COUNTERS]},
    "any name that a metric can have": {
        "spec.objectives": [
            COUNTERS
            | {
                "counters": {
                    "bad": {"metric": ":job:wrong_Total9"},
                    "total": {"metric": "_" * 200},
                }
            }
        ]
    },
    "histograms of the model server, with the same times as the proxy's": {
        "spec.objectives": [
            ERRORS,
            LATENCY,
            *(
                {
                    **LATENCY,
                    "name": unit.lower(),
                    "latency": {
                        "within": "300ms",
                        "share": "95%",
                        "histogram": {
                            "metric": ":tensorflow:serving:request_latency",
                            "unit": unit,
                            "matchers": [{"label": "model_name", "values": ["a", "b"]}],
                        },
                    },
                }
                for unit in ("Seconds", "Milliseconds", "Microseconds")
            ),
        ]
    },
    **{
        f"all stages that {runtime} exports": {
            "spec.runtime": runtime.value,
            "spec.objectives": [ERRORS, *map(staged, stages_of(runtime))],
            **({"spec.capture": {}} if runtime is Runtime.SERVER_TIMING else {}),
        }
        for runtime in Runtime
    },
    "all stages of a model server that nobody named": {
        "spec.objectives": [ERRORS, *map(staged, Stage)]
    },
    "one counter with a label for bad events": {
        "spec.objectives": [
            COUNTERS
            | {
                "counters": {
                    "bad": {
                        "metric": "answers_total",
                        "matchers": [
                            {"label": "code", "values": ["500", "503"]},
                            {"label": "route", "values": ['/v2/"a b"\\']},
                        ],
                    },
                    "total": {"metric": "answers_total"},
                }
            }
        ]
    },
    "one counter with a label for bad and good events": {
        "spec.objectives": [
            COUNTERS
            | {
                "counters": {
                    side: {
                        "metric": "vllm:request_success_total",
                        "matchers": [{"label": "finished_reason", "values": values}],
                    }
                    for side, values in (("bad", ["error"]), ("good", ["stop", "length"]))
                }
            }
        ]
    },
    "two counters of good and of bad events": {
        "spec.objectives": [
            COUNTERS
            | {
                "counters": {
                    "bad": {"metric": "nv_inference_request_failure"},
                    "good": {"metric": "nv_inference_request_success"},
                }
            }
        ]
    },
    "widest limits": {
        "spec.objectives": [{**COUNTERS, "limits": {"good": "0.0001%", "bad": "90.0%"}}]
    },
    "closest limits": {"spec.objectives": [{**COUNTERS, "limits": {"good": "9.9%", "bad": "10%"}}]},
    "lowest target of Fast": {
        "spec.objectives": [{**ERRORS, "availability": {"target": "82%"}}],
        "spec.strategy.assurance": "Fast",
    },
    "six nines": {"spec.objectives": [{**ERRORS, "availability": {"target": "99.9999%"}}]},
    "finest steps": {"spec.strategy.canary.steps": ["0.0001%", "9.9%", "10%", "99.9999%"]},
    "no time on steps": {
        "spec.strategy.canary.minStepDuration": "0s",
        "spec.strategy.deadline": "1ms",
    },
    "shadow": {"spec.strategy.shadow": {"sideEffects": "None"}},
    "shadow of a model that acts on requests": {
        "spec.strategy.shadow": {"sideEffects": "Suppressed", "percent": 1, "minRequests": 1}
    },
    "peak load": {"spec.strategy.shadow": {"sideEffects": "None", "peakFactor": "1.01"}},
    "highest peak load": {"spec.strategy.shadow": {"sideEffects": "None", "peakFactor": "10.00"}},
    "deadline just long enough for a shadow": {
        "spec.strategy": {"shadow": {"sideEffects": "None"}, "deadline": "8m1ms"}
    },
    "no time in shadow": {
        "spec.strategy": {
            "shadow": {"sideEffects": "None", "minDuration": "0s"},
            "deadline": "3m1ms",
        }
    },
    "guards turned off, and shown": {
        "spec.strategy.guards": {
            "clientErrors": {"role": "Off"},
            "restarts": {"role": "Report"},
            "latencyAgainstStable": {},
        }
    },
    "limits of guards": {
        "spec.strategy.guards": {
            "clientErrors": {"tolerance": "0.0001%"},
            "restarts": {"limit": "0.0001"},
            "latencyAgainstStable": {"tolerance": "45.00%", "role": "Report"},
        }
    },
    "highest limits of guards": {
        "spec.strategy.guards": {
            "clientErrors": {"tolerance": "44.9999%"},
            "restarts": {"limit": "1.0000"},
        }
    },
    "no watch": {"spec.strategy.watch.duration": "0s"},
    "deadline just long enough": {"spec.strategy.deadline": "3m1ms"},
    "immediate needs no time and no shadow": {
        "spec.strategy": {"mode": "Immediate", "deadline": "1s"}
    },
    "immediate may keep its shadow for later": {
        "spec.strategy": {"mode": "Immediate", "shadow": {"sideEffects": "None"}}
    },
    "shadow skipped by hand": {
        "spec.strategy.override": {**OVERRIDE, "action": "SkipShadow"},
        "spec.strategy.shadow": {"sideEffects": "None"},
    },
    "override": {"spec.strategy.override": OVERRIDE},
    "largest error rates": {
        "spec.strategy.advanced": {"falseRollback": "50%", "falsePromotion": "50.00%"}
    },
    "smallest error rates": {
        "spec.strategy.advanced": {"falseRollback": "0.0001%", "falsePromotion": "05%"}
    },
    "no pod": {"spec.replicas": 0},
    "no pod to spare": {"spec.strategy.maxExtraReplicas": 0},
    "one pod to spare": {"spec.strategy.maxExtraReplicas": 1},
    "most pods to spare": {"spec.strategy.maxExtraReplicas": 10_000},
    "an owner of whom nothing is said": {"spec.owner": {}},
    "an owner": {
        "spec.owner": {
            "team": "Vision 2",
            "channel": "#vision-alerts",
            "runbook": "https://wiki.example.com/arrival?v=1#rollback",
        }
    },
    "capture without bodies": {"spec.capture": {}},
    "values of JSON of no known protocol": {
        "spec.capture": {
            "sample": "10%",
            "schema": {
                "request": {
                    "rows": "data.items",
                    "values": [{"name": "hour", "path": "departure.hour"}],
                },
                "answer": {"values": [{"name": "p", "path": "scores.0"}]},
            },
        }
    },
    "capture of everything": {
        "spec.capture": {
            "sample": "100%",
            "maxBody": "1Mi",
            "include": {"inputs": ["*"], "outputs": ["species"]},
            "retention": "24h",
            "slice": {"header": "X-Tenant"},
        }
    },
    "a reference of the training data": {
        "spec.model.reference": {"configMap": "arrival-3", "digest": DIGEST},
        "spec.capture": {"sample": "10%", "include": {"inputs": ["*"]}},
    },
    "the same answer for everybody": {
        "spec.fallback": {"type": "Static", "static": {"body": "é" * 16_384}, "after": "300s"}
    },
    "another Service for what failed": {
        "spec.fallback": {
            "type": "Service",
            "service": {"name": "arrival-rules", "port": 8000},
            "on": ["ConnectFailure", "ServerError"],
            "resendRequest": False,
            "maxBody": "1Mi",
            "maxConcurrent": 10_000,
        }
    },
    "a fallback to the version before": {
        "spec.fallback": {"type": "PreviousRevision", "after": "2s"},
        "spec.strategy.maxExtraReplicas": 1,
    },
    "a fallback to another model": {
        "spec.fallback": {
            "type": "Service",
            "service": {"name": "arrivals-0123456789", "port": 80},
            "after": "1s500ms",
        }
    },
    "paused": {"spec.paused": True},
    "gRPC": {"spec.protocol": "GRPC", "spec.port": 8001},
    "empty lists": {"spec.route.matches": [], "spec.provenance.require": []},
}


def test_the_minimal_resource_is_stored_with_its_defaults(dry: Client) -> None:
    stored = dry.create(MINIMAL, dry_run=True)

    expected = changed({f"spec.{field}": value for field, value in DEFAULTS.items()})
    assert stored["spec"] == expected["spec"]
    assert "status" not in stored


@pytest.mark.parametrize("changes", GOOD.values(), ids=GOOD.keys())
def test_what_is_accepted_is_read_as_it_is_stored(dry: Client, changes: dict[str, Any]) -> None:
    written = changed(changes)

    stored = dry.create(written, dry_run=True, strict=True)

    # The defaults of the models are those of the API server, and those that it does not write.
    written["metadata"]["namespace"] = "default"
    assert read(stored).spec == read(written).spec
    dumped = read(stored).spec.model_dump(mode="json", by_alias=True, exclude_none=True)
    assert without_known(dumped, object_schema()["properties"]["spec"]) == without_known(
        stored["spec"], object_schema()["properties"]["spec"]
    )


@pytest.mark.parametrize("changes", GOOD.values(), ids=GOOD.keys())
def test_what_is_stored_differs_from_a_manifest_by_whole_fields_only(
    dry: Client, changes: dict[str, Any]
) -> None:
    """Argo CD takes the fields of a manifest from what is stored, and lists as a whole."""
    written = changed(changes)

    stored = dry.create(written, dry_run=True)

    assert fields_of(written, stored) == written


def test_what_a_tool_compares_is_told_from_what_differs() -> None:
    written = {"a": [{"b": 1}], "c": {"d": 1}}

    assert fields_of(written, {"a": [{"b": 1}], "c": {"d": 1, "e": 2}, "f": 3}) == written
    assert fields_of(written, {"a": [{"b": 1, "g": 4}], "c": {"d": 1}}) != written


@pytest.mark.parametrize("changes", GOOD.values(), ids=GOOD.keys())
def test_a_route_that_is_accepted_can_be_an_httproute(
    routes: Client, changes: dict[str, Any]
) -> None:
    model = read(changed({"metadata.namespace": "default", **changes}))
    spec = RouteSpec.of(model.spec.route, marks_backends=True)
    mirror, record = Mirror("m-2", 10), RouteRecord("m-1", "m-2", "Shadow", "0%", 1, None, 7)
    written = http_route(
        *("arrival", spec, [Backend("m-1", 1)], record),
        namespace="default",
        owner=Owner(model.api_version, model.kind, "arrival", "1"),
        mirror=mirror,
    )

    stored = routes.create(written, dry_run=True, strict=True)

    # What the API server fills in is no edit of somebody else's.
    assert reader.differences(stored, written) == ()
    found = RouteSpec.found(stored, keeps_places=True, most_weight=spec.most_weight)
    again = http_route(
        *("arrival", found, [Backend("m-1", 1)], record),
        namespace="default",
        owner=Owner(model.api_version, model.kind, "arrival", "1"),
        mirror=mirror,
    )
    assert reader.differences(stored, again) == ()
    assert reader.mirror(stored) == ("m-2-shadow", 10)
    assert reader.shares(stored) == {"m-1": Fraction(1)}


@pytest.mark.parametrize(
    "partial",
    [
        {"spec.strategy": {"shadow": OFF, "canary": {}, "watch": {}, "advanced": {}}},
        {"spec.strategy": {"shadow": OFF, "canary": {"steps": ["5%", "25%", "50%"]}}},
        {"spec.provenance": {}},
    ],
)
def test_an_object_given_in_part_gets_the_same_defaults(
    dry: Client, partial: dict[str, Any]
) -> None:
    assert (
        dry.create(changed(partial), dry_run=True)["spec"]
        == dry.create(MINIMAL, dry_run=True)["spec"]
    )


def test_a_version_may_change_with_its_artifact(client: Client) -> None:
    stored = client.create(changed({"spec.model.artifact": ARTIFACT}))

    changes = {"spec.model.version": "4", "spec.model.artifact.digest": OTHER_DIGEST}
    client.replace(changed(changes, stored))

    assert client.get("arrival")["spec"]["model"]["version"] == "4"


def test_a_lower_attempt_is_accepted_as_git_revert_writes_it(client: Client) -> None:
    stored = client.create(changed({"spec.strategy.attempt": 2}))

    client.replace(changed({"spec.strategy.attempt": 1}, stored))

    assert client.get("arrival")["spec"]["strategy"]["attempt"] == 1


def test_an_artifact_may_be_declared_later(client: Client) -> None:
    stored = client.create(MINIMAL)

    client.replace(changed({"spec.model.artifact": ARTIFACT}, stored))

    assert client.get("arrival")["spec"]["model"]["artifact"] == ARTIFACT


def test_what_an_autoscaler_wrote_survives_an_apply_without_replicas(client: Client) -> None:
    client.apply(MINIMAL, "gitops")
    scale = client.get("arrival", "scale")
    client.replace(changed({"spec.replicas": 7}, scale), subresource="scale")

    client.apply(changed({"spec.port": 9090}), "gitops")

    assert client.get("arrival")["spec"]["replicas"] == 7


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("spec.objectives", [{**ERRORS, "name": "mine", "role": "Gate", "compare": "Auto"}]),
        ("spec.provenance.require", ["artifact"]),
        ("spec.strategy.canary.steps", ["10%"]),
    ],
)
def test_a_list_written_later_replaces_the_default(client: Client, path: str, value: Any) -> None:
    base = changed({"spec.model.artifact": ARTIFACT})
    client.apply(base, "gitops")

    applied = client.apply(changed({path: value}, base), "gitops")

    assert changed({path: value}, applied) == applied


def test_a_status_of_a_newer_release_counts_as_lost() -> None:
    newer = changed({"metadata.namespace": "default", "status": {"phase": "Comparing"}})

    assert read(newer).status == Status()


def test_fields_of_a_newer_release_are_ignored() -> None:
    newer = changed({"metadata.namespace": "default", "spec.holdout": {"percent": 1}})

    assert read(newer).spec == read(changed({"metadata.namespace": "default"})).spec


def fields_of(written: Any, stored: Any) -> Any:
    """What is stored of the fields that were written; lists are taken as they are."""
    if isinstance(written, dict) and isinstance(stored, dict):
        return {key: fields_of(written[key], stored[key]) for key in written if key in stored}
    return stored


def without_known(value: Any, schema: Schema, *, inside: bool = False) -> Any:
    """Without empty lists and, inside items of lists, without what is the default anyway."""
    if isinstance(value, dict):
        known = schema.get("properties", {})
        kept = {
            key: without_known(inner, known.get(key, {}), inside=inside)
            for key, inner in value.items()
            if not (inside and known.get(key, {}).get("default") == inner)
        }
        return {key: inner for key, inner in kept.items() if inner != [] and (inner or not inside)}
    if isinstance(value, list):
        return [without_known(each, schema.get("items", {}), inside=True) for each in value]
    return value
