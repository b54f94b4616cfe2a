"""What a plan needs is asked beside the passes: when, how often, and what becomes of the answer."""

import asyncio
import math
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from itertools import pairwise
from math import inf
from typing import Any

import pytest

from model_rollouts import decision
from model_rollouts.cluster.kinds import DEPLOYMENT
from model_rollouts.decision import INDEPENDENT, Histogram
from model_rollouts.engine.answers import Buckets
from model_rollouts.engine.cluster_checks import UnansweredError
from model_rollouts.engine.observer_client import ObserverError
from model_rollouts.engine.questions import ASKERS, LONGEST_BACKOFF_S
from model_rollouts.engine.store import Key
from model_rollouts.metrics.counts import Counted
from model_rollouts.metrics.fallbacks import Given
from model_rollouts.metrics.watermark import Watermark
from model_rollouts.prometheus.errors import QueryError
from model_rollouts.rollout.actions import Apply, Need, WriteStatus
from model_rollouts.rollout.memory import Memory
from model_rollouts.rollout.observed import (
    BucketsQuery,
    CasesQuery,
    Checked,
    Failure,
    FallbackQuery,
    Gateway,
    History,
    InputMoved,
    InputsSeen,
    Latencies,
    LatencyQuery,
    MirroredSizes,
    Observed,
    Spread,
)
from model_rollouts.rollout.plan import Plan
from model_rollouts.rollout.policies.needs import HistoryQuery, SizesQuery
from model_rollouts.rollout.trial.trial import begin_trial
from tests.engine.passes import KEY, Passes
from tests.engine.planners import bare
from tests.engine.test_ticker import measured

MISSING = Gateway(missing=("gateways/models",))
CONFLICTS = Gateway(conflicts=("shop/theirs",))
OTHER = Key("shop", "departure")
CANDIDATE = "arrival-2"
UNSCRAPED = History(INDEPENDENT, None, CANDIDATE)
SCRAPED = History(INDEPENDENT, 999_000, CANDIDATE)


class Asker:
    """Answers checks and questions about the past, with what a test puts into `says`."""

    def __init__(self, *says: Any) -> None:
        self.world: Passes
        self.says = list(says)
        self.asked: list[float] = []
        self.pasts = 0
        self.known: float | None = None
        self.until: asyncio.Event | None = None
        """What every answer waits for."""

    async def _next(self) -> Any:
        self.asked.append(self.world.now)
        if self.until is not None:
            await self.until.wait()
        answer = self.says.pop(0) if len(self.says) > 1 else self.says[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def check(
        self,
        observed: Observed,
        tries: Apply | None,
        before: Checked | None = None,
        alike: Mapping[str, Any] | None = None,
    ) -> Checked:
        """The next answer, for the generation that is seen; the last one again and again."""
        return Checked(observed.obj["metadata"]["generation"], await self._next())

    async def absent(self, names: Collection[str]) -> frozenset[str]:
        """The next answer; the last one again and again."""
        found: frozenset[str] = await self._next()
        return found

    async def past(self, namespace: str, query: HistoryQuery) -> History:
        """The past of what serves."""
        self.pasts += 1
        return History(INDEPENDENT, None, usual=self.known)

    async def usual(self, namespace: str, query: HistoryQuery) -> float | None:
        """What is usual by now."""
        return self.known

    async def scraped_ms(self, namespace: str, query: HistoryQuery) -> int | None:
        """The next answer; the last one again and again."""
        found: int | None = await self._next()
        return found

    async def sizes(self, namespace: str, query: SizesQuery) -> MirroredSizes:
        """The next answer; the last one again and again."""
        return MirroredSizes(query.since_ms, query.looked, users=await self._next())

    async def buckets(self, namespace: str, query: BucketsQuery) -> Buckets:
        """The next answer; the last one again and again."""
        try:
            return Buckets(await self._next(), {})
        except QueryError as error:
            return Buckets({}, {own.text: str(error) for own, _ in query.histograms})

    async def latencies(self, namespace: str, query: LatencyQuery) -> Latencies:
        """The next answer; the last one again and again."""
        return Latencies(query, await self._next())

    async def fallback(self, namespace: str, query: FallbackQuery) -> Any:
        """The next answer; the last one again and again."""
        return await self._next()

    async def cases(self, namespace: str, model: str, query: CasesQuery) -> dict[str, Any]:
        """The next answer; the last one again and again."""
        return {"answers": await self._next()}

    async def inputs(self, namespace: str, model: str, reference: str) -> InputsSeen:
        """The next answer; the last one again and again."""
        return InputsSeen(reference, 0.0, await self._next())


BUCKETS = BucketsQuery(((Histogram("took"), (0.3,)),), (CANDIDATE, "arrival-1"))
"""A histogram of the model server's own, and of whom."""

FALLBACK = FallbackQuery((CANDIDATE,), every=15.0)
"""What the fallback of the candidate does."""


class Needing:
    """A planner that needs answers until it has them."""

    def __init__(self, *needs: Need, edges: tuple[float, ...] = ()) -> None:
        self.needs = needs
        self.query = HistoryQuery(CANDIDATE, ("arrival-1",), edges=edges)
        self.looked = 7
        self.silent: tuple[str, ...] = ("gateways/inside",)

    def __call__(self, observed: Observed, memory: Memory, now: float) -> Plan:
        """A plan that only asks, as long as it lacks an answer."""
        lacks_check = Need.CHECK in self.needs and observed.checked is None
        past = observed.history
        lacks_past = Need.HISTORY in self.needs and observed.metrics_error is None and past is None
        needs = {Need.CHECK} if lacks_check else {Need.HISTORY} if lacks_past else set()
        tries = Apply({"kind": "Deployment"}) if lacks_check else None
        history = self.query if Need.HISTORY in needs else None
        known = observed.sizes
        sizes = None
        if Need.SIZES in self.needs and (known is None or known.looked != self.looked):
            needs, sizes = {Need.SIZES}, SizesQuery("arrival-1", CANDIDATE, 0, self.looked)
        cases: CasesQuery | None = None
        told = None if observed.cases is None else observed.cases.asked.looked
        buckets: BucketsQuery | None = None
        scraped = observed.buckets
        if Need.BUCKETS in self.needs and (scraped is None or now >= scraped.again_at):
            needs, buckets = {Need.BUCKETS}, BUCKETS
        stood_in = observed.fallback
        fallback: FallbackQuery | None = None
        if Need.FALLBACK in self.needs and (stood_in is None or now >= stood_in.again_at):
            needs, fallback = {Need.FALLBACK}, FALLBACK
        if Need.CASES in self.needs and told != self.looked:
            needs = {Need.CASES}
            cases = CasesQuery(CANDIDATE, (("answers", "0a1b2c3d"),), 0, self.looked)
        moved = observed.inputs
        asks = Need.INPUTS in self.needs and (moved is None or now >= moved.again_at)
        needs = {Need.INPUTS} if asks else needs
        latencies: LatencyQuery | None = None
        timed = None if observed.latencies is None else observed.latencies.asked.looked
        if Need.LATENCIES in self.needs and timed != self.looked:
            needs = {Need.LATENCIES}
            latencies = LatencyQuery((CANDIDATE, "arrival-1"), False, 0, self.looked)
        needed = frozenset(needs)
        plan = Plan((), memory, needs=needed, tries=tries, history=history, sizes=sizes)
        again = [each.again_at for each in (scraped, stood_in, moved) if each is not None]
        again_at = min((each for each in again if now < each < inf), default=None)
        plan = replace(plan, cases=cases, buckets=buckets, fallback=fallback, wake_at=again_at)
        plan = replace(plan, latencies=latencies, inputs="sha256:0a" if asks else None)
        return replace(plan, silent=self.silent if Need.PARENTS in self.needs else ())


def gateways(world: Passes) -> list[Gateway | None]:
    """What each plan knew of the gateway, without repetitions."""
    known = [None if each.checked is None else each.checked.gateway for each in world.seen]
    return [each for n, each in enumerate(known) if n == 0 or each != known[n - 1]]


def asking(need: Need, *says: Any) -> tuple[Passes, Asker]:
    """A world with one ModelDeployment whose planner needs something."""
    asker = Asker(*says)
    world = Passes(Needing(need), checker=asker, historian=asker, observer=asker)
    asker.world = world
    return world.model(), asker


def gaps(times: list[float]) -> list[float]:
    """Seconds between each and the next, in halves."""
    return [round(2 * (after - before)) / 2 for before, after in pairwise(times)]


@pytest.mark.parametrize("need", [Need.CHECK, Need.HISTORY])
def test_a_pass_ends_and_acts_while_its_questions_are_open(need: Need) -> None:
    world, asker = asking(need, Gateway())
    needing = world.planner

    def whole(observed: Observed, memory: Memory, now: float) -> Plan:
        found = needing(observed, memory, now)
        told = WriteStatus({"phase": "Starting"})
        return replace(found, actions=() if observed.obj.get("status") else (told,))

    world.planner = whole
    world.run(1, asks=False)

    assert asker.asked == []
    assert "status ModelDeployment arrival" in world.cluster.requests
    assert world.seen[-1].asked_since == 1_000.0


def test_the_answer_is_planned_with_in_a_later_pass() -> None:
    world, asker = asking(Need.CHECK, Gateway())
    world.run()

    assert len(asker.asked) == 1
    assert gateways(world) == [None, Gateway()]
    assert world.seen[-1].asked_since is None


def test_a_question_is_asked_once_at_a_time() -> None:
    async def test() -> None:
        world, asker = asking(Need.CHECK, Gateway())
        asker.until = asyncio.Event()
        await world.ran(0, asks=False)
        first = asyncio.create_task(world.questions.step(Need.CHECK))
        await asyncio.sleep(0)
        for _ in range(3):
            world.queue.add(KEY)
            await world.ran(1, asks=False)
            assert not await world.questions.step(Need.CHECK)
        assert len(asker.asked) == 1
        asker.until.set()
        assert await first

    asyncio.run(test())


def test_checks_wait_for_no_question_about_the_past() -> None:
    async def test() -> None:
        world, asker = asking(Need.HISTORY, 999_000)
        asker.until = asyncio.Event()
        for number in range(ASKERS + 3):
            world.model(Key("shop", f"slow-{number}"))
        asks = asyncio.create_task(world.questions.run())
        await world.ran(0, asks=False)
        while len(asker.asked) < ASKERS:
            await asyncio.sleep(0)
        asker.until, asker.says, world.planner = None, [Gateway()], Needing(Need.CHECK)
        await world.model(OTHER).ran(0, asks=False)
        while world.session(OTHER).answered is None:
            await asyncio.sleep(0)
        asks.cancel()

        assert len(asker.asked) == ASKERS + 1

    asyncio.run(asyncio.wait_for(test(), 10))


def test_a_check_that_fails_is_told_and_tried_again_until_it_is_answered() -> None:
    away = UnansweredError("read Gateway gateways/models", "HTTP 500: etcd is away")
    world, asker = asking(Need.CHECK, *[away] * 9, Gateway())
    world.run(130)

    assert gaps(asker.asked) == [0.5, 1, 2, 4, 8, 16, 30, 30, 30]
    assert max(gaps(asker.asked)) == LONGEST_BACKOFF_S
    waiting = [each for each in world.seen if each.failures]
    assert {each.asked_since for each in waiting} == {1_000.0}
    assert [each.failures[0].times for each in waiting] == list(range(1, 10))
    assert waiting[0].failures[0] == Failure(away.what, away.answer, writes=False)
    assert world.seen[-1].failures == ()
    assert world.seen[-1].checked == Checked(1, Gateway())


def test_a_question_that_nobody_asks_any_more_is_dropped_with_what_was_told_of_it() -> None:
    away = UnansweredError("read Gateway gateways/models", "HTTP 500: etcd is away")
    world, asker = asking(Need.CHECK, away)
    world.run(3)
    asked = len(asker.asked)
    world.planner = Needing()
    world.queue.add(KEY)
    world.run(100)

    assert len(asker.asked) == asked
    assert (world.seen[-1].failures, world.seen[-1].asked_since) == ((), None)


def test_an_answer_for_an_older_generation_is_dropped() -> None:
    async def test() -> None:
        world, asker = asking(Need.CHECK, MISSING, Gateway())
        asker.until = asyncio.Event()
        await world.ran(0, asks=False)
        first = asyncio.create_task(world.questions.step(Need.CHECK))
        await asyncio.sleep(0)
        await world.model(generation=2).ran(1, asks=False)
        asker.until.set()
        await first
        assert world.session().answered is None
        await world.ran(1)

        assert world.seen[-1].checked == Checked(2, Gateway())
        assert MISSING not in gateways(world)

    asyncio.run(test())


def test_a_clean_answer_holds_for_its_generation() -> None:
    world, asker = asking(Need.CHECK, Gateway())
    world.run(1_000)
    assert len(asker.asked) == 1

    world.model(generation=2).run()
    assert len(asker.asked) == 2
    assert world.seen[-1].checked == Checked(2, Gateway())


def test_what_may_pass_is_asked_again_ever_more_slowly_and_holds_meanwhile() -> None:
    world, asker = asking(Need.CHECK, MISSING)
    world.run(240)

    assert gaps(asker.asked) == [2, 4, 8, 16, 32, 60, 60]
    # It is asked behind the back of the plans: none of them sees less than the one before.
    assert gateways(world) == [None, MISSING]
    assert {each.asked_since for each in world.seen[1:]} == {None}
    assert len(world.seen) <= len(asker.asked) + 2


def test_another_answer_is_planned_with_at_once_and_asked_again_soon() -> None:
    world, asker = asking(Need.CHECK, *[MISSING] * 5, CONFLICTS, CONFLICTS, Gateway())
    world.run(240)

    assert gaps(asker.asked) == [2, 4, 8, 16, 32, 2, 4]
    assert gateways(world) == [None, MISSING, CONFLICTS, Gateway()]


def test_what_prometheus_does_not_answer_is_told_and_asked_again_ever_more_slowly() -> None:
    world, asker = asking(Need.HISTORY, *[QueryError("HTTP 503")] * 8, 999_000)
    world.run(100)

    assert gaps(asker.asked) == [0.5, 1, 2, 4, 8, 16, 30, 30]
    assert "HTTP 503" in {each.metrics_error for each in world.seen}
    assert world.seen[-1].metrics_error is None
    assert world.seen[-1].history == SCRAPED
    # The past itself was answered the first time, and holds.
    assert asker.pasts == 1
    told = [each.metrics_error for each in world.seen]
    assert len(told) <= 4, "a pass for each of the same answers"


def test_the_error_of_the_past_ends_with_its_question_and_not_with_counts() -> None:
    """Counts come every few seconds: a reason that they end would be told anew each time."""
    world, _ = asking(Need.HISTORY, QueryError("HTTP 503"), 999_000)
    world.run(0.2)
    session = world.session()
    session.measures = measured()
    assert session.deliver(measured(), Counted((), Watermark(5_000), behind=False), 0.0)
    world.queue.add(KEY)
    world.run(0.1)

    assert world.seen[-1].metrics_error == "HTTP 503"
    assert world.seen[-1].asked_since is not None
    world.run(5)
    assert world.seen[-1].metrics_error is None
    assert world.seen[-1].history == SCRAPED


def test_the_first_scrape_is_awaited_eagerly_and_then_ever_more_slowly() -> None:
    world, asker = asking(Need.HISTORY, None)
    world.run(300)

    assert gaps(asker.asked)[:12] == [2, 2, 2, 2, 2, 2, 4, 8, 16, 32, 60, 60]
    assert asker.pasts == 1
    assert world.seen[-1].history == UNSCRAPED


def test_the_usual_time_of_a_service_that_has_just_begun_is_asked_for_until_it_is_known() -> None:
    world, asker = asking(Need.HISTORY, 999_000)
    world.planner = Needing(Need.HISTORY, edges=(0.1, 0.3))
    world.run(20)
    assert world.seen[-1].history == SCRAPED
    assert asker.pasts == 1

    asker.known = 0.3
    world.run(16)
    times = len(asker.asked)
    world.run(300)

    assert world.seen[-1].history == replace(SCRAPED, usual=0.3)
    assert asker.pasts == 2, "how bursty slow ones are is asked once the time is known"
    assert len(asker.asked) == times


def test_the_usual_time_is_asked_for_no_more_once_the_trial_has_begun() -> None:
    world, asker = asking(Need.HISTORY, 999_000)
    world.planner = Needing(Need.HISTORY, edges=(0.1, 0.3))
    world.run(4)
    before, session = len(asker.asked), world.session()
    trial = begin_trial(CANDIDATE, 1, decision.Rules((decision.errors("errors", 0.99),)), None, 0)
    session.memory = replace(session.memory, trial=trial)
    asker.known = 0.3
    world.run(300)

    assert len(asker.asked) - before <= 1, "the one that was open"
    assert world.seen[-1].history is not None


def deployed(world: Passes, ready: int) -> None:
    """The watch tells how many pods of the candidate are ready."""
    model = world.cluster.objects["ModelDeployment", "arrival"]
    made = bare(model, "apps/v1", "Deployment", CANDIDATE, spec={"replicas": 2})
    world.told(world.cluster.put({**made, "status": {"readyReplicas": ready}}))
    world.queue.add(KEY)


@pytest.mark.parametrize(
    "changed",
    [
        pytest.param(lambda world: deployed(world, 2), id="pods"),
        pytest.param(lambda world: world.model(generation=2), id="generation"),
    ],
)
def test_a_change_asks_at_once_what_was_asked_slowly(changed: Callable[[Passes], None]) -> None:
    world, asker = asking(Need.HISTORY, None)
    deployed(world, 1)
    world.run(200)
    asker.says = [999_000]
    before = len(asker.asked)
    changed(world)
    world.run()

    assert len(asker.asked) == before + 1
    assert world.seen[-1].history == SCRAPED


@pytest.mark.parametrize("need", [Need.CHECK, Need.HISTORY])
def test_an_error_of_ours_in_a_question_touches_one_rollout(need: Need) -> None:
    world, asker = asking(need, ZeroDivisionError("by 0"))
    world.run(3)
    seen = world.seen[-1]
    told = seen.metrics_error if need is Need.HISTORY else seen.failures[0].answer
    assert told is not None and "ZeroDivisionError: by 0" in told

    asker.says = [999_000] if need is Need.HISTORY else [Gateway()]
    world.model(OTHER).run(40)
    for key in (KEY, OTHER):
        session = world.session(key)
        assert (session.answered if need is Need.CHECK else session.history) is not None
        assert session.failures.told() == ()
        assert session.metrics_error is None


def test_a_model_that_is_gone_is_asked_about_no_more() -> None:
    away = UnansweredError("read Gateway gateways/models", "HTTP 500: etcd is away")
    world, asker = asking(Need.CHECK, away)
    world.run(2)
    asked = len(asker.asked)
    world.lost(world.cluster.objects.pop(("ModelDeployment", "arrival")))
    world.run(100)

    assert len(asker.asked) == asked
    assert world.sessions.get(KEY) is None
    assert DEPLOYMENT.name not in str(world.cluster.requests)


def test_sizes_are_asked_once_for_each_question_and_nobody_waits_for_them() -> None:
    sizes = ((1_000_000, 90.0), (math.inf, 100.0))
    world, asker = asking(Need.SIZES, sizes)
    needing = world.planner
    assert isinstance(needing, Needing)
    world.run(3)

    assert len(asker.asked) == 1
    assert world.session(KEY).sizes == MirroredSizes(0, 7, sizes)
    assert all(each.asked_since is None for each in world.seen)

    needing.looked += 1
    world.queue.add(KEY)
    world.run(3)
    assert len(asker.asked) == 2


@pytest.mark.parametrize("error", [QueryError("it is away"), ZeroDivisionError("by 0")])
def test_sizes_that_nobody_knows_hold_nothing_and_are_not_asked_again(error: Exception) -> None:
    world, asker = asking(Need.SIZES, error)
    world.run(5)
    world.queue.add(KEY)
    world.run(5)

    assert len(asker.asked) == 1
    assert world.seen[-1].sizes == MirroredSizes(0, 7)
    assert world.seen[-1].metrics_error is None
    assert world.seen[-1].failures == ()


def test_worst_cases_are_asked_once_for_each_question_and_planned_with_when_they_come() -> None:
    world, asker = asking(Need.CASES, ("p1",), ("p1",), ("p2",))
    needing = world.planner
    assert isinstance(needing, Needing)
    world.run(3)

    assert len(asker.asked) == 1
    assert [None if each.cases is None else each.cases.ids for each in world.seen] == [
        None,
        {"answers": ("p1",)},
    ]
    for asked, planned in ((2, 3), (3, 5)):
        # Those that are known already make no other plan.
        needing.looked += 1
        world.queue.add(KEY)
        world.run(3)
        assert (len(asker.asked), len(world.seen)) == (asked, planned)


@pytest.mark.parametrize("error", [ObserverError("it is away"), ZeroDivisionError("by 0")])
def test_an_observer_that_is_away_delays_no_pass_and_is_asked_ever_more_slowly(
    error: Exception,
) -> None:
    world, asker = asking(Need.CASES, *[error] * 9, ("p1",))
    world.run(100)
    before = len(world.seen)

    assert before == 1
    assert 5 <= len(asker.asked) <= 9
    assert world.seen[-1].failures == ()
    assert world.seen[-1].metrics_error is None
    assert all(each.asked_since is None for each in world.seen)

    world.run(200)
    assert world.session(KEY).cases is not None
    assert len(world.seen) == before + 1


def test_buckets_are_asked_for_ever_more_slowly_until_those_of_what_is_judged_are_there() -> None:
    stable, both = (
        {("took", "arrival-1"): (0.3,)},
        dict.fromkeys((("took", "arrival-1"), ("took", CANDIDATE)), (0.3,)),
    )
    world, asker = asking(Need.BUCKETS, {}, *[stable] * 11, QueryError("away"), both)
    world.run(400)

    assert gaps(asker.asked)[:10] == [2.0] * 7 + [4.0, 8.0, 16.0]
    known = world.session(KEY).buckets
    assert known is not None
    assert (known.edges, known.again_at) == (both, inf)
    assert world.seen[-1].buckets == known
    assert all(each.asked_since is None and each.failures == () for each in world.seen)
    assert all(each.metrics_error is None for each in world.seen)


def test_what_fallbacks_do_is_asked_again_and_again_and_nothing_waits_for_it() -> None:
    seen = ({CANDIDATE: Given(3.0, 60.0)}, {CANDIDATE: True})
    world, asker = asking(Need.FALLBACK, QueryError("away"), ZeroDivisionError("by 0"), seen)
    world.run(100)

    assert set(gaps(asker.asked)) == {FALLBACK.every}
    known = world.session(KEY).fallback
    assert known is not None
    assert (known.answers, known.reached) == seen
    assert world.seen[-1].fallback == known
    assert all(each.asked_since is None and each.failures == () for each in world.seen)
    assert all(each.metrics_error is None for each in world.seen)


def test_a_histogram_that_could_not_be_asked_about_is_told_with_the_answer() -> None:
    world, _ = asking(Need.BUCKETS, QueryError("503: too busy"), {})
    world.run(1)

    first, second = (each.buckets for each in world.seen[:2])
    assert first is None
    assert second is not None
    assert dict(second.unanswered) == {"took": "503: too busy"}
    world.run(3)
    known = world.session(KEY).buckets
    assert known is not None
    assert dict(known.unanswered) == {}


def test_how_long_requests_took_is_asked_once_for_each_number_of_requests() -> None:
    times = (Spread(None, CANDIDATE, ((0.3, 9.0), (inf, 9.0))),)
    world, asker = asking(Need.LATENCIES, times, QueryError("away"), times)
    needing = world.planner
    assert isinstance(needing, Needing)
    world.run(60)

    # Its answer is told by the next pass that there is, and makes none.
    assert (len(asker.asked), len(world.seen)) == (1, 1)
    world.queue.add(KEY)
    world.run(60)
    assert (len(asker.asked), len(world.seen)) == (1, 2)
    known = world.seen[-1].latencies
    assert known is not None
    assert known.spreads == times

    for asked, spreads in ((2, ()), (3, times)):
        needing.looked += 1
        world.queue.add(KEY)
        world.run(60)
        assert len(asker.asked) == asked
        found = world.session(KEY).latencies
        assert found is not None
        assert (found.asked.looked, found.spreads) == (needing.looked, spreads)
        assert world.seen[-1].metrics_error is None


def test_inputs_are_asked_about_each_hour_and_sooner_after_no_answer() -> None:
    moved = (InputMoved("hour", "31 % in 4-7, was 6 %"),)
    world, asker = asking(Need.INPUTS, moved, ObserverError("away"), RuntimeError("ours"), ())
    known = []
    for _ in range(4):
        # Without a restart what was known is told while the observer is away.
        asked = len(asker.asked)
        while len(asker.asked) == asked:
            world.run(300)
        world.run(1)
        seen = world.seen[-1].inputs
        assert seen is not None
        known.append(seen.moved)

    assert known == [moved, moved, moved, ()]
    first, second, third, fourth = asker.asked[:4]
    assert second - first == pytest.approx(3_600, abs=5)
    assert third - second == pytest.approx(600, abs=5)
    assert fourth - third == pytest.approx(600, abs=5)


def test_a_pass_ends_while_the_observer_hangs() -> None:
    async def story() -> None:
        world, asker = asking(Need.CASES, ("p1",))
        asker.until = asyncio.Event()
        await world.ran(0, asks=False)
        hanging = asyncio.create_task(world.questions.step(Need.CASES))
        for number in range(5):
            world.queue.add(KEY)
            await world.ran(1, asks=False)
            assert len(world.seen) == number + 2
        asker.until.set()
        assert await hanging
        await world.ran(0)
        assert world.seen[-1].cases is not None

    asyncio.run(story())


def test_without_an_observer_nothing_is_asked_twice() -> None:
    world = Passes(Needing(Need.CASES)).model()
    world.run(60)

    assert world.session(KEY).cases is not None
    assert len(world.seen) == 1


def test_whether_silent_gateways_exist_is_asked_again_at_a_slower_pace() -> None:
    gone = frozenset({"gateways/inside"})
    world, asker = asking(Need.PARENTS, gone)
    world.run(200)

    assert world.seen[-1].absent == gone
    assert all(each.asked_since is None and each.failures == () for each in world.seen)
    assert gaps(asker.asked) == [2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0]

    needing = world.planner
    assert isinstance(needing, Needing)
    needing.silent = ()
    world.run(100)
    assert world.session(KEY).absent is None
    assert len(asker.asked) == 8


def test_a_gateway_that_cannot_be_read_is_taken_for_slow() -> None:
    away = UnansweredError("read Gateway gateways/inside", "HTTP 500: etcd is away")
    world, _ = asking(Need.PARENTS, away, away, frozenset({"gateways/inside"}))
    world.run(1)
    assert world.seen[-1].absent == frozenset()
    assert world.seen[-1].failures == ()

    world.run(60)
    assert world.seen[-1].absent == {"gateways/inside"}
