"""A ModelDeployment in the making, with comments on what is left to be done and what was lost."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from model_rollouts.api.group import GROUP, KIND, VERSION

Object = Mapping[str, Any]
Path = tuple[str | int, ...]
MOST_STEPS = 8
MODEL = "model"

CONTAINERS = (MODEL, "kserve-container")
"""What the container that serves is called, where there are several."""

Others = Sequence[Object]
"""All other objects of the files: one may refer to another."""


@dataclass
class Draft:
    """`obj` is the ModelDeployment; `notes` are comments above fields, `lost` what has no place."""

    obj: dict[str, Any]
    notes: dict[Path, str] = field(default_factory=dict)
    lost: list[str] = field(default_factory=list)

    @property
    def spec(self) -> dict[str, Any]:
        """Its spec."""
        spec: dict[str, Any] = self.obj["spec"]
        return spec

    @property
    def strategy(self) -> dict[str, Any]:
        """Its strategy."""
        strategy: dict[str, Any] = self.spec["strategy"]
        return strategy

    def lose(self, source: Object, prefix: str, *but: str, why: str = "") -> None:
        """Note all fields of a part of the source that were not carried over, but for some."""
        for key in source:
            if key not in but:
                self.lost.append(f"{prefix}{key}{f': {why}' if why else ''}")


Convert = Callable[[Object, Others], Draft]


def begin(metadata: Object, template: Object, replicas: Any) -> Draft:
    """What every conversion begins with: names, pods, and places for what only you know."""
    name = str(metadata.get("name") or MODEL)
    pods = _pods(template)
    draft = Draft(
        {
            "apiVersion": f"{GROUP}/{VERSION}",
            "kind": KIND,
            "metadata": {"name": name},
            "spec": {
                "model": {"version": "1"},
                "replicas": replicas,
                "port": 8080,
                "template": pods,
                "route": {
                    "parentRefs": [{"name": "models", "namespace": "gateways"}],
                    "hostnames": [f"{name}.example.com"],
                },
                "strategy": {"shadow": {"percent": 0}},
            },
        }
    )
    if metadata.get("namespace"):
        draft.obj["metadata"]["namespace"] = metadata["namespace"]
    if not isinstance(replicas, int):
        del draft.spec["replicas"]
    _serve(draft, metadata)
    draft.notes |= {
        ("spec", "route", "parentRefs"): "Write your Gateway.",
        ("spec", "route", "hostnames"): "Write the host name by which clients ask the model.",
        ("spec", "strategy", "shadow"): "Write {sideEffects: None} instead if answering a request "
        "twice is safe: a version is then judged on mirrored requests before users get it.",
    }
    return draft


def _pods(template: Object) -> dict[str, Any]:
    spec = {key: each for key, each in (template.get("spec") or {}).items() if each is not None}
    pods: dict[str, Any] = {"spec": spec}
    metadata = {
        key: each
        for key, each in (template.get("metadata") or {}).items()
        if key in ("labels", "annotations") and each
    }
    return {"metadata": metadata, **pods} if metadata else pods


def _serve(draft: Draft, metadata: Object) -> None:
    """Find the container that serves: its name, port, image and version."""
    containers = [dict(each) for each in draft.spec["template"]["spec"].get("containers") or ()]
    draft.spec["template"]["spec"]["containers"] = containers
    place: Path = ("spec", "template", "spec", "containers")
    if not containers:
        containers.append({"name": MODEL, "image": "registry.example.com/model@sha256:"})
        draft.notes[place] = "No container was found: write the one that serves the model."
        return
    known = [each for each in containers if each.get("name") in CONTAINERS]
    ported = [each for each in containers if each.get("ports")]
    (serves, *_) = known or ported or containers
    if serves["name"] != MODEL:
        draft.lost.append(f"the name '{serves['name']}' of the container: it is called model here")
        serves["name"] = MODEL
    index = containers.index(serves)
    ports = serves.get("ports") or ()
    if ports:
        draft.spec["port"] = ports[0]["containerPort"]
    else:
        draft.notes["spec", "port"] = "Write the port on which the model server listens."
    image = str(serves.get("image") or "")
    if "@sha256:" not in image:
        draft.notes[(*place, index, "image")] = (
            "Write the digest, registry/name@sha256:…: a tag can be moved to another image. "
            "`kubectl get pod -o yaml` shows it in status.containerStatuses[].imageID."
        )
    labels = metadata.get("labels") or {}
    tag = image.rpartition("/")[2].partition("@")[0].partition(":")[2]
    version = labels.get("app.kubernetes.io/version") or tag
    if version and version != "latest":
        draft.spec["model"]["version"] = str(version)
    else:
        draft.notes["spec", "model", "version"] = "Write the version of the model."
    if not serves.get("readinessProbe"):
        draft.notes[(*place, index)] = (
            "Write a readinessProbe that asks for the model: without one, a pod gets users before "
            "it has loaded it."
        )


def seconds(draft: Draft, value: Any) -> None:
    """`progressDeadlineSeconds`, where there is one."""
    if isinstance(value, int):
        draft.strategy["progressDeadline"] = f"{value}s"


def steps(draft: Draft, weights: Sequence[Any]) -> None:
    """Weights in per cent, as far as they ascend; the last ones, where there are too many."""
    rising: list[int] = []
    for each in weights:
        if isinstance(each, int) and (rising[-1] if rising else 0) < each < 100:
            rising.append(each)
    if len(rising) > MOST_STEPS:
        draft.lost.append(f"{len(rising)} steps: {MOST_STEPS} are the most")
        every = (len(rising) - 1) / (MOST_STEPS - 1)
        rising = [rising[round(index * every)] for index in range(MOST_STEPS)]
    if rising:
        draft.strategy.setdefault("canary", {})["steps"] = [f"{each}%" for each in rising]


def template_of(kind: str, name: str, others: Others) -> Object | None:
    """The Deployment, or another kind, that a resource refers to."""
    return next(
        (
            each
            for each in others
            if each.get("kind") == kind and (each.get("metadata") or {}).get("name") == name
        ),
        None,
    )
