"""An InferenceService of KServe: its predictor, with the ServingRuntime if it is in the files."""

from typing import Any

from model_rollouts.cli.mdep.conversions.draft import MODEL, Draft, Object, Others, begin

_POD = (
    *(
        "serviceAccountName",
        "nodeSelector",
        "tolerations",
        "affinity",
        "volumes",
        "imagePullSecrets",
    ),
    *("securityContext", "priorityClassName", "terminationGracePeriodSeconds", "initContainers"),
)
_CONTAINER = ("image", "args", "env", "envFrom", "resources", "ports", "command", "volumeMounts")
_TAKEN = (*_POD, "model", "containers", "minReplicas", "timeout")
_RUNTIMES = {"triton": "Triton", "mlserver": "MLServer", "torchserve": "TorchServe"}
"""Words in the name of a runtime, and what runs then; without one, it is KServe's own server."""


def convert(source: Object, others: Others) -> Draft:
    """The ModelDeployment of an InferenceService."""
    spec = source.get("spec") or {}
    predictor = spec.get("predictor") or {}
    model = predictor.get("model") or {}
    container = _container(predictor, model, others)
    pods = {key: predictor[key] for key in _POD if predictor.get(key)}
    metadata = source.get("metadata") or {}
    replicas = predictor.get("minReplicas")
    draft = begin(metadata, {"spec": {**pods, "containers": [container]}}, replicas or 1)
    uri = model.get("storageUri")
    if model:
        _model(draft, model, container)
    if uri:
        draft.spec["model"]["version"] = _version(str(uri), draft)
        draft.lost.append(
            f"storageUri {uri}: no storage initializer brings it here; put the model into the "
            "image, or into a volume of spec.template (an image volume, a claim, an init container)"
        )
    if predictor.get("timeout"):
        draft.spec["route"]["timeouts"] = {"request": f"{predictor['timeout']}s"}
    if predictor.get("canaryTrafficPercent") is not None:
        draft.lost.append(
            "canaryTrafficPercent: strategy.canary.steps move users here, by evidence"
        )
    draft.lose(
        {key: each for key, each in predictor.items() if key != "canaryTrafficPercent"},
        "spec.predictor.",
        *_TAKEN,
    )
    draft.lose(spec, "spec.", "predictor", why="deploy it apart")
    return draft


def _container(predictor: Object, model: Object, others: Others) -> dict[str, Any]:
    """The container that serves, with what the runtime says and the service changes."""
    own = [dict(each) for each in predictor.get("containers") or ()]
    if own and not model:
        return own[0]
    runtimes = (each for each in others if str(each.get("kind")).endswith("ServingRuntime"))
    named = next(
        (
            each
            for each in runtimes
            if (each.get("metadata") or {}).get("name") == model.get("runtime")
        ),
        {},
    )
    given = ((named.get("spec") or {}).get("containers") or [{}])[0]
    container = {**given, "name": MODEL}
    container |= {key: model[key] for key in _CONTAINER if model.get(key)}
    container.setdefault("image", f"registry.example.com/{MODEL}")
    return container


def _model(draft: Draft, model: Object, container: Object) -> None:
    runtime = str(model.get("runtime") or "")
    known = next((name for word, name in _RUNTIMES.items() if word in runtime), "KServe")
    draft.spec["runtime"] = known
    if container["image"] == f"registry.example.com/{MODEL}":
        form = (model.get("modelFormat") or {}).get("name")
        draft.lost.append(
            f"runtime {runtime or '(chosen by KServe)'} for {form}: its image is that of a "
            "ServingRuntime; add it to the files (kubectl get clusterservingruntime -o yaml)"
        )


def _version(uri: str, draft: Draft) -> str:
    """The last part of where the model is, as far as it can be a version."""
    last = uri.rstrip("/").rpartition("/")[2]
    word = "".join(each if each.isascii() and each.isalnum() else "-" for each in last).strip("-")
    if word:
        draft.notes.pop(("spec", "model", "version"), None)
    return word[:63] or "1"
