"""The page of conditions says of each word what it means and what to do."""

import re

import pytest

from e2e.cluster.paths import REPOSITORY
from model_rollouts.api.action import ActionNeeded
from model_rollouts.api.base import Word
from model_rollouts.api.conditions import ConditionType, Reason
from model_rollouts.api.phase import Phase

PAGE = (REPOSITORY / "docs" / "conditions.md").read_text()


def entries(section: str) -> list[tuple[str, str]]:
    """The headings of a section of the page, each with the text below it."""
    body = PAGE.partition(f"\n## {section}\n")[2].partition("\n## ")[0]
    _, *parts = re.split(r"^### `(\w+)`\n", body, flags=re.MULTILINE)
    return list(zip(parts[::2], parts[1::2], strict=True))


@pytest.mark.parametrize(
    ("section", "words"),
    [
        ("Action", ActionNeeded),
        ("Phases", Phase),
        ("Conditions", ConditionType),
        ("Reasons", Reason),
    ],
)
def test_each_word_has_one_heading_and_says_what_to_do(section: str, words: type[Word]) -> None:
    found = entries(section)

    assert sorted(word for word, _ in found) == sorted(word.value for word in words)
    assert [word for word, text in found if "*Do:* " not in " ".join(text.split())] == []
