"""The chart without a cluster: what it renders, what it refuses, and that its parts agree.

To accept a change of what is rendered: `UPDATE_GOLDEN=1 pytest tests/helm`, then read the diff.
"""

import json
import os
import re
import shutil
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from e2e.chart import CHART, REQUIRED, Values, lint, render
from e2e.cluster.paths import REPOSITORY
from e2e.cluster.progress import StepError
from model_rollouts.api.crd import custom_resource_definition
from model_rollouts.cli.crd import CHART_TEMPLATE, CRD, chart_template
from model_rollouts.cli.main import main
from model_rollouts.resources import names

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
        ("image.repository", "example.com/a:1.0", "at '/image/repository': .* does not match"),
        ("image.tag", 1.1, "at '/image/tag': got number, want string"),
        ("image.digest", "sha256:12", "at '/image/digest': .* does not match pattern"),
        ("image.pullPolicy", "Sometimes", "at '/image/pullPolicy': value must be one of 'Always'"),
        ("crds.keep", "yes", "at '/crds/keep': got string, want boolean"),
        ("watch.namespaces", "shop", "at '/watch/namespaces': got string, want array"),
        ("watch.namespaces", ["Shop"], "at '/watch/namespaces/0': .* does not match pattern"),
        ("replicas", 2, "additional properties 'replicas' not allowed"),
    ],
)
def test_a_wrong_value_is_refused_by_its_name(path: str, value: Any, complaint: str) -> None:
    with pytest.raises(StepError, match=complaint):
        render(with_value(path, value))


@pytest.mark.parametrize(
    ("path", "value"),
    [("image.repository", ""), ("prometheus.url", ""), ("serviceAccount.create", False)],
)
def test_what_is_missing_is_asked_for(path: str, value: Any) -> None:
    asked = path if value == "" else "serviceAccount.name"
    with pytest.raises(StepError, match=f"{asked}: found none.*, write "):
        render(with_value(path, value))


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


def test_the_operator_understands_what_the_chart_tells_it(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[Any] = []
    monkeypatch.setattr("model_rollouts.cli.run.run_operator", lambda made, _: started.append(made))
    values = {
        **REQUIRED,
        "prometheus": {"url": "http://thanos:9091", "scrapeInterval": "15s"},
        "proxy": {"image": {"repository": "envoy", "tag": "v1", "digest": ""}},
        "watch": {"namespaces": ["flights", "shop"]},
    }
    objects = yaml.safe_load_all(render(values))
    template = next(obj for obj in objects if obj and obj["kind"] == "Deployment")["spec"][
        "template"
    ]
    (container,) = template["spec"]["containers"]
    variables = {each["name"]: each["value"] for each in container["env"]}

    result = CliRunner().invoke(main, container["args"], env=variables)

    assert result.exit_code == 0, result.output
    (options,) = started
    assert options.prometheus.url == "http://thanos:9091"
    assert options.settings.grid.step_ms == 15_000
    assert options.settings.proxy.image == "envoy:v1"
    assert options.namespaces == ("flights", "shop")


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
