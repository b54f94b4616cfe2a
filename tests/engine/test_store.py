"""The newest version wins, whoever brings it; and a list tells what nobody told."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_rollouts.cluster.kinds import DEPLOYMENT, HTTP_ROUTE, MODEL_DEPLOYMENT, Kind
from model_rollouts.engine.store import Key, Store
from model_rollouts.resources.names import labels

SHOP = Key("shop", "arrival")


def model(version: int, uid: str = "u1", **more: Any) -> dict[str, Any]:
    """The ModelDeployment `arrival`."""
    metadata = {"namespace": "shop", "name": "arrival", "uid": uid}
    return {"metadata": {**metadata, "resourceVersion": str(version), **more}}


def child(version: int, owner: str | None = "u1", name: str = "arrival-1") -> dict[str, Any]:
    """A Deployment that `owner` controls, with the labels of `arrival`."""
    metadata: dict[str, Any] = {
        "namespace": "shop",
        "name": name,
        "uid": f"of-{name}",
        "resourceVersion": str(version),
        "labels": labels("arrival"),
    }
    if owner is not None:
        reference = {"kind": "ModelDeployment", "name": "arrival", "uid": owner}
        metadata["ownerReferences"] = [{**reference, "controller": True}]
    return {"kind": "Deployment", "metadata": metadata}


def version_of(store: Store, name: str = "arrival-1") -> str | None:
    """The version of the Deployment that is known."""
    found = store.get(DEPLOYMENT, "shop", name)
    return None if found is None else str(found["metadata"]["resourceVersion"])


def test_a_child_concerns_its_model() -> None:
    store = Store()

    assert store.put(MODEL_DEPLOYMENT, model(1)) == {SHOP}
    assert store.put(DEPLOYMENT, child(2)) == {SHOP}
    assert store.remove(DEPLOYMENT, child(3)) == {SHOP}


def test_a_child_that_changes_hands_concerns_both() -> None:
    store = Store()
    store.put(MODEL_DEPLOYMENT, model(1))
    other = model(2, uid="u2", name="other")
    store.put(MODEL_DEPLOYMENT, other)
    store.put(DEPLOYMENT, child(3, owner="u1"))

    assert store.put(DEPLOYMENT, child(4, owner="u2")) == {SHOP, Key("shop", "other")}
    assert [list(store.owned("u1")), len(list(store.owned("u2")))] == [[], 1]


def test_a_child_that_comes_before_its_model_is_known_by_its_label() -> None:
    assert Store().put(DEPLOYMENT, child(1)) == {SHOP}


def test_what_is_as_old_or_older_changes_nothing() -> None:
    store = Store()
    store.put(DEPLOYMENT, child(5))

    assert store.put(DEPLOYMENT, child(5)) == frozenset()
    assert store.put(DEPLOYMENT, child(4)) == frozenset()
    assert version_of(store) == "5"


def test_news_of_before_a_deletion_do_not_bring_an_object_back() -> None:
    store = Store()
    store.put(DEPLOYMENT, child(5))
    store.remove(DEPLOYMENT, child(8))

    store.put(DEPLOYMENT, child(7))
    assert version_of(store) is None
    store.put(DEPLOYMENT, child(9))
    assert version_of(store) == "9"


def test_a_deletion_of_before_an_object_was_made_again_is_old() -> None:
    store = Store()
    store.put(DEPLOYMENT, child(9))
    store.remove(DEPLOYMENT, child(8))

    assert version_of(store) == "9"


def test_a_list_sweeps_what_it_does_not_have() -> None:
    store = Store()
    store.put(MODEL_DEPLOYMENT, model(1))
    store.put(DEPLOYMENT, child(2, name="arrival-1"))
    store.put(DEPLOYMENT, child(3, name="arrival-2"))
    store.put(DEPLOYMENT, child(9, name="arrival-3"))

    concerned = store.sweep(DEPLOYMENT, None, [("shop", "arrival-1")], "5")

    assert concerned == {SHOP}
    names = {obj["metadata"]["name"] for obj in store.owned("u1")}
    # The third is newer than the list.
    assert names == {"arrival-1", "arrival-3"}


def test_a_list_of_one_namespace_or_kind_says_nothing_about_others() -> None:
    store = Store()
    store.put(DEPLOYMENT, child(2))

    store.sweep(DEPLOYMENT, "elsewhere", [], "5")
    store.sweep(HTTP_ROUTE, None, [], "5")

    assert version_of(store) == "2"


def test_a_stranger_that_is_in_no_list_can_be_found_again() -> None:
    store = Store()
    stranger = child(2, owner=None)
    del stranger["metadata"]["labels"]
    for as_of in ("5", "6"):
        store.put(DEPLOYMENT, stranger)
        assert version_of(store) == "2"
        store.sweep(DEPLOYMENT, None, [], as_of)
        assert version_of(store) is None


def place_of(name: str = "arrival-1") -> tuple[Kind, str, str]:
    """Where the Deployment is."""
    return DEPLOYMENT, "shop", name


def test_what_is_as_old_as_its_end_is_there_all_the_same() -> None:
    """It has lost our label: for the watch it ended, as of the version that it now has."""
    store = Store()
    store.put(DEPLOYMENT, child(5))
    store.remove(DEPLOYMENT, child(8))
    store.put(DEPLOYMENT, child(8))

    assert version_of(store) == "8"


def test_what_is_read_is_believed_against_a_list() -> None:
    store = Store()
    store.put(DEPLOYMENT, child(5))
    store.sweep(DEPLOYMENT, None, [], "9")
    since = store.as_of(*place_of())

    store.put(DEPLOYMENT, child(6))
    assert version_of(store) is None
    store.read(*place_of(), child(6), since)
    assert version_of(store) == "6"


def test_what_is_read_to_be_gone_is_gone_unless_there_are_news_meanwhile() -> None:
    store = Store()
    store.put(DEPLOYMENT, child(5))
    since = store.as_of(*place_of())
    store.put(DEPLOYMENT, child(6))

    store.read(*place_of(), None, since)
    assert version_of(store) == "6"
    assert store.read(*place_of(), None, store.as_of(*place_of())) == {SHOP}
    assert version_of(store) is None
    assert not store.restore(*place_of())


@pytest.mark.parametrize("swept", [False, True])
def test_what_was_gone_can_be_taken_for_what_it_was(swept: bool) -> None:
    store = Store()
    store.put(MODEL_DEPLOYMENT, model(1))
    store.put(DEPLOYMENT, child(5))
    if swept:
        store.sweep(DEPLOYMENT, None, [], "9")
    else:
        store.remove(DEPLOYMENT, child(8))

    assert store.restore(*place_of())
    assert [each["metadata"]["name"] for each in store.owned("u1")] == ["arrival-1"]
    # Nothing tells of it: it is read again before each plan, also after a list without it.
    assert store.unwatched(SHOP) == [(DEPLOYMENT, "arrival-1")]
    assert store.sweep(DEPLOYMENT, None, [], "20") == {SHOP}
    assert store.restore(*place_of())
    store.put(DEPLOYMENT, child(21))
    assert store.unwatched(SHOP) == []


def test_nothing_is_restored_that_was_never_there() -> None:
    store = Store()

    assert not store.restore(*place_of())
    assert store.unwatched(SHOP) == []


def test_who_is_in_the_way_is_dying_when_its_model_is_no_more() -> None:
    store = Store()
    store.put(MODEL_DEPLOYMENT, model(1))
    store.put(MODEL_DEPLOYMENT, model(2, uid="u2", name="other"))
    store.put(DEPLOYMENT, child(3, owner="u0", name="of-one-deleted"))
    store.put(DEPLOYMENT, child(4, owner="u2", name="of-another"))
    foreign = child(5, owner="u9", name="of-another-kind")
    foreign["metadata"]["ownerReferences"][0]["kind"] = "Rollout"
    store.put(DEPLOYMENT, foreign)

    living, dying = store.strangers(SHOP, "u1")
    assert living == {"Deployment/of-another", "Deployment/of-another-kind"}
    assert dying == {"Deployment/of-one-deleted"}


@pytest.mark.parametrize(
    ("backend", "is_ours"),
    [
        ("arrival-0123456789", True),
        ("arrival-0123456789-shadow", False),
        ("arrival", False),
        ("another-0123456789", False),
    ],
)
def test_a_route_without_labels_and_owner_is_of_the_model_whose_revision_it_names(
    backend: str, is_ours: bool
) -> None:
    store = Store()
    store.put(MODEL_DEPLOYMENT, model(1))
    route = child(2, owner=None, name="arrival")
    del route["metadata"]["labels"]
    route |= {"kind": "HTTPRoute", "spec": {"rules": [{"backendRefs": [{"name": backend}]}]}}
    store.put(HTTP_ROUTE, route)

    assert [each["kind"] for each in store.orphans(SHOP)] == ["HTTPRoute"] * is_ours
    assert bool(store.strangers(SHOP, "u1").living) is not is_ours
    # Of another owner it would not be.
    route["metadata"] |= {
        "resourceVersion": "3",
        "ownerReferences": [{"controller": True, "uid": "u9"}],
    }
    store.put(HTTP_ROUTE, route)
    assert store.orphans(SHOP) == []


def test_an_odd_object_leaves_what_was_known_before_it() -> None:
    store = Store()
    store.put(DEPLOYMENT, child(5))
    odd = child(6)
    del odd["metadata"]["uid"]

    with pytest.raises(KeyError):
        store.put(DEPLOYMENT, odd)
    assert version_of(store) == "5"


def test_of_managed_fields_only_who_has_the_replicas_is_kept() -> None:
    has = {"manager": "kubectl", "fieldsV1": {"f:spec": {"f:replicas": {}}}}
    other = {"manager": "helm", "fieldsV1": {"f:spec": {"f:port": {}}}}
    store = Store()
    store.put(MODEL_DEPLOYMENT, model(1, managedFields=[has, other]))
    assert store.get(MODEL_DEPLOYMENT, "shop", "arrival") == model(1, managedFields=[has])

    store.put(
        DEPLOYMENT, {**child(2), "metadata": {**child(2)["metadata"], "managedFields": [has]}}
    )
    assert (
        "managedFields" not in (store.get(DEPLOYMENT, "shop", "arrival-1") or child(2))["metadata"]
    )


NEWS = st.lists(st.tuples(st.sampled_from(["put", "remove"]), st.integers(1, 20)), max_size=12)


@given(NEWS, st.randoms(use_true_random=False))
def test_the_order_in_which_news_come_does_not_matter(news: Any, order: Any) -> None:
    # Each version is told once: an object has it, or was deleted at it.
    told = list({version: (what, version) for what, version in news}.values())
    shuffled = list(told)
    order.shuffle(shuffled)
    stores = [Store(), Store()]
    for store, each in zip(stores, (told, shuffled), strict=True):
        for what, version in each:
            getattr(store, what)(DEPLOYMENT, child(version))

    assert version_of(stores[0]) == version_of(stores[1])
