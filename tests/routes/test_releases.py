"""The release before and this one, one after the other on the same route."""

from dataclasses import replace
from fractions import Fraction

import pytest

from model_rollouts.api.phase import Phase
from model_rollouts.rollout.standing import Roles
from model_rollouts.rollout.state.recorded_roles import record_of, with_write
from model_rollouts.routes import record
from tests.routes.previous_release import record as before

NOON = 1_774_965_720.0
WHY = "errors failed: 99 % of requests must succeed; version 2 failed 6 of 50 (12 %)."
CANARY = Roles("m-1", "m-2", None, Phase.CANARY, Fraction(1, 4), 2, None, 7)
ROLES = {
    "canary": CANARY,
    "shadow": CANARY._replace(
        phase=Phase.SHADOW, weight=Fraction(0), mirror_percent=10, suffered_at_percent=20, since=7
    ),
    "watch": Roles("m-2", None, "m-1", Phase.FULL, Fraction(0), 2, "Pass", 9),
    "rolled back": Roles("m-1", "m-2", None, Phase.ROLLED_BACK, Fraction(0), 2, "Fail", 8),
}
BESIDE_ITSELF = CANARY._replace(
    phase=Phase.SHADOW, weight=Fraction(0), mirror_percent=100, itself_percent=10
)


def roles_of(found: object) -> dict[str, object]:
    """What a record says of roles, whichever release read it."""
    names = set(before.RouteRecord.__slots__) - {"more"}
    return {name: getattr(found, name) for name in names}


@pytest.mark.parametrize(
    "roles", [*ROLES.values(), BESIDE_ITSELF], ids=[*ROLES, "shadow beside itself"]
)
@pytest.mark.parametrize("dropped", [None, "m-3"])
def test_they_write_in_turns(roles: Roles, dropped: str | None) -> None:
    """What the newer one recorded of its write is kept, and is not taken for the older one's."""
    first = with_write(roles, roles, why=WHY, dropped=dropped, spec="0123456789", now=NOON)
    first = first._replace(write=record.RouteWrite(roles.sequence, int(NOON * 1000), WHY, dropped))
    text = record.encode(record_of(first))

    old = before.decode("HTTPRoute 'm'", text)
    assert roles_of(old) == roles_of(record_of(first))
    text = before.encode(replace(old, weight="50%", sequence=old.sequence + 1))

    new = record.decode("HTTPRoute 'm'", text)
    assert roles_of(new) == roles_of(old) | {"weight": "50%", "sequence": old.sequence + 1}
    assert new.write == first.write
    assert first._replace(write=new.write, sequence=new.sequence).written is None
    assert first.written == new.write
    text = record.encode(replace(new, sequence=new.sequence + 1, write=first.write))

    assert roles_of(before.decode("HTTPRoute 'm'", text))["sequence"] == old.sequence + 2


@pytest.mark.parametrize("roles", ROLES.values(), ids=list(ROLES))
def test_what_the_release_before_wrote_is_read(roles: Roles) -> None:
    wanted = record_of(roles)
    old = before.RouteRecord(**roles_of(wanted))  # type: ignore[arg-type]

    text = before.encode(old)

    assert record.decode("HTTPRoute 'm'", text) == wanted
    assert record.encode(wanted) == text


def test_a_long_sentence_of_the_newer_one_does_not_stop_the_older_one() -> None:
    """A rollback that needs its room is written without."""
    longest = "m-" + "a" * 61
    write = record.RouteWrite(7, int(NOON * 1000), "\u96ea" * 900)
    full = record.encode(replace(record_of(CANARY), write=write))
    old = before.decode("HTTPRoute 'm'", full)

    text = before.encode(replace(old, verdict="Fail", previous=longest, sequence=8))

    assert before.decode("HTTPRoute 'm'", text).previous == longest
    assert record.decode("HTTPRoute 'm'", text).write is None
