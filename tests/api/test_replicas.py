"""Who asks for the number of pods, by the managers of the object's fields."""

import json
from typing import Any

import pytest

from model_rollouts.api.replicas import asked, is_owned, ownership

LAST = "kubectl.kubernetes.io/last-applied-configuration"
HAS_IT: dict[str, Any] = {"f:spec": {"f:replicas": {}, "f:port": {}}}
APPLIES = {**HAS_IT, "f:metadata": {"f:annotations": {f"f:{LAST}": {}, ".": {}}}}


def obj(replicas: int, *fields: dict[str, Any], manifest: dict[str, Any] | None = None) -> Any:
    """A ModelDeployment whose `fields` are those of one manager each."""
    annotations = {} if manifest is None else {LAST: json.dumps({"spec": manifest})}
    managers = [{"manager": f"m{at}", "fieldsV1": each} for at, each in enumerate(fields)]
    metadata: dict[str, Any] = {"annotations": annotations}
    if managers:
        metadata["managedFields"] = managers
    return {"metadata": metadata, "spec": {"replicas": replicas}}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        pytest.param(
            obj(1, {"f:spec": {"f:port": {}}}), 1, id="nobody has it: it may be the scale"
        ),
        pytest.param(obj(1, APPLIES, manifest={}), None, id="removed by a client-side apply"),
        pytest.param(obj(1, APPLIES, manifest={"replicas": 1}), 1, id="in the manifest"),
        pytest.param(obj(1, HAS_IT, manifest={}), 1, id="written by an autoscaler"),
        pytest.param(obj(1, APPLIES, HAS_IT, manifest={}), 1, id="an autoscaler wrote the same"),
        pytest.param(obj(23, APPLIES, manifest={}), 23, id="no default"),
        pytest.param(obj(0, HAS_IT), 0, id="none"),
        pytest.param(obj(1), 1, id="nobody knows"),
        pytest.param({"metadata": {}, "spec": {}}, None, id="not there"),
    ],
)
def test_the_default_counts_only_when_somebody_wrote_it(given: Any, expected: int | None) -> None:
    assert asked(given) == expected

    managers = given["metadata"].get("managedFields")
    if managers is not None:
        metadata = {**given["metadata"], "managedFields": ownership(managers)}
        assert asked({**given, "metadata": metadata}) == expected


def test_a_field_that_nobody_has_is_told_from_one_that_nobody_knows_of() -> None:
    assert is_owned(obj(1, HAS_IT)) is True
    assert is_owned(obj(1, {"f:spec": {"f:port": {}}})) is False
    assert is_owned(obj(1)) is None


def test_a_manifest_that_cannot_be_read_counts_as_one_that_asks() -> None:
    broken = obj(1, APPLIES)
    broken["metadata"]["annotations"][LAST] = "{"

    assert asked(broken) == 1


def test_of_managers_only_what_is_about_replicas_is_kept() -> None:
    managers = [{"manager": "a", "fieldsV1": APPLIES}, {"manager": "b", "fieldsV1": {"f:spec": {}}}]

    (kept,) = ownership(managers)

    assert kept["fieldsV1"]["f:spec"] == {"f:replicas": {}}
    assert list(kept["fieldsV1"]["f:metadata"]["f:annotations"]) == [f"f:{LAST}"]
