"""The header `Server-Timing`, as servers write it and as nobody should."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_rollouts.api.runtimes import Stage
from model_rollouts.observer.protocols.server_timing import LONGEST, NAMES, stages_of
from model_rollouts.observer.protocols.tensors import UnreadableError

PRE, PREDICT, POST = Stage.PREPROCESS, Stage.PREDICT, Stage.POSTPROCESS


@pytest.mark.parametrize(
    ("header", "found"),
    [
        ("pre;dur=1.2, predict;dur=5", {PRE: 0.0012, PREDICT: 0.005}),
        ('predict;desc="the model, in \\"full\\"";dur=5', {PREDICT: 0.005}),
        ('Predict ; Dur="5e0" ; desc=x,POSTPROCESS;dur=0', {PREDICT: 0.005, POST: 0.0}),
        ("predict;dur=5, predict;dur=7", {PREDICT: 0.012}),
        # The first duration of a metric holds.
        ("predict;dur=5;dur=7", {PREDICT: 0.005}),
        ("db;dur=53, cache;desc=hit, miss", {}),
        ("predict", {}),
        ("", {}),
    ],
)
def test_stages_are_read_and_all_else_is_passed_over(
    header: str, found: dict[Stage, float]
) -> None:
    assert stages_of(header) == pytest.approx(found)


@pytest.mark.parametrize(
    "header",
    [
        "predict;dur=fast",
        "predict;dur=-1",
        "predict;dur=nan",
        "predict;dur=inf",
        "predict;dur=1e9",
        "predict;dur",
        "predict;dur=",
        "predict dur=5",
        "predict;dur=5;",
        "predict;dur=5,,pre;dur=1",
        ";dur=5",
        'predict;desc="open',
        "x" * (LONGEST + 1),
    ],
)
def test_what_has_not_the_form_is_refused_as_a_whole(header: str) -> None:
    with pytest.raises(UnreadableError):
        stages_of(header)


@given(st.text(alphabet='pred;dur=,". \\0159ä', max_size=80))
def test_whatever_comes_is_stages_or_refused(header: str) -> None:
    try:
        found = stages_of(header)
    except UnreadableError:
        return
    assert set(found) <= set(NAMES.values())
    assert all(0 <= each < 1e9 for each in found.values())
