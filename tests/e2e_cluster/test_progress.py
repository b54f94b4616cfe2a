"""Steps run in order and stop at the first failure, which says what to do."""

import io
from pathlib import Path

import pytest
from rich.console import Console

from e2e.cluster import progress
from e2e.cluster.progress import Step, StepError


def shown(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


@pytest.fixture
def console() -> Console:
    return Console(file=io.StringIO(), width=200)


def test_each_step_is_a_line_with_its_place_and_what_it_found(console: Console) -> None:
    progress.run([Step("first", lambda: "there already"), Step("second", lambda: None)], console)
    first, second = shown(console).splitlines()
    assert first.startswith("✓ [1/2] first (there already) ")
    assert second.startswith("✓ [2/2] second ")


def test_a_failed_step_stops_the_run(console: Console) -> None:
    def fail() -> None:
        raise StepError("the disk is full")

    done: list[str] = []
    with pytest.raises(StepError):
        progress.run([Step("bad", fail), Step("after", lambda: done.append("after"))], console)
    assert done == []
    assert "✗ [1/2] bad" in shown(console)


def test_the_explanation_names_the_log_its_end_and_the_way_out(
    console: Console, tmp_path: Path
) -> None:
    log = tmp_path / "it.log"
    log.write_text("\n".join(f"line {n}" for n in range(100)))
    progress.explain(StepError("etcd ended", log=log, hint="free some space"), console)
    text = shown(console)
    assert "etcd ended" in text
    assert str(log) in text
    assert "line 99" in text
    assert "line 10\n" not in text
    assert "What to do: free some space" in text


def test_brackets_in_a_message_are_no_markup(console: Console) -> None:
    progress.explain(StepError("argv [red] x [/red]"), console)
    assert "argv [red] x [/red]" in shown(console)
