"""Slices as a part of a revision: their form, their pod, and the times that it counts."""

import json
from dataclasses import replace
from typing import Any

import pytest

from model_rollouts.resources.capture import Capture
from model_rollouts.resources.controller_revision import controller_revision, render, sliced_ms
from model_rollouts.resources.errors import ResourceError
from model_rollouts.resources.fallback import LONGEST_STATIC, Fallback, Static
from model_rollouts.resources.pod import LONGEST_ARGUMENT, bootstrap_text
from model_rollouts.resources.revision import RevisionInput, canonical, find_revision, new_name
from model_rollouts.resources.slices import (
    LOGGER,
    CountedSlice,
    Slice,
    form_of,
    from_form,
    most_series,
)
from tests.resources.example import CAPTURED, MODEL, NAMESPACE, OWNER, WITH_OBSERVER, revision_input

LONG = Slice(name="long-haul", header="x-haul", value="long")
SHORT = Slice(name="short-haul", header="x-haul", prefix="short-")
LARGE = Slice(name="large", at_least=8192)


def stored(given: RevisionInput, **thresholds: tuple[int, ...]) -> Any:
    """The ControllerRevision of `given`, with thresholds by slice, `_` for `-`."""
    sliced = {name.replace("_", "-"): times for name, times in thresholds.items()}
    name, _ = new_name(MODEL, given, {})
    rendered = render(
        MODEL, name, given, (300,), WITH_OBSERVER, namespace=NAMESPACE, sliced_ms=sliced
    )
    return controller_revision(
        MODEL, name, given, rendered, namespace=NAMESPACE, owner=OWNER, number=1
    )


def text_of(revision: Any) -> str:
    return bootstrap_text(revision["data"]["rendered"]["deployment"]["spec"]["template"])


@pytest.mark.parametrize("slice", [LONG, SHORT, LARGE])
def test_a_form_is_read_as_it_was_written(slice: Slice) -> None:
    assert from_form(json.loads(json.dumps(form_of(slice)))) == slice


@pytest.mark.parametrize(
    "other", [(), (LONG,), (LONG, replace(LARGE, at_least=8193)), (LONG, LARGE, SHORT)]
)
def test_other_slices_are_another_revision(other: tuple[Slice, ...]) -> None:
    known = {"known": canonical(revision_input(slices=(LONG, LARGE)))}

    assert find_revision(known, revision_input(slices=(LARGE, LONG))) == "known"
    assert find_revision(known, revision_input(slices=other)) is None


def test_a_pod_without_slices_is_as_it_was_before_there_were_any() -> None:
    text = text_of(stored(revision_input()))

    assert "slice" not in text


def test_each_slice_counts_the_times_of_its_own_objectives() -> None:
    found = sliced_ms(
        stored(revision_input(slices=(LONG, LARGE, SHORT)), long_haul=(400, 500), large=(900, 1200))
    )

    assert found == {"long-haul": (400, 500), "large": (900, 1200), "short-haul": ()}
    assert sliced_ms(stored(revision_input())) == {}


def test_a_time_that_the_proxy_cannot_count_is_refused() -> None:
    with pytest.raises(ResourceError, match="found '375 ms'; write 370 ms or 380 ms"):
        stored(revision_input(slices=(LONG,)), long_haul=(375,))


MOST = tuple(
    Slice(name=f"{place}{'n' * 62}", header=f"{place}{'h' * 63}", value="v" * 128)
    for place in range(8)
)
TIMES = {each.name: (100, 130) for each in MOST}


def with_fallback(size: int) -> RevisionInput:
    """The longest slices, capture, and a fallback with a body of so many bytes."""
    return revision_input(
        slices=MOST,
        capture=replace(CAPTURED, slice_header="x" * 64),
        fallback=Fallback(Static("x" * size, "application/json"), after_ms=2000),
    )


def test_the_longest_slices_fit_into_one_argument_beside_everything_else() -> None:
    text = text_of(stored(with_fallback(2_000), **TIMES))

    assert len(text.encode()) < LONGEST_ARGUMENT
    assert json.loads(text)["admin"]
    # One line for each counter, so that people can still read the rest.
    assert sum(LOGGER in line for line in text.splitlines()) == text.count(LOGGER) == 8 * 2 * 4


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ResourceError, match="fewer slices or a shorter body: 131072 bytes"):
        stored(with_fallback(LONGEST_STATIC), **TIMES)


def test_the_kubelet_replaces_nothing_in_a_value() -> None:
    text = text_of(stored(revision_input(slices=(replace(LONG, value="$(POD_NAME) $$"),))))

    assert "$(POD_NAME)" not in text
    assert "$$" not in text
    assert "$(POD_NAME) $$" in str(json.loads(text))


def test_the_most_series_of_a_pod_are_as_the_page_says() -> None:
    timed, plain = CountedSlice(LONG, (399, 499)), CountedSlice(LARGE)

    assert most_series([timed] * 8) == 128
    assert most_series([timed, plain]) == 20


def test_a_revision_without_capture_can_have_slices() -> None:
    assert "capture" not in canonical(revision_input(slices=(LONG,)))
    assert canonical(revision_input(slices=(LONG,), capture=Capture()))["slices"]
