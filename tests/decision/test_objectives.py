"""Nonsense is refused where it is written, with the field, what was found and what to write."""

import math
from collections.abc import Callable
from dataclasses import replace

import pytest

from model_rollouts.decision import (
    Assurance,
    Compare,
    CounterPair,
    Counts,
    Dispersion,
    Histogram,
    Interval,
    Judge,
    Kind,
    Objective,
    ObjectiveError,
    Role,
    Rules,
    Slice,
    breaker,
    counters,
    errors,
    latency,
    promise,
    restarts,
)
from tests.decision.made_up import EDGES


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: errors("e", 99.9), "objective 'e', target: found 99.9, write a share .* 0.999"),
        (
            lambda: errors("e", 1.0),
            "'e', target: found 1, .*no number of requests shows that none will fail",
        ),
        (lambda: errors("e", 0.0), "'e', target: found 0, write a share between 0 and 1"),
        (lambda: errors("e", math.nan), "'e', target: found nan"),
        (lambda: errors("e", 0.4), "'e', target: found 0.4 .*write more than 0.55"),
        (lambda: errors("", 0.999), "objective, name: found ''"),
        (lambda: latency("l", 0, 0.99, EDGES), "'l', within: found 0 s, write a time above 0 s"),
        (lambda: latency("l", 0.3, 99, EDGES), "'l', share: found 99, write a share .* 0.99"),
        (lambda: latency("l", 0.3, 0.99, (0.0, 0.3)), "'l', edges: found .*0.0.*all above 0"),
        (lambda: latency("l", 0.3, 0.99, (0.1, math.inf)), "'l', edges: found .*inf.*finite"),
        (lambda: counters("c", 0.02, 0.01), "'c', bad: found 0.01, write more than good (0.02)"),
        (lambda: counters("c", 0.01, 0.01), "'c', bad: found 0.01, .*such as 0.02"),
        (lambda: counters("c", 0, 0.01), "'c', good: found 0, write a share above 0"),
        (lambda: counters("c", 0.01, 0.95), "'c', bad: found 0.95, .*at most 0.9"),
        (lambda: restarts(good=0), "'restarts', good: found 0, write a positive number"),
        (lambda: breaker(good=0.5, bad=0.2), "'breaker', bad: found 0.2, write more than good"),
        (
            lambda: Objective(name="x", kind=Kind.ERRORS, good=0.01, bad=0.02, accept=0.015),
            "'x', accept: found 0.015, write at least bad (0.02)",
        ),
        (
            lambda: Objective(
                name="x", kind=Kind.ERRORS, good=0.1, bad=0.2, accept=0.2, bad_times_stable=1.0
            ),
            "'x', bad_times_stable: found 1, write more than good_times_stable (1)",
        ),
        (
            lambda: Objective(name="x", kind=Kind.ERRORS, good=0.1, bad=0.2, accept=0.2, slack=-1),
            "'x', slack: found -1, write 0 or more",
        ),
        (
            lambda: Objective(name="x", kind=Kind.LATENCY, good=0.1, bad=0.2, accept=0.2),
            "'x', latency: found None, write it for the kind Latency",
        ),
        (
            lambda: replace(counters("c", 0.01, 0.02), slice=Slice("long-haul")),
            "'c', slice: found long-haul, write it for requests that the proxy counts only",
        ),
        (lambda: Rules(()), "role: found no Gate among []"),
        (lambda: Rules((breaker(),)), "role: found no Gate among ['breaker']"),
        (lambda: Rules((errors("e", 0.9), errors("e", 0.99))), "found two named 'e'"),
        (
            lambda: Rules((errors("e", 0.7), breaker())),
            "'e', good: found 0.3, but 'breaker' rolls back above 0.2; write less",
        ),
        (
            lambda: Rules((latency("a", 0.3, 0.99, EDGES), latency("b", 0.4, 0.95, EDGES))),
            "'b', share: found 0.95 within 0.4 s, but 'a' already asks for 0.99 within 0.3 s",
        ),
        (lambda: Rules((errors("e", 0.9),), steps=(0.5, 0.25)), "steps: found [0.5, 0.25]"),
        (lambda: Rules((errors("e", 0.9),), steps=()), "steps: found none, write at least one"),
        (lambda: Rules((errors("e", 0.9),), steps=(25,)), "steps: found 25, write shares"),
        (lambda: Rules((errors("e", 0.9),), false_rollback=1), "false_rollback: found 1"),
        (lambda: Dispersion(0.5), "dispersion, target: found 0.5, write 1 or more"),
        (
            lambda: Judge(Rules((errors("e", 0.9),)), {"f": Dispersion()}),
            "dispersions: found ['f'], which are not objectives; write names of ['e']",
        ),
        (lambda: Counts.of(3, 4), "found 4 bad of 3"),
        (lambda: Counts.of(math.nan, 0), "found 0 bad of nan"),
        (lambda: Counts.timed(9, 3, 4, 0), "found 0, 4, 3 of 9 requests above the far"),
        (lambda: Counts.events(-1, 0), "found 0 events in -1 pod-minutes"),
        (lambda: Interval(5, 5, {}), "found start 5 s and end 5 s"),
    ],
)
def test_bad_input_is_named(make: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=r"found") as caught:
        make()
    for part in message.split(".*"):
        assert part in str(caught.value)


def test_objective_errors_are_their_own_type() -> None:
    with pytest.raises(ObjectiveError):
        errors("e", 2)


@pytest.mark.parametrize(
    ("assurance", "errors_bad", "latency_bad"),
    [
        (Assurance.FAST, 0.005, 0.02),
        (Assurance.STANDARD, 0.002, 0.015),
        (Assurance.STRICT, 0.0015, 0.0125),
    ],
)
def test_assurance_sets_the_bad_limit(
    assurance: Assurance, errors_bad: float, latency_bad: float
) -> None:
    of_errors = errors("e", 0.999, assurance=assurance)
    of_latency = latency("l", 0.3, 0.99, EDGES, assurance=assurance)

    assert (of_errors.good, of_errors.bad) == (0.001, errors_bad)
    assert (of_latency.good, of_latency.bad) == (0.01, latency_bad)
    assert of_errors.bad_ratio == pytest.approx(errors_bad / 0.001)
    assert (of_errors.accept, of_latency.accept) == (0.005, 0.02)


def test_defaults() -> None:
    assert errors("e", 0.999).role is Role.GATE
    assert latency("l", 0.3, 0.99, EDGES).role is Role.GATE
    assert {o.role for o in (breaker(), restarts(), counters("c", 0.1, 0.2))} == {Role.GUARD}
    assert {o.compare for o in (breaker(), restarts(), errors("e", 0.9))} == {Compare.AUTO}


@pytest.mark.parametrize(
    ("objective", "words"),
    [
        (errors("e", 0.999), "99.9 % of requests must succeed"),
        (latency("l", 0.3, 0.99, EDGES), "99 % of requests must take at most 300 ms"),
        (latency("l", 0.3, 0.9995, EDGES), "99.95 % of requests must take at most 300 ms"),
        (latency("l", 2, 0.95, (1, 2, 3)), "95 % of requests must take at most 2 s"),
        (counters("c", 0.01, 0.02), "at most 1 % may be counted as bad"),
        (
            counters("c", 0.01, 0.02, metrics=CounterPair("wrong_total", "answers_total")),
            "wrong_total may be at most 1 % of answers_total",
        ),
        (
            counters(
                "c",
                0.01,
                0.02,
                metrics=CounterPair("a", "a", (("code", ("500", "503")), ("to", ("x",)))),
            ),
            'a{code=~"500|503",to="x"} may be at most 1 % of a',
        ),
        (
            counters("c", 0.01, 0.02, metrics=CounterPair("wrong", "right", total_is_good=True)),
            "wrong may be at most 1 % of wrong + right",
        ),
        (
            latency("l", 0.3, 0.99, (0.3,), histogram=Histogram("took", (("model", ("a",)),))),
            '99 % of took{model="a"} must take at most 300 ms',
        ),
        (errors("e", 0.99999), "99.999 % of requests must succeed"),
        (restarts(), "at most 0.01 restarts per pod-minute are allowed"),
        (
            errors("e", 0.99, slice=Slice("long-haul")),
            "99 % of requests of slice long-haul must succeed",
        ),
        (
            latency("l", 0.3, 0.99, EDGES, slice=Slice("long-haul")),
            "99 % of requests of slice long-haul must take at most 300 ms",
        ),
    ],
)
def test_promises_read_as_people_say_them(objective: Objective, words: str) -> None:
    assert promise(objective) == words


def test_other_series_of_the_same_metrics_are_another_promise() -> None:
    code = (("code", ("500",)),)
    pairs = [
        CounterPair("a", "b"),
        CounterPair("a", "b", code),
        CounterPair("a", "b", (), code),
        CounterPair("a", "b", total_is_good=True),
    ]

    definitions = [counters("c", 0.01, 0.02, metrics=pair).definition for pair in pairs]

    assert len(set(definitions)) == len(pairs)
    # Evidence that an earlier release wrote stays evidence.
    assert definitions[0].endswith("counters=CounterPair(bad='a', total='b'))")


def test_each_histogram_is_another_promise_and_none_is_that_of_earlier_releases() -> None:
    edges = (0.3, 0.4)
    histograms = [None, Histogram("a"), Histogram("b"), Histogram("a", unit=1e-3)]

    definitions = [latency("l", 0.3, 0.99, edges, histogram=each).definition for each in histograms]

    assert len(set(definitions)) == len(histograms)
    assert "stable=Bracket(lower=0.3, upper=0.3, far=0.4))" in definitions[0]


def test_each_slice_is_another_promise_and_none_is_that_of_earlier_releases() -> None:
    slices = [None, Slice("a"), Slice("b"), Slice("a", by_stable=False)]

    definitions = [errors("e", 0.99, slice=each).definition for each in slices]

    assert len(set(definitions)) == len(slices)
    assert definitions[0].endswith("counters=None)")


def test_what_stable_does_not_count_is_held_against_the_target_alone() -> None:
    made = [
        errors("e", 0.99, compare=Compare.STABLE, slice=Slice("a", by_stable=False)),
        latency("l", 0.3, 0.99, EDGES, slice=Slice("a", by_stable=False)),
    ]

    assert [each.compare for each in made] == [Compare.TARGET] * 2
    assert errors("e", 0.99, slice=Slice("a")).compare is Compare.AUTO


def test_less_for_a_longer_time_may_be_promised_to_a_slice() -> None:
    of_slice = latency("b", 0.4, 0.95, EDGES, slice=Slice("long-haul"))

    assert Rules((latency("a", 0.3, 0.99, EDGES), of_slice)).objectives[1] is of_slice


def test_requests_that_clients_gave_up_on_are_bad() -> None:
    assert Counts.answers(90, 3, 10) == Counts.of(100, 13)
    assert Counts.answers(90, 3, 10, resets_are_bad=False) == Counts.of(100, 3)
    hung = Counts.timed(90, 5, 4, 1, reset=10)
    assert (hung.total, hung.bad_at_most, hung.bad_at_least, hung.far) == (100, 15, 14, 11)
