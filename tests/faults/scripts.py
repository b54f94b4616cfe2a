"""What people ask for in a history, apart from all trouble: a script for each way of a version."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from tests.faults.people import (
    Act,
    Moment,
    applies,
    at,
    deletes_and_applies,
    overrides,
    turns,
    waits,
)
from tests.faults.users import Quality

FAILS = Quality(errors=1.0)
FAILS_SOME = Quality(errors=0.05)
SLOW = Quality(slow={1.0: 0.3})

NOW = Moment()


@dataclass(frozen=True)
class Script:
    """What is asked for, and how versions answer. `tried` is the one that trouble is about."""

    acts: tuple[Act, ...]
    qualities: Mapping[str, Quality] = field(default_factory=dict)
    tried: str = "2"
    often: int = 1
    """How much more often than others it is drawn."""
    is_timed: bool = False
    """Whether it ends otherwise when the operator was late."""


FIRST = applies(NOW, "1")
SECOND = applies(at("Full", "1"), "2")

HOST_NETWORK = {
    "spec": {
        "hostNetwork": True,
        "containers": [{"name": "model", "image": "registry.example.com/m:3"}],
    }
}
RESERVED_VOLUME = {
    "spec": {
        "volumes": [{"name": "rollout-x", "emptyDir": {}}],
        "containers": [{"name": "model", "image": "registry.example.com/m:3"}],
    }
}
UNTYPED = {
    "spec": {
        "containers": [
            {"name": "model", "image": "registry.example.com/m:3", "livenesProbe": {}},
        ]
    }
}


def _fails_beside_invalid(template: Mapping[str, object]) -> Script:
    """The watched version begins to fail while the next one cannot be started."""
    return Script(
        (
            FIRST,
            SECOND,
            applies(at("Watch", "2", 5.0), "3", template=template),
            turns(Moment(after=5.0), "2", FAILS),
            Act(Moment(after=60.0), "wait", lambda world: None),
        ),
        is_timed=True,
    )


SCRIPTS: Mapping[str, Script] = {
    "promoted": Script((FIRST, SECOND, waits("Full", "2")), often=3),
    "first fails": Script((FIRST, waits("Full", "1")), {"1": FAILS}, tried="1"),
    "fails": Script((FIRST, SECOND, waits("RolledBack", "2")), {"2": FAILS}, often=4),
    "fails some": Script((FIRST, SECOND, waits("RolledBack", "2")), {"2": FAILS_SOME}),
    "slow": Script((FIRST, SECOND, waits("RolledBack", "2")), {"2": SLOW}),
    "fails in the canary": Script(
        (FIRST, SECOND, turns(at("Canary", "2", 20.0), "2", FAILS), waits("RolledBack", "2")),
        often=2,
    ),
    "fails in the watch": Script(
        (FIRST, SECOND, turns(at("Watch", "2", 10.0), "2", FAILS), waits("RolledBack", "2")),
        often=2,
        is_timed=True,
    ),
    "mended": Script(
        (
            FIRST,
            SECOND,
            applies(at("RolledBack", "2", 5.0), "3"),
            waits("Full", "3"),
        ),
        {"2": FAILS},
    ),
    "reverted in the canary": Script(
        (FIRST, SECOND, applies(at("Canary", "2", 20.0), "1"), waits("Full", "1")),
    ),
    "reverted in the watch": Script(
        (FIRST, SECOND, applies(at("Watch", "2", 10.0), "1"), waits("Full", "1")),
    ),
    "reverted while it fails": Script(
        (FIRST, SECOND, applies(at("Canary", "2", 1.0), "1"), waits("Full", "1")), {"2": FAILS}
    ),
    "superseded": Script(
        (FIRST, SECOND, applies(at("Canary", "2", 20.0), "3"), waits("Full", "3")),
    ),
    "superseded while it fails": Script(
        (FIRST, SECOND, applies(at("Canary", "2", 0.5), "3"), waits("Full", "3")), {"2": FAILS}
    ),
    "invalid next in the canary": Script(
        (
            FIRST,
            SECOND,
            applies(at("Canary", "2", 0.5), "3", template=HOST_NETWORK),
            waits("Full", "1"),
        ),
        {"2": FAILS},
    ),
    "reserved next in the watch": _fails_beside_invalid(RESERVED_VOLUME),
    "untyped next in the watch": _fails_beside_invalid(UNTYPED),
    "paused": Script(
        (
            FIRST,
            SECOND,
            applies(at("Canary", "2", 10.0), "2", paused=True),
            applies(Moment(after=40.0), "2"),
            waits("Full", "2"),
        ),
    ),
    "tried again": Script(
        (
            FIRST,
            SECOND,
            applies(at("RolledBack", "2", 10.0), "2", strategy__attempt=2),
            waits("RolledBack", "2"),
        ),
        {"2": FAILS},
    ),
    "unpaused after a rollback": Script(
        (
            FIRST,
            SECOND,
            applies(at("RolledBack", "2", 10.0), "2", paused=True),
            applies(Moment(after=20.0), "2"),
            Act(Moment(after=30.0), "wait", lambda world: None),
        ),
        {"2": FAILS},
    ),
    "more pods after a rollback": Script(
        (
            FIRST,
            SECOND,
            applies(at("RolledBack", "2", 10.0), "2", replicas=3),
            Act(Moment(after=30.0), "wait", lambda world: None),
        ),
        {"2": FAILS},
    ),
    "rolled back by override": Script(
        (
            FIRST,
            SECOND,
            overrides(at("Canary", "2", 10.0), "2", "Rollback"),
            waits("RolledBack", "2"),
        ),
    ),
    "promoted by override": Script(
        (FIRST, SECOND, overrides(at("Canary", "2", 3.0), "2", "Promote"), waits("Full", "2")),
    ),
    "immediate": Script(
        (
            FIRST,
            applies(at("Full", "1"), "2", strategy__mode="Immediate"),
            waits("RolledBack", "2"),
        ),
        {"2": FAILS},
    ),
    "deleted and applied again": Script(
        (
            FIRST,
            SECOND,
            deletes_and_applies(at("Canary", "2", 10.0), "2", foreground=False),
            waits("Full", "2"),
        ),
    ),
    "deleted in the foreground": Script(
        (
            FIRST,
            deletes_and_applies(at("Full", "1", 10.0), "1", foreground=True),
            applies(Moment(after=15.0), "1"),
            waits("Full", "1"),
        ),
        tried="1",
    ),
}
