"""From facts to one message: what is, the numbers, whom it concerns and what can be done."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from model_rollouts.notifications.kinds import Severity, Topic, commands
from model_rollouts.notifications.occasions import Exposure, Occasion
from model_rollouts.notifications.store import Batch
from model_rollouts.notifications.wording import (
    LONGEST_TEXT,
    LONGEST_TITLE,
    MOST_ITEMS,
    Wording,
    WordingError,
)
from model_rollouts.text import clock, count, ended

GROUP = "Group"
"""Name of the template for several facts, beside those of the kinds."""

MOST_WHOLE = 3
"""So many facts are told in whole in one message; of more, each has a line."""

TEXT = """\
{{ message }}
{% if since %}Since {{ since }}{% if serving %}; {{ serving }}{% endif %}.
{% endif %}
{% if users %}Users: {{ users }}.
{% endif %}
{% for number in numbers %}
{{ number }}
{% endfor %}
{% if owner %}Owner: {{ owner }}.
{% endif %}
{% if runbook %}Runbook: {{ runbook }}
{% endif %}
{% for command in commands %}
{{ command.purpose }}: {{ command.line }}
{% endfor %}
"""
"""The text of a message, where the chart has no other for its kind."""

GROUP_TITLE = "{{ models }} ModelDeployments: {{ counts | join(', ') }}"
GROUP_TEXT = """\
{% for item in items %}
{% if is_long %}
- {{ item.model }}: {{ item.what }}{% if item.owner %} ({{ item.owner }}){% endif %}

{% else %}
{{ item.title }}
{{ item.text }}

{% endif %}
{% endfor %}
{% if more %}and {{ more }} more.
{% endif %}
{% if is_long %}See all: kubectl mdep list -A
{% endif %}
"""


@dataclass(frozen=True, slots=True)
class Template:
    """The words of one kind of message. Raises WordingError."""

    title: Wording
    text: Wording

    @classmethod
    def of(cls, title: str, text: str) -> "Template":
        """Checks both."""
        return cls(Wording(title, LONGEST_TITLE), Wording(text, LONGEST_TEXT))


@dataclass(frozen=True, slots=True)
class Message:
    """What a target gets. The same facts make the same message with the same id."""

    id: str
    title: str
    text: str
    severity: Severity
    cluster: str
    occasions: tuple[Occasion, ...]


SOURCES: dict[str, tuple[str, str]] = {
    **{kind.value: (kind.row.title, TEXT) for kind in Topic},
    GROUP: (GROUP_TITLE, GROUP_TEXT),
}
"""Title and text of each template, as they are without the chart's."""


class Writer:
    """Writes messages by templates; one that fails at run time is replaced by the default."""

    def __init__(self, cluster: str = "", templates: Mapping[str, Template] | None = None) -> None:
        self._cluster = cluster
        self._default = {name: Template.of(*source) for name, source in SOURCES.items()}
        self._templates = {**self._default, **(templates or {})}

    def message(self, batch: Batch) -> Message:
        """The message of a batch."""
        found = batch.occasions
        order = {kind: number for number, kind in enumerate(Topic)}
        sorted_ones = sorted(found, key=lambda each: (order[each.kind], each.at, each.id))
        severity = sorted_ones[0].kind.row.severity
        if len(found) == 1:
            title, text = self._single(found[0])
        else:
            title, text = self._rendered(GROUP, self._group(sorted_ones))
        prefix = f"[{self._cluster}] " if self._cluster else ""
        text = f"{text}\nMessage {batch.id}"
        return Message(batch.id, prefix + title, text, severity, self._cluster, found)

    def _single(self, occasion: Occasion) -> tuple[str, str]:
        title, text = self._rendered(occasion.kind.value, context(occasion))
        return f"{occasion.namespace}/{occasion.name}: {title}", text

    def _group(self, found: Sequence[Occasion]) -> dict[str, Any]:
        by_kind = Counter(each.kind for each in found)
        is_long = len(found) > MOST_WHOLE
        items = []
        for each in found[:MOST_ITEMS]:
            title, text = self._single(each)
            model = f"{each.namespace}/{each.name}"
            what = title.removeprefix(f"{model}: ")
            items.append(
                {**context(each), "model": model, "what": what, "title": title, "text": text}
            )
        return {
            "models": len({each.uid for each in found}),
            "counts": [f"{n} {kind.row.plural}" for kind, n in by_kind.items()],
            "items": items,
            "is_long": is_long,
            "more": max(0, len(found) - MOST_ITEMS),
        }

    def _rendered(self, name: str, given: Mapping[str, Any]) -> tuple[str, str]:
        template = self._templates[name]
        try:
            title, text = template.title.render(given), template.text.render(given)
        except WordingError:
            template = self._default[name]
            title, text = template.title.render(given), template.text.render(given)
        return " ".join(title.split()), text


def context(occasion: Occasion) -> dict[str, Any]:
    """What a template may name."""
    where = f"{occasion.name} -n {occasion.namespace}"
    owner = occasion.team
    if occasion.channel:
        owner = f"{owner} ({occasion.channel})" if owner else occasion.channel
    return {
        "kind": occasion.kind.value,
        "namespace": occasion.namespace,
        "name": occasion.name,
        "version": occasion.version,
        "stable": occasion.stable,
        "reason": occasion.reason,
        "message": ended(occasion.message) if occasion.message else "",
        "since": _date(occasion.at),
        "serving": _serving(occasion),
        "share": occasion.share,
        "users": _users(occasion),
        "requests": occasion.requests,
        "numbers": list(occasion.numbers),
        "team": occasion.team,
        "channel": occasion.channel,
        "owner": owner,
        "runbook": occasion.runbook,
        "commit": occasion.commit,
        "labels": occasion.labels,
        "commands": [
            {"purpose": each.purpose, "line": f"kubectl mdep {each.verb} {where}"}
            for each in commands(occasion.kind, occasion.reason)
        ],
    }


def example(kind: Topic) -> dict[str, Any]:
    """A context in which every name has a value, to try a template on."""
    return context(
        Occasion(
            id="0" * 16,
            kind=kind,
            uid="example",
            namespace="flights",
            name="arrival",
            at=1_800_000_000.0,
            reason="RolledBack",
            message="errors failed: 99 % of requests must succeed; version 3 failed 6 of 62.",
            version="3",
            revision="arrival-091c23cb9c",
            stable="2",
            labels={"tier": "gold"},
            team="vision",
            channel="#vision-alerts",
            runbook="https://wiki.example.com/arrival",
            commit="0" * 40,
            share="10%",
            requests=62,
            numbers=("latency failed: 7 of 62 requests were slower than 300 ms.",),
            exposure=Exposure("10%", 1_799_999_000.0),
        )
    )


def example_group() -> dict[str, Any]:
    """The same for the template of a group."""
    item = {**example(Topic.ROLLED_BACK), "model": "flights/arrival", "what": "rolled back"}
    item |= {"title": "flights/arrival: rolled back", "text": "errors failed"}
    return {"models": 1, "counts": ["1 rolled back"], "items": [item], "is_long": True, "more": 1}


def _serving(occasion: Occasion) -> str:
    if occasion.kind in (Topic.ROLLED_BACK, Topic.UNDECIDED) and occasion.stable:
        return f"all users get version {occasion.stable}"
    return ""


def _users(occasion: Occasion) -> str:
    """How many users a version had, as far as it is known."""
    words = []
    if occasion.kind is Topic.PROGRESS:
        return f"version {occasion.version} gets {_share(occasion.share)} of users"
    if occasion.exposure is not None:
        had = "had" if occasion.has_ended else "has"
        words.append(
            f"version {occasion.version} {had} up to {_share(occasion.exposure.share)} of users, "
            f"from {_date(occasion.exposure.since)} on"
        )
    if occasion.has_ended and occasion.requests:
        # Who has not seen it go does not know whether it had users.
        whose = "" if occasion.exposure is not None else ", of users or mirrored"
        words.append(f"{count(occasion.requests)} of its requests were counted{whose}")
    return "; ".join(words)


def _share(share: str) -> str:
    return f"{share.rstrip('%') or '0'} %"


def _date(at: float) -> str:
    """A moment with its day: a message is also read days later."""
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d} {clock(at)}" if at else ""
