"""What is known in one place stays there: counts of the files that name it, the tests apart."""

import re
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "operator" / "model_rollouts"


def naming(pattern: str, *but: str) -> list[str]:
    """The modules whose code has `pattern`, without those below the folders `but`."""
    return sorted(
        str(path.relative_to(PACKAGE))
        for path in PACKAGE.rglob("*.py")
        if path.relative_to(PACKAGE).parts[0] not in but and re.search(pattern, path.read_text())
    )


@pytest.mark.parametrize(
    ("pattern", "but", "most"),
    [
        # What a phase means is in its row (api/phase.py); left are who enters one, and the words.
        pytest.param(r"\bPhase\.(SHADOW|CANARY)\b", (), 4, id="the judged phases"),
        # What a kind of objective means is in its row (decision/objective.py).
        pytest.param(r"\bKind\.[A-Z]{2,}", (), 3, id="kinds of objective"),
        pytest.param(
            r"backendRef|requestMirror|\[\"(rules|parents|hostnames|matches|parentRefs)\"\]",
            ("routes",),
            0,
            id="the shape of an HTTPRoute",
        ),
    ],
)
def test_few_modules_know_it(pattern: str, but: tuple[str, ...], most: int) -> None:
    found = naming(pattern, *but)

    assert len(found) <= most, found


def test_the_search_finds_what_there_is() -> None:
    assert "routes/http_route.py" in naming("backendRefs")
    assert "routes/http_route.py" not in naming("backendRefs", "routes")
