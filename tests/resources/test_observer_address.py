"""Which of the observer's Services a model sends to: proxies that run keep the answer for ever."""

from collections import Counter

from model_rollouts.resources.observer_address import SHARDS, shard


def test_a_model_keeps_its_shard() -> None:
    # Another function would send records of running pods and of new ones to different places.
    models = (("shop", "ranking"), ("flights", "arrival-delay"), ("a", "b"))
    assert [shard(*each) for each in models] == [11, 4, 0]


def test_models_are_spread_over_all_shards() -> None:
    found = Counter(shard("shop", f"model-{number}") for number in range(1600))

    assert sorted(found) == list(range(SHARDS))
    assert max(found.values()) < 2 * min(found.values())
