"""When an edit makes another revision, and what it is called."""

import copy
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import given as for_all
from hypothesis import strategies as st

from model_rollouts.resources import revision
from model_rollouts.resources.canonical import canonical_template
from model_rollouts.resources.errors import ResourceError
from model_rollouts.resources.revision import (
    Artifact,
    Protocol,
    canonical,
    find_revision,
    is_same,
    new_name,
)
from tests.resources.example import MODEL, revision_input, template


def edited(path: str, value: Any) -> Any:
    """The example's template with `value` at a dotted `path`; numbers are places in lists."""
    result = template()
    *way, last = [int(key) if key.isdigit() else key for key in path.split(".")]
    place = result
    for key in way:
        place = place[key]
    place[last] = value
    return result


MODEL_AT = "spec.containers.0"

DEFAULTS: list[tuple[str, Any]] = [
    ("spec.restartPolicy", "Always"),
    ("spec.nodeSelector", {}),
    ("spec.volumes", []),
    ("spec.affinity", None),
    ("metadata.annotations", {}),
    (f"{MODEL_AT}.imagePullPolicy", "IfNotPresent"),
    (f"{MODEL_AT}.terminationMessagePath", "/dev/termination-log"),
    (f"{MODEL_AT}.ports.0.protocol", "TCP"),
    (f"{MODEL_AT}.readinessProbe.periodSeconds", 10),
    (f"{MODEL_AT}.readinessProbe.httpGet.scheme", "HTTP"),
    (f"{MODEL_AT}.resources.requests.cpu", 1),
    (f"{MODEL_AT}.resources.requests.cpu", "1000m"),
    (f"{MODEL_AT}.resources.requests.memory", "1024Mi"),
]
"""Edits of the example that say nothing new."""

CHANGES: list[tuple[str, Any]] = [
    ("spec.terminationGracePeriodSeconds", 30),
    ("spec.volumes", [{"name": "scratch", "emptyDir": {}}]),
    ("metadata.labels.team", "trains"),
    (f"{MODEL_AT}.image", "registry.example.com/arrival-delay:4"),
    (f"{MODEL_AT}.imagePullPolicy", "Always"),
    (f"{MODEL_AT}.env", [{"name": "THREADS", "value": "4"}]),
    (f"{MODEL_AT}.readinessProbe.periodSeconds", 5),
    (f"{MODEL_AT}.resources.requests.cpu", "1001m"),
]
"""Edits that do."""


@pytest.mark.parametrize(("path", "value"), DEFAULTS)
def test_writing_out_a_default_makes_no_new_revision(path: str, value: Any) -> None:
    assert is_same(canonical(revision_input()), revision_input(template=edited(path, value)))


@pytest.mark.parametrize(("path", "value"), CHANGES)
def test_an_edit_that_means_something_makes_a_new_revision(path: str, value: Any) -> None:
    assert not is_same(canonical(revision_input()), revision_input(template=edited(path, value)))


@pytest.mark.parametrize(
    "changes",
    [
        {"version": "4"},
        {"port": 8081},
        {"protocol": Protocol.GRPC},
        {"artifact": None},
        {"artifact": Artifact("s3://models/arrival/3", "sha256:" + "b" * 64)},
    ],
)
def test_version_port_protocol_and_artifact_are_part_of_a_revision(changes: dict[str, Any]) -> None:
    assert not is_same(canonical(revision_input()), revision_input(**changes))


def test_http_is_what_was_always_spoken() -> None:
    """A revision that a release before stored says nothing of it."""
    assert "protocol" not in canonical(revision_input())
    assert is_same(canonical(revision_input()), revision_input(protocol=Protocol.HTTP))


def test_an_empty_directory_keeps_its_meaning() -> None:
    """`emptyDir: {}` says which kind of volume it is: dropping it would lose the volume."""
    volumes = [{"name": "scratch", "emptyDir": {}}]

    assert canonical_template(edited("spec.volumes", volumes))["spec"]["volumes"] == volumes


def test_the_latest_image_is_pulled_always_by_default() -> None:
    image = edited(f"{MODEL_AT}.image", "registry:5000/arrival-delay")
    pulled = copy.deepcopy(image)
    pulled["spec"]["containers"][0]["imagePullPolicy"] = "Always"

    assert canonical_template(image) == canonical_template(pulled)


DIGEST = "@sha256:" + "a" * 64


@pytest.mark.parametrize(
    ("image", "policy"),
    [
        ("m", "Always"),
        ("m:latest", "Always"),
        ("registry:5000/m", "Always"),
        ("m:1", "IfNotPresent"),
        (f"m{DIGEST}", "IfNotPresent"),
        (f"m:1{DIGEST}", "IfNotPresent"),
        # The tag decides, although the digest says which image it is.
        (f"registry:5000/m:latest{DIGEST}", "Always"),
    ],
)
def test_the_policy_that_kubernetes_writes_says_nothing_and_the_other_does(
    image: str, policy: str
) -> None:
    def form(**more: str) -> dict[str, Any]:
        containers = [{"name": "model", "image": image, **more}]
        return canonical_template({"spec": {"containers": containers}})

    other = "Always" if policy == "IfNotPresent" else "IfNotPresent"
    assert form(imagePullPolicy=policy) == form() != form(imagePullPolicy=other)


def test_what_the_first_encoder_dropped_makes_no_new_revision_after_an_upgrade() -> None:
    """It took every image with a digest for one that is pulled once."""
    image = edited(f"{MODEL_AT}.image", f"m:latest{DIGEST}")
    stored = {**canonical(revision_input(template=image)), "encoder": 1}
    written = copy.deepcopy(image)
    written["spec"]["containers"][0]["imagePullPolicy"] = "IfNotPresent"

    assert is_same(stored, revision_input(template=image))
    assert is_same(stored, revision_input(template=written))
    assert not is_same(canonical(revision_input(template=image)), revision_input(template=written))


ENV = [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]


@pytest.mark.parametrize(
    ("path", "one", "other"),
    [
        (f"{MODEL_AT}.env", ENV, ENV[::-1]),
        (f"{MODEL_AT}.env", [{"name": "A"}], [{"name": "A", "value": ""}]),
        (
            "spec.volumes",
            [{"name": "a", "emptyDir": {}}, {"name": "b", "emptyDir": {}}],
            [{"name": "b", "emptyDir": {}}, {"name": "a", "emptyDir": {}}],
        ),
    ],
)
def test_what_has_no_order_may_be_written_in_any(path: str, one: Any, other: Any) -> None:
    assert canonical_template(edited(path, one)) == canonical_template(edited(path, other))


@pytest.mark.parametrize(
    ("path", "one"),
    [
        (f"{MODEL_AT}.env", [*ENV, {"name": "C", "value": "$(A)"}]),
        (f"{MODEL_AT}.args", ["--a", "--b"]),
        ("spec.initContainers", [{"name": "a"}, {"name": "b"}]),
        (f"{MODEL_AT}.envFrom", [{"secretRef": {"name": "a"}}, {"secretRef": {"name": "b"}}]),
    ],
)
def test_what_has_an_order_keeps_it(path: str, one: list[Any]) -> None:
    assert canonical_template(edited(path, one)) != canonical_template(edited(path, one[::-1]))


def test_the_callers_template_stays_as_it_was() -> None:
    given = edited(f"{MODEL_AT}.imagePullPolicy", "IfNotPresent")
    before = copy.deepcopy(given)

    canonical_template(given)

    assert given == before


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["labels", "limits", "env", "name", "emptyDir"]), inner, max_size=3
        )
    ),
    max_leaves=12,
)


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@for_all(st.dictionaries(st.sampled_from(["metadata", "affinity", "volumes"]), values))
def test_the_canonical_form_of_a_canonical_form_is_itself(spec: dict[str, Any]) -> None:
    form = canonical_template({**template(), "spec": {**template()["spec"], **spec}})

    assert canonical_template(form) == form


def test_an_input_stored_by_an_older_encoder_is_the_same_revision() -> None:
    """A new operator that drops more than the old one did starts no model anew."""
    stored = {
        **canonical(revision_input()),
        "encoder": revision.ENCODER_VERSION - 1,
        "template": edited("spec.restartPolicy", "Always"),
    }

    assert is_same(stored, revision_input())
    assert (
        find_revision(
            {"other": canonical(revision_input(version="4")), "it": stored}, revision_input()
        )
        == "it"
    )


def test_a_field_that_a_newer_release_stored_is_never_overlooked() -> None:
    stored = {**canonical(revision_input()), "fallback": {"type": "Static"}}

    assert find_revision({"it": stored}, revision_input()) is None


def test_the_name_is_stable_and_says_the_model() -> None:
    # Committed: another release must give the same input the same name.
    assert new_name(MODEL, revision_input(), {}) == ("arrival-delay-883156dc2f", 0)


def test_a_taken_name_is_left_to_the_one_who_has_it() -> None:
    first, _ = new_name(MODEL, revision_input(), {})
    second, collisions = new_name(MODEL, revision_input(), {first})

    assert collisions == 1
    assert second != first
    assert new_name(MODEL, revision_input(), {first, second})[1] == 2


@pytest.mark.parametrize("name", ["a" * 46, "Model", "1model", "model-", "mo.del", ""])
def test_a_name_that_children_cannot_have_is_refused(name: str) -> None:
    with pytest.raises(ResourceError, match=r"metadata\.name.*at most 45"):
        new_name(name, revision_input(), {})


def test_the_longest_name_leaves_room_for_every_child() -> None:
    name, _ = new_name("a" * 45, revision_input(), {})

    assert len(f"{name}-shadow") == 63
