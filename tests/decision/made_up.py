"""Objectives, intervals and made-up traffic that several tests share."""

import dataclasses
import random
from collections.abc import Iterator

from model_rollouts.decision import (
    INDEPENDENT,
    Compare,
    Counts,
    Interval,
    Judge,
    Objective,
    Rules,
    Sample,
    State,
    Traffic,
    breaker,
    counters,
    errors,
    latency,
    restarts,
)
from model_rollouts.simulation.traffic import binomial

EDGES = (0.1, 0.2, 0.3, 0.4, 0.5, 1.0)


def judge_of(
    *objectives: Objective, steps: tuple[float, ...] = (0.05, 0.25, 0.5), baseline: bool = True
) -> Judge:
    """A judge that knows errors to be independent."""
    rules = Rules(objectives, steps=steps, baseline=baseline)
    return Judge(rules, {o.name: INDEPENDENT for o in objectives})


def errors_judge(compare: Compare = Compare.AUTO, target: float = 0.999) -> Judge:
    return judge_of(errors("errors", target, compare=compare))


def all_kinds() -> tuple[Objective, ...]:
    return (
        errors("errors", 0.999),
        latency("latency", 0.3, 0.99, EDGES),
        counters("own", 0.01, 0.02),
        restarts(),
        breaker(),
    )


def interval(
    start: float,
    bad: float,
    total: float,
    stable_bad: float = 0.0,
    stable_total: float = 0.0,
    *,
    length: float = 5.0,
    name: str = "errors",
    arm: Traffic = Traffic.LIVE,
) -> Interval:
    sample = Sample(Counts.of(total, bad), Counts.of(stable_total, stable_bad))
    return Interval(start, start + length, {name: sample}, arm=arm)


def in_looks(one: Interval, looks: int = 8) -> list[Interval]:
    """The counts of an interval as so many looks show them, of which none wins much."""
    length = (one.end - one.start) / looks

    def part(counts: Counts) -> Counts:
        return Counts(*(number / looks for number in dataclasses.astuple(counts)))

    samples = {
        name: Sample(part(each.candidate), part(each.stable)) for name, each in one.samples.items()
    }
    return [
        dataclasses.replace(
            one,
            start=one.start + index * length,
            end=one.start + (index + 1) * length,
            samples=samples,
        )
        for index in range(looks)
    ]


def intervals(
    rng: random.Random,
    share: float,
    stable_share: float,
    *,
    number: int,
    total: int = 20,
    stable_total: int = 20,
) -> Iterator[Interval]:
    for index in range(number):
        yield interval(
            5.0 * index,
            binomial(rng, total, share),
            total,
            binomial(rng, stable_total, stable_share),
            stable_total,
        )


def after(judge: Judge, *given: Interval) -> State:
    state = judge.start()
    for one in given:
        state = judge.update(state, one)
    return state
