"""The PromQL text of a selector, every value escaped.

What is counted is read by one selector for many metrics (`snapshot_selector`): series of one scrape
are compared with each other, so one evaluation of one server has to answer for all of them.

For counting there is never a function around it: `rate` and `increase` extrapolate, and a sum
cannot be differenced once a counter in it has restarted.
"""

from collections.abc import Collection, Iterator, Sequence

from model_rollouts.metrics.histogram_edges import spellings
from model_rollouts.metrics.objectives import Template
from model_rollouts.metrics.series import LabelNames
from model_rollouts.metrics.sources import escaped


def snapshot_selector(
    templates: Collection[Template],
    namespaces: Collection[str],
    revisions: Collection[str],
    range_ms: int,
    names: LabelNames,
    matchers: Sequence[tuple[str, str]] = (),
) -> str:
    """The selector for all `templates` at once, which are of one source.

    E.g. `{__name__=~"a|b",namespace="shop",modelrollouts_revision=~"r1|r2",le=~"|299"}[15000ms]`.
    It may find more than they ask for, such as an edge of one listener at the other; whoever reads
    the answer looks at the labels of each series. The same question is always the same text.
    """
    (source,) = {template.source for template in templates}
    parts = [
        _one_of("__name__", {template.counter.metric for template in templates}),
        _one_of(source.namespace_label or names.namespace, namespaces),
        _one_of(source.revision_label, revisions),
        *(f"{label}={_quoted(value)}" for label, value in names.observer if source.is_beside),
        *_shared_labels(templates),
        *(f"{label}={_quoted(value)}" for label, value in matchers),
    ]
    return f"{{{','.join(parts)}}}[{range_ms}ms]"


def _shared_labels(templates: Collection[Template]) -> Iterator[str]:
    """Matchers for the labels that metrics of the templates have, each only as far as it is safe.

    A label that a metric does not have is the empty text, which `|` at the beginning of a regular
    expression lets pass. Where the labels of a metric are not known, only what all fix is asked.
    """
    by_metric: dict[str, list[dict[str, str]]] = {}
    for template in templates:
        fixed = {label: escaped(value) for label, value in template.fixed.items()}
        if template.edge is not None:
            fixed["le"] = spellings(template.edge)
        fixed |= template.counter.patterns
        by_metric.setdefault(template.counter.metric, []).append(fixed)
    known = all(template.source.metric_label_prefixes for template in templates)
    for label in sorted({label for each in by_metric.values() for one in each for label in one}):
        wanted: set[str] = set()
        for each in by_metric.values():
            values = {one[label] for one in each if label in one}
            if values and not all(label in one for one in each):
                break
            # A plain counter has no edges, whatever its other labels are.
            if not values and not known and label != "le":
                break
            wanted |= values or {""}
        else:
            yield f"{label}=~{_quoted('|'.join(sorted(wanted)))}"


def range_selector(
    template: Template,
    namespaces: Collection[str],
    revisions: Collection[str],
    range_ms: int,
    names: LabelNames,
    matchers: Sequence[tuple[str, str]] = (),
    more: Sequence[str] = (),
) -> str:
    """The selector for one template, e.g. `metric{namespace="a",revision=~"r1|r2"}[15000ms]`.

    `matchers` are the administrator's (label, value) pairs, added to every query, and `more` are
    further matchers, ready as text. Names are sorted, so the same question is always the same text.
    """
    text = selector(template, namespaces, revisions, names, matchers, more)
    return f"{text}[{range_ms}ms]"


def selector(
    template: Template,
    namespaces: Collection[str],
    revisions: Collection[str],
    names: LabelNames,
    matchers: Sequence[tuple[str, str]] = (),
    more: Sequence[str] = (),
) -> str:
    """The same without a range."""
    fixed = [*template.fixed.items(), *matchers]
    source = template.source
    fixed += names.observer if source.is_beside else ()
    parts = [
        _one_of(source.namespace_label or names.namespace, namespaces),
        _one_of(source.revision_label, revisions),
        *(f"{label}={_quoted(value)}" for label, value in fixed),
    ]
    if template.edge is not None:
        parts.append(f"le=~{_quoted(spellings(template.edge))}")
    parts += (f"{label}=~{_quoted(values)}" for label, values in template.counter.patterns)
    parts += more
    return f"{template.counter.metric}{{{','.join(parts)}}}"


def is_named(label: str, names: Collection[str], *, none: bool = False) -> str:
    """The matcher "the label is one of these names", or with `none` that it is not.

    The beginning that names share is written once: pods of one ReplicaSet differ in their last five
    characters, so hundreds of them stay short.
    """
    ends: dict[str, list[str]] = {}
    for name in sorted(set(names)):
        begin, dash, end = name.rpartition("-")
        ends.setdefault(escaped(begin + dash), []).append(escaped(end))
    alike = (
        f"{begin}({'|'.join(each)})" if begin and len(each) > 1 else begin + "|".join(each)
        for begin, each in ends.items()
    )
    return f"{label}{'!~' if none else '=~'}{_quoted('|'.join(alike))}"


def _one_of(label: str, values: Collection[str]) -> str:
    ordered = sorted(set(values))
    if len(ordered) == 1:
        return f"{label}={_quoted(ordered[0])}"
    return f"{label}=~{_quoted('|'.join(map(escaped, ordered)))}"


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'
