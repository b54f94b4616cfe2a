"""`replicas` is taken out of a manifest: what the real API server makes of it, as kubectl does it.

A client-side apply sends the removal of the field, a server-side apply drops it when nobody else
has it. Both leave the default behind, which nobody asked for.
"""

import json
from collections.abc import Callable

import pytest

from e2e.fixtures import ApiServer
from model_rollouts.api.replicas import DEFAULT, asked, is_owned, ownership
from tests.api.objects import MINIMAL, Object, changed

Apply = Callable[[Object], None]


@pytest.fixture(params=["client-side", "server-side"])
def apply(request: pytest.FixtureRequest, api_server: ApiServer, namespace: str) -> Apply:
    """Applies an object in one of the two ways."""
    more = ("--server-side",) if request.param == "server-side" else ()

    def go(obj: Object) -> None:
        api_server.kubectl("apply", "-n", namespace, *more, "-f", "-", stdin=json.dumps(obj))

    return go


@pytest.fixture
def stored(api_server: ApiServer, namespace: str) -> Callable[[], Object]:
    """The object with the managers of its fields, as the operator keeps them."""

    def get() -> Object:
        text = api_server.kubectl(
            *("get", "mdep", "arrival", "-n", namespace, "-o", "json", "--show-managed-fields")
        )
        found: Object = json.loads(text)
        found["metadata"]["managedFields"] = ownership(found["metadata"]["managedFields"])
        return found

    return get


def is_removed(before: Object, after: Object) -> bool:
    """Whether it is seen that nobody asks for the default."""
    lost = asked(after) == DEFAULT and is_owned(before) and not is_owned(after)
    return asked(after) is None or bool(lost)


def test_a_number_that_was_removed_is_asked_for_by_nobody(
    apply: Apply, stored: Callable[[], Object]
) -> None:
    apply(changed({"spec.replicas": 23}))
    before = stored()
    assert asked(before) == 23

    apply(MINIMAL)

    assert stored()["spec"]["replicas"] == 1
    assert is_removed(before, stored())


def test_what_an_autoscaler_writes_then_counts_and_stays(
    apply: Apply, stored: Callable[[], Object], api_server: ApiServer, namespace: str
) -> None:
    apply(changed({"spec.replicas": 23}))
    apply(MINIMAL)

    scale = ("scale", "mdep/arrival", "-n", namespace)
    api_server.kubectl(*scale, "--replicas=7")
    before = stored()
    assert asked(before) == 7

    apply(changed({"spec.port": 9090}))
    assert asked(stored()) == 7

    # The same number as the default, and this time somebody asks for it.
    api_server.kubectl(*scale, "--replicas=1")
    assert asked(stored()) == 1
    assert not is_removed(before, stored())


def test_a_single_pod_that_a_manifest_asks_for_is_asked_for(
    apply: Apply, stored: Callable[[], Object]
) -> None:
    apply(changed({"spec.replicas": 23}))
    before = stored()
    apply(changed({"spec.replicas": 1}))

    assert not is_removed(before, stored())


def test_a_manifest_loses_the_number_after_an_autoscaler_wrote_it(
    apply: Apply, stored: Callable[[], Object], api_server: ApiServer, namespace: str
) -> None:
    """Kubectl removes the field all the same, unless it applies on the server's side."""
    apply(changed({"spec.replicas": 3}))
    api_server.kubectl("scale", "mdep/arrival", "-n", namespace, "--replicas=23")
    before = stored()

    apply(MINIMAL)

    assert asked(stored()) == 23 or is_removed(before, stored())
