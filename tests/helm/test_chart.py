"""The chart without a cluster: what it renders, what it refuses, and that its parts agree.

To accept a change of what is rendered: `UPDATE_GOLDEN=1 pytest tests/helm`, then read the diff.
"""

import base64
import json
import os
import re
import shutil
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import click
import pytest
import trustme
import yaml
from click.testing import CliRunner

from e2e.chart import CHART, REQUIRED, Values, lint, render
from e2e.cluster.paths import REPOSITORY
from e2e.cluster.progress import StepError
from model_rollouts.api.crd import custom_resource_definition
from model_rollouts.cli.crd import CHART_TEMPLATE, CRD, chart_template
from model_rollouts.cli.main import main
from model_rollouts.notifications import settings as notifications
from model_rollouts.notifications.kinds import Topic
from model_rollouts.notifications.targets.catalogue import TargetType
from model_rollouts.prometheus import credentials
from model_rollouts.resources import companions, names
from model_rollouts.resources.observer_address import PORT, SHARDS
from tests.resources import openshift
from tests.resources.test_companions import CHECK

GOLDEN = Path(__file__).with_name("golden")
EVERYTHING: Values = yaml.safe_load(Path(__file__).with_name("everything.yaml").read_text())
pytestmark = pytest.mark.usefixtures("helm")


def with_value(path: str, value: Any) -> dict[str, Any]:
    """The required values, and `value` at `path`."""
    values: dict[str, Any] = json.loads(json.dumps(REQUIRED))
    *parents, last = path.split(".")
    place = values
    for parent in parents:
        place = place.setdefault(parent, {})
    place[last] = value
    return values


def kinds(values: Values) -> set[str]:
    return {obj["kind"] for obj in yaml.safe_load_all(render(values)) if obj}


def definition(values: Values) -> Any:
    """The CRD that is rendered."""
    objects = yaml.safe_load_all(render(values))
    return next(obj for obj in objects if obj and obj["kind"] == "CustomResourceDefinition")


@pytest.mark.parametrize("values", [{}, REQUIRED, EVERYTHING], ids=["none", "least", "all"])
def test_helm_finds_nothing_to_complain_about(values: Values) -> None:
    lint(values)


@pytest.mark.parametrize(("name", "values"), [("least", REQUIRED), ("everything", EVERYTHING)])
def test_what_is_rendered_is_what_was_reviewed(name: str, values: Values) -> None:
    path = GOLDEN / f"{name}.yaml"

    # The CRD has a test of its own.
    text = render({**values, "crds": {"enabled": False}})

    if os.environ.get("UPDATE_GOLDEN"):
        path.write_text(text)
    assert text == path.read_text(), f"{path.name} differs: UPDATE_GOLDEN=1 accepts the change"


@pytest.mark.parametrize(
    ("path", "value", "complaint"),
    [
        ("prometheus.ulr", "http://x", "at '/prometheus': additional properties 'ulr' not allowed"),
        ("watch.namespace", "a", "at '/watch': additional properties 'namespace' not allowed"),
        ("prometheus.url", "prometheus:9090", "at '/prometheus/url': .* does not match pattern"),
        ("prometheus.scrapeInterval", 5, "at '/prometheus/scrapeInterval': got number, want str"),
        ("prometheus.scrapeInterval", "5", "at '/prometheus/scrapeInterval': "),
        ("prometheus.timeout", "10", "at '/prometheus/timeout': "),
        ("prometheus.headers", {"X Y": "1"}, "at '/prometheus/headers': .*'X Y' not allowed"),
        ("prometheus.headers", {"X-A": 1}, "at '/prometheus/headers/X-A': got number, want string"),
        ("prometheus.secretHeaders", {"X-A": "secret"}, "at '/prometheus/secretHeaders/X-A': "),
        ("prometheus.tenants", {"Shop": "a"}, "at '/prometheus/tenants': .*'Shop' not all"),
        ("prometheus.matchers", {"a-b": "c"}, "at '/prometheus/matchers': .*'a-b' not all"),
        ("prometheus.labels.replica", "replica", "at '/prometheus/labels/replica': "),
        ("prometheus.serverName", "https://x", "at '/prometheus/serverName': "),
        ("image.repository", "example.com/a:1.0", "at '/image/repository': .* does not match"),
        ("image.tag", 1.1, "at '/image/tag': got number, want string"),
        ("image.digest", "sha256:12", "at '/image/digest': .* does not match pattern"),
        ("image.pullPolicy", "Sometimes", "at '/image/pullPolicy': value must be one of 'Always'"),
        ("crds.keep", "yes", "at '/crds/keep': got string, want boolean"),
        ("watch.namespaces", "shop", "at '/watch/namespaces': got string, want array"),
        ("watch.namespaces", ["Shop"], "at '/watch/namespaces/0': .* does not match pattern"),
        (
            "gateways.mostWeight",
            {"example.com/gateway": 1},
            "at '/gateways/mostWeight/example.com~1gateway': minimum: got 1, want 10",
        ),
        ("proxy.user", "root", "at '/proxy/user': got string, want integer"),
        ("proxy.address", "localhost", "at '/proxy/address': .* does not match pattern"),
        ("proxy.concurrency", 0, "at '/proxy/concurrency': minimum: got 0, want 1"),
        ("proxy.resources", {"request": {}}, "additional properties 'request' not allowed"),
        ("extraArgs", "--log-format=text", "at '/extraArgs': got string, want array"),
        ("extraEnv", [{"value": "1"}], "at '/extraEnv/0': missing property 'name'"),
        ("extraVolumes", {"name": "a"}, "at '/extraVolumes': got object, want array"),
        ("extraContainers", ["a"], "at '/extraContainers/0': got string, want object"),
        ("extraObjects", [1], "at '/extraObjects/0': got number, want string or object"),
        ("hostAliases", [{"ip": "192.0.2.7"}], "at '/hostAliases/0': missing property 'hostnames'"),
        ("securityContext", [], "at '/securityContext': got array, want object"),
        ("proxy.inMesh", "yes", "at '/proxy/inMesh': got string, want boolean"),
        ("modelNetworkPolicy.gateways", [], "additional properties 'gateways' not allowed"),
        ("modelNetworkPolicy.metricsPorts", [0], "at '/modelNetworkPolicy/metricsPorts/0': "),
        ("replicas", 0, "at '/replicas': minimum: got 0, want 1"),
        ("notifications.target", [], "at '/notifications': additional properties 'target' not"),
        ("notifications.targets", [{"name": "a"}], "/targets/0': missing property 'type'"),
        (
            "notifications.targets",
            [{"name": "a", "type": "Slack"}],
            "/targets/0/type': value must be one of 'Apprise'",
        ),
        (
            "notifications.targets",
            [{"name": "A b", "type": "Apprise"}],
            "/targets/0/name': .* does not match pattern",
        ),
        (
            "notifications.targets",
            [{"name": "a", "type": "Apprise", "url": "slack://a"}],
            "/targets/0': additional properties 'url' not allowed",
        ),
        (
            "notifications.targets",
            [{"name": "a", "type": "Apprise", "secret": "slack"}],
            "/targets/0/secret': got string, want object",
        ),
        (
            "notifications.targets",
            [{"name": "a", "type": "Apprise", "match": {"team": ["a"]}}],
            "/targets/0/match': additional properties 'team' not allowed",
        ),
        (
            "notifications.targets",
            [{"name": "a", "type": "Apprise", "tell": ["Rolledback"]}],
            "/targets/0/tell/0': value must be one of 'Unavailable'",
        ),
        (
            "notifications.targets",
            [{"name": "a", "type": "Apprise", "pager": "yes"}],
            "/targets/0/pager': got string, want boolean",
        ),
        (
            "notifications.targets",
            [{"name": "a", "type": "GitHub", "repository": "models"}],
            "/targets/0/repository': .* does not match pattern",
        ),
        (
            "notifications.targets",
            [{"name": "a", "type": "GitHub", "api": "github.com"}],
            "/targets/0/api': .* does not match pattern",
        ),
        ("notifications.cluster", "x" * 64, "at '/notifications/cluster': maxLength: got 64"),
        ("notifications.templates", {"Rolledback": {}}, "at '/notifications/templates': "),
        (
            "notifications.templates",
            {"RolledBack": {"body": "a"}},
            "templates/RolledBack': additional properties 'body' not allowed",
        ),
        ("notifications.groupWait", "10", "at '/notifications/groupWait': "),
        ("notifications.groupInterval", 60, "at '/notifications/groupInterval': got number"),
        ("notifications.mostPerHour", 0, "at '/notifications/mostPerHour': minimum: got 0"),
        ("notifications.unavailableAfter", "1", "at '/notifications/unavailableAfter': "),
        ("notifications.giveUpAfter", "1d", "at '/notifications/giveUpAfter': "),
        ("notifications.persistence", {"size": "1G"}, "'/notifications/persistence/size': "),
        ("notifications.fsGroup", "root", "at '/notifications/fsGroup': got string"),
    ],
)
def test_a_wrong_value_is_refused_by_its_name(path: str, value: Any, complaint: str) -> None:
    with pytest.raises(StepError, match=complaint):
        render(with_value(path, value))


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("image.repository", ""),
        ("prometheus.url", ""),
        ("serviceAccount.create", False),
        ("modelNetworkPolicy.enabled", True),
    ],
)
def test_what_is_missing_is_asked_for(path: str, value: Any) -> None:
    others = {"serviceAccount.create": "serviceAccount.name"}
    asked = {**others, "modelNetworkPolicy.enabled": "watch.namespaces"}.get(path, path)
    with pytest.raises(StepError, match=f"{asked}: found none.*, write "):
        render(with_value(path, value))


def test_one_ca_is_enough() -> None:
    both = {"caConfigMap": {"name": "a"}, "caSecret": {"name": "b"}}
    values = {**REQUIRED, "prometheus": {**REQUIRED["prometheus"], **both}}

    with pytest.raises(StepError, match=r"prometheus\.caSecret\.name: found both, write only one"):
        render(values)


@pytest.mark.parametrize("value", ["localhost:5000/a/b", "a", "example.com/a/b"])
def test_a_repository_may_have_a_port(value: str) -> None:
    assert f'image: "{value}:' in render(with_value("image.repository", value))


def test_the_crd_of_the_chart_is_the_one_in_crds() -> None:
    committed = yaml.safe_load((REPOSITORY / CRD).read_text())

    kept = definition(REQUIRED)
    not_kept = definition(with_value("crds.keep", False))

    assert kept["spec"] == committed["spec"]
    assert kept["metadata"]["name"] == committed["metadata"]["name"]
    assert kept["metadata"]["annotations"] == {"helm.sh/resource-policy": "keep"}
    assert "annotations" not in not_kept["metadata"]
    assert "CustomResourceDefinition" not in kinds(with_value("crds.enabled", False))


def test_braces_in_the_crd_are_text(tmp_path: Path) -> None:
    crd = custom_resource_definition()
    crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["description"] = "As {{ .Values }}."
    chart = shutil.copytree(CHART, tmp_path / "chart")
    (chart / "templates" / CHART_TEMPLATE.name).write_text(chart_template(crd))

    rendered = yaml.safe_load_all(render(REQUIRED, chart=chart))

    found = next(obj for obj in rendered if obj and obj["kind"] == "CustomResourceDefinition")
    assert found["spec"] == crd["spec"]


def test_every_value_is_explained_and_in_the_schema() -> None:
    text = (CHART / "values.yaml").read_text()
    schema = json.loads((CHART / "values.schema.json").read_text())
    lines = text.splitlines()

    for number, line in enumerate(lines):
        if re.match(r" *[a-zA-Z]+:", line):
            assert lines[number - 1].lstrip().startswith("#"), f"no comment above: {line}"
    # Charts that depend on this one give these two, and nobody else.
    del schema["properties"]["global"], schema["properties"]["enabled"]
    for path, known, given in places(schema, yaml.safe_load(text)):
        assert set(known) == set(given), path or "the top"


def places(schema: Any, values: Any, path: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Every object that has fixed fields: its path, its fields in the schema, and its values."""
    fields = schema.get("properties", {})
    # What Kubernetes defines is passed on as it is.
    if not fields or path in (".affinity", ".resources"):
        return
    yield path, fields, values
    for name, value in values.items():
        yield from places(fields[name], value, f"{path}.{name}")


def test_the_chart_has_the_version_of_the_operator() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]

    assert chart["version"] == chart["appVersion"] == project["version"]


def test_the_operator_understands_what_the_chart_tells_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    started: list[Any] = []
    monkeypatch.setattr("model_rollouts.cli.run.run_operator", lambda made, _: started.append(made))
    prometheus = {
        **EVERYTHING["prometheus"],
        "url": "http://thanos:9091",
        "scrapeInterval": "15s",
        "tokenSecret": {"name": ""},
        "basicAuthSecret": {"name": "prometheus"},
    }
    values = {
        **REQUIRED,
        "prometheus": prometheus,
        "proxy": {"image": {"repository": "envoy", "tag": "v1", "digest": ""}, "inMesh": True},
        "gateways": {
            "mostWeight": {"example.com/one": 1_000_000, "example.com/two": 999},
            "companions": [CHECK],
        },
        "watch": {"namespaces": ["flights", "shop"]},
    }
    objects = [each for each in yaml.safe_load_all(render(values)) if each]
    (role,) = [each for each in objects if each["metadata"]["name"] == "model-rollouts-leader"][:1]
    pod = next(each for each in objects if each["kind"] == "Deployment")["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    variables = {each["name"]: each["value"] for each in container["env"] if "value" in each}
    (mount,) = container["volumeMounts"]
    (volume,) = pod["volumes"]
    mounted(volume, objects, tmp_path)
    arguments = [each.replace(mount["mountPath"], str(tmp_path)) for each in container["args"]]

    for name, value in variables.items():
        # As the kubelet does.
        variables[name] = value.replace("$(POD_NAMESPACE)", "operators").replace("$$(", "$(")

    result = CliRunner().invoke(main, arguments, env=variables)

    assert result.exit_code == 0, result.output
    (options,) = started
    assert options.settings.grid.step_ms == 15_000
    assert options.settings.proxy.image == "envoy:v1"
    assert options.settings.proxy.in_mesh
    most_weights = {"example.com/one": 1_000_000, "example.com/two": 999}
    assert options.settings.most_weights == most_weights
    assert options.settings.companions == companions.parse([CHECK])
    assert options.namespaces == ("flights", "shop")
    assert options.lease == (role["metadata"]["namespace"], role["rules"][1]["resourceNames"][0])
    server = options.prometheus
    assert (server.url, server.timeout_s, options.settle_s) == ("http://thanos:9091", 30.0, 2.0)
    assert server.server_name == "thanos.example.com"
    assert credentials.headers(server, "shop") == {
        "THANOS-TENANT": "retail",
        "X-Api-Key": "api-key",
        "Authorization": f"Basic {base64.b64encode(b'username:password').decode()}",
    }
    assert server.parameters_for("shop") == {"dedup": "true"}
    assert credentials.Trust(server).context()
    assert options.batching.matchers == (("cluster", "eu-1"),)
    assert options.batching.labels.pod == "kubernetes_pod"
    assert options.batching.labels.replica == ("replica", "rule_replica")


def mounted(volume: Any, objects: Sequence[Any], folder: Path) -> None:
    """The files of a projected volume; a Secret has a fitting file, or its key, in each key."""
    ca = trustme.CA()
    client = ca.issue_cert("operator@example.com")
    contents = {
        "ca.crt": ca.cert_pem.bytes(),
        "tls.crt": client.cert_chain_pems[0].bytes(),
        "tls.key": client.private_key_pem.bytes(),
    }
    rendered = {each["metadata"]["name"]: each for each in objects if each["kind"] == "ConfigMap"}
    for source in volume["projected"]["sources"]:
        ((_, projected),) = source.items()
        data = rendered.get(projected["name"], {}).get("data", {})
        for name, text in data.items():
            (folder / name).write_text(text)
        for item in projected.get("items", ()):
            path = folder / item["path"]
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(contents.get(item["path"], item["key"].encode()))


def test_other_options_for_prometheus_are_another_pod() -> None:
    def annotations(values: Values) -> Any:
        objects = yaml.safe_load_all(render(values))
        found = next(each for each in objects if each and each["kind"] == "Deployment")
        return found["spec"]["template"]["metadata"]["annotations"]

    assert annotations(REQUIRED) != annotations(with_value("prometheus.matchers", {"a": "b"}))


def test_a_critical_pod_gets_the_quota_that_some_clusters_ask_for() -> None:
    def quotas(values: Values, namespace: str = "operators") -> list[Any]:
        rendered = render(values, namespace=namespace)
        found = [each for each in yaml.safe_load_all(rendered) if each]
        return [each["spec"] for each in found if each["kind"] == "ResourceQuota"]

    (quota,) = quotas(with_value("replicas", 3))
    assert quota["hard"] == {"pods": "6"}
    (selects,) = quota["scopeSelector"]["matchExpressions"]
    assert (selects["scopeName"], selects["values"]) == (
        "PriorityClass",
        ["system-cluster-critical"],
    )
    # There it needs none, and would limit the pods of the cluster itself.
    assert quotas(REQUIRED, "kube-system") == []
    assert quotas(with_value("priorityClassName", "platform")) == []
    assert quotas(with_value("resourceQuota.enabled", False)) == []


def test_the_standby_is_missed_only_where_there_is_one() -> None:
    def alerts(replicas: int) -> set[str]:
        values = {**with_value("replicas", replicas), "prometheusRule": {"enabled": True}}
        objects = [each for each in yaml.safe_load_all(render(values)) if each]
        (rule,) = [each for each in objects if each["kind"] == "PrometheusRule"]
        return {each["alert"] for each in rule["spec"]["groups"][0]["rules"]}

    assert alerts(2) - alerts(1) == {"ModelRolloutsStandbyMissing"}


def test_the_pod_monitor_selects_what_the_operator_renders() -> None:
    values = with_value("proxyMetrics.podMonitor.enabled", True)
    monitor = next(
        obj for obj in yaml.safe_load_all(render(values)) if obj and obj["kind"] == "PodMonitor"
    )["spec"]
    (endpoint,) = monitor["podMetricsEndpoints"]

    assert monitor["selector"]["matchLabels"] == {names.MANAGED_BY_LABEL: names.MANAGED_BY}
    assert monitor["namespaceSelector"] == {"any": True}
    assert endpoint["port"] == names.METRICS_PORT_NAME
    assert endpoint["path"] == names.METRICS_PATH
    assert endpoint["honorLabels"] is False


def test_the_pod_monitor_of_model_servers_tells_whose_counters_they_are() -> None:
    values = with_value("modelMetrics.podMonitor.enabled", True)
    monitor = next(
        obj for obj in yaml.safe_load_all(render(values)) if obj and obj["kind"] == "PodMonitor"
    )["spec"]
    (endpoint,) = monitor["podMetricsEndpoints"]
    page = (REPOSITORY / "docs" / "metrics.md").read_text()
    *_, tells = yaml.safe_load(page.split("```yaml\n")[1].partition("```")[0])["scrape_configs"][0][
        "relabel_configs"
    ]

    assert monitor["selector"]["matchLabels"] == {names.MANAGED_BY_LABEL: names.MANAGED_BY}
    assert (endpoint["port"], endpoint["path"]) == ("metrics", "/metrics")
    assert endpoint["honorLabels"] is False
    (relabeling,) = endpoint["relabelings"]
    assert relabeling["sourceLabels"] == tells["source_labels"]
    assert relabeling["targetLabel"] == tells["target_label"]


def test_the_network_policies_leave_open_what_is_served_and_scraped() -> None:
    namespaces = ["flights", "shop"]
    values = {
        **REQUIRED,
        "watch": {"namespaces": namespaces},
        "modelMetrics": {"podMonitor": {"enabled": True}},
        "modelNetworkPolicy": {"enabled": True, "metricsPorts": [9100]},
    }
    policies = [
        each for each in yaml.safe_load_all(render(values)) if each["kind"] == "NetworkPolicy"
    ]

    assert [each["metadata"]["namespace"] for each in policies] == namespaces
    for policy in policies:
        selector = policy["spec"]["podSelector"]["matchLabels"]
        assert selector == {names.MANAGED_BY_LABEL: names.MANAGED_BY}
        rules = policy["spec"]["ingress"]
        ports = [[port["port"] for port in rule["ports"]] for rule in rules]
        # Second chances come from other pods of models alone.
        assert [each["podSelector"]["matchLabels"] for each in rules[1]["from"]] == [selector]
        assert ports == [
            [names.LIVE_PORT, names.SHADOW_PORT],
            [names.LIVE_PORT, names.STANDBY_PORT],
            [names.METRICS_PORT, 9100, "metrics"],
        ]


def test_no_network_policy_is_made_unless_it_is_asked_for() -> None:
    assert "NetworkPolicy" not in kinds({**REQUIRED, "watch": {"namespaces": ["flights"]}})


def test_every_model_has_a_pod_of_the_observer_whatever_their_number() -> None:
    """Services are as many as proxies know, and each selects one of the pods that there are."""
    for replicas in (1, 3, SHARDS):
        values = {**EVERYTHING, "observer": {**EVERYTHING["observer"], "replicas": replicas}}
        objects = [obj for obj in yaml.safe_load_all(render(values)) if obj]
        pods = {
            obj["metadata"]["name"]: obj["spec"]["selector"]["statefulset.kubernetes.io/pod-name"]
            for obj in objects
            if obj["kind"] == "Service"
            and "statefulset.kubernetes.io/pod-name" in obj["spec"].get("selector", {})
        }

        assert set(pods) == {f"rollouts-observer-{shard}" for shard in range(SHARDS)}
        assert set(pods.values()) == {f"rollouts-observer-{pod}" for pod in range(replicas)}
        ports = {obj["spec"]["ports"][0]["port"] for obj in objects if obj["kind"] == "Service"}
        assert PORT in ports


def test_no_pod_is_taken_for_one_of_another_component() -> None:
    objects = [obj for obj in yaml.safe_load_all(render(EVERYTHING)) if obj]
    selectors = {
        obj["metadata"]["name"]: obj["spec"]["selector"]["matchLabels"]
        for obj in objects
        if obj["kind"] in ("Deployment", "StatefulSet")
    }
    labels = {
        obj["metadata"]["name"]: obj["spec"]["template"]["metadata"]["labels"]
        for obj in objects
        if obj["kind"] in ("Deployment", "StatefulSet")
    }

    assert set(labels) == {"rollouts", "rollouts-notifications", "rollouts-observer"}
    for name, selector in selectors.items():
        assert [each for each in labels if selector.items() <= labels[each].items()] == [name]


@pytest.mark.parametrize(
    "path", ["observer.image.repository", "observer.tlsSecret.name", "observer.caConfigMap.name"]
)
def test_an_observer_asks_for_what_it_needs(path: str) -> None:
    values = json.loads(json.dumps(EVERYTHING))
    *parents, last = path.split(".")
    place = values
    for parent in parents:
        place = place[parent]
    place[last] = ""

    with pytest.raises(StepError, match=f"{path}: found none with observer.enabled=true, write "):
        render(values)


def test_notifications_ask_for_their_image() -> None:
    values = json.loads(json.dumps(EVERYTHING))
    values["notifications"]["image"]["repository"] = ""

    asked = r"notifications\.image\.repository: found none with notifications\.targets, write "
    with pytest.raises(StepError, match=asked):
        render(values)


def test_without_a_target_there_are_no_notifications() -> None:
    assert "notifications" not in render(REQUIRED)


def test_the_process_understands_what_the_chart_tells_it() -> None:
    objects = [each for each in yaml.safe_load_all(render(EVERYTHING)) if each]
    named = [each for each in objects if each["metadata"]["name"] == "rollouts-notifications"]
    (pod,) = (each["spec"]["template"]["spec"] for each in named if each["kind"] == "Deployment")
    (text,) = (each["data"]["config.yaml"] for each in named if each["kind"] == "ConfigMap")
    (volume,) = (each for each in pod["volumes"] if "projected" in each)
    files = {
        item["path"]
        for source in volume["projected"]["sources"]
        if "secret" in source
        for item in source["secret"]["items"]
    }

    found = notifications.checked(yaml.safe_load(text), Path("/etc/model-rollouts"))

    places = [each.place(Path()) for each in found.targets]
    assert {str(path) for each in places for path in (each.url_file, each.token_file) if path} == (
        files
    )
    assert (found.cluster, found.group_wait_s, found.give_up_after_s) == ("eu-1", 30.0, 43_200.0)
    assert set(found.templates) == {"RolledBack"}
    (container,) = pod["containers"]
    command = main.get_command(click.Context(main), "notifications")
    assert isinstance(command, click.Group)
    run = command.commands["run"]
    assert container["args"][:2] == ["notifications", "run"]
    given = [each for each in container["args"][2:] if not each.startswith("--config=")]
    context = run.make_context("run", [*given, "--config", __file__])
    assert context.params["namespaces"] == ("flights", "shop")


def test_the_schema_knows_the_kinds_of_targets_and_messages() -> None:
    schema = json.loads((CHART / "values.schema.json").read_text())
    found = schema["properties"]["notifications"]["properties"]
    target = found["targets"]["items"]["properties"]
    all_kinds = [each.value for each in Topic]

    assert target["type"]["enum"] == [each.value for each in TargetType]
    assert target["tell"]["items"]["enum"] == all_kinds
    (pattern,) = found["templates"]["patternProperties"]
    assert pattern == f"^({'|'.join(['Group', *all_kinds])})$"
    defaults = yaml.safe_load((CHART / "values.yaml").read_text())["notifications"]
    names = ("cluster", "groupWait", "groupInterval", "mostPerHour", "unavailableAfter")
    said = {name: defaults[name] for name in (*names, "giveUpAfter")}
    assert notifications.checked(said, Path()) == notifications.checked({}, Path())


def test_the_operator_reads_only_what_the_observers_own_targets_show() -> None:
    objects = yaml.safe_load_all(render(EVERYTHING))
    (text,) = (
        obj["data"]["config.yaml"]
        for obj in objects
        if obj and obj["metadata"]["name"] == "rollouts-prometheus"
    )

    assert yaml.safe_load(text)["labels"]["observer"] == {
        "kubernetes_namespace": "operators",
        "job": "operators/rollouts-observer",
        "container": "observer",
    }


def test_openshift_may_assign_the_users_of_all_pods() -> None:
    """Its constraints refuse a user or a group that is not one of the namespace's own."""
    values = {
        **EVERYTHING,
        "proxy": {**EVERYTHING["proxy"], "user": 0},
        "notifications": {**EVERYTHING["notifications"], "fsGroup": 0},
        "observer": {**EVERYTHING["observer"], "fsGroup": 0},
        "extraContainers": [],
        "securityContext": {},
        "podSecurityContext": {},
    }

    assert {name: openshift.violations(pod) for name, pod in pods(values)} == {
        "rollouts": [],
        "rollouts-notifications": [],
        "rollouts-observer": [],
    }
    asked = {name: openshift.violations(pod) for name, pod in pods(EVERYTHING)}
    assert all(asked.values()), asked


def pods(values: Values) -> Iterator[tuple[str, dict[str, Any]]]:
    """The PodSpecs of the chart, each with the name of what makes it."""
    for each in yaml.safe_load_all(render(values)):
        if each and each["kind"] in ("Deployment", "StatefulSet", "DaemonSet", "Job"):
            yield each["metadata"]["name"], each["spec"]["template"]["spec"]
