"""A Canary of Flagger, and the Deployment that it targets."""

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

_TAKEN = ("targetRef", "service", "analysis", "progressDeadlineSeconds", "skipAnalysis")
_ANALYSIS = ("interval", "stepWeight", "stepWeights", "maxWeight", "metrics", "mirror")
_SERVICE = ("port", "targetPort", "gatewayRefs", "hosts", "timeout", "match", "name", "portName")


def convert(source: Object, others: Others) -> Draft:
    """The ModelDeployment of a Canary; its pods are those of the Deployment, if it is there."""
    spec = source.get("spec") or {}
    target = spec.get("targetRef") or {}
    found = template_of(str(target.get("kind")), str(target.get("name")), others) or {}
    pods = found.get("spec") or {}
    metadata = {**(found.get("metadata") or {}), **(source.get("metadata") or {})}
    draft = begin(metadata, pods.get("template") or {}, pods.get("replicas", 1))
    if not found:
        draft.lost.append(
            f"spec.targetRef: add the {target.get('kind')} '{target.get('name')}' to the files"
        )
    seconds(draft, spec.get("progressDeadlineSeconds"))
    _service(draft, spec.get("service") or {})
    _analysis(draft, spec.get("analysis") or {})
    if spec.get("skipAnalysis"):
        draft.strategy["mode"] = "Immediate"
    draft.lose(spec, "spec.", *_TAKEN)
    return draft


def _service(draft: Draft, service: dict[str, Any]) -> None:
    port, target = service.get("port"), service.get("targetPort")
    if isinstance(target, int) or isinstance(port, int):
        draft.spec["port"] = target if isinstance(target, int) else port
        draft.notes.pop(("spec", "port"), None)
    gateways = [
        {key: each[key] for key in ("name", "namespace", "sectionName") if each.get(key)}
        for each in service.get("gatewayRefs") or ()
    ]
    if gateways:
        draft.spec["route"] |= {"parentRefs": gateways}
        draft.notes.pop(("spec", "route", "parentRefs"))
    hosts = [each for each in service.get("hosts") or () if each != "*"]
    if hosts:
        draft.spec["route"] |= {"hostnames": hosts}
        draft.notes.pop(("spec", "route", "hostnames"))
    if service.get("timeout"):
        draft.spec["route"]["timeouts"] = {"request": service["timeout"]}
    prefixes = [(each.get("uri") or each.get("path") or {}) for each in service.get("match") or ()]
    matches = [
        {"path": {"type": "PathPrefix", "value": each.get("prefix") or each.get("value")}}
        for each in prefixes
        if each.get("prefix") or each.get("value")
    ]
    if matches:
        draft.spec["route"] |= {"matches": matches}
    if len(matches) < len(prefixes):
        draft.lost.append("spec.service.match: conditions other than prefixes of the path")
    draft.lose(service, "spec.service.", *_SERVICE)


def _analysis(draft: Draft, analysis: dict[str, Any]) -> None:
    weights = analysis.get("stepWeights")
    if not weights and isinstance(analysis.get("stepWeight"), int):
        step = max(1, analysis["stepWeight"])
        weights = range(step, int(analysis.get("maxWeight", 100)) + 1, step)
    steps(draft, list(weights or ()))
    if analysis.get("interval"):
        draft.strategy.setdefault("canary", {})["minStepDuration"] = analysis["interval"]
    objectives = [each for each in map(_objective, analysis.get("metrics") or ()) if each]
    if objectives:
        draft.spec["objectives"] = objectives
    known = {each["name"] for each in objectives}
    for each in analysis.get("metrics") or ():
        if each.get("name") not in known:
            draft.lost.append(
                f"spec.analysis.metrics '{each.get('name')}': write it as an objective of type "
                "Counters, if its numbers are counters"
            )
    if analysis.get("mirror"):
        draft.strategy["shadow"] = {"sideEffects": "None"}
        draft.notes["spec", "strategy", "shadow"] = (
            "Requests were mirrored: check that answering one twice is safe."
        )
    draft.lose(analysis, "spec.analysis.", *_ANALYSIS, why="evidence decides here")


def _objective(metric: dict[str, Any]) -> dict[str, Any] | None:
    """An objective for one of Flagger's own two metrics."""
    limits = metric.get("thresholdRange") or {}
    name = metric.get("name")
    if name == "request-success-rate" and isinstance(limits.get("min"), int | float):
        target = {"target": f"{min(limits['min'], 99.99):g}%"}
        return {"name": name, "type": "Availability", "availability": target}
    if name == "request-duration" and isinstance(limits.get("max"), int | float):
        timed = {"within": f"{limits['max']:g}ms", "share": "99%"}
        return {"name": name, "type": "Latency", "latency": timed}
    return None
