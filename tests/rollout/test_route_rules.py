"""A route with several rules: versions move by all of them alike."""

from typing import Any

from tests.rollout.simulated_cluster import World

RULES: list[dict[str, Any]] = [
    {"name": "info", "matches": [{"path": {"value": "/v1/info"}}], "timeouts": {"request": "1s"}},
    {
        "matches": [{"path": {"value": "/v1"}}],
        "filters": [
            {
                "type": "RequestHeaderModifier",
                "requestHeaderModifier": {"set": [{"name": "x-tenant", "value": "a"}]},
            }
        ],
    },
]


def served() -> World:
    """Version 1 serves by two rules."""
    world = World()
    world.edit(version="1", route__rules=RULES, strategy__watch={"duration": "10s"})
    return world.until("Full").run(20)


def rules(world: World) -> list[dict[str, Any]]:
    assert world.route is not None
    found: list[dict[str, Any]] = world.route["spec"]["rules"]
    return found


def users(rule: dict[str, Any]) -> dict[str, int]:
    return {each["name"]: each["weight"] for each in rule["backendRefs"]}


def test_a_version_gets_the_same_share_by_every_rule() -> None:
    world = served()
    shadow = {"sideEffects": "None", "minDuration": "1m"}
    world.edit(version="2", strategy__shadow=shadow)
    world.until("Shadow").run(5)

    first, second = rules(world)
    assert (first["name"], first["timeouts"]) == ("info", {"request": "1s"})
    assert [each["type"] for each in first["filters"]] == ["RequestMirror"]
    assert [each["type"] for each in second["filters"]] == [
        "RequestHeaderModifier",
        "RequestMirror",
    ]

    world.until("Canary").run(5)

    first, second = rules(world)
    assert users(first) == users(second)
    assert len(users(first)) == 2
    assert "filters" not in first
    assert world.until("Full").run(15).status["phase"] == "Full"


def test_an_edit_of_one_rule_by_somebody_else_is_undone() -> None:
    world = served()
    asked = rules(world)[1]["filters"]

    rules(world)[1]["filters"] = []
    world.run(15)

    assert rules(world)[1]["filters"] == asked


def test_a_person_who_takes_users_off_a_version_in_every_rule_rolls_it_back() -> None:
    world = served()
    world.edit(version="2")
    world.until("Canary").run(5)
    stable = world.revision_of("1")

    for rule in rules(world):
        rule["backendRefs"] = [{"name": stable, "port": 80, "weight": 1}]
    world.until("RolledBack").run(5)

    assert world.weights == {"v1": 1}


def test_rules_may_take_the_place_of_the_short_form_and_start_no_pod() -> None:
    world = World()
    world.edit(version="1", strategy__watch={"duration": "10s"})
    world.until("Full").run(20)
    stored = len(world.stored)

    world.edit(route__rules=RULES)
    world.run(15)

    assert [each.get("name") for each in rules(world)] == ["info", None]
    assert len(world.stored) == stored
    assert world.status["phase"] == "Full"
