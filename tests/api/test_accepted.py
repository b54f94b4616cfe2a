"""What the API server accepts and writes, and that the operator reads it as it was meant."""

from typing import Any

import pytest

from model_rollouts.api.deployment import read
from model_rollouts.api.status import Status
from tests.api.objects import (
    ARTIFACT,
    BENCHMARK,
    COUNTERS,
    DATASET,
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

DEFAULTS: Object = {
    "provenance": {"mode": "Enforce", "require": ["image"]},
    "replicas": 1,
    "objectives": [
        {
            "name": "errors",
            "type": "Availability",
            "availability": {"target": "99.9%"},
            "role": "Gate",
            "compare": "Auto",
        }
    ],
    "strategy": {
        "mode": "Progressive",
        "assurance": "Standard",
        "shadow": {"percent": 0, "minRequests": 1000, "minDuration": "5m"},
        "canary": {"steps": ["5%", "25%", "50%"], "minStepDuration": "1m"},
        "watch": {"duration": "6h"},
        "deadline": "24h",
        "onDeadline": "PromoteWithBound",
        "progressDeadline": "10m",
        "attempt": 1,
        "advanced": {"falseRollback": "1%", "falsePromotion": "5%"},
    },
    "paused": False,
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
    "one pod to spare": {"spec.strategy.maxExtraReplicas": 1},
    "most pods to spare": {"spec.strategy.maxExtraReplicas": 10_000},
    "paused": {"spec.paused": True},
    "empty lists": {"spec.route.matches": [], "spec.provenance.require": []},
}


def test_the_minimal_resource_is_stored_with_its_defaults(dry: Client) -> None:
    stored = dry.create(MINIMAL, dry_run=True)

    expected = changed({f"spec.{field}": value for field, value in DEFAULTS.items()})
    expected["spec"]["route"]["parentRefs"][0] |= {
        "group": "gateway.networking.k8s.io",
        "kind": "Gateway",
    }
    assert stored["spec"] == expected["spec"]
    assert "status" not in stored


@pytest.mark.parametrize("changes", GOOD.values(), ids=GOOD.keys())
def test_what_is_accepted_is_read_as_it_is_stored(dry: Client, changes: dict[str, Any]) -> None:
    written = changed(changes)

    stored = dry.create(written, dry_run=True, strict=True)

    # The defaults of the models are those of the API server.
    written["metadata"]["namespace"] = "default"
    assert read(stored).spec == read(written).spec
    dumped = read(stored).spec.model_dump(mode="json", by_alias=True, exclude_none=True)
    assert without_empty(dumped) == without_empty(stored["spec"])


@pytest.mark.parametrize("changes", GOOD.values(), ids=GOOD.keys())
def test_a_route_that_is_accepted_can_be_an_httproute(
    routes: Client, changes: dict[str, Any]
) -> None:
    route = changed(changes)["spec"]["route"]
    rule = {field: route[field] for field in ("matches", "timeouts") if field in route}
    spec = {field: route[field] for field in ("parentRefs", "hostnames") if field in route}

    httproute = {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": {"name": "arrival"},
        "spec": {**spec, "rules": [rule]},
    }
    routes.create(httproute, dry_run=True, strict=True)


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


def without_empty(value: Any) -> Any:
    """Without empty lists: absent and empty mean the same."""
    if isinstance(value, dict):
        return {key: without_empty(inner) for key, inner in value.items() if inner != []}
    if isinstance(value, list):
        return [without_empty(inner) for inner in value]
    return value
