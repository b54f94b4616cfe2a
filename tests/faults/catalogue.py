"""The scenario of a seed: a script, and what goes wrong beside it, all drawn from the seed."""

import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

from tests.faults import hands, people
from tests.faults.faults import (
    FOR_EVER,
    AnswersLost,
    ClockAhead,
    ClockBehind,
    Fault,
    GatewaySlow,
    Killed,
    MirrorsRefused,
    NodeDrained,
    PastSlow,
    PodsSlow,
    PrometheusAway,
    Refused,
    ScrapesDisturbed,
    SecondOperator,
    WatchDisturbed,
    Webhook,
)
from tests.faults.history import Noise, Planned, Scenario
from tests.faults.notes import MODEL, ROUTE
from tests.faults.people import Act, Moment
from tests.faults.scripts import SCRIPTS, Script
from tests.faults.watch_source import Wire

RATES = (50.0, 120.0)
"""Requests per second of all users."""

SHADOW = {"percent": 100, "sideEffects": "None", "minRequests": 200, "minDuration": "20s"}
OFF = {"percent": 0}
OBJECTIVES = [
    {"name": "errors", "type": "Availability", "availability": {"target": "99%"}},
    {"name": "latency", "type": "Latency", "latency": {"within": "500ms", "share": "95%"}},
]

WRITE_ROUTE = "apply HTTPRoute"
WRITE_STATUS = "status of ModelDeployment"

ACTIONS = (
    "scale Deployment",
    WRITE_STATUS,
    "create ControllerRevision",
    "apply Deployment",
    "apply Service",
    "dry run of Deployment",
    "get Gateway",
    "list HTTPRoute",
    "get HTTPRoute",
    "create Event",
    WRITE_ROUTE,
)

ANSWERS: Sequence[tuple[int | None, str]] = (
    (500, 'failed calling webhook "policy.example.com": connection refused'),
    (403, 'admission webhook "policy.example.com" denied the request: not on Fridays'),
    (409, "Operation cannot be fulfilled: the object has been modified"),
    (413, "Request entity too large: limit is 3145728"),
    (422, "is invalid: spec: Forbidden: policy.example.com"),
    (None, "the server did not answer"),
)

SAMPLED = 0.05
"""Part of the histories that are read sample by sample though nothing is wrong with their samples:
they take longer."""

STAGES = ("Wanted", "Starting", "Canary", "Watch")


def scenario(seed: int) -> Scenario:
    """What happens in the history of a seed."""
    dice = random.Random(f"{seed}/scenario")
    often = [each.often for each in SCRIPTS.values()]
    (name,) = dice.choices(list(SCRIPTS), often)
    script = SCRIPTS[name]
    base = undisturbed(name, shadows=dice.random() < 0.3, rate=dice.choice(RATES))
    kind, sampled = dice.random(), dice.random() < SAMPLED
    if kind < 0.1:
        return replace(base, sampled=sampled)
    faults: tuple[Planned, ...] = ()
    meddling: tuple[tuple[Act, ...], ...] = ()
    noise: tuple[Noise, ...] = ()
    if kind < 0.75:
        faults = tuple(_fault(dice, script) for _ in range(dice.choice((1, 1, 2, 3))))
    if kind > 0.5:
        meddling = tuple(_hands(dice, script) for _ in range(dice.choice((1, 1, 2))))
        if dice.random() < 0.2:
            noise = (Noise(dice.choice((MODEL, ROUTE)), dice.uniform(1.0, 7.0)),)
    if any(isinstance(each.fault, ScrapesDisturbed) for each in faults):
        sampled = True
    slow_past = any(isinstance(each.fault, PastSlow) for each in faults)
    determined = not (
        script.is_timed
        or any(act.decides for sequence in meddling for act in sequence)
        or any(_decides(each) for each in faults)
    )
    return replace(
        base,
        faults=faults,
        meddling=meddling,
        noise=noise,
        is_determined=determined,
        sampled=sampled,
        # Others ask about the past as well, and it is the same for all.
        neighbours=_neighbours(script) if slow_past and dice.random() < 0.5 else (),
    )


def _neighbours(script: Script) -> tuple[tuple[Act, ...], ...]:
    return tuple(
        (
            people.applies_neighbour(Moment(), name, "1"),
            people.applies_neighbour(Moment("Starting", script.tried, 3.0), name, "2"),
        )
        for name in ("neighbour-a", "neighbour-b")
    )


def _decides(planned: Planned) -> bool:
    if isinstance(planned.fault, ScrapesDisturbed):
        # What is counted right for ever is judged as if nothing were.
        return planned.lasts == FOR_EVER and planned.fault.twice
    return planned.lasts == FOR_EVER or isinstance(planned.fault, MirrorsRefused)


def undisturbed(name: str, *, shadows: bool, rate: float) -> Scenario:
    """The history of a script alone."""
    script = SCRIPTS[name]
    common: dict[str, object] = {"strategy.shadow": SHADOW if shadows else OFF}
    if any(each.slow for each in script.qualities.values()):
        common["objectives"] = OBJECTIVES
    return Scenario(name, script.acts, script.qualities, common=common, rate=rate, shadows=shadows)


def _moment(dice: random.Random, script: Script) -> Moment:
    if dice.random() < 0.2:
        return Moment(after=dice.uniform(0.0, 100.0))
    stage, after = dice.choice(STAGES), dice.uniform(0.0, 8.0)
    return Moment(stage, script.tried, 0.0 if stage == "Wanted" else after)


def _fault(dice: random.Random, script: Script) -> Planned:
    moment = _moment(dice, script)
    fault = dice.choices([each for each, _ in _FAULTS], [weight for _, weight in _FAULTS])[0](
        dice, script
    )
    lasts = dice.choice((15.0, 60.0, FOR_EVER))
    if isinstance(fault, _PASSING):
        lasts = dice.choice((15.0, 60.0))
    if isinstance(fault, Refused) and fault.action == WRITE_ROUTE:
        # It is to meet the write that takes users off a version.
        stage = dice.choice(("Canary", "Canary", "Watch"))
        moment = Moment(stage, script.tried, dice.uniform(0.0, 3.0))
        lasts = dice.choice((15.0, 60.0))
    if isinstance(fault, _LASTING):
        lasts = FOR_EVER
    if isinstance(fault, PodsSlow | Killed):
        moment = Moment()
    return Planned(fault, moment, 200.0 if isinstance(fault, Killed) else lasts)


_PASSING = (
    PrometheusAway,
    SecondOperator,
    ClockBehind,
    GatewaySlow,
    WatchDisturbed,
    AnswersLost,
    NodeDrained,
)
_LASTING = (Webhook, PodsSlow)


def _refused(dice: random.Random, script: Script) -> Fault:
    status, message = dice.choice(ANSWERS)
    chance = dice.choice((1.0, 1.0, 0.5))
    (action,) = dice.choices(ACTIONS, [5 if each == WRITE_ROUTE else 1 for each in ACTIONS])
    return Refused(action, status, message, chance, managed=False)


def _killed(dice: random.Random, script: Script) -> Fault:
    return Killed(
        every=dice.choice((1, 2, 3, 5, 8)),
        times=dice.randint(1, 8),
        away=dice.uniform(1.0, 15.0),
        behind=dice.choice((0, 0, 3, 10)),
        behind_s=dice.uniform(2.0, 20.0),
    )


def _watch(dice: random.Random, script: Script) -> Fault:
    return WatchDisturbed(dice.choice(list(Wire)), dice.uniform(2.0, 30.0), dice.choice((0.5, 1.0)))


def _scrapes(dice: random.Random, script: Script) -> Fault:
    """Samples as services have them."""
    return dice.choice(
        (
            ScrapesDisturbed(split=True),
            ScrapesDisturbed(visible_after_s=dice.uniform(0.5, 8.0)),
            ScrapesDisturbed(twice=True),
            ScrapesDisturbed(partial=0.3),
        )
    )


_FAULTS: Sequence[tuple[Callable[[random.Random, Script], Fault], int]] = (
    (_refused, 10),
    (_killed, 5),
    (_watch, 4),
    (lambda dice, script: AnswersLost(dice.choice((0.1, 0.5))), 3),
    (lambda dice, script: PrometheusAway(), 2),
    (lambda dice, script: PastSlow(dice.uniform(10.0, 60.0), dice.random() < 0.5), 3),
    (lambda dice, script: GatewaySlow(dice.uniform(3.0, 30.0)), 2),
    (lambda dice, script: MirrorsRefused(), 1),
    (lambda dice, script: Webhook("HTTPRoute", dice.random() < 0.5), 2),
    (lambda dice, script: Webhook("Deployment", dice.random() < 0.5), 1),
    (lambda dice, script: PodsSlow(script.tried, dice.choice((40.0, 100.0, FOR_EVER))), 1),
    (lambda dice, script: ClockBehind(dice.uniform(1.0, 120.0)), 1),
    (lambda dice, script: ClockAhead(dice.uniform(1.0, 120.0)), 1),
    (lambda dice, script: SecondOperator(), 1),
    (lambda dice, script: NodeDrained(script.tried, dice.choice((8.0, 30.0))), 2),
    (_scrapes, 4),
)


def _hands(dice: random.Random, script: Script) -> tuple[Act, ...]:
    moment = _moment(dice, script)
    if dice.random() < 0.3:
        moment = Moment("RolledBack", script.tried, dice.uniform(0.0, 8.0))
    if dice.random() < 0.1:
        again = dice.choice((hands.recreates_model, hands.recreates_model_later))
        return again(moment)
    return (dice.choice(_HANDS)(moment),)


_HANDS: Sequence[Callable[[Moment], Act]] = (
    hands.deletes_route,
    hands.strips_record,
    hands.strips_label,
    hands.strips_owner,
    partial(hands.weighs, share=0),
    partial(hands.weighs, share=80),
    partial(hands.puts_back, by_deletion=False),
    partial(hands.puts_back, by_deletion=True),
    hands.replaces_model,
    partial(hands.spoils_revision, version="1", deletes=False),
    partial(hands.spoils_revision, version="1", deletes=True),
    partial(hands.restores_revision, version="1"),
    partial(hands.scales_by_hand, version="1"),
    partial(hands.scales_by_hand, version="2"),
)
