"""The PromQL text of a selector, every value escaped.

For counting there is never a function around it: `rate` and `increase` extrapolate, and a sum
cannot be differenced once a counter in it has restarted.
"""

import re
from collections.abc import Collection, Sequence

from model_rollouts.metrics.histogram_edges import spellings
from model_rollouts.metrics.objectives import Template
from model_rollouts.metrics.series import LabelNames

_SPECIAL = re.compile(r"[\\.+*?()|\[\]{}^$]")


def range_selector(
    template: Template,
    namespaces: Collection[str],
    revisions: Collection[str],
    range_ms: int,
    names: LabelNames,
    matchers: Sequence[tuple[str, str]] = (),
) -> str:
    """The selector for one template, e.g. `metric{namespace="a",revision=~"r1|r2"}[15000ms]`.

    `matchers` are the administrator's (label, value) pairs, added to every query. Names are sorted,
    so the same question is always the same text.
    """
    text = selector(template, namespaces, revisions, names, matchers)
    return f"{text}[{range_ms}ms]"


def selector(
    template: Template,
    namespaces: Collection[str],
    revisions: Collection[str],
    names: LabelNames,
    matchers: Sequence[tuple[str, str]] = (),
    more: Sequence[str] = (),
) -> str:
    """The same without a range; `more` are further matchers, ready as text."""
    parts = [
        _one_of(names.namespace, namespaces),
        _one_of(template.source.revision_label, revisions),
    ]
    counter = template.counter
    if template.listener is not None and counter.listener_label is not None:
        parts.append(f'{counter.listener_label}="{template.listener}"')
    parts += [f"{label}={_quoted(value)}" for label, value in (*counter.labels, *matchers)]
    if template.edge is not None:
        parts.append(f"le=~{_quoted(spellings(template.edge))}")
    parts += more
    return f"{counter.metric}{{{','.join(parts)}}}"


def one_of(label: str, values: Collection[str], *, none: bool = False) -> str:
    """The matcher "the label has one of these values", or with `none` that it has not."""
    text = _quoted("|".join(_SPECIAL.sub(_escape, value) for value in sorted(set(values))))
    return f"{label}{'!~' if none else '=~'}{text}"


def _one_of(label: str, values: Collection[str]) -> str:
    ordered = sorted(set(values))
    if len(ordered) == 1:
        return f"{label}={_quoted(ordered[0])}"
    return one_of(label, ordered)


def _escape(special: re.Match[str]) -> str:
    return "\\" + special.group()


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'
