"""The block `disagreement`: what its digest tells apart, and what its tolerance allows."""

import hashlib
from itertools import combinations

import pytest

from model_rollouts.api.disagreement import Bound, Compared, Disagreement, bound, comparison


def test_the_digest_is_that_of_the_canonical_text() -> None:
    block = Disagreement(of=Compared.SCORE, output="größe", tolerance="1%")

    text = '{"of":"Score","output":"größe","tolerance":"1%"}'
    assert comparison(block) == hashlib.sha256(text.encode()).hexdigest()[:8] == "1ce1f3ed"


def test_what_is_compared_otherwise_has_another_digest() -> None:
    blocks = (
        Disagreement(of=Compared.LABEL),
        Disagreement(of=Compared.LABEL, output="species"),
        Disagreement(of=Compared.LABEL, output="size"),
        Disagreement(of=Compared.SCORE, tolerance="0.01"),
        Disagreement(of=Compared.SCORE, tolerance="1%"),
    )

    assert all(comparison(one) != comparison(other) for one, other in combinations(blocks, 2))


def test_a_block_with_a_field_left_out_is_the_block_without_it() -> None:
    read = Disagreement.model_validate({"of": "Label", "output": None, "unknown": "x"})

    assert comparison(read) == comparison(Disagreement(of=Compared.LABEL))


@pytest.mark.parametrize(
    ("tolerance", "allowed"),
    [("0.01", Bound(0.01, False)), ("1%", Bound(0.01, True)), ("250%", Bound(2.5, True))],
)
def test_a_tolerance_is_an_amount_or_a_share(tolerance: str, allowed: Bound) -> None:
    assert bound(tolerance) == allowed


def test_what_is_compared_with_stable_is_called_as_before_there_was_anything_else() -> None:
    label, itself = (
        Disagreement.model_validate({"of": "Label", "against": against})
        for against in ("Stable", "Self")
    )

    assert comparison(label) == comparison(Disagreement(of=Compared.LABEL))
    assert comparison(itself) != comparison(label)
