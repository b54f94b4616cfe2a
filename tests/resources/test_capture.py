"""What is captured as a part of a revision: its form, which requests it samples, and its pod."""

import re
from fractions import Fraction
from typing import Any

import pytest

from model_rollouts.resources import names
from model_rollouts.resources.capture import Capture, form_of, from_form, sampled_ids
from model_rollouts.resources.controller_revision import objects, render
from model_rollouts.resources.errors import ResourceError
from model_rollouts.resources.observer_address import shard
from model_rollouts.resources.pod import bootstrap_text
from model_rollouts.resources.revision import canonical, find_revision, new_name
from tests.resources.example import (
    CAPTURED,
    MODEL,
    NAMESPACE,
    OBSERVER,
    OWNER,
    SETTINGS,
    WITH_OBSERVER,
    revision_input,
    stored,
)
from tests.resources.golden import assert_golden

TENTH = Fraction(1, 10)


def captured_pod(capture: Capture = CAPTURED) -> Any:
    """The pod template of a revision that is captured."""
    deployment, *_ = objects(stored(revision_input(capture=capture), WITH_OBSERVER), OWNER)
    return deployment["spec"]["template"]


@pytest.mark.parametrize("share", ["1/65536", ".001", "0.1", "1/2", "65535/65536"])
def test_a_share_of_request_ids_is_sampled(share: str) -> None:
    pattern = re.compile(sampled_ids(Fraction(share)) or "")

    found = [n for n in range(65_536) if pattern.fullmatch(f"7c3b-{n:04x}")]

    assert found == list(range(round(Fraction(share) * 65_536)))
    assert all(pattern.fullmatch(f"7C3B-{n:04X}") for n in found)
    assert not pattern.fullmatch("no-number")


def test_the_smallest_share_is_not_nothing_and_the_largest_is_all() -> None:
    assert sampled_ids(Fraction(1, 1_000_000)) == sampled_ids(Fraction(1, 65_536))
    assert sampled_ids(Fraction(999_999, 1_000_000)) is None
    assert sampled_ids(Fraction(1)) is None


@pytest.mark.parametrize(
    "capture",
    [Capture(), CAPTURED, Capture(Fraction(1)), Capture(Fraction(1, 3), 1024, "x-tenant")],
)
def test_a_form_is_read_as_it_was_written(capture: Capture) -> None:
    assert from_form(form_of(capture)) == capture


def test_what_means_the_same_is_the_same_revision() -> None:
    forms = {"a": canonical(revision_input(capture=Capture(slice_header="X-Tenant")))}

    # Without bodies their size says nothing.
    assert find_revision(forms, revision_input(capture=Capture(None, 99, "x-tenant"))) == "a"


@pytest.mark.parametrize(
    "other", [None, Capture(), Capture(TENTH), Capture(TENTH, 1024, "x-tenant")]
)
def test_what_another_proxy_would_do_is_another_revision(other: Capture | None) -> None:
    forms = {"a": canonical(revision_input(capture=CAPTURED))}

    assert find_revision(forms, revision_input(capture=other)) is None


def test_a_revision_without_it_keeps_its_name() -> None:
    assert "capture" not in canonical(revision_input())
    name, _ = new_name(MODEL, revision_input(), ())
    assert name != new_name(MODEL, revision_input(capture=Capture()), ())[0]


def test_the_pod_of_a_captured_revision() -> None:
    assert_golden("captured-pod.yaml", captured_pod())


def test_only_the_proxy_has_the_token() -> None:
    spec = captured_pod()["spec"]

    mounting = [
        container["name"]
        for container in (*spec["containers"], *spec["initContainers"])
        if any(m["name"] == names.TOKEN_VOLUME for m in container.get("volumeMounts", ()))
    ]
    assert mounting == [names.PROXY_CONTAINER]
    # The kubelet replaces $(…) in arguments, and halves $$.
    text = bootstrap_text(captured_pod())
    assert "$(" not in text
    assert "$$" not in text


def test_an_observer_has_an_address_for_each_shard() -> None:
    host, port = OBSERVER.of(NAMESPACE, MODEL)

    number = shard(NAMESPACE, MODEL)
    assert (host, port) == (f"model-rollouts-observer-{number}.rollouts.svc", 9800)
    assert host in bootstrap_text(captured_pod())


def test_without_an_observer_it_is_refused() -> None:
    words = "spec.capture: found .*; remove it, or have the operator started with"
    with pytest.raises(ResourceError, match=words):
        render(MODEL, "a-1", revision_input(capture=CAPTURED), (), SETTINGS, namespace=NAMESPACE)
