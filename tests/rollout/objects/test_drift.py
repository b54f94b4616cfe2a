"""Whether an object is as it is stored, whatever the API server made of it."""

import copy
from typing import Any

import pytest

from model_rollouts.rollout.objects.drift import drifted

BODY: dict[str, Any] = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "m", "labels": {"a": "1"}},
    "spec": {
        "template": {
            "spec": {
                "containers": [
                    {
                        "name": "model",
                        "image": "one",
                        "args": ["--a", "--b"],
                        "env": [{"name": "EMPTY", "value": ""}],
                        "resources": {"limits": {"cpu": "1000m"}},
                        "securityContext": {},
                    }
                ]
            }
        }
    },
}


def stored() -> dict[str, Any]:
    """As an API server gives it back: with defaults, without what is empty."""
    found = copy.deepcopy(BODY)
    del found["kind"], found["apiVersion"]
    found["spec"]["revisionHistoryLimit"] = 10
    container = model(found)
    container |= {"imagePullPolicy": "Always", "resources": {"limits": {"cpu": "1"}}}
    del container["securityContext"], container["env"][0]["value"]
    return found


def model(obj: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = obj["spec"]["template"]["spec"]["containers"][0]
    return found


def test_defaults_spellings_and_what_others_added_are_no_drift() -> None:
    found = stored()
    found["spec"]["template"]["spec"]["containers"].insert(0, {"name": "injected"})
    found["metadata"]["annotations"] = {"theirs": "yes"}

    assert not drifted(found, BODY)


@pytest.mark.parametrize("written", [1, "1", "1000m", 1.0])
def test_a_number_without_quotes_is_stored_as_a_string(written: object) -> None:
    """Otherwise such a Deployment would be written again at each start of the operator."""
    body, found = copy.deepcopy(BODY), stored()
    model(body)["resources"] = {"limits": {"nvidia.com/gpu": written}}
    model(found)["resources"] = {"limits": {"nvidia.com/gpu": "1"}}

    assert not drifted(found, body)
    model(found)["resources"] = {"limits": {"nvidia.com/gpu": "2"}}
    assert drifted(found, body)


@pytest.mark.parametrize(
    "change",
    [
        lambda found: model(found).update(image="two"),
        lambda found: model(found).pop("image"),
        lambda found: model(found).update(args=["--a"]),
        lambda found: model(found).update(args=["--b", "--a"]),
        lambda found: model(found).update(name="other"),
        lambda found: model(found)["resources"]["limits"].update(cpu="2"),
        lambda found: found["metadata"]["labels"].update(a="2"),
        lambda found: found["spec"].pop("template"),
    ],
)
def test_what_somebody_changed_or_removed_is_drift(change: Any) -> None:
    found = stored()
    change(found)

    assert drifted(found, BODY)


def test_what_is_not_there_has_drifted() -> None:
    assert drifted(None, BODY)
