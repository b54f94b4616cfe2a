"""The file of `--config`: targets, which facts they are told, and in what words."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from model_rollouts.api.duration import span
from model_rollouts.notifications.kinds import Topic
from model_rollouts.notifications.message import (
    GROUP,
    SOURCES,
    Template,
    example,
    example_group,
)
from model_rollouts.notifications.occasions import Occasion
from model_rollouts.notifications.targets.catalogue import OPTIONAL_FIELDS, ROWS, TargetType
from model_rollouts.notifications.targets.target import Place
from model_rollouts.notifications.wording import WordingError

MOST_TARGETS = 64


class SettingsError(ValueError):
    """The file is refused; the message names field, what was found and what to write."""


def _seconds(text: str) -> str:
    if span(text).total_seconds() <= 0:
        raise ValueError(f"duration: found '{text}', write more than 0s")
    return text


Time = Annotated[str, AfterValidator(_seconds)]
Name = Annotated[str, Field(pattern=r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$")]
Some = tuple[Annotated[str, Field(min_length=1, max_length=253)], ...]


class _Part(BaseModel):
    model_config = ConfigDict(
        frozen=True, extra="forbid", alias_generator=to_camel, use_attribute_docstrings=True
    )


class Match(_Part):
    """Which ModelDeployments a target is told of: all of these have to hold; empty holds."""

    teams: Some = ()
    channels: Some = ()
    namespaces: Some = ()
    labels: dict[str, str] = Field(default_factory=dict)

    def takes(self, occasion: Occasion) -> bool:
        """Whether it is about one of these."""
        return (
            (not self.teams or occasion.team in self.teams)
            and (not self.channels or occasion.channel in self.channels)
            and (not self.namespaces or occasion.namespace in self.namespaces)
            and all(occasion.labels.get(name) == value for name, value in self.labels.items())
        )


class Wanted(_Part):
    """A target."""

    name: Name
    type: TargetType
    url_file: Path | None = None
    token_file: Path | None = None
    repository: Annotated[str, Field(pattern=r"^[\w.-]+/[\w.-]+$")] | None = None
    api: Annotated[str, Field(pattern=r"^https?://[^\s/?#@]+(/[^\s?#]*)?$")] | None = None
    match: Match = Match()
    tell: tuple[Topic, ...] | None = None
    pager: bool = False

    def kinds(self) -> tuple[Topic, ...]:
        """What it is told of."""
        if self.pager:
            return (Topic.UNAVAILABLE,)
        return ROWS[self.type].tells if self.tell is None else self.tell

    def takes(self, occasion: Occasion) -> bool:
        """Whether it is told of that."""
        return occasion.kind in self.kinds() and self.match.takes(occasion)

    def place(self, folder: Path) -> Place:
        """Where it is; files lie below `folder`."""

        def there(path: Path | None) -> Path | None:
            return None if path is None else folder / path

        return Place(
            self.name,
            there(self.url_file),
            there(self.token_file),
            self.repository or "",
            self.api or "",
        )


class Words(_Part):
    """A template of the chart."""

    title: str | None = None
    text: str | None = None


class NotificationsFile(_Part):
    """What the file says. Paths in it start at its folder."""

    cluster: Annotated[str, Field(max_length=63)] = ""
    group_wait: Time = "10s"
    group_interval: Time = "1m"
    most_per_hour: Annotated[int, Field(ge=1, le=3_600)] = 30
    unavailable_after: Time = "1m"
    give_up_after: Time = "24h"
    templates: dict[str, Words] = Field(default_factory=dict)
    targets: Annotated[tuple[Wanted, ...], Field(max_length=MOST_TARGETS)] = ()


@dataclass(frozen=True, slots=True)
class Settings:
    """What was read, checked. Times are seconds."""

    cluster: str
    group_wait_s: float
    group_interval_s: float
    most_per_hour: int
    unavailable_after_s: float
    give_up_after_s: float
    templates: Mapping[str, Template]
    targets: tuple[Wanted, ...]
    folder: Path


_INSTEAD = {
    "extra_forbidden": "one of the fields in docs/messages.md",
    "missing": "a value: it has to be there",
    "dict_type": "a mapping of names and values",
    "model_type": "a mapping of fields",
    "tuple_type": "a list",
    "path_type": "the path of a file",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "int_type": "a whole number",
    "int_parsing": "a whole number",
}
"""What to write in place of what pydantic refuses, by its type of error."""


def read(path: Path) -> Settings:
    """What a file says. Raises SettingsError."""
    try:
        found = yaml.safe_load(path.read_text())
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise SettingsError(f"{path}: {_problem(error)}, write a readable YAML file") from None
    if not isinstance(found, dict):
        raise SettingsError(f"{path}: found {type(found).__name__}, write a mapping of fields")
    return checked(found, path.parent, str(path))


def checked(found: Mapping[str, Any], folder: Path, where: str = "config") -> Settings:
    """The settings. Raises SettingsError, whose words begin with `where`."""
    try:
        said = NotificationsFile.model_validate(found)
    except ValidationError as error:
        raise SettingsError(f"{where}, {_first(error)}") from None
    try:
        templates = dict(_templates(said))
        for number, target in enumerate(said.targets):
            _check(target, f"targets.{number}", [each.name for each in said.targets[:number]])
    except ValueError as error:
        raise SettingsError(f"{where}, {error}") from None
    return Settings(
        said.cluster,
        span(said.group_wait).total_seconds(),
        span(said.group_interval).total_seconds(),
        said.most_per_hour,
        span(said.unavailable_after).total_seconds(),
        span(said.give_up_after).total_seconds(),
        templates,
        said.targets,
        folder,
    )


def _check(target: Wanted, field: str, before: list[str]) -> None:
    """Raises ValueError."""
    if target.name in before:
        raise ValueError(f"{field}.name: found '{target.name}' twice, write each name once")
    row = ROWS[target.type]
    for each in OPTIONAL_FIELDS:
        given = getattr(target, _snake(each)) is not None
        if given and each not in (*row.fields, *row.optional):
            raise ValueError(f"{field}.{each}: found one with type {target.type.value}, remove it")
        if not given and each in row.fields:
            raise ValueError(f"{field}.{each}: found none with type {target.type.value}, write it")
    if target.pager and target.tell is not None:
        raise ValueError(
            f"{field}.tell: found it with pager: true, remove one: only Unavailable pages"
        )
    if target.tell == ():
        raise ValueError(
            f"{field}.tell: found an empty list, write some of "
            f"{', '.join(each.value for each in Topic)}, or remove the target"
        )


def _templates(said: NotificationsFile) -> Any:
    """Each template with its name, tried on an example. Raises ValueError."""
    for name, words in said.templates.items():
        if name not in SOURCES:
            raise ValueError(
                f"templates.{name}: found an unknown name, write one of {', '.join(SOURCES)}"
            )
        title, text = SOURCES[name]
        given = example_group() if name == GROUP else example(Topic(name))
        sources = {"title": words.title, "text": words.text}
        for field, source in sources.items():
            if source is None:
                continue
            try:
                Template.of(source, source).text.render(given)
            except WordingError as error:
                raise ValueError(f"templates.{name}.{field}: {error}") from None
        yield name, Template.of(words.title or title, words.text or text)


def _snake(field: str) -> str:
    return "".join(f"_{each.lower()}" if each.isupper() else each for each in field)


def _first(error: ValidationError) -> str:
    """Field, what was found and what to write, of the first thing that is wrong."""
    wrong = error.errors(include_url=False)[0]
    field = ".".join(str(part) for part in wrong["loc"])
    kind, given = wrong["type"], wrong["input"]
    if kind == "value_error":
        return f"{field}, {wrong['ctx']['error']}"
    if kind == "extra_forbidden":
        found = "an unknown field"
    elif kind == "missing":
        found = "none"
    elif isinstance(given, str | int | float | bool):
        found = f"'{given}'"
    else:
        found = type(given).__name__
    instead = _INSTEAD.get(kind)
    if kind == "enum":
        instead = f"one of {wrong['ctx']['expected'].replace(chr(39), '')}"
    if instead is None:
        instead = _BY_FIELD.get(str(wrong["loc"][-1]), "text, in quotes if it is a number")
    return f"{field}: found {found}, write {instead}"


_BY_FIELD = {
    "name": "lower-case letters, digits and '-', at most 63",
    "repository": "owner/name, such as example/models",
    "api": "an address such as https://github.example.com/api/v3",
    "mostPerHour": "a whole number from 1 to 3600",
    "targets": f"a list of at most {MOST_TARGETS} targets",
    "cluster": "at most 63 characters",
}


def _problem(error: Exception) -> str:
    """What is wrong with the text of a file, without the text."""
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        return f"found {error.problem} in line {error.problem_mark.line + 1}"
    return f"could not be read: {getattr(error, 'strerror', None) or type(error).__name__}"
