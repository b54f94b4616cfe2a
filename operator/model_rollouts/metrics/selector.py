"""The PromQL text of a query: one raw range selector, every value escaped.

Never a function around it: `rate` and `increase` extrapolate, and a sum cannot be differenced once
a counter in it has restarted.
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
    return f"{counter.metric}{{{','.join(parts)}}}[{range_ms}ms]"


def _one_of(label: str, values: Collection[str]) -> str:
    ordered = sorted(set(values))
    if len(ordered) == 1:
        return f"{label}={_quoted(ordered[0])}"
    return f"{label}=~{_quoted('|'.join(_SPECIAL.sub(_escape, value) for value in ordered))}"


def _escape(special: re.Match[str]) -> str:
    return "\\" + special.group()


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'
