"""A Deployment of Kubernetes: its pods, and nothing that moves users."""

from model_rollouts.cli.mdep.conversions.draft import Draft, Object, Others, begin, seconds

_TAKEN = ("replicas", "template", "progressDeadlineSeconds", "selector")


def convert(source: Object, others: Others) -> Draft:
    """The ModelDeployment of a Deployment."""
    spec = source.get("spec") or {}
    draft = begin(source.get("metadata") or {}, spec.get("template") or {}, spec.get("replicas", 1))
    seconds(draft, spec.get("progressDeadlineSeconds"))
    draft.lose(spec, "spec.", *_TAKEN, why="users are moved here, and not pods")
    draft.lost.append("the Service and its selector: the operator makes Services of its own")
    return draft
