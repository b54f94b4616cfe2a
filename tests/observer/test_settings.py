"""What a ModelDeployment says of how answers are compared, as the observer reads it."""

from typing import Any

import pytest

from model_rollouts.observer.compare import COMPARISONS, Comparison
from model_rollouts.observer.protocols import DeclaredBody
from model_rollouts.observer.settings import settings_of


def comparison(block: dict[str, Any]) -> Comparison:
    """The comparison of a ModelDeployment with that block."""
    objective = {"name": "answers", "type": "Disagreement", "disagreement": block}
    (found,) = settings_of({"spec": {"objectives": [objective]}}).comparisons
    return found


@pytest.mark.parametrize(
    ("block", "read"),
    [
        ({"of": "Label", "output": "species"}, {"of": "Label", "output": "species"}),
        ({"of": "Score", "tolerance": "1%"}, {"of": "Score", "amount": 0.01, "is_relative": True}),
        (
            {"of": "Vector", "tolerance": "0.05", "distance": "Cosine"},
            {"of": "Vector", "amount": 0.05, "distance": "Cosine"},
        ),
        (
            {"of": "Ranking", "top": 10, "atLeast": "80%"},
            {"of": "Ranking", "top": 10, "least": 0.8},
        ),
        ({"of": "Text", "against": "Self"}, {"of": "Text", "against_itself": True}),
        ({"of": "JSON", "fields": ["a.b", "c"]}, {"of": "JSON", "fields": ("a.b", "c")}),
    ],
)
def test_a_block_is_a_comparison(block: dict[str, Any], read: dict[str, Any]) -> None:
    found = comparison(block)

    assert found == Comparison(digest=found.digest, **read)
    assert found.of in COMPARISONS


def test_what_this_release_does_not_know_is_left_out() -> None:
    objective = {"name": "answers", "type": "Disagreement", "disagreement": {"of": "Smell"}}

    assert settings_of({"spec": {"objectives": [objective]}}).comparisons == ()


def test_what_is_declared_of_bodies_is_read_by_it() -> None:
    schema = {
        "request": {"rows": "data.items", "values": [{"name": "hour", "path": "departure.hour"}]},
        "answer": {"values": [{"name": "score", "path": "score"}]},
    }
    found = settings_of({"spec": {"capture": {"schema": schema}}})

    assert found.request == DeclaredBody(["data", "items"], {"hour": ["departure", "hour"]})
    assert found.answer == DeclaredBody(None, {"score": ["score"]})


@pytest.mark.parametrize("capture", [{}, {"schema": {}}, {"schema": {"answer": {"rows": 1}}}])
def test_without_a_schema_the_protocol_decides(capture: dict[str, Any]) -> None:
    found = settings_of({"spec": {"capture": capture}})

    assert (found.request, found.answer) == (None, None)
