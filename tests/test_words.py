"""The words of docs/style-of-messages.md, held against everything that people read."""

import ast
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import click
import pytest
import yaml

from demo.__main__ import main as demo
from model_rollouts.cli.main import main as command_line

ROOT = Path(__file__).resolve().parents[1]
STORIES = ROOT / "tests" / "rollout" / "stories"
LONGEST_MESSAGE = 160
"""Characters of `status.message`."""


class Phrase(NamedTuple):
    """What is not written, as a pattern in which a blank is any white space; and what is."""

    pattern: str
    instead: str
    example: str
    flags: re.RegexFlag = re.IGNORECASE


PHRASES = (
    Phrase(
        r"\b(?:take|takes|taken|taking|took)(?: [\w-]+){0,2} back\b",
        "rolled back, rolls back",
        "Version 3 was taken back",
    ),
    Phrase(r"\bgo(?:es)? all the way\b", "promoted; gets all users", "A version goes all the way"),
    Phrase(
        r"\b(?:cop(?:y|ies) of (?:[\w']+ ){0,3}requests?"
        r"|(?:[\d,]+|no|more|fewer|those|these|the|gets?|showed) copies"
        r"|no copy|copies (?:were|are|arrive|reach|ended|alone)"
        r"|requests? (?:is|are|was|were) copied)\b",
        "mirrored requests",
        "Shadow: 2 gets copies of 1 % of the requests",
    ),
    Phrase(
        r"\d% of\b|\d(?: %)? of the users\b",
        "10 % of users",
        "Version 2 gets 10% of the users",
    ),
    Phrase(r"\bthe (?:old|new) ones?\b(?!')", "stable, candidate, revision", "pods of the old one"),
    Phrase(
        r"\bwho(?:ever)? serves\b", "the version that serves, stable", "Who serves goes on to serve"
    ),
    Phrase(
        r"\b(?:every|each|all)(?: \w+)? (?:gates?|objectives?) (?:is|are|was|were) proven\b"
        r"|\bproven (?:worse|to be worse|nothing|better)\b|\bwithout proof\b",
        "passed, failed, undecided",
        "Every gate is proven: go to 50 %",
    ),
    Phrase(r"\bworse than allowed\b", "errors failed: …", "latency is worse than allowed"),
    Phrase(
        r"\bbad (?:answers?|ones)\b",
        "failed requests, slow requests",
        "The bad answers that users got",
    ),
    Phrase(
        r"\bnothing is known\b", "for lack of data, not enough requests yet", "Nothing is known yet"
    ),
    Phrase(r"\b(?:go(?:es|ing)?|gone|went) on\b", "resume, continue", "Set it to false to go on"),
    Phrase(
        r"\black(?:s|ed|ing)? (?:[\w-]+ ){0,2}pods?\b|\bhas the (?:[\w-]+ )?pods (?:it|that)\b",
        "ready, not ready",
        "while stable lacks pods",
    ),
    Phrase(
        r"\bclocks? (?:of (?:all |the )*deadlines?|stands?|stops?)\b|\bevery clock\b",
        "deadline, timer",
        "the clocks of all deadlines stand",
    ),
    Phrase(
        r"\b(?:take|takes|taken|taking|took) (?:each other's|the) place\b|\bexchange of pods\b",
        "replaces pods of version 1",
        "Pods of 2 take the place of those of 1",
    ),
    Phrase(
        r"\bsuffer(?:s|ed|ing)?\b|\b(?:is|are|was|were) hurt\b",
        "made stable worse",
        "Stable suffered",
    ),
    Phrase(r"\bby (?:itself|themselves)\b", "automatically", "It promotes a version by itself"),
    Phrase(
        r"\b(?:a person|somebody|someone|nobody)\b",
        "you, or the thing itself",
        "until somebody decides",
    ),
    Phrase(r"\btakes the start of\b", "must first start", "a rollback takes the start of 3 pods"),
    Phrase(
        r"\busers (?:mostly|still) on\b|\ball users on \d",
        "version 2 gets 10 % of users, version 1 the rest",
        "Canary 10 % of 2; users mostly on 1",
    ),
    Phrase(
        r"\bmost of a quarter of an hour\b",
        "about 15 minutes",
        "it takes most of a quarter of an hour",
    ),
    Phrase(r"\bmanieth\b", "how many times", "the how manieth time"),
    Phrase(
        r"\bErrors (?:is|undecided|failed|passed|needs)\b",
        "the objective's name as it is written: errors",
        "Errors undecided: 7 of 19 requests",
        flags=re.RegexFlag(0),
    ),
)
PATTERNS = {
    phrase: re.compile(phrase.pattern.replace(" ", r"\s+"), phrase.flags) for phrase in PHRASES
}

FINE = (
    *("Version 2 was rolled back; all users get version 1.", "Set `spec.paused: false` to resume."),
    *("One write gives users to stable again.", "The base may be a remote one, or a copy."),
    *("The scrape configuration copies the label.", "Version 2 gets 10 % of users."),
    *("write at least 80% and less than 100%", "errors needs about 125 more requests"),
    *("the process restarted, by its clock", "Mirroring made stable worse", "It takes place now."),
    *("2 of 3 pods are ready", "Click on the log.", "the reason `ShadowHurtsStable`"),
    *("for lack of GPUs", "The pods' proxies count slow requests.", "Every Gate passed."),
)


class Text(NamedTuple):
    """Something that is read, and the line of the file where it begins."""

    line: int
    words: str


def found(texts: Iterable[Text]) -> list[str]:
    """What is not written, each with its line and with what to write instead."""
    return [
        f"line {text.line + text.words.count(chr(10), 0, match.start())}: "
        f"found '{' '.join(match[0].split())}', write: {phrase.instead}"
        for text in texts
        for phrase, pattern in PATTERNS.items()
        for match in pattern.finditer(text.words)
    ]


def _blanked(pattern: str, text: str) -> str:
    """The text with blanks in place of what is not read; every line stays where it is."""
    return re.sub(pattern, lambda match: re.sub(r"[^\n]", " ", match[0]), text, flags=re.M)


def markdown(path: Path) -> list[Text]:
    """A page, without names of fields and values, and without the marks of comments and quotes."""
    text = path.read_text()
    fences = re.compile(r"^ *```.*?^ *```", re.M | re.S)
    spans = [match.span() for match in fences.finditer(text)]

    def blank(match: re.Match[str]) -> str:
        inside = any(begin <= match.start() < end for begin, end in spans)
        return match[0] if inside else re.sub(r"[^\n]", "_", match[0])

    text = re.sub(r"(?<!`)`[^`\n]+(?:\n[^`\n]+)?`(?!`)", blank, text)
    return [Text(1, _blanked(r"^ *(?:#|>|\*) |\]\([^)]*\)", text))]


def commented(path: Path) -> list[Text]:
    """A file whose comments are read, without the marks of the comments."""
    return [Text(1, _blanked(r"^ *#+ ", path.read_text()))]


def lines(path: Path) -> list[Text]:
    """A file whose lines are read one by one."""
    return [Text(number, line) for number, line in enumerate(path.read_text().splitlines(), 1)]


def definition(path: Path) -> list[Text]:
    """The descriptions and messages of a CustomResourceDefinition, each with its own line."""

    def walk(node: yaml.Node) -> Iterator[Text]:
        if isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                if isinstance(value, yaml.ScalarNode):
                    if key.value in ("description", "message", "messageExpression"):
                        line = value.start_mark.line + 1
                        # The YAML is folded elsewhere than the text.
                        yield Text(line, re.sub(r"`[^`]+`", "_", " ".join(value.value.split())))
                else:
                    yield from walk(value)
        elif isinstance(node, yaml.SequenceNode):
            for each in node.value:
                yield from walk(each)

    root = yaml.compose(path.read_text(), yaml.SafeLoader)
    assert root is not None
    return list(walk(root))


def strings(path: Path) -> list[Text]:
    """The literals of a module, without docstrings and regular expressions."""

    def walk(node: ast.AST) -> Iterator[Text]:
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            return
        if isinstance(node, ast.Call) and ast.unparse(node.func).startswith("re."):
            return
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield Text(node.lineno, _in_one_line(node.value))
        elif isinstance(node, ast.JoinedStr):
            parts = (
                str(each.value) if isinstance(each, ast.Constant) else "0" for each in node.values
            )
            yield Text(node.lineno, _in_one_line("".join(parts)))
            for each in node.values:
                if isinstance(each, ast.FormattedValue):
                    yield from walk(each.value)
        else:
            for child in ast.iter_child_nodes(node):
                yield from walk(child)

    return list(walk(ast.parse(path.read_text())))


def _in_one_line(text: str) -> str:
    # Where a literal breaks its lines says nothing about the lines of its module.
    return re.sub(r"`[^`\s]+`", "_", text.replace("\n", " "))


def _listed(name: str, wrong: list[str]) -> str:
    return "\n".join(f"{name}, {each}" for each in wrong)


def _files(*patterns: str) -> list[Path]:
    return sorted(path for pattern in patterns for path in ROOT.glob(pattern))


CHART = "helm/model-rollouts"
PLACES: list[tuple[Callable[[Path], list[Text]], list[Path]]] = [
    (
        markdown,
        [
            path
            for path in _files("docs/*.md", "README.md", "CONTRIBUTING.md")
            if path.name != "style-of-messages.md"
        ],
    ),
    (definition, _files("crds/*.yaml")),
    (
        commented,
        [
            *_files(f"{CHART}/Chart.yaml", f"{CHART}/values.yaml", f"{CHART}/templates/NOTES.txt"),
            *(p for p in _files(f"{CHART}/templates/*.yaml") if p.name != "crd.yaml"),
            *_files("manifests/**/kustomization.yaml", "Makefile", "pyproject.toml"),
        ],
    ),
    (lines, _files(f"{CHART}/values.schema.json", "tests/rollout/stories/*.log")),
    (strings, _files("operator/model_rollouts/**/*.py", "demo/**/*.py")),
]
FILES = {str(path.relative_to(ROOT)): (read, path) for read, paths in PLACES for path in paths}


@pytest.mark.parametrize("name", FILES)
def test_what_people_read_is_written_in_the_words_of_the_field(name: str) -> None:
    read, path = FILES[name]

    wrong = found(read(path))

    assert not wrong, _listed(name, wrong)


def commands(command: click.Command, path: str) -> Iterator[tuple[str, str]]:
    """Each command with its help."""
    context = click.Context(command, info_name=path, max_content_width=100, terminal_width=100)
    yield path, command.get_help(context)
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            assert below is not None
            yield from commands(below, f"{path} {name}")


HELP: dict[str, str] = {
    **dict(commands(command_line, "model-rollouts")),
    **dict(commands(demo, "demo")),
}


@pytest.mark.parametrize("command", HELP)
def test_help_is_written_in_the_words_of_the_field(command: str) -> None:
    wrong = found([Text(1, HELP[command])])

    assert not wrong, _listed(command, wrong)


def messages(story: str) -> list[Text]:
    """The sentences of the status in a story: what follows the conditions, without the plan."""
    pattern = r"^ *[\d:]+ status +\w* ?\[[^]]*\] (.*?)(?: \(plan: .*\))?$"
    return [
        Text(number, match[1])
        for number, line in enumerate(story.splitlines(), 1)
        if (match := re.match(pattern, line))
    ]


def too_long(texts: Iterable[Text]) -> list[str]:
    """The sentences that no terminal shows whole."""
    return [
        f"line {text.line}: found {len(text.words)} characters, write at most {LONGEST_MESSAGE}: "
        f"{text.words}"
        for text in texts
        if len(text.words) > LONGEST_MESSAGE
    ]


@pytest.mark.parametrize("path", sorted(STORIES.glob("*.log")), ids=lambda path: path.stem)
def test_the_message_of_the_status_is_short(path: Path) -> None:
    told = messages(path.read_text())
    wrong = too_long(told)

    assert told
    assert not wrong, _listed(path.name, wrong)


@pytest.mark.parametrize("phrase", PHRASES, ids=lambda phrase: phrase.instead)
def test_what_is_not_written_is_found(phrase: Phrase) -> None:
    for text in (phrase.example, phrase.example.replace(" ", "\n")):
        assert any(each.endswith(phrase.instead) for each in found([Text(1, text)])), text


@pytest.mark.parametrize("sentence", FINE)
def test_what_may_be_written_is_not_found(sentence: str) -> None:
    assert found([Text(1, sentence)]) == []


TAKEN_BACK = "found 'taken back', write: rolled back, rolls back"


@pytest.mark.parametrize(
    ("read", "name", "text", "line"),
    [
        (markdown, "page.md", "# A page\n\nVersion `3` was taken\nback. Not `taken back`.\n", 3),
        (markdown, "page.md", "```yaml\na: 1  # it is taken back\n```\n", 2),
        (commented, "values.yaml", "a: 1\n# Version 3 was taken\n# back.\nb: 2\n", 2),
        (lines, "story.log", "0:05 user applies\n0:10 event Normal: 3 was taken back\n", 2),
        (definition, "crd.yaml", "a:\n  b:\n  - description: It was taken\n      back.\n", 3),
        (
            strings,
            "module.py",
            '"""Taken back."""\n\na = 1\nb = ("It was taken "\n     "back")\n',
            4,
        ),
        (
            strings,
            "module.py",
            'import re\nc = re.compile("taken back")\nd = f"{c} taken back"\n',
            3,
        ),
    ],
)
def test_each_kind_of_file_is_read(
    read: Callable[[Path], list[Text]], name: str, text: str, line: int, tmp_path: Path
) -> None:
    (tmp_path / name).write_text(text)

    assert found(read(tmp_path / name)) == [f"line {line}: {TAKEN_BACK}"]


def test_help_is_read_of_commands_within_commands() -> None:
    group = click.Group("outer", commands=[click.Command("inner", help="Is taken back.")])

    found_in: dict[str, Any] = {name: found([Text(1, help)]) for name, help in commands(group, "o")}

    assert len(found_in) == 2
    assert found_in["o inner"]
    assert len(HELP) > 5


def test_a_message_that_is_too_long_is_found() -> None:
    line = "  0:05 status   Full [Available, Ready] {} (plan: canary about 65 s)"

    assert too_long(messages(line.format("a" * 160))) == []
    (said,) = too_long(messages(line.format("a" * 161)))
    assert said.startswith("line 1: found 161 characters")
