"""Guards that are on by default: what they find, how soon, and what they leave alone."""

import random
from pathlib import Path

import pytest

from model_rollouts.decision import (
    Counts,
    Decision,
    Interval,
    Objective,
    ObjectiveError,
    Role,
    Rules,
    Sample,
    breaker,
    client_errors,
    errors,
    explain,
    promise,
)
from tests.decision.guarded import GUARDS, SECONDS, SLOW, Shares, always, judge, play
from tests.decision.made_up import after, in_looks
from tests.decision.test_guarantees import TRIALS, allowed


@pytest.mark.parametrize(
    ("what", "truth", "most_seconds", "most_requests"),
    [
        ("refuses everybody", {"client-errors": always(1.0, 0.0)}, 15, 75),
        ("refuses everybody, as many clients send", {"client-errors": always(1, 0.3)}, 20, 100),
        ("refuses one in twenty", {"client-errors": always(0.05, 0.0)}, 240, 1200),
        ("is twice as slow at p99", {SLOW: always(0.08, 0.007)}, 240, 1200),
        ("crashes each minute", {"restarts": always(1.0, 0.0)}, 900, 4500),
    ],
)
def test_a_bad_version_is_rolled_back_soon(
    what: str, truth: dict[str, Shares], most_seconds: float, most_requests: float
) -> None:
    ends = [play(random.Random(seed), truth, minutes=60) for seed in range(30)]

    assert all(end is not None for end in ends), what
    assert max(end[0] for end in ends if end) <= most_seconds
    assert max(end[1] for end in ends if end) <= most_requests


def wave(at: float) -> tuple[float, float]:
    """Bad clients come for a minute in three, and to both versions alike."""
    share = 0.6 if int(at // 60) % 3 == 1 else 0.01
    return share, share


@pytest.mark.parametrize(
    ("what", "truth"),
    [
        ("as stable", {}),
        (
            "at every limit at once",
            {
                "errors": always(0.01, 0.0),
                "client-errors": always(0.06, 0.05),
                SLOW: always(0.017, 0.007),
                "restarts": always(0.01, 0.0),
            },
        ),
        ("a shared wave of bad clients", {"client-errors": wave}),
        ("a service whose model crashes", {"restarts": always(0.3, 0.3)}),
    ],
)
def test_a_good_version_is_rolled_back_once_in_a_hundred_with_all_guards_together(
    what: str, truth: dict[str, Shares]
) -> None:
    by = judge()
    wrong = sum(
        play(random.Random(seed), truth, judged_by=by, minutes=5) is not None
        for seed in range(TRIALS)
    )

    assert wrong <= allowed(TRIALS, 0.01), what


def test_a_worse_version_is_seen_with_the_same_yardstick() -> None:
    by = judge()
    found = sum(
        play(random.Random(seed), {"client-errors": always(0.1, 0.05)}, judged_by=by) is not None
        for seed in range(30)
    )

    assert found > allowed(30, 0.01)


def test_guards_make_what_was_promised_hardly_slower_to_decide() -> None:
    """The price of three guards: a sixth of a nat, less than one failed request at 99 %."""
    alone = judge(Rules((errors("errors", 0.99), breaker())))
    guarded = judge()
    of_errors = {
        by: next(i for i, o in enumerate(by.rules.objectives) if o.name == "errors")
        for by in (alone, guarded)
    }
    needed = {}
    for by, index in of_errors.items():
        others = dict.fromkeys(range(len(by.rules.objectives)), 0.0)
        needed[by] = by.fail_needed / by.mean(others | {index: 1.0})

    assert needed[alone] == pytest.approx(110)
    assert needed[guarded] == pytest.approx(130)


@pytest.mark.parametrize("guard", GUARDS, ids=lambda each: each.name)
def test_a_guard_never_promotes_and_never_delays(guard: Objective) -> None:
    alone = judge(Rules((errors("errors", 0.99), breaker())))
    beside = judge(Rules((errors("errors", 0.99), breaker(), guard)))
    decided = []
    for by in (alone, beside):
        state = by.start()
        seen = []
        for index in range(60):
            samples = {
                "errors": Sample(Counts.of(25, 0), Counts.of(225, 0)),
                "breaker": Sample(Counts.of(25, 0), Counts.of(225, 0)),
            }
            state = by.update(state, Interval(index * SECONDS, (index + 1) * SECONDS, samples))
            seen.append(by.decide(state))
        decided.append(seen)

    assert decided[0] == decided[1]
    assert decided[0][-1] is Decision.PASS


def test_the_words_say_what_is_compared() -> None:
    assert [promise(each) for each in GUARDS] == [
        "up to 1 % of requests more than with stable may be refused (4xx)",
        "at most 0.01 restarts per pod-minute are allowed",
        "up to 1 % of requests more than with stable may take over 100 ms",
    ]
    by = judge()
    refused = {"client-errors": Sample(Counts.of(25, 25), Counts.of(225, 3))}
    state = after(by, *in_looks(Interval(0, 5, refused)))

    why = explain(by, state, candidate="version 2").why

    assert why == (
        "client-errors failed: up to 1 % of requests more than with stable may be refused (4xx); "
        "version 2 refused 25 of 25 (100 %), stable 3 of 225 (1.3 %)"
    )


def test_limits_without_sense_are_refused() -> None:
    with pytest.raises(ObjectiveError, match="good: found 0"):
        client_errors(more=0.0)
    assert client_errors(role=Role.REPORT).role is Role.REPORT


def test_the_page_tells_what_was_measured() -> None:
    root = Path(__file__).resolve().parents[2]
    table = (root / "docs/guards.md").read_text().split("<!-- measured: ")[1].split("-->\n")[1]

    assert table.count("\n") > 5
    assert table in (root / "benchmarks/results/guards.md").read_text()
