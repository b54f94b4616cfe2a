"""What becomes of records: votes, requests without one, and what time decides."""

import asyncio
from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from model_rollouts.observer.capture.messages import Batch
from model_rollouts.observer.capture.sequences import Sequences
from model_rollouts.observer.compare import Comparison
from model_rollouts.observer.exporter.counters import Counters
from model_rollouts.observer.identity import Speaker
from model_rollouts.observer.intake import Intake
from model_rollouts.observer.pairing import Pairs
from model_rollouts.observer.protocols import DeclaredBody
from model_rollouts.observer.settings import Key, ModelSettings
from model_rollouts.observer.store.chunk import Chunk
from tests.observer.batches import CANDIDATE, MODEL, NAMESPACE, STABLE, answer, entry

STABLE_POD = Speaker(NAMESPACE, "stable-0", "uid-s", MODEL, STABLE)
SECOND_POD = Speaker(NAMESPACE, "stable-1", "uid-t", MODEL, STABLE)
CANDIDATE_POD = Speaker(NAMESPACE, "candidate-0", "uid-c", MODEL, CANDIDATE)


LABEL = Comparison("aaaaaaaa", "Label", "species")
ITSELF = Comparison("bbbbbbbb", "Label", "species", against_itself=True)


class Fixed:
    """Settings that nobody has to read."""

    def __init__(self, *comparisons: Comparison, answer: DeclaredBody | None = None) -> None:
        self._comparisons = comparisons or (LABEL,)
        self._answer = answer

    def of(self, key: Key) -> ModelSettings:
        """One comparison of a label, or those that are given."""
        return ModelSettings(comparisons=self._comparisons, stable=STABLE, answer=self._answer)

    async def load(self, key: Key, _: str) -> ModelSettings:
        """The same."""
        return self.of(key)


class World:
    """An intake, its clock and its counts."""

    def __init__(self, *comparisons: Comparison, answer: DeclaredBody | None = None) -> None:
        self.now = 1_700_000_000.0
        self.registry = CollectorRegistry()
        self.chunk = Chunk()
        self.intake = Intake(
            Fixed(*comparisons, answer=answer),  # type: ignore[arg-type] # all that an intake asks of them
            Counters(self.registry),
            Sequences(),
            Pairs(60),
            lambda: self.chunk,
            lambda: "storage_away",
            ttl_s=60,
            clock=lambda: self.now,
        )

    def speaks(self, speaker: Speaker) -> None:
        """A pod opens its stream."""
        asyncio.run(self.intake.opened(speaker))

    def comes(self, speaker: Speaker, request_id: str, sequence: int, **entries: Any) -> None:
        """A record, of a mirrored request when the candidate or a second pod of stable sends it."""
        batch = Batch()
        entry(batch, request_id, sequence, start_s=self.now, **entries)
        self.intake.take(speaker, speaker is not STABLE_POD, batch.http_logs.log_entry)

    def passes(self, seconds: float) -> None:
        """Time passes."""
        self.now += seconds
        self.intake.settle()

    def value(self, name: str, **labels: str) -> float | None:
        """A count of a revision."""
        common = {"model_namespace": NAMESPACE, "model": MODEL}
        return self.registry.get_sample_value(f"model_rollouts_observer_{name}", common | labels)

    def unpaired(self) -> dict[str, float]:
        """Requests of the candidate without a vote, by reason."""
        return {
            sample.labels["reason"]: sample.value
            for family in self.registry.collect()
            for sample in family.samples
            if sample.name == "model_rollouts_observer_unpaired_total"
            and sample.labels["modelrollouts_revision"] == CANDIDATE
        }


@pytest.fixture
def world() -> World:
    return spoken()


def spoken(*comparisons: Comparison, answer: DeclaredBody | None = None) -> World:
    """Both versions have opened their streams."""
    made = World(*comparisons, answer=answer)
    made.speaks(STABLE_POD)
    made.speaks(CANDIDATE_POD)
    made.passes(0)
    return made


def test_series_are_there_from_the_first_stream_on(world: World) -> None:
    candidate = {"modelrollouts_revision": CANDIDATE}

    assert world.value("pairs_total", comparison="aaaaaaaa", slice="", **candidate) == 0
    assert world.value("disagreements_total", comparison="aaaaaaaa", slice="", **candidate) == 0
    assert world.value("lost_records_total", arm="shadow", **candidate) == 0
    assert world.value("start_time_seconds", **candidate) == 1_700_000_000


def test_halves_that_stay_alone_are_told_of_the_candidate(world: World) -> None:
    world.comes(STABLE_POD, "a", 1, got=answer("cat"))
    world.comes(CANDIDATE_POD, "b", 1, got=answer("cat"))
    world.passes(60)
    world.passes(60)

    for reason in ("candidate_missing", "stable_missing"):
        told = world.value("unpaired_total", reason=reason, modelrollouts_revision=CANDIDATE)
        assert told == 1, reason


@pytest.mark.parametrize(
    ("candidate", "disagreements"),
    [({"status": 422}, 1), ({"got": b"{"}, 1), ({"got": answer("cat")}, 0)],
)
def test_a_candidate_that_answers_otherwise_disagrees(
    world: World, candidate: dict[str, Any], disagreements: int
) -> None:
    world.comes(STABLE_POD, "a", 1, got=answer("cat"))
    world.comes(CANDIDATE_POD, "a", 1, **candidate)

    labels = {"comparison": "aaaaaaaa", "slice": "", "modelrollouts_revision": CANDIDATE}
    assert world.value("pairs_total", **labels) == 1
    assert world.value("disagreements_total", **labels) == disagreements
    # Outputs that are compared are not kept unless they are included.
    assert all(each == [] for each in world.chunk.outputs.texts)
    cases = [
        case
        for found in world.intake.worst.values()
        for each in found.values()
        for case in each.cases(9)
    ]
    assert [(each.request_id, each.stable) for each in cases] == [("a", None)] * disagreements


def test_answers_are_read_as_the_protocol_at_their_path() -> None:
    class_ = Comparison("cccccccc", "Label", "class")
    world = spoken(class_)
    path = "/v1/models/iris:predict"
    for request_id, theirs in (("a", b"cat"), ("b", b"dog")):
        got = b'{"predictions": [{"class": "%b"}]}'
        world.comes(STABLE_POD, request_id, ord(request_id), path=path, got=got % b"cat")
        world.comes(CANDIDATE_POD, request_id, ord(request_id), path=path, got=got % theirs)

    labels = {"comparison": "cccccccc", "slice": "", "modelrollouts_revision": CANDIDATE}
    assert world.value("pairs_total", **labels) == 2
    assert world.value("disagreements_total", **labels) == 1


def test_answers_are_read_where_their_values_are_said_to_stand() -> None:
    world = spoken(answer=DeclaredBody(["found"], {"species": ["what"]}))
    same = {"path": "/classify"}
    world.comes(STABLE_POD, "a", 1, got=b'{"found": [{"what": "cat", "p": 1}]}', **same)
    world.comes(CANDIDATE_POD, "a", 1, got=b'{"found": [{"p": 2, "what": "cat"}]}', **same)
    world.comes(STABLE_POD, "b", 2, got=b'{"found": [{"what": "cat"}]}', **same)
    world.comes(CANDIDATE_POD, "b", 2, got=b'{"found": [{"what": "dog"}]}', **same)

    labels = {"comparison": "aaaaaaaa", "slice": "", "modelrollouts_revision": CANDIDATE}
    assert world.value("pairs_total", **labels) == 2
    assert world.value("disagreements_total", **labels) == 1


def test_a_truncated_stream_is_counted_as_such(world: World) -> None:
    world.comes(CANDIDATE_POD, "a", 1, **ANSWERS["truncated"])
    world.comes(CANDIDATE_POD, "b", 2, **ANSWERS["error"])

    labels = {"arm": "shadow", "modelrollouts_revision": CANDIDATE}
    assert world.value("records_total", outcome="truncated", **labels) == 1
    assert [each.outcome for each in world.chunk.rows] == ["truncated", "failed"]


ANSWERS: dict[str, dict[str, Any]] = {
    "same": {"got": answer("cat")},
    "other": {"got": answer("dog")},
    "rows": {"got": answer("cat", "cat")},
    "unreadable": {"got": b"{"},
    "failed": {"status": 422, "got": b"no"},
    "truncated": {"path": "/v1/completions", "got": b'data: {"choices": []}\n\n'},
    # A status was sent before the error happened.
    "error": {"path": "/v1/completions", "got": b'data: {"error": "out of memory"}\n\n'},
    "cut": {"got": answer("cat"), "got_length": 99_999},
    "not_captured": {},
    # The model could not be reached, or closed the connection.
    "no_answer": {
        "status": 503,
        "answered_by": "proxy",
        "flags": ["upstream_connection_termination"],
        "got": b"upstream connect error",
    },
    # The mirror ended before the model answered, while it did, or when the answer was all but sent.
    "left": {"status": 0, "answered_by": "", "flags": ["downstream_connection_termination"]},
    "left_early": {"answered_by": "", "flags": ["downstream_connection_termination"]},
    "left_late": {"flags": ["downstream_connection_termination"], "got": answer("dog")},
    # The model's own connection ended within its answer.
    "ended": {"answered_by": "", "flags": ["upstream_protocol_error"]},
    "missing": {},
}
"""What one version made of a request, as its proxy tells it."""
BROKEN_OFF = ("left", "left_early", "left_late", "ended")


def counted_as(stable: str, candidate: str) -> str:
    """What docs/observer.md says of a request: agrees, disagrees, or why it has no vote."""
    reason = dict.fromkeys(BROKEN_OFF, "broken_off") | {"error": "failed"}
    if stable == "missing" or candidate == "missing":
        both = stable == candidate
        return "" if both else "stable_missing" if stable == "missing" else "candidate_missing"
    if stable not in ("same", "other", "rows"):
        return f"stable_{reason.get(stable, stable)}"
    if candidate in (*BROKEN_OFF, "no_answer", "cut", "not_captured"):
        return f"candidate_{reason.get(candidate, candidate)}"
    return "agrees" if candidate == stable else "disagrees"


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_each_request_is_one_vote_or_one_reason_in_whatever_order_records_come(
    data: st.DataObject,
) -> None:
    kinds = st.sampled_from(sorted(ANSWERS))
    asked = data.draw(st.lists(st.tuples(kinds, kinds), max_size=12))
    records = [
        (speaker, f"r{number}", kind)
        for number, each in enumerate(asked)
        for speaker, kind in zip((STABLE_POD, CANDIDATE_POD), each, strict=True)
        if kind != "missing"
    ]
    world = spoken()

    for sequence, (speaker, request_id, kind) in enumerate(data.draw(st.permutations(records)), 1):
        world.comes(speaker, request_id, sequence, **ANSWERS[kind])
    world.passes(60)
    world.passes(60)

    expected = Counter(counted_as(*each) for each in asked)
    votes = {"comparison": "aaaaaaaa", "slice": "", "modelrollouts_revision": CANDIDATE}
    pairs, disagreements = (
        world.value(f"{each}_total", **votes) for each in ("pairs", "disagreements")
    )
    assert pairs == expected["agrees"] + expected["disagrees"]
    assert disagreements == expected["disagrees"]
    reasons = {each for each in expected if each not in ("", "agrees", "disagrees")}
    assert world.unpaired() == {each: expected[each] for each in reasons}


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_of_requests_that_stable_answered_twice_each_version_has_those_that_only_it_differs_on(
    data: st.DataObject,
) -> None:
    kinds = st.sampled_from(sorted(ANSWERS))
    asked = data.draw(st.lists(st.tuples(kinds, kinds, kinds), max_size=10))
    records = [
        (speaker, f"r{number}", kind)
        for number, each in enumerate(asked)
        for speaker, kind in zip((STABLE_POD, CANDIDATE_POD, SECOND_POD), each, strict=True)
        if kind != "missing"
    ]
    world = spoken(LABEL, ITSELF)
    world.speaks(SECOND_POD)

    for sequence, (speaker, request_id, kind) in enumerate(data.draw(st.permutations(records)), 1):
        world.comes(speaker, request_id, sequence, **ANSWERS[kind])
    world.passes(60)
    world.passes(60)

    votes = ("agrees", "disagrees")
    both = [(counted_as(s, c), counted_as(s, a)) for s, c, a in asked]
    counted = [each for each in both if each[0] in votes and each[1] in votes]
    only = {
        CANDIDATE: counted.count(("disagrees", "agrees")),
        STABLE: counted.count(("agrees", "disagrees")),
    }
    for revision, differs in only.items():
        labels = {"comparison": "bbbbbbbb", "slice": "", "modelrollouts_revision": revision}
        assert world.value("pairs_total", **labels) == len(counted)
        assert world.value("disagreements_total", **labels) == differs
    # Whoever is compared with stable alone is counted as without a second answer.
    pairs = [one for one, _ in both if one in votes]
    labels = {"comparison": "aaaaaaaa", "slice": "", "modelrollouts_revision": CANDIDATE}
    assert world.value("pairs_total", **labels) == len(pairs)
    assert world.value("disagreements_total", **labels) == pairs.count("disagrees")


def test_only_where_stable_agrees_with_itself_is_an_answer_a_case(world: World) -> None:
    world = spoken(ITSELF)
    for number, (candidate, second) in enumerate([("dog", "cat"), ("dog", "cow"), ("cat", "dog")]):
        for speaker, said in (
            (STABLE_POD, "cat"),
            (CANDIDATE_POD, candidate),
            (SECOND_POD, second),
        ):
            world.comes(speaker, f"r{number}", number + 1, got=answer(said))

    (found,) = (each["bbbbbbbb"] for each in world.intake.worst.values())
    assert [each.request_id for each in found.cases(9)] == ["r0"]


def test_copies_that_the_end_of_the_mirror_breaks_off_disagree_with_nothing(world: World) -> None:
    for number in range(100):
        world.comes(STABLE_POD, f"r{number}", number + 1, got=answer("cat"))
        kind = "other" if number < 15 else "same" if number < 90 else BROKEN_OFF[number % 4]
        world.comes(CANDIDATE_POD, f"r{number}", number + 1, **ANSWERS[kind])

    votes = {"comparison": "aaaaaaaa", "slice": "", "modelrollouts_revision": CANDIDATE}
    assert world.value("pairs_total", **votes) == 90
    assert world.value("disagreements_total", **votes) == 15
    assert world.unpaired() == {"candidate_broken_off": 10}
    assert Counter(each.outcome for each in world.chunk.rows)["broken_off"] == 10


def test_a_client_cannot_make_any_number_of_slices(world: World) -> None:
    for number in range(1, 101):
        world.comes(STABLE_POD, f"r{number}", number, got=answer("cat"), slice_=f"s{number}")
        world.comes(CANDIDATE_POD, f"r{number}", number, got=answer("cat"))

    labels = {"comparison": "aaaaaaaa", "modelrollouts_revision": CANDIDATE}
    # The candidate's records have the empty slice.
    assert world.value("pairs_total", slice="s48", **labels) == 1
    assert world.value("pairs_total", slice="s99", **labels) is None
    other = world.value("pairs_total", slice="other", **labels)
    assert other is not None and other > 45


def test_a_revision_that_is_gone_is_forgotten_and_begins_anew(world: World) -> None:
    world.comes(CANDIDATE_POD, "a", 5, got=answer("cat"))
    world.passes(5)
    assert world.value("lost_records_total", arm="shadow", modelrollouts_revision=CANDIDATE) == 4
    world.intake.closed(CANDIDATE_POD)
    world.passes(3_601)
    assert world.value("start_time_seconds", modelrollouts_revision=CANDIDATE) is None
    assert world.value("start_time_seconds", modelrollouts_revision=STABLE) is not None

    world.speaks(CANDIDATE_POD)

    assert world.value("start_time_seconds", modelrollouts_revision=CANDIDATE) == world.now
    assert world.value("lost_records_total", arm="shadow", modelrollouts_revision=CANDIDATE) == 0


def test_times_of_stages_are_counted_by_version_and_arm_and_bad_headers_too(world: World) -> None:
    for number in range(1, 4):
        timing = "predict;dur=4, db;dur=7"
        world.comes(STABLE_POD, f"r-{number}", number, timing=timing)
        world.comes(CANDIDATE_POD, f"r-{number}", number, timing="predict;dur=40")
    world.comes(STABLE_POD, "r-4", 4, timing="predict;dur=x, pre;dur=1")
    # It came before, and is not counted again.
    world.comes(STABLE_POD, "r-1", 1, timing="predict;dur=4")

    def within(seconds: str, revision: str, arm: str) -> float | None:
        labels = {"modelrollouts_revision": revision, "arm": arm, "stage": "Predict", "le": seconds}
        return world.value("stage_seconds_bucket", **labels)

    assert [within(each, STABLE, "live") for each in ("0.003", "0.005", "+Inf")] == [0, 3, 3]
    assert [within(each, CANDIDATE, "shadow") for each in ("0.03", "0.04")] == [0, 3]
    bad = world.value("bad_timings_total", modelrollouts_revision=STABLE, arm="live")
    assert bad == 1
    stages = {
        sample.labels["stage"]
        for family in world.registry.collect()
        for sample in family.samples
        if sample.name == "model_rollouts_observer_stage_seconds_count"
    }
    assert stages == {"Predict"}
