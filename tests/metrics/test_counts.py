"""Raw samples of pods, row by row, and the exact counts that follow."""

import gc

import pytest

from model_rollouts.metrics.counts import Counted
from model_rollouts.metrics.cursor import Cursor
from model_rollouts.metrics.findings import Reason
from model_rollouts.metrics.intake import Intake
from model_rollouts.metrics.objectives import (
    CountedObjective,
    client_errors,
    errors,
    latency,
    own_counters,
    own_latency,
)
from model_rollouts.metrics.pods import Pod
from model_rollouts.metrics.process import Process
from model_rollouts.metrics.requests import Arm, MeasuredRollout, Request
from model_rollouts.metrics.sources import Listener
from tests.metrics.fake_prometheus import (
    BUCKET,
    CLASS,
    COMPLETED,
    GIVEN_UP,
    GRID,
    GRPC,
    START,
    STEP,
    THROTTLED,
    TIMED,
    UPTIME,
    World,
    bads,
    count,
    findings,
    rollout,
    totals,
)

Row = dict[float, object]


def _steady(since: float = -4.5, until: float = 5.0, up: float = 1000) -> Row:
    """An uptime that has grown since long before."""
    seconds = [since + n for n in range(int(until - since) + 1)]
    return {at: round(up + at, 1) for at in seconds}


@pytest.mark.parametrize(
    ("completed", "expected"),
    [
        pytest.param({-0.5: 100, 0.5: 103, 1.5: 107}, [3, 4, 0], id="differences per interval"),
        pytest.param({-0.5: 100, 2.5: 107}, [0, 0, 7], id="missing scrapes: caught up, not lost"),
        pytest.param({-0.5: 100, 0.2: 101, 0.8: 104}, [4, 0, 0], id="two scrapes in an interval"),
        pytest.param({-1: 100, 0: 103, 1: 105}, [2, 0], id="a sample at the start counts before"),
        pytest.param({-0.5: 100, 0.5: "nan", 1.5: 107}, [0, 7, 0], id="NaN is passed over"),
        pytest.param({-0.5: 100, 0.5: "+Inf", 1.5: 107}, [0, 7, 0], id="infinity too"),
        pytest.param({-0.5: 100, 0.5: "-Inf", 1.5: -3, 2.5: 107}, [0, 0, 7], id="negatives too"),
        pytest.param({-0.5: 100, 0.5: 103.5, 1.5: 107}, [0, 7, 0], id="fractions too"),
        pytest.param({-0.5: 100, 0.5: "lots", 1.5: 107}, [0, 7, 0], id="and what is no number"),
        pytest.param({-0.5: 100, 0.5: "1.02e+02"}, [2, 0, 0], id="exponents are read"),
        pytest.param({-0.5: 1e17, 0.5: 2e17}, [0, 0, 0], id="too large for exact counts"),
        pytest.param(
            {-4.5: 100, 2.5: 107}, [0, 0, 0], id="silent for the lookback: a new baseline"
        ),
    ],
)
def test_increments_of_a_known_process(completed: Row, expected: list[int]) -> None:
    world = World()
    world.write(COMPLETED, completed)

    assert totals(count(world, rollout(), 3)) == expected


@pytest.mark.parametrize(
    ("completed", "uptime", "expected", "restarts"),
    [
        pytest.param(
            {-0.5: 100, 0.5: 6, 1.5: 8},
            {-0.5: 500, 0.5: 0.4, 1.5: 1.4},
            [6, 2, 0],
            [1, 0, 0],
            id="restart: everything since it",
        ),
        pytest.param(
            {-0.5: 3, 0.5: 6, 1.5: 8},
            {-0.5: 500, 0.5: 0.4, 1.5: 1.4},
            [6, 2, 0],
            [1, 0, 0],
            id="restart that overtook the old value is seen by the clock",
        ),
        pytest.param(
            {-0.5: 100, 0.5: 6, 1.5: 8}, {}, [6, 2, 0], [1, 0, 0], id="no clock: fell below half"
        ),
        pytest.param(
            {-0.5: 3, 0.5: 6, 1.5: 8},
            {},
            [3, 2, 0],
            [0, 0, 0],
            id="no clock, overtaken: a lower bound, nothing can tell",
        ),
        pytest.param(
            {-0.5: 100, 0.5: 98, 1.5: 103},
            {},
            [0, 3, 0],
            [0, 0, 0],
            id="no clock: a replica a little behind is no restart",
        ),
        pytest.param(
            {-0.5: 100, 0.5: 30, 1.5: 103},
            _steady(-0.5, 1.5),
            [0, 3, 0],
            [0, 0, 0],
            id="with a clock any fall of a living process is a flap",
        ),
        pytest.param(
            {-0.5: 100, 0.5: 6, 1.5: 8},
            {-0.5: 500, 0.5: "+Inf", 1.5: 1.4},
            [6, 2, 0],
            [1, 0, 0],
            id="no clock at the restart: counted once, not again when it is back",
        ),
    ],
)
def test_restarts_and_flaps(
    completed: Row, uptime: Row, expected: list[int], restarts: list[int]
) -> None:
    world = World()
    world.write(COMPLETED, completed)
    world.write(UPTIME, uptime)

    records = count(world, rollout(), 3)

    assert totals(records) == expected
    assert [record.arms["candidate"].resets for record in records] == restarts


@pytest.mark.parametrize(
    ("uptime", "expected", "restarts"),
    [
        pytest.param(1.8, [0, 130, 0], [0, 1, 0], id="it began anew before the scrape that failed"),
        pytest.param(502, [0, 30, 0], [0, 0, 0], id="it lives"),
    ],
)
def test_a_marker_of_staleness_is_no_scrape_and_hides_nothing(
    uptime: float, expected: list[int], restarts: list[int]
) -> None:
    world = World()
    world.write(COMPLETED, {-0.5: 100, 0.5: "NaN", 1.5: 130, 2.5: 130})
    world.write(UPTIME, {-0.5: 500, 0.5: "NaN", 1.5: uptime, 2.5: uptime + 1})

    records = count(world, rollout(), 3)

    assert totals(records) == expected
    assert [record.arms["candidate"].resets for record in records] == restarts
    assert [record.arms["candidate"].pods for record in records] == [0, 1, 1]
    assert Reason.NOT_A_COUNT not in {each.reason for each in findings(records)}


def test_a_series_that_is_gone_is_marked_in_a_scrape_of_others_and_that_is_no_sample() -> None:
    world = World()
    world.write(UPTIME, {-0.5: 500, 0.5: 0.4, 1.5: 1.4, 2.5: 2.4})
    world.write(COMPLETED, {-0.5: 100, 0.5: 3, 1.5: 3, 2.5: 6})
    world.write(THROTTLED, {-0.5: 9, 0.5: "NaN", 2.5: 2})

    records = count(world, rollout(), 3)

    assert bads(records) == [0, 0, 2]
    assert Reason.NOT_A_COUNT not in {each.reason for each in findings(records)}


def test_a_restart_of_the_process_restarts_counters_that_did_not_fall() -> None:
    world = World()
    world.write(COMPLETED, {-0.5: 1000, 0.5: 5})
    world.write(CLASS, {-0.5: 2, 0.5: 2})

    assert bads(count(world, rollout(), 1)) == [2]


def test_an_error_counter_that_falls_with_its_total_a_little_behind_is_no_restart() -> None:
    world = World()
    world.write(COMPLETED, {-0.5: 1000, 0.5: 999, 1.5: 1001})
    world.write(CLASS, {-0.5: 1, 0.5: 0, 1.5: 1})

    assert bads(count(world, rollout(), 2)) == [0, 0]


@pytest.mark.parametrize(
    ("uptime", "created", "expected", "lost"),
    [
        pytest.param({0.5: 0.3, 1.5: 1.3}, None, [4, 2], False, id="born since: from zero"),
        pytest.param({0.5: 2.5, 1.5: 3.5}, None, [0, 2], True, id="born before counting began"),
        pytest.param({}, 200, [4, 2], False, id="pod created since, no clock: from zero"),
        pytest.param({}, None, [0, 2], True, id="nothing known: a baseline"),
        pytest.param({0.5: 60, 1.5: 61}, 200, [0, 2], True, id="the clock knows better"),
        pytest.param({}, -3_600_000, [0, 2], True, id="an old pod: a baseline"),
    ],
)
def test_a_process_that_appears(
    uptime: Row, created: int | None, expected: list[int], lost: bool
) -> None:
    world = World()
    world.write(COMPLETED, {0.5: 4, 1.5: 6})
    world.write(UPTIME, uptime)
    pods = [] if created is None else [Pod("p", "new", START + created)]

    records = count(world, rollout(pods=pods), 2)

    assert totals(records) == expected
    assert (Reason.HISTORY_LOST in {each.reason for each in findings(records)}) is lost


def test_a_pod_unscraped_for_the_lookback_is_not_counted_twice_from_zero() -> None:
    world = World()
    world.write(COMPLETED, {0.5: 50, 1.5: 60, 9.5: 100, 10.5: 101})
    pods = [Pod("p", "new", START + 200)]

    records = count(world, rollout(pods=pods), 11)

    assert sum(totals(records)) == 50 + 10 + 1
    assert [each.reason for each in records[9].findings] == [Reason.HISTORY_LOST]


def test_an_error_series_that_appears_late_starts_from_zero() -> None:
    world = World()
    world.write(COMPLETED, {-0.5: 100, 0.5: 110, 1.5: 120})
    world.write(THROTTLED, {1.5: 3})

    records = count(world, rollout(), 2)

    assert (totals(records), bads(records)) == ([10, 10], [0, 3])
    assert findings(records) == []


def test_a_bad_counter_that_falls_alone_restarts_alone() -> None:
    world = World()
    world.write(COMPLETED, {-0.5: 1000, 0.5: 1010})
    world.write(CLASS, {-0.5: 4, 0.5: 1})

    records = count(world, rollout(), 1)

    assert (totals(records), bads(records)) == ([10], [1])


def test_a_histogram_that_a_young_process_shows_after_its_first_flush_counts_whole() -> None:
    world = World()
    world.write(UPTIME, {0.5: 0.4, 1.5: 1.4})
    world.write(COMPLETED, {0.5: 2, 1.5: 5})
    world.write(TIMED, {1.5: 5})

    records = count(world, rollout(objectives=[errors("e"), latency("p99", [0.3])]), 2)

    assert totals(records, objective="p99") == [5]
    assert findings(records) == []


def test_a_counter_that_was_hidden_does_not_bring_its_past_along() -> None:
    world = World()
    world.write(UPTIME, _steady())
    world.write(COMPLETED, {-0.5: 100, 0.5: 110, 1.5: 120})
    world.write(CLASS, {0.5: 90, 1.5: 91})  # a scrape configuration that begins to keep it

    records = count(world, rollout(), 2)

    assert bads(records) == [0, 1]
    assert Reason.HISTORY_LOST in {each.reason for each in records[0].findings}


def test_pods_that_come_and_go_are_summed_after_differencing() -> None:
    world = World()
    world.write(COMPLETED, {-0.5: 1000, 0.5: 1010}, pod="leaves")
    world.write(COMPLETED, {-0.5: 5, 0.5: 8, 1.5: 20}, pod="stays")
    world.write(COMPLETED, {1.5: 7}, pod="comes")
    world.write(UPTIME, {1.5: 0.4}, pod="comes")

    records = count(world, rollout(), 2)

    assert totals(records) == [13, 19]
    assert [record.arms["candidate"].pods for record in records] == [2, 2]


def test_requests_given_up_are_bad_and_count_in_the_total() -> None:
    world = World()
    world.write(COMPLETED, {-0.5: 0, 0.5: 5})
    world.write(GIVEN_UP, {-0.5: 0, 0.5: 3})
    world.write(TIMED, {-0.5: 0, 0.5: 5})
    world.write(BUCKET, {-0.5: 0, 0.5: 4}, le="299")

    (record,) = count(world, rollout(objectives=[errors("errors"), latency("p99", [0.3])]), 1)

    tallies = record.arms["candidate"].tallies
    assert (tallies["errors"].total, tallies["errors"].bad) == (8, (3,))
    assert (tallies["p99"].total, tallies["p99"].bad) == (8, (4,))


def test_client_errors_are_answers_of_the_model_but_for_what_was_throttled() -> None:
    world = World()
    world.write(COMPLETED, {-0.5: 0, 0.5: 20})
    # Three of them the proxy has answered itself.
    world.write(CLASS, {-0.5: 0, 0.5: 9}, envoy_response_code_class="4")
    for code, times in (("400", 1), ("422", 1), ("429", 4), ("499", 2), ("503", 5)):
        world.write(THROTTLED, {0.5: times}, envoy_response_code=code)

    (record,) = count(world, rollout(objectives=[errors("e"), client_errors("c")]), 1)

    assert record.arms["candidate"].tallies["e"].bad == (4,)
    assert record.arms["candidate"].tallies["c"].bad == (4,)


@pytest.mark.parametrize("spelling", ["299", "299.0", "2.99e+02", "0299.00", "+2.99E2"])
def test_an_edge_is_found_in_any_spelling(spelling: str) -> None:
    world = World()
    world.write(TIMED, {-0.5: 10, 0.5: 20})
    world.write(BUCKET, {-0.5: 10, 0.5: 17}, le=spelling)
    world.write(BUCKET, {-0.5: 10, 0.5: 10}, le="30")

    records = count(world, rollout(objectives=[latency("p99", [0.3])]), 1)

    assert bads(records, objective="p99") == [3]


def test_bad_from_another_scrape_than_its_total_waits_for_it() -> None:
    world = World()
    own = rollout(objectives=[own_counters("own", bad="wrong_total", total="answers_total")])
    world.write("answers_total", {-0.5: 0, 0.5: 2, 1.5: 10})
    world.write("wrong_total", {-0.4: 0, 0.6: 5})

    records = count(world, own, 2)

    assert totals(records, objective="own") == [2, 8]
    assert bads(records, objective="own") == [2, 3]
    assert [each.reason for each in records[0].findings] == [Reason.BAD_EXCEEDS_TOTAL]
    assert records[1].findings == ()


def test_own_counters_with_more_labels_are_summed() -> None:
    world = World()
    own = rollout(objectives=[own_counters("own", bad="wrong_total", total="answers_total")])
    for route in ("/a", "/b"):
        world.write("answers_total", {-0.5: 1, 0.5: 4}, route=route)
        world.write("wrong_total", {-0.5: 0, 0.5: 1}, route=route)

    records = count(world, own, 1)

    assert (totals(records, objective="own"), bads(records, objective="own")) == ([6], [2])


CODES = {"200": 90, "404": 5, "500": 2, "503": 3}
"""Answers in one interval, by the label that tells good from bad."""


@pytest.mark.parametrize(
    ("own", "total", "bad"),
    [
        (own_counters("own", bad="a", total="a", bad_matchers=(("code", ("500",)),)), 100, 2),
        (own_counters("own", bad="a", total="a", bad_matchers=(("code", ("500", "503")),)), 100, 5),
        (
            own_counters(
                "own",
                bad="a",
                total="a",
                bad_matchers=(("code", ("500", "503")),),
                total_matchers=(("code", ("200", "500", "503")),),
            ),
            95,
            5,
        ),
        (
            own_counters(
                "own",
                bad="a",
                total="a",
                bad_matchers=(("code", ("500", "503")),),
                total_matchers=(("code", ("200",)),),
                total_is_good=True,
            ),
            95,
            5,
        ),
        # A value is no pattern.
        (own_counters("own", bad="a", total="a", bad_matchers=(("code", ("5..", "x")),)), 100, 0),
    ],
)
def test_own_counters_are_selected_by_their_labels(
    own: CountedObjective, total: int, bad: int
) -> None:
    world = World()
    for code, answers in CODES.items():
        world.write("a", {-0.5: 7, 0.5: 7 + answers}, code=code)

    records = count(world, rollout(objectives=[own]), 1)

    assert (totals(records, objective="own"), bads(records, objective="own")) == ([total], [bad])


@pytest.mark.parametrize(("unit", "scale"), [(1.0, 1), (1e-3, 1_000), (1e-6, 1_000_000)])
def test_a_histogram_of_the_model_server_is_counted_at_its_own_edges(
    unit: float, scale: int
) -> None:
    own = own_latency("own", "took", (0.25, 0.5), unit=unit, matchers=(("model", ("a", "b")),))
    world = World()
    # Histograms of Python are there from the first request on; model c is another one.
    for model in "abc":
        world.write("took_count", {0.5: 10, 1.5: 30}, model=model)
        for edge, within in ((0.1, (0, 0)), (0.25, (4, 10)), (0.5, (9, 28)), (1, (10, 30))):
            label = f"{edge * scale:g}"
            world.write("took_bucket", {0.5: within[0], 1.5: within[1]}, model=model, le=label)
        world.write("took_bucket", {0.5: 10, 1.5: 30}, model=model, le="+Inf")
    world.write("process_start_time_seconds", dict.fromkeys((-0.5, 0.5, 1.5), START / 1000 - 1))

    records = count(world, rollout(objectives=[own]), 2)

    assert totals(records, objective="own") == [20, 40]
    assert bads(records, objective="own") == [12, 28]
    assert bads(records, objective="own", level=1) == [2, 2]


def test_good_and_bad_events_from_two_scrapes_are_never_more_bad_than_all() -> None:
    own = own_counters("own", bad="failed", total="worked", total_is_good=True)
    world = World()
    world.write("worked", {-0.5: 0, 0.5: 2, 1.5: 10})
    world.write("failed", {-0.4: 0, 0.6: 5})

    records = count(world, rollout(objectives=[own]), 2)

    assert totals(records, objective="own") == [7, 8]
    assert bads(records, objective="own") == [5, 0]
    assert not any(each.findings for each in records)


def test_own_counters_tell_nothing_while_a_revision_serves_users_and_copies() -> None:
    both = rollout(
        objectives=[errors("errors"), own_counters("own", bad="wrong_total", total="all_total")],
        arms=[
            Arm("stable", "old"),
            Arm("candidate", "new"),
            Arm("shadow", "new", Listener.SHADOW),
        ],
    )

    (record,) = count(World(), both, 1)

    assert {name: sorted(arm.tallies) for name, arm in record.arms.items()} == {
        "stable": ["errors", "own"],
        "candidate": ["errors"],
        "shadow": ["errors"],
    }


def _arms() -> list[Arm]:
    return [Arm("stable", "old"), Arm("candidate", "new"), Arm("shadow", "new", Listener.SHADOW)]


def test_live_and_shadow_are_counted_apart() -> None:
    world = World()
    world.write(COMPLETED, {-0.5: 0, 0.5: 100}, revision="old", pod="s")
    world.write(COMPLETED, {-0.5: 0, 0.5: 5})
    world.write(COMPLETED, {-0.5: 0, 0.5: 95}, listener=Listener.SHADOW)

    records = count(world, rollout(arms=_arms()), 1)

    assert [totals(records, arm) for arm in ("stable", "candidate", "shadow")] == [[100], [5], [95]]


def test_an_answer_of_grpc_is_bad_by_its_own_status_alone() -> None:
    """All of them are answers 200; a series of a status appears with the first such answer."""
    world = World()
    world.write(COMPLETED, {-0.5: 100, 0.5: 106, 1.5: 112, 2.5: 118})
    world.write(UPTIME, _steady())
    for status, row in {
        "0": {-0.5: 7, 0.5: 7, 1.5: 8, 2.5: 9},
        "1": {1.5: 1, 2.5: 1},
        "3": {2.5: 3},
        "13": {1.5: 2, 2.5: 2},
        "14": {0.5: 1, 1.5: 1, 2.5: 2},
    }.items():
        world.write(GRPC, row, envoy_grpc_status=status)
    measured = rollout(objectives=(errors("errors"), client_errors("client-errors")))

    records = count(world, measured, 3)

    found = [each.arms["candidate"].tallies for each in records]
    assert [(each["errors"].total, each["errors"].bad) for each in found] == [
        (6, (1,)),
        (6, (2,)),
        (6, (1,)),
    ]
    assert [each["client-errors"].bad for each in found] == [(0,), (0,), (3,)]


def test_copies_to_a_pod_count_once_it_was_asked_for_two_seconds() -> None:
    expected = [0, 0, 0, 4]
    world = World()
    world.write(UPTIME, {0.5: 0.4, 1.5: 1.4, 2.5: 2.4, 3.5: 3.4})
    world.write(COMPLETED, {0.5: 1, 1.5: 3, 2.5: 6, 3.5: 10}, listener=Listener.SHADOW)
    world.write(COMPLETED, {0.5: 1, 1.5: 3, 2.5: 6, 3.5: 10})
    measured = rollout(arms=_arms()[1:], warmup_ms=2_000)

    records = count(world, measured, 4)

    assert totals(records, "shadow") == expected
    assert totals(records, "candidate") == [1, 2, 3, 4], "users are never left out"
    left_out = [not counted for counted in expected]
    assert [record.arms["shadow"].warming for record in records] == left_out
    assert not any(record.arms["candidate"].warming for record in records)


def _slow_at_first(world: World, pod: str, first: float) -> None:
    """A pod that is up before and asked twice a second from `first` on, slowly for 2 s."""
    times = [n + 0.5 for n in range(-3, 8)]
    asked = {at: max(0, round(2 * (at - first))) for at in times}
    world.write(UPTIME, {at: 100 + at for at in times}, pod=pod)
    world.write(COMPLETED, asked, pod=pod)
    world.write(CLASS, asked, pod=pod)
    world.write(TIMED, asked, pod=pod)
    world.write(BUCKET, {at: max(0, asked[at] - 4) for at in times}, pod=pod, le="299")


def test_how_long_answers_take_counts_once_a_pod_was_asked_for_a_while() -> None:
    """It was up for long before: what makes it warm are requests."""
    world = World()
    _slow_at_first(world, "a", 0.5)
    _slow_at_first(world, "b", 4.5)
    measured = rollout(objectives=[errors("e"), latency("p99", [0.3])], warmup_ms=2_000)

    records = count(world, measured, 8)

    assert totals(records, objective="e") == [0, 2, 2, 2, 2, 4, 4, 4]
    assert bads(records, objective="e") == totals(records, objective="e"), "errors always count"
    # Requests of the first are seen from 1.5 s on, and in what begins 2 s later or more it is warm;
    # those of the other from 5.5 s on.
    assert totals(records, objective="p99") == [0, 0, 0, 0, 2, 2, 2, 2]
    assert bads(records, objective="p99") == [0] * 8


def test_a_crash_makes_no_pod_cold() -> None:
    world = World()
    times = [n + 0.5 for n in range(-4, 4)]
    asked = {at: round(20 + 2 * at) if at < 2 else round(2 * at - 4) for at in times}
    world.write(UPTIME, {at: 100 + at if at < 2 else at - 1.9 for at in times})
    world.write(COMPLETED, asked)
    world.write(TIMED, asked)
    world.write(BUCKET, asked, le="299")
    measured = rollout(objectives=[errors("e"), latency("p99", [0.3])], warmup_ms=2_000)

    records = count(world, measured, 4)

    assert totals(records, objective="p99") == totals(records, objective="e") == [2, 2, 1, 2]


def test_an_arm_that_is_left_out_while_it_warms_up_is_not_without_traffic() -> None:
    world = World()
    world.write(COMPLETED, {-0.5: 0, 0.5: 100}, revision="old", pod="s")
    world.write(UPTIME, {0.5: 0.4})
    world.write(COMPLETED, {0.5: 90}, listener=Listener.SHADOW)

    (record,) = count(world, rollout(arms=[_arms()[0], _arms()[2]], warmup_ms=1_000), 1)

    assert totals([record], "shadow") == [0]
    assert record.findings == ()


def _reasons(world: World, measured: MeasuredRollout, until: float) -> list[set[tuple[str, str]]]:
    return [
        {(each.reason.value, each.arm) for each in record.findings}
        for record in count(world, measured, until)
    ]


def test_an_arm_without_traffic_and_an_arm_without_metrics_are_told_apart() -> None:
    world = World()
    world.write(COMPLETED, {-0.5: 0, 0.5: 100}, revision="old", pod="s")
    world.write(COMPLETED, {-0.5: 0, 0.5: 0})
    measured = rollout(arms=_arms()[:2])

    assert _reasons(world, measured, 2) == [
        {("NoTraffic", "candidate")},
        {("MetricsUnavailable", "candidate"), ("MetricsUnavailable", "stable")},
    ]


def test_a_ready_pod_that_was_never_scraped_is_missing_after_three_intervals() -> None:
    world = World()
    world.write(COMPLETED, {at + 0.5: 0 for at in range(-1, 5)})
    pods = [
        Pod("p", "new", START - 9_000, START - 9_000),
        Pod("unseen", "new", START - 9_000, START + 1_000),
        Pod("starting", "new", START - 9_000),
    ]

    reasons = _reasons(world, rollout(pods=pods), 4)

    assert [("ScrapeMissing", "candidate") in each for each in reasons] == [
        False,
        False,
        False,
        True,
    ]


def test_each_exporter_of_a_pod_has_to_be_scraped() -> None:
    world = World()
    world.write("answers_total", {at + 0.5: 0 for at in range(-1, 3)})
    own = own_counters("own", bad="wrong_total", total="answers_total")
    pods = [Pod("p", "new", START - 9_000, START - 9_000)]

    both = _reasons(world, rollout(objectives=[errors("errors"), own], pods=pods), 2)
    alone = _reasons(world, rollout(objectives=[own], pods=pods), 2)

    assert both == [{("ScrapeMissing", "candidate")}] * 2
    assert alone == [set(), set()]


def test_a_pod_that_missed_one_scrape_is_not_missing() -> None:
    world = World()
    world.write(COMPLETED, {-0.5: 0, 1.5: 0, 2.5: 0})
    pods = [Pod("p", "new", START - 9_000, START - 9_000)]

    assert not any("ScrapeMissing" in str(each) for each in _reasons(world, rollout(pods=pods), 3))


def test_a_pod_scraped_twice_is_found_and_not_counted_twice() -> None:
    world = World()
    for job, offset in (("models", 0.2), ("again", 0.7)):
        world.write(COMPLETED, {at + offset: 100 + 10 * at for at in range(-2, 4)}, job=job)
        world.write(UPTIME, {at + offset: 1000 + at + offset for at in range(-2, 4)}, job=job)

    records = count(world, rollout(), 3)

    assert totals(records) == [10, 10, 10]
    assert [{each.reason for each in record.findings} for record in records] == [
        {Reason.DUPLICATE_TARGETS}
    ] * 3
    assert "job=again" in records[0].findings[0].message
    assert not any(record.held_arms for record in records)


def test_two_processes_in_one_pod_are_never_mixed() -> None:
    world = World()
    for job, offset, up in (("models", 0.2, 1000), ("sidecar", 0.7, 500)):
        rate = up // 100
        world.write(COMPLETED, {n + offset: 90 * rate + rate * n for n in range(-2, 4)}, job=job)
        world.write(UPTIME, {n + offset: up + n for n in range(-2, 4)}, job=job)

    records = count(world, rollout(), 3)

    assert totals(records) == [0, 0, 0]
    assert all(record.held_arms == {"candidate"} for record in records)
    assert {each.reason for each in records[-1].findings} >= {Reason.UNLIKE_TARGETS}


def test_two_processes_that_began_together_are_told_from_one_by_their_counters() -> None:
    world = World()
    for job, offset, rate in (("models", 0.2, 10), ("sidecar", 0.7, 7)):
        world.write(COMPLETED, {n + offset: rate * (90 + n) for n in range(-2, 4)}, job=job)
        world.write(UPTIME, {n + offset: 1000 + n + offset for n in range(-2, 4)}, job=job)

    assert all(record.held_arms == {"candidate"} for record in count(world, rollout(), 3))


def test_two_targets_without_a_clock_may_be_two_processes() -> None:
    world = World()
    for job, offset in (("models", 0.2), ("again", 0.7)):
        world.write(COMPLETED, {at + offset: 100 + 10 * at for at in range(-2, 4)}, job=job)

    records = count(world, rollout(), 3)

    assert totals(records) == [0, 0, 0]
    assert all(record.held_arms == {"candidate"} for record in records)


def test_a_pod_scraped_twice_that_begins_again_is_counted_once() -> None:
    world = World()
    for job, offset in (("models", 0.2), ("again", 0.7)):
        values = {-2: 70, -1: 80, 0: 90, 1: 3, 2: 13, 3: 23}
        world.write(COMPLETED, {at + offset: value for at, value in values.items()}, job=job)
        ups = {at: (1000 + at if at < 1 else at - 0.9) for at in values}
        world.write(UPTIME, {at + offset: up + offset for at, up in ups.items()}, job=job)

    records = count(world, rollout(), 4)

    assert totals(records) == [10, 3, 10, 10]
    assert not any(record.held_arms for record in records)


def test_a_target_that_is_renamed_goes_on_counting() -> None:
    world = World()
    world.write(COMPLETED, {-0.5: 100, 0.5: 110}, job="models")
    world.write(UPTIME, {-0.5: 1000, 0.5: 1001}, job="models")
    world.write(COMPLETED, {1.5: 120, 2.5: 130}, job="renamed")
    world.write(UPTIME, {1.5: 1002, 2.5: 1003}, job="renamed")

    records = count(world, rollout(), 3)

    assert totals(records) == [10, 10, 10]
    assert findings(records) == []


def test_a_renamed_target_without_a_clock_begins_afresh_and_says_so() -> None:
    world = World()
    world.write(COMPLETED, {-0.5: 100, 0.5: 110}, job="models")
    world.write(COMPLETED, {1.5: 120, 2.5: 130}, job="renamed")

    records = count(world, rollout(), 3)

    assert totals(records) == [10, 0, 10]
    assert [each.reason for each in records[1].findings] == [Reason.HISTORY_LOST]


@pytest.mark.parametrize("label", ["prometheus_replica", "replica"])
def test_replicas_of_prometheus_are_not_two_targets(label: str) -> None:
    """The first is what the Prometheus operator calls it, the second what Thanos' pages do."""
    world = World()
    for replica, offset in (("a", 0.2), ("b", 0.7)):
        for metric, base in ((COMPLETED, 100), (UPTIME, 1000)):
            row: Row = {at + offset: base + 10 * at for at in range(-1, 3)}
            world.write(metric, row, more={label: replica})

    records = count(world, rollout(), 2)

    assert sum(totals(records)) == 20
    assert findings(records) == []


def test_what_is_kept_does_not_grow_with_pods_that_come_and_go() -> None:
    def kept_after(pods: int) -> int:
        world = World()
        for n in range(pods):
            life = {n + at + 0.5: n + at for at in range(3)}
            world.write(COMPLETED, life, pod=f"p{n}")
            world.write(THROTTLED, life, pod=f"p{n}")
        intake, since = Intake(GRID), None
        for second in range(1, pods + 1):
            tick = intake.plan([Request(rollout(), since)], START + second * STEP + STEP)
            counted = intake.advance(tick, [world.answer(query) for query in tick.queries])
            result = counted["shop/model"]
            assert isinstance(result, Counted)
            since = result.watermark
        gc.collect()
        return sum(isinstance(each, Cursor | Process) for each in gc.get_objects())

    before = kept_after(0)
    few, many = kept_after(20) - before, kept_after(60) - before
    assert 0 < many <= few


def test_without_a_pod_label_the_target_is_the_process() -> None:
    world = World()
    world.write(COMPLETED, {-0.5: 1, 0.5: 5}, pod=None, job="a")
    world.write(COMPLETED, {-0.5: 1, 0.5: 3}, pod=None, job="b")

    assert totals(count(world, rollout(), 1)) == [6]


def test_a_slice_is_counted_by_series_of_its_own_from_its_first_request_on() -> None:
    world = World()
    world.write(UPTIME, _steady())
    world.write(COMPLETED, {-0.5: 100, 0.5: 110, 1.5: 120, 2.5: 130})
    for slice, total, failed in (
        ("long", {1.5: 4, 2.5: 9}, {2.5: 2}),
        ("large", {-0.5: 7, 0.5: 8, 1.5: 8, 2.5: 8}, {}),
    ):
        labels = {"envoy_slice": slice, "envoy_http_conn_manager_prefix": "live"}
        world.write("envoy_slice_total", total, more=labels)
        world.write("envoy_slice_failed", failed, more=labels)
    # Mirrored requests of the same slice are another arm's.
    copies = {"envoy_slice": "long", "envoy_http_conn_manager_prefix": "shadow"}
    world.write("envoy_slice_total", {0.5: 50, 1.5: 60, 2.5: 70}, more=copies)

    records = count(
        world,
        rollout(objectives=[errors("errors"), errors("long", "long"), errors("large", "large")]),
        3,
    )

    assert totals(records) == [10, 10, 10]
    tallies = [each.arms["candidate"].tallies for each in records]
    assert [(each["long"].total, each["long"].bad) for each in tallies] == [
        (0, (0,)),
        (4, (0,)),
        (5, (2,)),
    ]
    assert [each["large"].total for each in tallies] == [1, 0, 0]


def test_requests_of_a_slice_that_were_given_up_on_are_slower_than_its_edge() -> None:
    labels = {"envoy_slice": "long", "envoy_http_conn_manager_prefix": "live"}
    world = World()
    world.write(UPTIME, _steady())
    world.write(COMPLETED, {-0.5: 100, 0.5: 110})
    world.write("envoy_slice_time_count", {-0.5: 10, 0.5: 16}, more=labels)
    world.write("envoy_slice_time_bucket", {-0.5: 9, 0.5: 14}, more=labels | {"le": "399"})
    world.write("envoy_slice_given_up", {0.5: 3}, more=labels)

    (record,) = count(world, rollout(objectives=[errors("e"), latency("p95", [0.4], "long")]), 1)

    tally = record.arms["candidate"].tallies["p95"]
    assert (tally.total, tally.bad) == (9, (4,))
