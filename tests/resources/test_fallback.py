"""A fallback as a part of a revision: its form, its pod, and what it may not be."""

import json
from dataclasses import replace
from typing import Any

import pytest

from model_rollouts.resources import names
from model_rollouts.resources.controller_revision import objects
from model_rollouts.resources.errors import ResourceError
from model_rollouts.resources.fallback import (
    LONGEST_STATIC,
    Fallback,
    On,
    Previous,
    Service,
    Static,
    form_of,
    from_form,
    require_valid,
)
from model_rollouts.resources.pod import bootstrap_text
from model_rollouts.resources.revision import canonical, find_revision, new_name
from tests.resources.example import MODEL, OWNER, revision_input, stored
from tests.resources.golden import assert_golden

RULES = Fallback(Service("rules", 8000), after_ms=2000)
SAME = Fallback(Static("{}", "application/json"), after_ms=2000)
BEFORE = Fallback(Previous(), after_ms=2000)

LONGEST_ARGUMENT = 131_072
"""Bytes of one argument that Linux takes (MAX_ARG_STRLEN), with the zero at its end."""


def bootstrap(fallback: Fallback | None) -> str:
    """The proxy's configuration in a revision with that fallback."""
    deployment, *_ = objects(stored(revision_input(fallback=fallback)), OWNER)
    return bootstrap_text(deployment["spec"]["template"])


@pytest.mark.parametrize(
    "fallback",
    [
        RULES,
        SAME,
        BEFORE,
        Fallback(SAME.to, frozenset({On.SERVER_ERROR}), None, resend=False),
        replace(RULES, max_body=1024, max_concurrent=7),
    ],
)
def test_a_form_is_read_as_it_was_written(fallback: Fallback) -> None:
    form = form_of(fallback)

    assert from_form(json.loads(json.dumps(form))) == fallback


@pytest.mark.parametrize(
    "other",
    [
        None,
        SAME,
        BEFORE,
        replace(RULES, after_ms=3000),
        replace(RULES, to=Service("rules", 80)),
        replace(RULES, resend=False),
    ],
)
def test_what_another_proxy_would_do_is_another_revision(other: Fallback | None) -> None:
    forms = {"a": canonical(revision_input(fallback=RULES))}

    assert find_revision(forms, revision_input(fallback=RULES)) == "a"
    assert find_revision(forms, revision_input(fallback=other)) is None


def test_a_revision_without_it_keeps_its_name() -> None:
    assert "fallback" not in canonical(revision_input())
    name, _ = new_name(MODEL, revision_input(), ())
    assert name != new_name(MODEL, revision_input(fallback=RULES), ())[0]


def test_the_proxy_of_a_revision_with_a_fallback() -> None:
    assert_golden("fallback-proxy.yaml", json.loads(bootstrap(RULES)))


def test_the_longest_answer_fits_into_an_argument() -> None:
    text = bootstrap(replace(SAME, to=Static("\U0001f600" * 16_384, "application/json")))

    assert len(text.encode()) < LONGEST_ARGUMENT


def test_the_kubelet_replaces_nothing_in_it() -> None:
    text = bootstrap(replace(SAME, to=Static("$(HOME) $$", "text/plain")))

    assert "$(" not in text
    assert "$$" not in text


@pytest.mark.parametrize(
    ("fallback", "words"),
    [
        (replace(RULES, after_ms=None), "fallback.after: found 'nothing'"),
        (replace(RULES, after_ms=0), "fallback.after: found '0 ms'"),
        (replace(RULES, after_ms=300_001), "fallback.after: found '300001 ms'"),
        (replace(RULES, on=frozenset({On.SERVER_ERROR})), "and only then"),
        (replace(RULES, to=Service(f"{MODEL}-0123456789", 80)), "a Service of another model"),
        (replace(RULES, to=Service(f"{MODEL}-0123456789-shadow", 80)), "another model"),
        (replace(RULES, to=Service(f"{MODEL}-0123456789-backup", 80)), "another model"),
        (replace(SAME, to=Static("x" * (LONGEST_STATIC + 1), "a/b")), "found '65537 bytes'"),
    ],
)
def test_what_cannot_stand_in_is_refused(fallback: Fallback, words: str) -> None:
    with pytest.raises(ResourceError, match=words):
        require_valid(MODEL, fallback)


@pytest.mark.parametrize(
    "to",
    [Service(f"{MODEL}-rules", 80), Service("other-0123456789", 80), SAME.to, BEFORE.to],
)
def test_what_can_stand_in_is_not(to: Any) -> None:
    require_valid(MODEL, replace(RULES, to=to))


def test_a_pod_that_may_stand_in_has_a_port_for_it_and_no_other_pod_has() -> None:
    for fallback, found in ((BEFORE, [17082]), (RULES, []), (None, [])):
        deployment, *_ = objects(stored(revision_input(fallback=fallback)), OWNER)
        (proxy,) = (
            each
            for each in deployment["spec"]["template"]["spec"]["initContainers"]
            if each["name"] == "rollout-proxy"
        )
        ports = {each["name"]: each["containerPort"] for each in proxy["ports"]}
        assert [ports[name] for name in ports if name == "rollout-standby"] == found


def test_the_longest_name_of_a_model_leaves_room_for_the_service_of_what_stands_in() -> None:
    longest = "m" * names.MAX_NAME

    assert names.is_dns_label(names.backup_service(f"{longest}-0123456789"))
