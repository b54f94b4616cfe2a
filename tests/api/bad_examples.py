"""Bad examples: what is written where, the field that is blamed, and the end of the message."""

from typing import Any

from tests.api.objects import (
    ABSENT,
    ARTIFACT,
    BENCHMARK,
    COUNTERS,
    DATASET,
    DIGEST,
    DISAGREEMENT,
    ERRORS,
    LATENCY,
    MINIMAL,
    OVERRIDE,
)

PARENT = {"name": "models", "namespace": "gateways"}
TIME = "write a time such as 24h, 1m30s or 300ms"
RATIO = "write a percentage such as 99.9% or 25%, with at most four decimals"
TARGET_RATIO = "write a percentage such as 99.9%, with at most four decimals"
RATE_RATIO = "write a percentage such as 1%, with at most four decimals"
COMMIT = "write the full commit hash, 40 digits from 0-9 and a-f (64 in a SHA-256 repository)"
VERSION = (
    "write letters, digits, '-', '_' and '.', such as 3 or 2026-03-31.1, "
    "starting and ending with a letter or digit"
)
LABEL = "write lower-case letters, digits and '-', starting and ending with a letter or digit"
NAME = (
    "write at most 45 lower-case letters, digits and '-', beginning with a letter: "
    "Deployments and Services are named after it"
)
TARGET = (
    "write at least 80% and less than 100%: no number of requests can show 100%, "
    "and the breaker rolls back a version that fails more than 20%"
)
LIMIT = (
    "retrain the model or correct the limit: "
    "a version that misses the limit of its own benchmark is not rolled out"
)
FAST = (
    "found a target below 82% with assurance Fast, write a higher target or use Standard: "
    "Fast rules out five times the allowed errors, which would be more than 90%"
)
FAST_LATENCY = (
    "found a share below 55% with assurance Fast, write a higher share or use Standard: "
    "Fast rules out twice the allowed slow requests, which would be more than 90%"
)
SHARE = "write at least 50% and less than 100%: no number of requests can show 100%"
DIGITS = (
    "write at most two significant digits of milliseconds, such as 370ms or 1500ms: "
    "the proxy can count no other times"
)
LESS_FOR_LONGER = (
    "found a latency Gate that another one with the same or a shorter time already covers, "
    "write a higher share for the longer time, or remove it"
)
TOLERANCE = (
    "write more than 0% and at most 45%; "
    'role: "Off" turns the guard off, role: Report only shows it'
)
CRASHES = 'write a decimal number in quotes with at most four decimals, such as "0.01"'
CRASH_LIMIT = 'write a number above 0 and at most 1; role: "Off" turns the guard off'
METRIC = "write the name of a counter without labels, such as my_answers_total"
ROOM = (
    "write a bad limit that is larger than the good one: "
    "without a gap between them no number of requests decides"
)
NO_GATE = (
    "found no objective with the role Gate for all requests, write at least one of another type "
    "than Disagreement and without slice: without a Gate nothing is checked before promotion"
)
NO_SHADOW = (
    "found no shadow, write {sideEffects: None} if answering a request changes nothing else, "
    "{sideEffects: Suppressed} if the model server skips its side effects for requests with the "
    "header x-model-shadow: true, or {percent: 0} to give a version to users without a shadow"
)
NO_SIDE_EFFECTS = (
    "found no sideEffects, write None if answering a request changes nothing else, "
    "or Suppressed if the model server skips its side effects for requests with the header "
    "x-model-shadow: true; percent: 0 turns the shadow off"
)
FACTOR = 'write a decimal number in quotes, such as "2" or "1.5"'
LONGER = (
    "write a time longer than the shortest shadow and canary together, or fewer or shorter steps"
)
OFF = {"percent": 0}
ON = {"sideEffects": "None"}
TAG = (
    "found no digest in the image of the container 'model', write registry/name@sha256:…, "
    "because a tag can be moved to another image; with provenance.mode Warn this is only reported"
)
SAMPLE = "write a percentage such as 10%, with at most four decimals"
SIZE = "write a size such as 64Ki, from 1Ki to 999Ki, or 1Mi"
PLAIN_PATH = "write a plain path, without '//', elements '.' or '..', %2F, '#', '?' and spaces"

ONE_ARTIFACT = "write a new version: this one already has a different artifact"

Row = tuple[str, Any, str, str]


def objective(**fields: Any) -> list[dict[str, Any]]:
    """One objective on errors with other fields than usual."""
    return [{**ERRORS, **fields}]


def latency(**fields: Any) -> list[dict[str, Any]]:
    """One objective on latency with other numbers than usual."""
    numbers = {"within": "300ms", "share": "99%", **fields}
    return [{**LATENCY, "latency": _written(numbers)}]


def histogram(fields: Any) -> dict[str, Any]:
    """A histogram of the model server's own with other fields than usual."""
    return _written({"metric": "took", "unit": "Seconds", **fields})


def _written(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not ABSENT}


def counters(**fields: Any) -> list[dict[str, Any]]:
    """One objective on counters of the model server with other fields than usual."""
    return [{**COUNTERS, **fields}]


def with_matcher(side: str, matcher: dict[str, Any]) -> list[dict[str, Any]]:
    """One objective on counters of which one, `bad`, `total` or `good`, has that matcher."""
    other = "total" if side == "bad" else "bad"
    return counters(counters={other: {"metric": "a"}, side: {"metric": "b", "matchers": [matcher]}})


def metrics(bad: str, total: str) -> list[dict[str, Any]]:
    """One objective on counters of those names."""
    return counters(counters={"bad": {"metric": bad}, "total": {"metric": total}})


def path(value: str, type: str = "PathPrefix") -> list[dict[str, Any]]:
    """One match of a path."""
    return [{"path": {"type": type, "value": value}}]


METADATA: list[Row] = [
    ("metadata.name", "a" * 46, "metadata.name", f"found '{'a' * 46}', {NAME}"),
    ("metadata.name", "3-arrival", "metadata.name", f"found '3-arrival', {NAME}"),
    ("metadata.name", "arrival.delay", "metadata.name", f"found 'arrival.delay', {NAME}"),
]
MODEL: list[Row] = [
    ("spec.model", ABSENT, "spec.model", "Required value"),
    ("spec.model", {}, "spec.model.version", "Required value"),
    (
        "spec.model.version",
        "3 beta",
        "spec.model.version",
        f"found '3 beta', {VERSION}",
    ),
    ("spec.model.version", 3, "spec.model.version", "must be of type string"),
    ("spec.model.version", "3" * 64, "spec.model.version", "may not be more than 63 bytes"),
    ("spec.model.artifact", {"uri": "s3://a/b"}, "spec.model.artifact.digest", "Required value"),
    (
        "spec.model.artifact",
        {**ARTIFACT, "uri": "models/3"},
        "spec.model.artifact.uri",
        "found 'models/3', write a URI with its scheme, such as s3://models/arrival/3",
    ),
    (
        "spec.model.artifact",
        {**ARTIFACT, "digest": "md5:0123"},
        "spec.model.artifact.digest",
        "found 'md5:0123', write sha256: followed by 64 digits from 0-9 and a-f",
    ),
    (
        "spec.model.reference",
        {"configMap": "Arrival", "digest": ARTIFACT["digest"]},
        "spec.model.reference.configMap",
        "found 'Arrival', write a lower-case DNS name, such as models.example.com",
    ),
    (
        "spec.model.reference",
        {"configMap": "arrival-3", "digest": "md5:0123"},
        "spec.model.reference.digest",
        "found 'md5:0123', write sha256: followed by 64 digits from 0-9 and a-f",
    ),
    ("spec.model.gitCommit", "5f1c", "spec.model.gitCommit", f"found '5f1c', {COMMIT}"),
    (
        "spec.model.dataset",
        {**DATASET, "uri": "2026q1"},
        "spec.model.dataset.uri",
        "found '2026q1', write a URI with its scheme, such as s3://models/arrival/3",
    ),
    (
        "spec.model.dataset",
        {**DATASET, "digest": "none"},
        "spec.model.dataset.digest",
        "found 'none', write sha256: followed by 64 digits from 0-9 and a-f",
    ),
    (
        "spec.model.dataset",
        {**DATASET, "asOf": "31.3.2026"},
        "spec.model.dataset.asOf",
        "found '31.3.2026', write a date such as 2026-03-31",
    ),
    (
        "spec.model.benchmark",
        {**BENCHMARK, "value": "6.6e-2"},
        "spec.model.benchmark.value",
        "found '6.6e-2', write a decimal number in quotes, such as \"0.0663\"",
    ),
    (
        "spec.model.benchmark",
        {**BENCHMARK, "value": 0.0663},
        "spec.model.benchmark.value",
        "must be of type string",
    ),
    (
        "spec.model.benchmark",
        {**BENCHMARK, "limit": "7%"},
        "spec.model.benchmark.limit",
        "found '7%', write a decimal number in quotes, such as \"0.0663\"",
    ),
    (
        "spec.model.benchmark",
        {**BENCHMARK, "better": "Smaller"},
        "spec.model.benchmark.better",
        'supported values: "Lower", "Higher"',
    ),
    (
        "spec.model.benchmark",
        {**BENCHMARK, "limit": "0.06"},
        "spec.model.benchmark.value",
        f"found 0.0663 where the limit is 0.06 and Lower is better, {LIMIT}",
    ),
    (
        "spec.model.benchmark",
        {**BENCHMARK, "limit": "0.07", "better": "Higher"},
        "spec.model.benchmark.value",
        f"found 0.0663 where the limit is 0.07 and Higher is better, {LIMIT}",
    ),
]
PROVENANCE: list[Row] = [
    ("spec.provenance.mode", "Off", "spec.provenance.mode", '"Enforce", "Warn"'),
    ("spec.provenance.require", ["license"], "spec.provenance.require[0]", '"image", "artifact"'),
    *(
        (
            "spec.provenance.require",
            [item],
            f"spec.model.{item}",
            f"found no {item}, write {meaning}: provenance.require lists it",
        )
        for item, meaning in (
            ("artifact", "the uri and digest of the model's files"),
            ("gitCommit", "the commit that trained the model"),
            ("dataset", "the uri and digest of the training data"),
            ("benchmark", "the model's result on held-out data"),
        )
    ),
]
PODS: list[Row] = [
    ("spec.replicas", -1, "spec.replicas", "greater than or equal to 0"),
    ("spec.replicas", 10_001, "spec.replicas", "less than or equal to 10000"),
    ("spec.port", ABSENT, "spec.port", "Required value"),
    ("spec.port", 65_536, "spec.port", "less than or equal to 65535"),
    ("spec.template", ABSENT, "spec.template", "Required value"),
    ("spec.template", {"metadata": {}}, "spec.template.spec", "Required value"),
    ("spec.template.spec", {}, "spec.template.spec.containers", "Required value"),
    (
        "spec.template.spec.containers",
        [{"name": "server", "image": f"a@{DIGEST}"}],
        "spec.template.spec.containers",
        "found no container 'model', write this name for the container that serves the model",
    ),
    (
        "spec.template.spec.containers",
        [{"name": "model", "image": "registry.example.com/arrival:3"}],
        "spec.template.spec.containers",
        TAG,
    ),
    ("spec.template.spec.containers", [{"name": "model"}], "spec.template.spec.containers", TAG),
]
ROUTE: list[Row] = [
    ("spec.route", ABSENT, "spec.route", "Required value"),
    ("spec.route.parentRefs", ABSENT, "spec.route.parentRefs", "Required value"),
    ("spec.route.parentRefs", [], "spec.route.parentRefs", "should have at least 1 items"),
    ("spec.route.parentRefs", [{}], "spec.route.parentRefs[0].name", "Required value"),
    (
        "spec.route.parentRefs",
        [PARENT, PARENT],
        "spec.route.parentRefs",
        "found the same parent twice, write each listener once",
    ),
    (
        "spec.route.parentRefs",
        [PARENT, {**PARENT, "sectionName": "http"}],
        "spec.route.parentRefs",
        "found the same parent with and without sectionName, "
        "write sectionName in every reference to that parent",
    ),
    (
        "spec.route.parentRefs",
        [{**PARENT, "namespace": "Gate ways"}],
        "spec.route.parentRefs[0].namespace",
        f"found 'Gate ways', {LABEL}",
    ),
    (
        "spec.route.parentRefs",
        [{**PARENT, "sectionName": "HTTP"}],
        "spec.route.parentRefs[0].sectionName",
        "found 'HTTP', write a lower-case DNS name, such as models.example.com",
    ),
    (
        "spec.route.parentRefs",
        [{**PARENT, "kind": "a/b"}],
        "spec.route.parentRefs[0].kind",
        "found 'a/b', write the kind of a resource, such as Gateway",
    ),
    (
        "spec.route.parentRefs",
        [{**PARENT, "group": "a/b"}],
        "spec.route.parentRefs[0].group",
        "found 'a/b', write an API group, such as gateway.networking.k8s.io",
    ),
    ("spec.route.parentRefs", [{**PARENT, "port": 0}], "spec.route.parentRefs[0].port", "to 1"),
    *(
        (
            "spec.route.hostnames",
            hostnames,
            "spec.route",
            "found neither hostnames nor matches, write at least one: "
            "without them the model would get every request of its Gateway",
        )
        for hostnames in (ABSENT, [])
    ),
    (
        "spec.route.hostnames",
        ["arrival.example.com:8080"],
        "spec.route.hostnames[0]",
        "found 'arrival.example.com:8080', write a lower-case DNS name without port, "
        "such as arrival.example.com or *.example.com",
    ),
    (
        "spec.route.matches",
        path("v2/models"),
        "spec.route.matches[0].path.value",
        "found 'v2/models', write a path that starts with '/', such as /v2/models/arrival",
    ),
    *(
        (
            "spec.route.matches",
            path(value, "Exact"),
            "spec.route.matches[0].path.value",
            f"found '{value}', {PLAIN_PATH}",
        )
        for value in (
            "/a//b",
            "/a/./b",
            "/a/../b",
            "/a/..",
            "/a/.",
            "/a%2fb",
            "/a#b",
            "/a?b",
            "/a b",
        )
    ),
    ("spec.route.matches", [{"method": "get"}], "spec.route.matches[0].method", '"GET"'),
    (
        "spec.route.matches",
        [{"headers": [{"name": "x tenant", "value": "a"}]}],
        "spec.route.matches[0].headers[0].name",
        "found 'x tenant', write a name that HTTP allows, such as x-tenant",
    ),
    (
        "spec.route.matches",
        [{"queryParams": [{"name": "a b", "value": "a"}]}],
        "spec.route.matches[0].queryParams[0].name",
        "found 'a b', write a name that HTTP allows, such as x-tenant",
    ),
    (
        "spec.route.timeouts",
        {"request": "10"},
        "spec.route.timeouts.request",
        f"found '10', {TIME}",
    ),
    (
        "spec.route.timeouts",
        {"backendRequest": "1.5s"},
        "spec.route.timeouts.backendRequest",
        f"found '1.5s', {TIME}",
    ),
    (
        "spec.route.timeouts",
        {"request": "10s", "backendRequest": "1m"},
        "spec.route.timeouts.backendRequest",
        "found 1m with a `request` of 10s, write at most the time of `request`, which includes it",
    ),
]
RULES = "spec.route.rules"
PREFIX = [{"path": {"value": "/v1"}}]


def filtered(type: str, **members: Any) -> list[dict[str, Any]]:
    """One rule with one filter."""
    return [{"filters": [{"type": type, **members}]}]


def rewritten(**path: str) -> list[dict[str, Any]]:
    """One rule that rewrites paths."""
    return filtered("URLRewrite", urlRewrite={"path": path})


FILTER = f"{RULES}[0].filters[0]"
EXTENSION = {"group": "example.com", "kind": "Limit", "name": "a"}

ROUTE_RULES: list[Row] = [
    (
        "spec.route",
        {**MINIMAL["spec"]["route"], "rules": [{}], "matches": PREFIX},
        RULES,
        "found rules beside matches or timeouts, write these inside the rules",
    ),
    (
        "spec.route",
        {**MINIMAL["spec"]["route"], "rules": [{}], "timeouts": {"request": "1s"}},
        RULES,
        "found rules beside matches or timeouts, write these inside the rules",
    ),
    (
        "spec.route",
        {"parentRefs": [PARENT], "rules": [{"matches": PREFIX}, {}]},
        "spec.route",
        "found neither hostnames nor matches, write at least one: "
        "without them the model would get every request of its Gateway",
    ),
    (
        RULES,
        [{"name": "a"}, {"name": "a"}],
        RULES,
        "found the same name twice, write a different name for each rule",
    ),
    (
        RULES,
        [{"name": "A"}],
        f"{RULES}[0].name",
        "found 'A', write a lower-case DNS name, such as models.example.com",
    ),
    *(
        (RULES, [{field: value}], f"{RULES}[0].{field}", f"found {field}, {advice}")
        for field, value, advice in (
            (
                "backendRefs",
                [{"name": "a"}],
                "leave it out: the operator sends requests to the revisions of this "
                "ModelDeployment",
            ),
            (
                "sessionPersistence",
                {"sessionName": "a"},
                "leave it out: a session that stays with one version would not follow the weights",
            ),
            (
                "retry",
                {"attempts": 2},
                "leave it out: a failed request that is sent again hides the failure of a version",
            ),
        )
    ),
    *(
        (RULES, filtered(type), f"{FILTER}.type", '"RequestHeaderModifier"')
        for type in ("RequestMirror", "RequestRedirect", "ExternalAuth")
    ),
    (
        RULES,
        [{"filters": [{"type": "CORS", "cors": {}}, {"type": "CORS", "cors": {}}]}],
        f"{RULES}[0].filters",
        "found two filters of the same type, write one with all changes",
    ),
    *(
        (
            RULES,
            found,
            FILTER,
            f"{said}, write `{field}` with {what} if the type is {type}, and only then",
        )
        for type, field, what in (
            ("RequestHeaderModifier", "requestHeaderModifier", "`set`, `add` or `remove`"),
            ("ResponseHeaderModifier", "responseHeaderModifier", "`set`, `add` or `remove`"),
            ("URLRewrite", "urlRewrite", "`hostname` or `path`"),
            ("CORS", "cors", "`allowOrigins`"),
            ("ExtensionRef", "extensionRef", "`group`, `kind` and `name`"),
        )
        for found, said in ((filtered(type), f"found type {type} without {field}"),)
    ),
    *(
        (
            RULES,
            rewritten(type=type),
            f"{FILTER}.urlRewrite.path",
            f"found type {type} without {field}, "
            f"write `{field}` with a path if the type is {type}, and only then",
        )
        for type, field in (
            ("ReplaceFullPath", "replaceFullPath"),
            ("ReplacePrefixMatch", "replacePrefixMatch"),
        )
    ),
    *(
        (
            RULES,
            [{**rewritten(type="ReplacePrefixMatch", replacePrefixMatch="/")[0], **matching}],
            f"{RULES}[0].filters",
            "found ReplacePrefixMatch, write exactly one match in this rule, with a path of type "
            "PathPrefix",
        )
        for matching in (
            {},
            {"matches": [*PREFIX, *PREFIX]},
            {"matches": path("/v1", "Exact")},
        )
    ),
    *(
        (
            RULES,
            filtered(f"{which}HeaderModifier", **{member: {change: [value]}}),
            f"{FILTER}.{member}.{change}[0]{field}",
            "found 'a b', write a name that HTTP allows, such as x-tenant",
        )
        for which in ("Request", "Response")
        for member in (f"{which.lower()}HeaderModifier",)
        for change, value, field in (
            ("set", {"name": "a b", "value": "1"}, ".name"),
            ("add", {"name": "a b", "value": "1"}, ".name"),
            ("remove", "a b", ""),
        )
    ),
    (
        RULES,
        filtered("URLRewrite", urlRewrite={"hostname": "A"}),
        f"{FILTER}.urlRewrite.hostname",
        "found 'A', write a lower-case DNS name, such as models.example.com",
    ),
    *(
        (
            RULES,
            filtered("ExtensionRef", extensionRef={**EXTENSION, field: value}),
            f"{FILTER}.extensionRef.{field}",
            f"found '{value}', {advice}",
        )
        for field, value, advice in (
            ("group", "a/b", "write an API group, such as gateway.networking.k8s.io"),
            ("kind", "a/b", "write the kind of a resource, such as Gateway"),
        )
    ),
    # What the short form refuses is refused in rules.
    *(
        (
            RULES,
            [{part: value}],
            field.replace(f"spec.route.{part}", f"{RULES}[0].{part}"),
            message,
        )
        for where, value, field, message in ROUTE
        for part in ("matches", "timeouts")
        if where == f"spec.route.{part}"
    ),
    *(
        (
            RULES,
            filtered("CORS", cors={field: [value]}),
            f"{FILTER}.cors.{field}[0]",
            f"found '{value}', {advice}",
        )
        for field, value, advice in (
            (
                "allowOrigins",
                "example.com",
                "write an origin such as https://app.example.com, or *",
            ),
            ("allowMethods", "post", "write an HTTP method such as POST, or *"),
            ("allowHeaders", "a b", "write a name that HTTP allows, such as x-tenant"),
            ("exposeHeaders", "a b", "write a name that HTTP allows, such as x-tenant"),
        )
    ),
]
OBJECTIVES: list[Row] = [
    ("spec.objectives", [], "spec.objectives", NO_GATE),
    ("spec.objectives", objective(role="Guard"), "spec.objectives", NO_GATE),
    (
        "spec",
        MINIMAL["spec"]
        | {
            "objectives": objective(availability={"target": "81.9%"}),
            "strategy": {"assurance": "Fast", "shadow": OFF},
        },
        "spec.objectives",
        FAST,
    ),
    (
        "spec.objectives",
        [ERRORS, {**ERRORS, "role": "Guard"}],
        "spec.objectives",
        "found objective errors twice, write a different name for each",
    ),
    (
        "spec.objectives",
        objective(name="Errors!"),
        "spec.objectives[0].name",
        f"found 'Errors!', {LABEL}",
    ),
    (
        "spec.objectives",
        objective(name="breaker"),
        "spec.objectives[0].name",
        "found 'breaker', write another name: "
        "this one is reserved for the objective that is always on",
    ),
    (
        "spec.objectives",
        objective(type="Cost"),
        "spec.objectives[0].type",
        '"Availability", "Latency", "Counters", "Disagreement"',
    ),
    *(
        (
            "spec.objectives",
            [found],
            "spec.objectives[0]",
            f"found type {found['type']} {said} if the type is {type}, and only then",
        )
        for type, found, said in (
            (
                "Availability",
                {"name": "errors", "type": "Availability"},
                "without availability, write `availability` with `target`",
            ),
            (
                "Availability",
                {**LATENCY, "availability": {"target": "99%"}},
                "with availability, write `availability` with `target`",
            ),
            (
                "Latency",
                {"name": "latency", "type": "Latency"},
                "without latency, write `latency` with `within` and `share`",
            ),
            (
                "Latency",
                {**ERRORS, "latency": LATENCY["latency"]},
                "with latency, write `latency` with `within` and `share`",
            ),
            (
                "Counters",
                {"name": "own", "type": "Counters", "limits": COUNTERS["limits"]},
                "without counters, write `counters` with the metrics `bad`, and `total` or `good`",
            ),
            (
                "Counters",
                {**ERRORS, "counters": COUNTERS["counters"]},
                "with counters, write `counters` with the metrics `bad`, and `total` or `good`",
            ),
            (
                "Disagreement",
                {"name": "answers", "type": "Disagreement", "limits": DISAGREEMENT["limits"]},
                "without disagreement, write `disagreement` with what is compared",
            ),
            (
                "Disagreement",
                {**ERRORS, "disagreement": DISAGREEMENT["disagreement"]},
                "with disagreement, write `disagreement` with what is compared",
            ),
            (
                "Counters or Disagreement",
                {"name": "own", "type": "Counters", "counters": COUNTERS["counters"]},
                "without limits, write `limits` with the shares `good` and `bad`",
            ),
            (
                "Counters or Disagreement",
                {**LATENCY, "limits": COUNTERS["limits"]},
                "with limits, write `limits` with the shares `good` and `bad`",
            ),
        )
    ),
    ("spec.objectives", objective(role="Watch"), "spec.objectives[0].role", '"Gate", "Guard"'),
    ("spec.objectives", objective(compare="Past"), "spec.objectives[0].compare", '"Auto"'),
    *(
        (
            "spec.objectives",
            objective(availability={"target": target}),
            "spec.objectives[0].availability.target",
            f"found '{target}', {advice}",
        )
        for target, advice in (
            ("99.9", TARGET_RATIO),
            ("0.999", TARGET_RATIO),
            ("101%", TARGET_RATIO),
            ("99,9%", TARGET_RATIO),
            ("99.99999%", TARGET_RATIO),
            ("100%", TARGET),
            ("79.9%", TARGET),
            ("9%", TARGET),
            ("8.5%", TARGET),
            ("0%", TARGET),
        )
    ),
]
COMPARED = "spec.objectives[1].disagreement"
COMPARISONS: list[Row] = [
    ("spec.objectives", [DISAGREEMENT], "spec.objectives", NO_GATE),
    ("spec.objectives", [{**DISAGREEMENT, "role": "Gate"}], "spec.objectives", NO_GATE),
    (
        "spec.objectives",
        [ERRORS, DISAGREEMENT],
        "spec.strategy.shadow.percent",
        "found an objective of type Disagreement and no shadow, write a percent above 0 or remove "
        "the objective: answers to mirrored requests are compared",
    ),
    (
        "spec",
        {
            **MINIMAL["spec"],
            "objectives": [
                ERRORS,
                {
                    **DISAGREEMENT,
                    "disagreement": {"of": "Label", "against": "Self"},
                },
            ],
            "strategy": {"shadow": {"sideEffects": "None", "percent": 9}},
        },
        "spec.strategy.shadow.percent",
        "found an objective with against: Self and less than 10 percent, write at least 10: a "
        "tenth of the mirrored requests goes to a second pod of stable, in whole percent",
    ),
    (
        "spec.model.reference",
        {"configMap": "arrival-3", "digest": f"sha256:{'0' * 64}"},
        "spec.capture",
        "found model.reference and no inputs, write {sample: 10%, include: {inputs: ['*']}} or the "
        "names of some: inputs that are kept are compared with the reference",
    ),
    (
        "spec.objectives",
        [ERRORS, DISAGREEMENT],
        "spec.capture",
        "found an objective of type Disagreement and no sample, write {sample: 10%} or another "
        "share: the observer compares answers that are captured; stable needs it too, so add "
        "capture one version before the objective",
    ),
    (
        "spec",
        {**MINIMAL["spec"], "protocol": "GRPC", "objectives": [ERRORS, DISAGREEMENT]},
        "spec.protocol",
        "found an objective of type Disagreement and the protocol GRPC, remove the objective or "
        "serve the model by HTTP: the observer reads answers in JSON alone",
    ),
    ("spec.protocol", "gRPC", "spec.protocol", '"HTTP", "GRPC"'),
    (
        "spec.objectives",
        [ERRORS, {**DISAGREEMENT, "compare": "Stable"}],
        "spec.objectives[1].compare",
        "found compare Stable with type Disagreement, remove compare: "
        "a disagreement is a comparison with stable already",
    ),
    *(
        ("spec.objectives", [ERRORS, {**DISAGREEMENT, "disagreement": block}], field, message)
        for block, field, message in (
            (
                {"of": "Rank"},
                f"{COMPARED}.of",
                '"Label", "Score", "Vector", "Ranking", "Text", "JSON"',
            ),
            ({"output": "species"}, f"{COMPARED}.of", "Required value"),
            (
                {"of": "Score"},
                COMPARED,
                "found of Score without tolerance, write `tolerance` if `of` is Score or Vector, "
                "and only then",
            ),
            (
                {"of": "Label", "tolerance": "0.1"},
                COMPARED,
                "found of Label with tolerance, write `tolerance` if `of` is Score or Vector, "
                "and only then",
            ),
            (
                {"of": "Ranking"},
                COMPARED,
                "found of Ranking without atLeast, write `atLeast` if `of` is Ranking, remove it "
                "unless `of` is Ranking or Text",
            ),
            (
                {"of": "JSON", "atLeast": "90%"},
                COMPARED,
                "found of JSON with atLeast, write `atLeast` if `of` is Ranking, remove it unless "
                "`of` is Ranking or Text",
            ),
            (
                {"of": "Text", "atLeast": "0%"},
                f"{COMPARED}.atLeast",
                "found '0%', write more than 0%: with that all answers agree",
            ),
            (
                {"of": "Text", "atLeast": "0.9"},
                f"{COMPARED}.atLeast",
                "found '0.9', write a percentage such as 80%, with at most four decimals",
            ),
            *(
                (
                    {"of": "Label", field: value},
                    COMPARED,
                    f"found {field} with of Label, remove `{field}`, or write of: {of}",
                )
                for field, value, of in (
                    ("distance", "Mean", "Vector"),
                    ("top", 3, "Ranking"),
                    ("fields", ["total"], "JSON"),
                )
            ),
            (
                {"of": "Vector", "tolerance": "1%", "distance": "Cosine"},
                COMPARED,
                "found the distance Cosine with tolerance 1%, write `tolerance` as a number such "
                'as "0.05": an angle is no share of a size',
            ),
            (
                {"of": "JSON", "fields": ["items..price"]},
                f"{COMPARED}.fields[0]",
                "found 'items..price', write names with dots between them, such as total or "
                "items.0.price",
            ),
            (
                {"of": "Score", "tolerance": "-1"},
                f"{COMPARED}.tolerance",
                "found '-1', write a number in quotes, such as \"0.01\", "
                'or a percentage such as "1%"',
            ),
            (
                {"of": "Score", "tolerance": "0.0%"},
                f"{COMPARED}.tolerance",
                "found '0.0%', write more than zero: "
                "two servers can round the last digit differently",
            ),
            (
                {"of": "Label", "output": " species"},
                f"{COMPARED}.output",
                "found ' species', write a name without space around it, such as species",
            ),
        )
    ),
]
TIMES = "spec.objectives[0].latency.within"
METRICS = "spec.objectives[0].counters"
CODE = {"matchers": [{"label": "code", "values": ["500", "503"]}]}
OWN_LABEL = (
    "write a label of the metric itself: namespace, revision and bucket are selected by the "
    "operator"
)
LATENCIES: list[Row] = [
    ("spec.objectives", latency(within=ABSENT), TIMES, "Required value"),
    ("spec.objectives", latency(share=ABSENT), "spec.objectives[0].latency.share", "Required"),
    *(
        ("spec.objectives", latency(within=within), TIMES, f"found '{within}', {advice}")
        for within, advice in (
            ("300", "write a time such as 300ms or 1s500ms"),
            ("0.3s", "write a time such as 300ms or 1s500ms"),
            ("1ms", "write a time from 2ms to 1m"),
            ("0s", "write a time from 2ms to 1m"),
            ("1m1s", "write a time from 2ms to 1m"),
            ("24h", "write a time from 2ms to 1m"),
            ("375ms", DIGITS),
            ("1s501ms", DIGITS),
            ("1234ms", DIGITS),
            ("10s500ms", DIGITS),
        )
    ),
    *(
        (
            "spec.objectives",
            latency(share=share),
            "spec.objectives[0].latency.share",
            f"found '{share}', {advice}",
        )
        for share, advice in (
            ("99", TARGET_RATIO),
            ("100%", SHARE),
            ("49.9%", SHARE),
            ("9%", SHARE),
            ("0%", SHARE),
        )
    ),
    (
        "spec",
        MINIMAL["spec"] | {"objectives": latency(share="54.9%"), "strategy": {"assurance": "Fast"}},
        "spec.objectives",
        FAST_LATENCY,
    ),
    *(
        (
            "spec.objectives",
            [LATENCY, {**LATENCY, "name": "tail", "latency": {"within": within, "share": "95%"}}],
            "spec.objectives",
            LESS_FOR_LONGER,
        )
        for within in ("300ms", "1s", "400ms")
    ),
]
HISTOGRAMS: list[Row] = [
    *(
        (
            "spec.objectives",
            latency(histogram=histogram(more)),
            f"spec.objectives[0].latency.histogram{field}",
            message,
        )
        for more, field, message in (
            ({"metric": ABSENT}, ".metric", "Required value"),
            ({"unit": ABSENT}, ".unit", "Required value"),
            ({"unit": "s"}, ".unit", '"Seconds", "Milliseconds", "Microseconds"'),
            (
                {"metric": 'took{model="a"}'},
                ".metric",
                "found 'took{model=\"a\"}', write the name of a histogram without labels, such as "
                "request_predict_seconds",
            ),
            *(
                (
                    {"metric": f"took_{end}"},
                    ".metric",
                    f"found 'took_{end}', write the name without _bucket, _count or _sum: the "
                    "operator adds it",
                )
                for end in ("bucket", "count", "sum")
            ),
            (
                {"matchers": [{"label": "le", "values": ["1"]}]},
                ".matchers[0].label",
                f"found 'le', {OWN_LABEL}",
            ),
            (
                {"matchers": [{"label": "a b", "values": ["1"]}]},
                ".matchers[0].label",
                "found 'a b', write the name of a label, such as code",
            ),
            (
                {"matchers": [{"label": "a", "values": ["b "]}]},
                ".matchers[0].values[0]",
                "found 'b ', write the value of a label without space around it, such as 500; "
                "values are no patterns",
            ),
        )
    ),
]
STAGES: list[Row] = [
    (
        "spec.objectives",
        latency(stage="Predict", histogram=histogram({})),
        "spec.objectives[0].latency.stage",
        "found both stage and histogram, write either `stage`, or `histogram` with one of the "
        "model server's own",
    ),
    (
        "spec.objectives",
        latency(stage="Network"),
        "spec.objectives[0].latency.stage",
        '"Preprocess", "Predict", "Postprocess", "Queue", "TimeToFirstToken", "TimePerOutputToken"',
    ),
    ("spec.runtime", "vllm", "spec.runtime", '"KServe", "Triton", "VLLM", "SGLang", "TGI"'),
    *(
        (
            "spec",
            {
                **MINIMAL["spec"],
                "runtime": runtime,
                "objectives": [ERRORS, *latency(stage=stage)],
            },
            "spec.objectives",
            f"found a stage that runtime {runtime} does not export: {has}, write one that it has, "
            "or `histogram`, or remove the objective",
        )
        for runtime, stage, has in (
            ("KServe", "Queue", "0.21.0 has Preprocess, Predict, Postprocess"),
            ("Triton", "Predict", "2.71 has TimeToFirstToken"),
            (
                "VLLM",
                "Preprocess",
                "0.33.0 has Queue, Predict, TimeToFirstToken, TimePerOutputToken",
            ),
            ("SGLang", "Predict", "0.5.23 has Queue, TimeToFirstToken, TimePerOutputToken"),
            ("TGI", "TimeToFirstToken", "3.3.7 has Preprocess, Queue, Predict, TimePerOutputToken"),
            ("MLServer", "Predict", "1.7.1 has none"),
            ("TorchServe", "Queue", "0.12.0 has none"),
            ("TFServing", "Queue", "2.20.0 has Predict"),
        )
    ),
]
OWN: list[Row] = [
    *(
        ("spec.objectives", metrics(bad, "b"), f"{METRICS}.bad.metric", f"found '{bad}', {METRIC}")
        for bad in ("my-wrong", 'x{namespace="other"}', "9_total", "a b", "", "sum(a)")
    ),
    *(
        (
            "spec.objectives",
            counters(counters={"bad": {"metric": "a"}, "good": {"metric": good}}),
            f"{METRICS}.good.metric",
            f"found '{good}', {advice}",
        )
        for good, advice in (
            ("b,c", METRIC),
            (
                "time_bucket",
                "write a plain counter: the buckets of a histogram count each request many times",
            ),
        )
    ),
    ("spec.objectives", metrics("a", "b,c"), f"{METRICS}.total.metric", f"found 'b,c', {METRIC}"),
    ("spec.objectives", metrics("a", "b" * 201), f"{METRICS}.total.metric", "more than 200 bytes"),
    (
        "spec.objectives",
        metrics("time_bucket", "time_count"),
        f"{METRICS}.bad.metric",
        "found 'time_bucket', "
        "write a plain counter: the buckets of a histogram count each request many times",
    ),
    (
        "spec.objectives",
        metrics("a", "time_bucket"),
        f"{METRICS}.total.metric",
        "found 'time_bucket', "
        "write a plain counter: the buckets of a histogram count each request many times",
    ),
    (
        "spec.objectives",
        metrics("a", "a"),
        METRICS,
        "found 'a' for both, write two different metrics, or `matchers` for the bad events: "
        "the bad events are a part of the total",
    ),
    (
        "spec.objectives",
        counters(counters={"bad": {"metric": "a", **CODE}, "total": {"metric": "a", **CODE}}),
        METRICS,
        "found 'a' for both, write two different metrics, or `matchers` for the bad events: "
        "the bad events are a part of the total",
    ),
    *(
        (
            "spec.objectives",
            counters(counters={"bad": {"metric": "a", **bad}, "good": {"metric": "a", **good}}),
            METRICS,
            "found 'a' for both, write two different metrics, or `matchers` with other values of "
            "the same label: no event is good and bad",
        )
        for bad, good in (
            ({}, {}),
            (CODE, {}),
            ({}, CODE),
            (CODE, {"matchers": [{"label": "code", "values": ["200", "503"]}]}),
            (CODE, {"matchers": [{"label": "method", "values": ["GET"]}]}),
        )
    ),
    (
        "spec.objectives",
        counters(counters={"bad": {"metric": "a"}}),
        METRICS,
        "found neither of total and good, write either `total` with the counter of all events, "
        "or `good` with that of the good ones",
    ),
    (
        "spec.objectives",
        counters(counters={name: {"metric": name} for name in ("bad", "total", "good")}),
        METRICS,
        "found both total and good, write either `total` with the counter of all events, "
        "or `good` with that of the good ones",
    ),
    *(
        (
            "spec.objectives",
            with_matcher(side, {"label": "code", "values": ["500"]} | one),
            f"{METRICS}.{side}.matchers[0].{field}",
            message,
        )
        for side in ("bad", "total", "good")
        for one, field, message in (
            ({"label": "le"}, "label", f"found 'le', {OWN_LABEL}"),
            ({"label": "namespace"}, "label", f"found 'namespace', {OWN_LABEL}"),
            ({"label": "__name__"}, "label", f"found '__name__', {OWN_LABEL}"),
            (
                {"label": "status-code"},
                "label",
                "found 'status-code', write the name of a label, such as code",
            ),
            ({"values": []}, "values", "at least 1 item"),
            ({"values": ["500", "500"]}, "values[1]", "Duplicate value"),
            (
                {"values": [" 500"]},
                "values[0]",
                "found ' 500', write the value of a label without space around it, such as 500; "
                "values are no patterns",
            ),
        )
    ),
    (
        "spec.objectives",
        counters(
            counters={
                "bad": {"metric": "a", "matchers": [*CODE["matchers"], *CODE["matchers"]]},
                "total": {"metric": "b"},
            }
        ),
        f"{METRICS}.bad.matchers[1]",
        "Duplicate value",
    ),
    *(
        (
            "spec.objectives",
            counters(limits=_written({"good": "1%", "bad": "2%", **limits})),
            f"spec.objectives[0].limits{field}",
            message,
        )
        for limits, field, message in (
            ({"good": "1"}, ".good", f"found '1', {RATE_RATIO}"),
            ({"bad": "2"}, ".bad", f"found '2', {RATE_RATIO}"),
            (
                {"good": "0.0%"},
                ".good",
                "found '0.0%', write more than 0%: no number of requests can show 0%",
            ),
            ({"bad": "90.1%"}, ".bad", "found '90.1%', write at most 90%"),
            ({"bad": "100%"}, ".bad", "found '100%', write at most 90%"),
            ({"good": "2%"}, "", f"found good 2% and bad 2%, {ROOM}"),
            ({"good": "10%", "bad": "9.9%"}, "", f"found good 10% and bad 9.9%, {ROOM}"),
            ({"good": ABSENT}, ".good", "Required value"),
        )
    ),
]
STRATEGY: list[Row] = [
    ("spec.strategy.mode", "Fast", "spec.strategy.mode", '"Progressive", "Immediate"'),
    ("spec.strategy.assurance", "High", "spec.strategy.assurance", '"Fast", "Standard", "Strict"'),
    ("spec.strategy.canary.steps", [], "spec.strategy.canary.steps", "at least 1 items"),
    ("spec.strategy.canary.steps", ["5"], "spec.strategy.canary.steps[0]", f"found '5', {RATIO}"),
    *(
        (
            "spec.strategy.canary.steps",
            [step],
            "spec.strategy.canary.steps[0]",
            f"found '{step}', write more than 0% and less than 100%",
        )
        for step in ("0%", "0.00%", "100%")
    ),
    *(
        (
            "spec.strategy.canary.steps",
            steps,
            "spec.strategy.canary.steps",
            f"found {', '.join(steps)}, write ascending weights, such as 5%, 25%, 50%",
        )
        for steps in (["25%", "5%"], ["5%", "5.0%"], ["10%", "9.9%"])
    ),
    (
        "spec.strategy.canary.minStepDuration",
        "1 minute",
        "spec.strategy.canary.minStepDuration",
        f"found '1 minute', {TIME}",
    ),
    (
        "spec.strategy.canary.warmup",
        "a while",
        "spec.strategy.canary.warmup",
        f"found 'a while', {TIME}",
    ),
    (
        "spec.strategy.canary.warmup",
        "5m",
        "spec.strategy.canary.warmup",
        "found '5m', write a time from 0s to 2m",
    ),
    ("spec.strategy.watch.duration", "6", "spec.strategy.watch.duration", f"found '6', {TIME}"),
    ("spec.strategy.deadline", "1d", "spec.strategy.deadline", f"found '1d', {TIME}"),
    ("spec.strategy.deadline", "0s", "spec.strategy.deadline", "found '0s', write more than zero"),
    (
        "spec.strategy.deadline",
        "3m",
        "spec.strategy.deadline",
        f"found 3m for steps of at least 1m, {LONGER}",
    ),
    (
        "spec.strategy",
        {"shadow": ON, "deadline": "8m"},
        "spec.strategy.deadline",
        f"found 8m for steps of at least 1m after a shadow of at least 5m, {LONGER}",
    ),
    ("spec.strategy", ABSENT, "spec.strategy.shadow", NO_SHADOW),
    ("spec.strategy", {}, "spec.strategy.shadow", NO_SHADOW),
    ("spec.strategy", {"mode": "Progressive"}, "spec.strategy.shadow", NO_SHADOW),
    ("spec.strategy.shadow", {}, "spec.strategy.shadow.sideEffects", NO_SIDE_EFFECTS),
    ("spec.strategy.shadow", {"percent": 1}, "spec.strategy.shadow.sideEffects", NO_SIDE_EFFECTS),
    (
        "spec.strategy",
        {"mode": "Immediate", "shadow": {}},
        "spec.strategy.shadow.sideEffects",
        NO_SIDE_EFFECTS,
    ),
    (
        "spec.strategy.shadow",
        {"sideEffects": "Some"},
        "spec.strategy.shadow.sideEffects",
        '"None", "Suppressed"',
    ),
    (
        "spec.strategy.shadow",
        {**ON, "percent": 101},
        "spec.strategy.shadow.percent",
        "less than or equal to 100",
    ),
    (
        "spec.strategy.shadow",
        {**ON, "percent": -1},
        "spec.strategy.shadow.percent",
        "greater than or equal to 0",
    ),
    (
        "spec.strategy.shadow",
        {**ON, "percent": "10%"},
        "spec.strategy.shadow.percent",
        "must be of type integer",
    ),
    (
        "spec.strategy.shadow",
        {**ON, "minRequests": 0},
        "spec.strategy.shadow.minRequests",
        "greater than or equal to 1",
    ),
    (
        "spec.strategy.shadow",
        {**ON, "minDuration": "5 m"},
        "spec.strategy.shadow.minDuration",
        f"found '5 m', {TIME}",
    ),
    *(
        (
            "spec.strategy.shadow",
            {**ON, "peakFactor": factor},
            "spec.strategy.shadow.peakFactor",
            f"found '{factor}', {advice}",
        )
        for factor, advice in (
            ("2x", FACTOR),
            ("1.", FACTOR),
            ("1", "write a number above 1 and at most 10"),
            ("0.5", "write a number above 1 and at most 10"),
            ("10.01", "write a number above 1 and at most 10"),
        )
    ),
    *(
        (
            "spec.strategy.guards",
            {guard: {"tolerance": tolerance}},
            f"spec.strategy.guards.{guard}.tolerance",
            f"found '{tolerance}', {advice}",
        )
        for guard in ("clientErrors", "latencyAgainstStable")
        for tolerance, advice in (
            ("0.01", RATE_RATIO),
            ("0%", TOLERANCE),
            ("45.0001%", TOLERANCE),
            ("46%", TOLERANCE),
            ("100%", TOLERANCE),
        )
    ),
    *(
        (
            "spec.strategy.guards",
            {guard: {"slice": "long-haul"}},
            f"spec.strategy.guards.{guard}.slice",
            "found a slice, write an objective with it and role: Guard; a guard is of all requests",
        )
        for guard in ("clientErrors", "restarts", "latencyAgainstStable")
    ),
    *(
        (
            "spec.strategy.guards",
            {"restarts": {"limit": limit}},
            "spec.strategy.guards.restarts.limit",
            f"found '{limit}', {advice}",
        )
        for limit, advice in (
            ("1%", CRASHES),
            (".1", CRASHES),
            ("0.00001", CRASHES),
            ("0.0", CRASH_LIMIT),
            ("1.1", CRASH_LIMIT),
        )
    ),
    ("spec.strategy.onDeadline", "Promote", "spec.strategy.onDeadline", '"PromoteWithBound"'),
    (
        "spec.strategy.progressDeadline",
        "0m",
        "spec.strategy.progressDeadline",
        "found '0m', write more than zero",
    ),
    (
        "spec.strategy.progressDeadline",
        "soon",
        "spec.strategy.progressDeadline",
        f"found 'soon', {TIME}",
    ),
    (
        "spec.strategy.maxExtraReplicas",
        -1,
        "spec.strategy.maxExtraReplicas",
        "greater than or equal to 0",
    ),
    (
        "spec.strategy.maxExtraReplicas",
        10_001,
        "spec.strategy.maxExtraReplicas",
        "less than or equal to 10000",
    ),
    ("spec.strategy.maxExtraReplicas", "2", "spec.strategy.maxExtraReplicas", "must be of type"),
    ("spec.strategy.attempt", 0, "spec.strategy.attempt", "greater than or equal to 1"),
    *(
        (
            f"spec.strategy.advanced.{field}",
            value,
            f"spec.strategy.advanced.{field}",
            f"found '{value}', {advice}",
        )
        for field in ("falseRollback", "falsePromotion")
        for value, advice in (
            ("1", RATE_RATIO),
            ("0.0%", "write more than 0% and at most 50%"),
            ("50.1%", "write more than 0% and at most 50%"),
            ("60%", "write more than 0% and at most 50%"),
        )
    ),
    ("spec.strategy.restart", "a b", "spec.strategy.restart", f"found 'a b', {VERSION}"),
    ("spec.strategy.restart", "", "spec.strategy.restart", f"found '', {VERSION}"),
    ("spec.strategy.override", {}, "spec.strategy.override.version", "Required value"),
    (
        "spec.strategy.override",
        {**OVERRIDE, "action": "Abort"},
        "spec.strategy.override.action",
        '"Promote", "Rollback", "Hold", "SkipShadow"',
    ),
    (
        "spec.strategy.override",
        {**OVERRIDE, "reason": ""},
        "spec.strategy.override.reason",
        "at least 1 chars long",
    ),
    (
        "spec.strategy.override",
        {**OVERRIDE, "version": "3 beta"},
        "spec.strategy.override.version",
        f"found '3 beta', {VERSION}",
    ),
    ("spec.paused", "yes", "spec.paused", "must be of type boolean"),
]
OWNER_NAME = "write letters, digits, ' ', '.', '_', '/' and '-', such as vision or #vision-alerts"
PAGE = "write the address of a page, such as https://wiki.example.com/arrival"
OWNER: list[Row] = [
    *(
        ("spec.owner", {field: found}, f"spec.owner.{field}", f"found '{found}', {OWNER_NAME}")
        for field in ("team", "channel")
        for found in ("{{ team }}", "-vision", "vision ", "@everyone", "")
    ),
    ("spec.owner", {"team": "v" * 64}, "spec.owner.team", "may not be more than 63 bytes"),
    *(
        ("spec.owner", {"runbook": found}, "spec.owner.runbook", f"found '{found}', {PAGE}")
        for found in ("wiki.example.com", "javascript:alert(1)", "https://wiki.example.com/a b")
    ),
    ("spec.owner", "vision", "spec.owner", "must be of type object"),
]
CAPTURE: list[Row] = [
    ("spec.capture", {"sample": "10"}, "spec.capture.sample", f"found '10', {SAMPLE}"),
    (
        "spec.capture",
        {"sample": "0%"},
        "spec.capture.sample",
        "found '0%', write more than 0%, or remove sample: without it no bodies are captured",
    ),
    *(
        ("spec.capture", {"maxBody": size}, "spec.capture.maxBody", f"found '{size}', {SIZE}")
        for size in ("0Ki", "65536", "2Mi", "1000Ki")
    ),
    (
        "spec.capture",
        {"include": {"outputs": ["*"]}},
        "spec.capture.sample",
        "found include without sample, write sample: 10% or another share: "
        "values are kept of requests whose bodies are captured",
    ),
    (
        "spec.capture",
        {"retention": "1 week"},
        "spec.capture.retention",
        f"found '1 week', {TIME}",
    ),
    (
        "spec.capture",
        {"retention": "0s"},
        "spec.capture.retention",
        "found '0s', write more than zero",
    ),
    (
        "spec.capture",
        {"slice": {"header": "x tenant"}},
        "spec.capture.slice.header",
        "found 'x tenant', write the name of a request header, such as x-tenant",
    ),
    ("spec.capture", {"slice": {}}, "spec.capture.slice.header", "Required value"),
    *(
        (
            "spec.capture",
            {"sample": "10%", "schema": {side: body}},
            f"spec.capture.schema.{side}{field}",
            told,
        )
        for side in ("request", "answer")
        for body, field, told in (
            ({}, ".values", "Required value"),
            ({"values": []}, ".values", "should have at least 1 items"),
            ({"values": [{"name": "p"}]}, ".values[0].path", "Required value"),
            (
                {"values": [{"name": "p", "path": "$.p[0]"}, {"name": "p", "path": "q"}]},
                ".values[1]",
                "Duplicate value",
            ),
            (
                {"values": [{"name": "p", "path": "a..b"}]},
                ".values[0].path",
                "found 'a..b', write names with dots between them, such as total or items.0.price",
            ),
            (
                {"values": [{"name": " p", "path": "p"}]},
                ".values[0].name",
                "found ' p', write a name without space around it, such as species",
            ),
            (
                {"rows": "data items", "values": [{"name": "p", "path": "p"}]},
                ".rows",
                "found 'data items', write names with dots between them, such as total or "
                "items.0.price",
            ),
        )
    ),
]
STATIC = {"type": "Static", "static": {"body": "{}"}, "after": "2s"}
SERVICE = {"type": "Service", "service": {"name": "rules", "port": 80}, "after": "2s"}
TIMINGS: list[Row] = [
    (
        "spec",
        {**MINIMAL["spec"], "runtime": "ServerTiming"},
        "spec.capture",
        "found no capture and the runtime ServerTiming, write {}: the observer reads the header",
    ),
]
PREVIOUS: dict[str, Any] = {"type": "PreviousRevision", "after": "2s"}
AFTER = "write a time of more than 0s and at most 300s"
TIMEOUT = "write after: 2s or another time if `on` has Timeout, and only then"
FALLBACK: list[Row] = [
    (
        "spec.fallback",
        {**STATIC, "type": "Cached"},
        "spec.fallback.type",
        'supported values: "Static", "Service", "PreviousRevision"',
    ),
    (
        "spec.fallback",
        {"type": "Static", "after": "2s"},
        "spec.fallback.static",
        "found type Static without static, write `static` with `body` if the type is Static, and "
        "only then",
    ),
    (
        "spec.fallback",
        {**STATIC, "type": "Service"},
        "spec.fallback.static",
        "found type Service with static, write `static` with `body` if the type is Static, and "
        "only then",
    ),
    (
        "spec.fallback",
        {**STATIC, "type": "Service"},
        "spec.fallback.service",
        "found type Service without service, write `service` with `name` and `port` if the type "
        "is Service, and only then",
    ),
    (
        "spec.fallback",
        {**STATIC, "static": {}},
        "spec.fallback.static.body",
        "Required value",
    ),
    (
        "spec.fallback",
        {**STATIC, "static": {"body": "x" * 16_385}},
        "spec.fallback.static.body",
        "may not be more than 16384",
    ),
    (
        "spec.fallback",
        {**STATIC, "static": {"body": "", "contentType": "JSON"}},
        "spec.fallback.static.contentType",
        "found 'JSON', write a media type, such as application/json or text/plain; charset=utf-8",
    ),
    (
        "spec.fallback",
        {**SERVICE, "service": {"port": 80}},
        "spec.fallback.service.name",
        "Required value",
    ),
    (
        "spec.fallback",
        {**SERVICE, "service": {"name": "rules"}},
        "spec.fallback.service.port",
        "Required value",
    ),
    (
        "spec.fallback",
        {**SERVICE, "service": {"name": "rules.other", "port": 80}},
        "spec.fallback.service.name",
        "found 'rules.other', write the name of a Service in the same namespace, such as "
        "arrival-rules",
    ),
    (
        "spec.fallback",
        {**SERVICE, "service": {"name": "rules", "port": 0}},
        "spec.fallback.service.port",
        "greater than or equal to 1",
    ),
    *(
        (
            "spec.fallback",
            {**SERVICE, "service": {"name": f"arrival-0123456789{suffix}", "port": 80}},
            "spec.fallback.service.name",
            f"found 'arrival-0123456789{suffix}', write a Service of another model: this one "
            "leads back to the model that did not answer",
        )
        for suffix in ("", "-shadow", "-backup")
    ),
    *(
        ("spec.fallback", {**STATIC, "after": after}, "spec.fallback.after", message)
        for after, message in (
            ("0s", f"found '0s', {AFTER}"),
            ("301s", f"found '301s', {AFTER}"),
            ("-1s", "found '-1s', write a time such as 2s or 1s500ms"),
            ("2", "found '2', write a time such as 2s or 1s500ms"),
        )
    ),
    (
        "spec.fallback",
        {"type": "Static", "static": {"body": "{}"}},
        "spec.fallback.after",
        f"found no after and Timeout in on, {TIMEOUT}",
    ),
    (
        "spec.fallback",
        {**STATIC, "on": ["ServerError"]},
        "spec.fallback.after",
        f"found after and no Timeout in on, {TIMEOUT}",
    ),
    *(
        (
            "spec.fallback",
            {**STATIC, "type": "PreviousRevision", **member},
            f"spec.fallback.{next(iter(member), 'static')}",
            f"found type PreviousRevision with {next(iter(member), 'static')}",
        )
        for member in ({}, {"service": {"name": "rules", "port": 80}})
    ),
    (
        "spec",
        {
            **MINIMAL["spec"],
            "fallback": PREVIOUS,
            "strategy": {**MINIMAL["spec"]["strategy"], "maxExtraReplicas": 0},
        },
        "spec.strategy.maxExtraReplicas",
        "found 0 and a fallback of type PreviousRevision, write at least 1 or another type: the "
        "previous revision keeps a pod",
    ),
    ("spec.fallback", {**STATIC, "on": []}, "spec.fallback.on", "at least 1 items"),
    ("spec.fallback", {**STATIC, "on": ["NotFound"]}, "spec.fallback.on[0]", '"ServerError"'),
    (
        "spec.fallback",
        {**STATIC, "maxBody": "2Mi"},
        "spec.fallback.maxBody",
        f"found '2Mi', {SIZE}",
    ),
    (
        "spec.fallback",
        {**STATIC, "maxConcurrent": 0},
        "spec.fallback.maxConcurrent",
        "greater than or equal to 1",
    ),
    (
        "spec",
        {**MINIMAL["spec"], "protocol": "GRPC", "fallback": STATIC},
        "spec.fallback",
        "found a fallback and the protocol GRPC, remove the fallback or serve the model by HTTP: "
        "whether an answer of gRPC failed is known at its end, when users have it already",
    ),
]
LONG_HAUL = {"name": "long-haul", "header": "x-haul", "value": "long"}
LARGE: dict[str, Any] = {"name": "large", "contentLength": {"atLeast": "8Ki"}}
SLICE_HEADER = (
    "write a header of your own, such as x-haul: this one is a secret, belongs to one connection, "
    "or does not reach the model as it was sent"
)


def sliced(slices: list[dict[str, Any]], *others: dict[str, Any]) -> dict[str, Any]:
    """A spec with these slices, each with an objective, and with other objectives."""
    judged = [{**ERRORS, "name": f"of-{n}", "slice": s["name"]} for n, s in enumerate(slices)]
    return {**MINIMAL["spec"], "slices": slices, "objectives": [ERRORS, *judged, *others]}


NO_SUCH_SLICE = (
    "that spec.slices does not have, write a slice of that name into spec.slices, or remove it "
    "from the objective"
)

SLICES: list[Row] = [
    (
        "spec.objectives",
        [ERRORS, {**ERRORS, "name": "of-long", "slice": "long-haul"}],
        "spec.objectives",
        f"found slice long-haul {NO_SUCH_SLICE}",
    ),
    (
        "spec",
        sliced([LONG_HAUL], {**ERRORS, "name": "of-short", "slice": "short-haul"}),
        "spec.objectives",
        f"found slice short-haul {NO_SUCH_SLICE}",
    ),
    ("spec.objectives", [{**ERRORS, "slice": "long-haul"}], "spec.objectives", NO_GATE),
    *(
        (
            "spec",
            sliced([LONG_HAUL], {**found, "name": "other", "slice": "long-haul"}),
            "spec.objectives[2].slice",
            f"found slice long-haul with {said}, remove slice, or use the type Availability or "
            "Latency without histogram and stage: the proxy counts slices, and what the model "
            "server counts does not know them",
        )
        for found, said in (
            (COUNTERS, "type Counters"),
            (DISAGREEMENT, "type Disagreement"),
            (
                {
                    **LATENCY,
                    "latency": {
                        "within": "300ms",
                        "share": "99%",
                        "histogram": {"metric": "request_predict_seconds", "unit": "Seconds"},
                    },
                },
                "a histogram or stage",
            ),
            (
                {**LATENCY, "latency": {"within": "300ms", "share": "99%", "stage": "Predict"}},
                "a histogram or stage",
            ),
        )
    ),
    (
        "spec.objectives",
        objective(slice="Long haul"),
        "spec.objectives[0].slice",
        f"found 'Long haul', {LABEL}",
    ),
    (
        "spec",
        sliced([LONG_HAUL, {**LARGE, "name": "long-haul"}]),
        "spec.slices",
        "found slice long-haul twice, write a different name for each",
    ),
    *(
        (
            "spec",
            sliced([first, {"name": "second", "header": "x-haul", **second}]),
            "spec.slices",
            f"found slice {inner} whose requests another one of the same header has, write values "
            "or prefixes of which no request has two: its requests would be judged twice",
        )
        for first, second, inner in (
            (LONG_HAUL, {"value": "long"}, "long-haul"),
            (LONG_HAUL, {"prefix": "lo"}, "long-haul"),
            ({"name": "first", "header": "x-haul", "prefix": "lo"}, {"prefix": "long"}, "second"),
        )
    ),
    (
        "spec",
        sliced([LARGE, {"name": "larger", "contentLength": {"atLeast": "1Mi"}}]),
        "spec.slices",
        "found slice larger as the second one with contentLength, write one: the larger requests "
        "would be in both",
    ),
    (
        "spec.slices",
        [{"name": f"s-{n}", "header": "x-haul", "value": f"{n}"} for n in range(9)],
        "spec.slices",
        "Too many: 9: must have at most 8 items",
    ),
    *(
        ("spec.slices", [{"name": "s", **form}], f"spec.slices[0]{field}", message)
        for form, field, message in (
            (
                {},
                "",
                "found neither of header and contentLength, write either `header` with `value` or "
                "`prefix`, or `contentLength`",
            ),
            ({**LONG_HAUL, **LARGE}, "", "found both header and contentLength, write either"),
            (
                {"header": "x-haul"},
                "",
                "found neither of value and prefix, write either `value` or `prefix`: what the "
                "header of a request in the slice is, or how it begins",
            ),
            ({**LONG_HAUL, "prefix": "l"}, "", "found both value and prefix, write either"),
            (
                {"value": "long", "contentLength": {"atLeast": "8Ki"}},
                "",
                "found value without header, write the `header` that has it, or remove it",
            ),
            (
                {"header": "X-Haul", "value": "long"},
                ".header",
                "found 'X-Haul', write the name of a request header in lower case, such as x-haul",
            ),
            (
                {"header": "content-length", "prefix": "9"},
                ".header",
                "found 'content-length', write contentLength: {atLeast: 8Ki} in place of header: "
                "sizes are compared as numbers",
            ),
            *(
                (
                    {"header": header, "value": "long"},
                    ".header",
                    f"found '{header}', {SLICE_HEADER}",
                )
                for header in (
                    "authorization",
                    "connection",
                    "transfer-encoding",
                    "host",
                    "x-model-shadow",
                    "x-envoy-retry-on",
                )
            ),
            *(
                (
                    {"header": "x-haul", field: " long"},
                    f".{field}",
                    "found ' long', write printable ASCII without space around it, such as long; "
                    "values are no patterns",
                )
                for field in ("value", "prefix")
            ),
            *(
                (
                    {"contentLength": {"atLeast": size}},
                    ".contentLength.atLeast",
                    f"found '{size}', write a size such as 8Ki or 1Mi, from 1Ki to 9999Mi",
                )
                for size in ("8192", "8KB", "0Ki", "1.5Mi")
            ),
            ({"contentLength": {}}, ".contentLength.atLeast", "Required value"),
            ({**LONG_HAUL, "name": "Long"}, ".name", f"found 'Long', {LABEL}"),
        )
    ),
]
ROWS = [
    *METADATA,
    *MODEL,
    *PROVENANCE,
    *PODS,
    *ROUTE,
    *ROUTE_RULES,
    *OBJECTIVES,
    *COMPARISONS,
    *LATENCIES,
    *HISTOGRAMS,
    *STAGES,
    *OWN,
    *STRATEGY,
    *OWNER,
    *CAPTURE,
    *FALLBACK,
    *TIMINGS,
    *SLICES,
]
