"""A Rollout of Argo Rollouts: weights of its canary become steps, analyses become objectives."""

import re
from typing import Any

from model_rollouts.cli.mdep.conversions.draft import (
    Draft,
    Object,
    Others,
    begin,
    seconds,
    steps,
    template_of,
)

_TAKEN = ("replicas", "template", "workloadRef", "selector", "strategy", "progressDeadlineSeconds")


def convert(source: Object, others: Others) -> Draft:
    """The ModelDeployment of a Rollout."""
    spec = source.get("spec") or {}
    template = spec.get("template") or {}
    reference = spec.get("workloadRef") or {}
    lost = []
    if reference:
        found = template_of(str(reference.get("kind")), str(reference.get("name")), others)
        lost = [] if found else [f"spec.workloadRef: add {reference.get('name')} to the files"]
        template = ((found or {}).get("spec") or {}).get("template") or {}
    draft = begin(source.get("metadata") or {}, template, spec.get("replicas", 1))
    draft.lost += lost
    seconds(draft, spec.get("progressDeadlineSeconds"))
    strategy = spec.get("strategy") or {}
    if "canary" in strategy:
        _canary(draft, strategy["canary"] or {})
    if "blueGreen" in strategy:
        draft.lost.append(
            "spec.strategy.blueGreen: a version gets its users in steps here; mode: Immediate "
            "gives it all of them at once and judges it in the watch"
        )
    draft.lose(spec, "spec.", *_TAKEN)
    return draft


def _canary(draft: Draft, canary: dict[str, Any]) -> None:
    weights, pauses = [], []
    for index, step in enumerate(canary.get("steps") or ()):
        place = f"spec.strategy.canary.steps[{index}]"
        if "setWeight" in step:
            weights.append(step["setWeight"])
        elif "pause" in step:
            time = (step["pause"] or {}).get("duration")
            if time is None:
                draft.lost.append(
                    f"{place}.pause without an end: a step ends here once every Gate has passed; "
                    "`kubectl mdep pause` keeps a version where it is"
                )
            else:
                pauses.append(_seconds(time))
        else:
            (name,) = list(step)[:1] or ["?"]
            draft.lost.append(f"{place}.{name}")
            if name == "analysis":
                _analysis(draft, step["analysis"] or {})
    steps(draft, weights)
    if any(pauses):
        least = f"{max(pauses)}s"
        draft.strategy.setdefault("canary", {})["minStepDuration"] = least
        draft.notes["spec", "strategy", "canary", "minStepDuration"] = (
            "The longest pause: it is the least time on each step, and evidence decides when it "
            "ends."
        )
    if canary.get("analysis"):
        draft.lost.append("spec.strategy.canary.analysis")
        _analysis(draft, canary["analysis"])
    draft.lose(canary, "spec.strategy.canary.", "steps", "analysis")


def _analysis(draft: Draft, analysis: dict[str, Any]) -> None:
    names = [str(each.get("templateName")) for each in analysis.get("templates") or ()]
    draft.lost.append(
        f"AnalysisTemplate {', '.join(names) or '?'}: write what it promises as spec.objectives "
        "(errors 99.9 % are the default)"
    )


def _seconds(time: Any) -> int:
    """`30`, `30s`, `5m` or `1h` in seconds; 0 for what is none of these."""
    match = re.fullmatch(r"([0-9]+)([smh]?)", str(time))
    return int(match[1]) * {"": 1, "s": 1, "m": 60, "h": 3600}[match[2]] if match else 0
