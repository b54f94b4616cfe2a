"""What a template, an input or a threshold may not be, and in which words it is refused."""

import contextlib
import itertools
import json
import re
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import given as for_all
from hypothesis import strategies as st

from model_rollouts.resources import names
from model_rollouts.resources.controller_revision import is_open_inside, render
from model_rollouts.resources.edges import LADDER_MS, bucket_edge, bucket_edges
from model_rollouts.resources.errors import ResourceError
from model_rollouts.resources.pod import ProxySettings, pod_template
from model_rollouts.resources.revision import canonical
from tests.resources.example import MODEL, NAMESPACE, SETTINGS, revision_input, template

REVISION = f"{MODEL}-0123456789"


def rendered(proxy: ProxySettings = SETTINGS, **changes: Any) -> Any:
    """The pod template of the example with changes to its pod's spec."""
    given = template()
    given["spec"].update(changes)
    return pod_template(MODEL, REVISION, 8080, given, [300], proxy)


def container(**fields: Any) -> dict[str, Any]:
    return {"name": "model", "image": "model:1", **fields}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {"containers": [container(name="server")]},
            "found ['server']; write exactly one container named 'model'",
        ),
        ({"containers": [container(), container()]}, "found ['model', 'model']; write exactly one"),
        (
            {"containers": "model"},
            "template.spec.containers: found 'model'; write a list of mappings",
        ),
        ({"volumes": ["data"]}, "template.spec.volumes: found ['data']; write a list of mappings"),
        (
            {"containers": [container(lifecycle=[])]},
            "template.spec.containers[0].lifecycle: found []; write a mapping",
        ),
        ({"terminationGracePeriodSeconds": "1m"}, "found '1m'; write more than 15"),
        ({"containers": []}, "found []; write exactly one container"),
        (
            {"containers": [container(ports=[{"containerPort": 80}, {"hostPort": 8080}])]},
            "template.spec.containers[0].ports[1].hostPort: found 8080; remove it: two revisions on"
            " one node",
        ),
        ({"hostNetwork": True}, "template.spec.hostNetwork: found true; remove it"),
        (
            {"shareProcessNamespace": True},
            "template.spec.shareProcessNamespace: found true; remove it: the model server could end"
            " the proxy",
        ),
        ({"hostPID": True}, "template.spec.hostPID: found true; remove it: the model server could"),
        (
            {"containers": [container(volumeMounts=[{"name": "data"}, {"name": "rollout-admin"}])]},
            "template.spec.containers[0].volumeMounts[1].name: found 'rollout-admin'; write a name",
        ),
        (
            {"initContainers": [container(volumeMounts=[{"name": "rollout-admin"}])]},
            "template.spec.initContainers[0].volumeMounts[0].name: found 'rollout-admin'",
        ),
        (
            {"containers": [container(volumeMounts="data")]},
            "template.spec.containers[0].volumeMounts: found 'data'; write a list of mappings",
        ),
        (
            {"containers": [container(), container(name="rollout-proxy")]},
            "template.spec.containers[1].name: found 'rollout-proxy'; write a name that does not",
        ),
        (
            {"initContainers": [container(name="rollout-fetch")]},
            "template.spec.initContainers[0].name: found 'rollout-fetch'",
        ),
        (
            {"volumes": [{"name": "rollout-data", "emptyDir": {}}]},
            "template.spec.volumes[0].name: found 'rollout-data'",
        ),
        (
            {"containers": [container(ports=[{"name": "rollout-live", "containerPort": 1}])]},
            "template.spec.containers[0].ports[0].name: found 'rollout-live'",
        ),
        (
            {"containers": [container(ports=[{"containerPort": 17080}])]},
            "ports[0].containerPort: found 17080; use another port: 17000 to 17099",
        ),
        (
            {"terminationGracePeriodSeconds": 15},
            "template.spec.terminationGracePeriodSeconds: found 15; write more than 15",
        ),
    ],
)
def test_a_template_that_takes_what_the_proxy_needs(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ResourceError, match=re.escape(words)) as refused:
        rendered(**changes)

    assert str(refused.value).startswith("ModelDeployment 'arrival-delay', template.spec.")


@pytest.mark.parametrize(
    "label", [names.REVISION_LABEL, "modelrollouts.dev/x", names.MANAGED_BY_LABEL]
)
def test_labels_of_the_operator_are_refused(label: str) -> None:
    given = template()
    given["metadata"]["labels"][label] = "mine"

    with pytest.raises(
        ResourceError, match=re.escape(f"template.metadata.labels: found '{label}'")
    ):
        pod_template(MODEL, REVISION, 8080, given, [300], SETTINGS)


@pytest.mark.parametrize("port", [0, 65536, 17000, 17099])
def test_a_port_where_no_model_server_can_listen(port: int) -> None:
    with pytest.raises(ResourceError, match=f"port: found {port}"):
        render(MODEL, REVISION, revision_input(port=port), (), SETTINGS, namespace=NAMESPACE)


def test_no_port_is_one_of_a_service_mesh() -> None:
    assert not set(names.RESERVED_PORTS) & set(range(15000, 15091))
    used = {names.LIVE_PORT, names.SHADOW_PORT, names.METRICS_PORT}
    assert used <= set(names.RESERVED_PORTS)


def test_a_lifecycle_of_the_users_own_is_left_alone() -> None:
    own = {"preStop": {"exec": {"command": ["/drain"]}}}
    pod = rendered(containers=[container(lifecycle=own)], terminationGracePeriodSeconds=5)["spec"]

    assert pod["containers"][0]["lifecycle"] == own
    assert pod["terminationGracePeriodSeconds"] == 5


def test_what_runs_after_the_start_is_kept_beside_the_drain() -> None:
    hook = {"exec": {"command": ["/warm"]}}
    pod = rendered(containers=[container(lifecycle={"postStart": hook})])["spec"]

    assert pod["containers"][0]["lifecycle"] == {
        "postStart": hook,
        "preStop": {"sleep": {"seconds": 15}},
    }
    assert pod["terminationGracePeriodSeconds"] == 45


def test_a_model_without_a_probe_is_ready_when_it_listens() -> None:
    pod = rendered(containers=[container()])["spec"]

    assert pod["containers"][0]["readinessProbe"]["tcpSocket"] == {"port": 8080}


def test_containers_that_prepare_the_pod_run_before_the_proxy() -> None:
    pod = rendered(initContainers=[container(name="fetch")])["spec"]

    assert [each["name"] for each in pod["initContainers"]] == ["fetch", "rollout-proxy"]


def test_only_the_proxy_has_its_admin_interface() -> None:
    mine = {"name": "data", "mountPath": "/data"}
    pod = rendered(
        containers=[container(volumeMounts=[mine]), container(name="helper")],
        initContainers=[container(name="fetch")],
        volumes=[{"name": "data", "emptyDir": {}}],
    )["spec"]

    (admin,) = [each["name"] for each in pod["volumes"] if each["name"] != "data"]
    with_it = [
        each["name"]
        for each in (*pod["containers"], *pod["initContainers"])
        if any(mount["name"] == admin for mount in each.get("volumeMounts", ()))
    ]
    assert with_it == ["rollout-proxy"]
    assert pod["containers"][0]["volumeMounts"] == [mine]


def test_the_end_of_the_log_says_why_a_container_ended() -> None:
    own = container(name="helper", terminationMessagePolicy="File")
    pod = rendered(containers=[container(), own], initContainers=[container(name="fetch")])["spec"]

    fallback = "FallbackToLogsOnError"
    assert [each["terminationMessagePolicy"] for each in pod["containers"]] == [fallback, "File"]
    assert {each["terminationMessagePolicy"] for each in pod["initContainers"]} == {fallback}


@pytest.mark.parametrize(
    ("said", "in_mesh"),
    [
        ({}, None),
        ({"labels": {"sidecar.istio.io/inject": "true"}}, True),
        ({"annotations": {"sidecar.istio.io/inject": "true"}}, True),
        ({"labels": {"istio.io/rev": "canary"}}, True),
        ({"labels": {"istio.io/rev": "canary", "sidecar.istio.io/inject": "false"}}, False),
        ({"annotations": {"linkerd.io/inject": "enabled"}}, True),
        ({"annotations": {"linkerd.io/inject": "disabled"}}, False),
        ({"labels": {"kuma.io/sidecar-injection": "enabled"}}, True),
        ({"annotations": {"consul.hashicorp.com/connect-inject": "true"}}, True),
        ({"labels": {"sidecar.istio.io/inject": "maybe"}}, None),
    ],
)
@pytest.mark.parametrize("by_namespace", [True, False])
def test_only_in_a_mesh_the_proxy_takes_requests_from_its_pod(
    said: dict[str, Any], in_mesh: bool | None, by_namespace: bool
) -> None:
    """The template says whether it is in a mesh, and where it does not, the administrator does."""
    settings = ProxySettings("envoy:1", in_mesh=by_namespace)
    given = revision_input(template={**template(), "metadata": said})

    made = render(MODEL, REVISION, given, (), settings, namespace=NAMESPACE)

    expected = by_namespace if in_mesh is None else in_mesh
    stored = {"metadata": {"name": REVISION}, "data": {"rendered": made}}
    assert is_open_inside(stored) is expected
    pod = made["deployment"]["spec"]["template"]["spec"]
    listeners = json.loads(pod["initContainers"][0]["args"][-1])["static_resources"]["listeners"]
    refusing = {
        each["name"]
        for each in listeners
        if any("filter_chain_match" in chain for chain in each["filter_chains"])
    }
    assert refusing == (set() if expected else {"live", "shadow"})


def test_the_platform_may_choose_the_user() -> None:
    pod = rendered(ProxySettings("envoy:1", user=None))["spec"]

    security = pod["initContainers"][0]["securityContext"]
    assert "runAsUser" not in security
    assert security["runAsNonRoot"] is True


def test_pods_with_ipv6_only_are_reached() -> None:
    pod = rendered(ProxySettings("envoy:1", address="::"))["spec"]

    listeners = json.loads(pod["initContainers"][0]["args"][-1])["static_resources"]["listeners"]
    bound = {each["address"]["socket_address"]["address"] for each in listeners}
    assert bound == {"::"}


anything = st.recursive(
    st.none() | st.booleans() | st.integers(-1, 20_000) | st.sampled_from(["model", "", "1e"]),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(
            st.sampled_from(["name", "image", "ports", "labels", "lifecycle", "limits", "httpGet"]),
            inner,
            max_size=2,
        )
    ),
    max_leaves=6,
)
PLACES = ("metadata", "spec", "containers", "volumes", "ports", "readinessProbe", "resources")


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@for_all(st.sampled_from(PLACES), anything)
def test_no_template_is_too_strange_for_an_answer(place: str, value: Any) -> None:
    """A template has no schema before the API server's: it is rendered or refused in words."""
    given = template()
    pod = given["spec"]
    for part in (given, pod, pod["containers"][0]):
        if place in part:
            part[place] = value

    with contextlib.suppress(ResourceError):
        made = revision_input(template=given)
        render(MODEL, REVISION, made, [300], SETTINGS, namespace=NAMESPACE)
    canonical(revision_input(template=given))


@pytest.mark.parametrize(
    ("threshold", "words"),
    [
        (375, "found '375 ms'; write 370 ms or 380 ms"),
        (1250, "found '1250 ms'; write 1200 ms or 1300 ms"),
        (1, "from 2 ms to 1 h"),
        (3_600_001, "from 2 ms to 1 h"),
        (0.5, "a whole number of milliseconds"),
    ],
)
def test_a_threshold_that_the_proxy_cannot_count(threshold: Any, words: str) -> None:
    with pytest.raises(ResourceError, match=words):
        bucket_edges("ModelDeployment 'm'", [threshold])


def test_the_ladder_is_narrow_everywhere() -> None:
    """No answer is in a bucket wider than a quarter of it, or than a millisecond."""
    neighbours = list(itertools.pairwise(LADDER_MS))

    assert all(high - low == 1 or high / low <= 1.25 for low, high in neighbours)
    assert (LADDER_MS[0], LADDER_MS[-1]) == (2, 60_000)
    assert 50 <= len(LADDER_MS) <= 60
    bucket_edges("ladder", LADDER_MS)


def test_thresholds_of_objectives_are_added_to_the_ladder() -> None:
    edges = bucket_edges("m", [300, 380, 90_000])

    assert {bucket_edge(380), bucket_edge(90_000)} <= set(edges)
    assert len(edges) == len(LADDER_MS) + 2
    assert list(edges) == sorted(set(edges))
