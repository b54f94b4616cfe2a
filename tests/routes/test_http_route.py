"""The owned route: weights, mirror, record, and what is refused."""

import json
import re
from dataclasses import replace
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import given as for_all
from hypothesis import strategies as st

from model_rollouts.api.ratio import ratio
from model_rollouts.api.route import Route
from model_rollouts.resources.errors import ResourceError
from model_rollouts.resources.names import RECORD_ANNOTATION
from model_rollouts.routes import reader
from model_rollouts.routes.http_route import Backend, Mirror, RouteSpec, http_route, mark_of
from model_rollouts.routes.record import MAX_BYTES, RouteRecord, RouteWrite, decode, encode, is_same
from tests.resources.example import MODEL, NAMESPACE, OWNER

RECORD = RouteRecord("m-1", "m-2", "Canary", "25%", 1, None, 7)
SPEC = RouteSpec(parent_refs=[{"name": "models"}])


def route(
    *backends: Backend, mirror: Mirror | None = None, spec: RouteSpec = SPEC
) -> dict[str, Any]:
    return http_route(
        MODEL, spec, backends, RECORD, namespace=NAMESPACE, owner=OWNER, mirror=mirror
    )


def rule(built: dict[str, Any]) -> Any:
    (only,) = built["spec"]["rules"]
    return only


def test_a_weight_of_0_is_left_out() -> None:
    built = route(Backend("m-1", 100), Backend("m-2", 0))

    assert {each["name"] for each in rule(built)["backendRefs"]} == {"m-1"}


def test_no_place_comes_or_goes_when_users_do() -> None:
    alone, together = route(Backend("m-1", 1)), route(Backend("m-1", 9), Backend("m-2", 1))

    assert [(each["name"], each["weight"]) for each in rule(alone)["backendRefs"]] == [
        ("m-1", 999_999),
        ("m-1", 1),
    ]
    assert [each["name"] for each in rule(together)["backendRefs"]] == ["m-1", "m-2"]


def test_copies_go_to_the_shadow_service_and_0_percent_is_no_mirror() -> None:
    mirrored = rule(route(Backend("m-1", 1), mirror=Mirror("m-2", 10)))
    (copied,) = mirrored["filters"]

    assert copied["requestMirror"]["backendRef"]["name"] == "m-2-shadow"
    assert "filters" not in rule(route(Backend("m-1", 1), mirror=Mirror("m-2", 0)))


@pytest.mark.parametrize(("percent", "said"), [(1, 1), (99, 99), (100, None)])
def test_all_requests_are_copied_by_a_mirror_without_a_share(
    percent: int, said: int | None
) -> None:
    """That also a gateway understands that knows no shares."""
    made = route(Backend("m-1", 1), mirror=Mirror("m-2", percent))

    (copied,) = rule(made)["filters"]
    assert copied["requestMirror"].get("percent") == said
    assert reader.mirror(made) == ("m-2-shadow", percent)


def test_another_pod_of_stable_gets_a_part_of_the_mirrored_requests() -> None:
    made = route(Backend("m-1", 1), mirror=Mirror("m-2", 100, "m-1", 10))

    assert [
        (each["requestMirror"]["backendRef"]["name"], each["requestMirror"].get("percent"))
        for each in rule(made)["filters"]
    ] == [("m-2-shadow", None), ("m-1-shadow", 10)]
    assert reader.mirror(made) == ("m-2-shadow", 100)
    once = route(Backend("m-1", 1), mirror=Mirror("m-2", 100, "m-1", 0))
    assert reader.differences(once, made) == ("spec.rules",)
    assert RouteSpec.found(made, keeps_places=True, most_weight=100) == RouteSpec.found(
        once, keeps_places=True, most_weight=100
    )


@pytest.mark.parametrize("itself", [-1, 11])
def test_stable_never_gets_more_of_them_than_the_candidate(itself: int) -> None:
    with pytest.raises(ResourceError, match=r"mirror percent of stable.*write 0 to 10"):
        route(Backend("m-1", 1), mirror=Mirror("m-2", 10, "m-1", itself))


RULES: list[dict[str, Any]] = [
    {"name": "a", "matches": [{"path": {"type": "Exact", "value": "/a"}}]},
    {"filters": [{"type": "CORS", "cors": {"maxAge": 5}}], "timeouts": {"request": "1s"}},
]


def test_every_rule_has_the_same_weights_and_the_same_mirror() -> None:
    spec = RouteSpec(parent_refs=[{"name": "models"}], rules=RULES)

    built = route(Backend("m-1", 3), Backend("m-2", 1), mirror=Mirror("m-2", 10), spec=spec)

    first, second = built["spec"]["rules"]
    assert first["backendRefs"] == second["backendRefs"]
    assert [each["type"] for each in second["filters"]] == ["CORS", "RequestMirror"]
    assert first["filters"] == second["filters"][1:]
    assert reader.shares(built) == {"m-1": Fraction(3, 4), "m-2": Fraction(1, 4)}
    assert reader.mirror(built) == ("m-2-shadow", 10)
    assert RouteSpec.found(built, keeps_places=True, most_weight=100).rules == RULES


def test_shares_of_rules_that_differ_depend_on_the_request() -> None:
    built = route(Backend("m-1", 3), spec=RouteSpec(parent_refs=[], rules=RULES))
    built["spec"]["rules"][1]["backendRefs"] = [{"name": "m-2", "weight": 1}]

    assert reader.shares(built) is None


def test_the_mark_of_a_route_in_the_short_form_is_that_of_releases_before() -> None:
    """Another one would look like an edit of the spec after an upgrade."""
    said = {"parentRefs": [{"name": "models"}], "hostnames": ["a.example.com"]}

    # Committed: it was made by the release before.
    assert mark_of(Route.model_validate(said)) == "ca02f24be4"


def test_a_route_without_copies_has_no_mirror() -> None:
    assert reader.mirror(route(Backend("m-1", 1))) is None


def test_a_record_without_copies_is_the_one_that_earlier_releases_read() -> None:
    assert set(json.loads(encode(RECORD))) == {
        *("version", "stable", "candidate", "phase", "weight"),
        *("attempt", "verdict", "sequence", "previous"),
    }


def test_a_gateway_that_refuses_filters_on_backends_gets_none() -> None:
    spec = RouteSpec(parent_refs=[{"name": "models"}], marks_backends=False)
    backends = rule(route(Backend("m-1", 9), Backend("m-2", 1), spec=spec))["backendRefs"]

    assert backends == [
        {"name": "m-1", "port": 80, "weight": 9},
        {"name": "m-2", "port": 80, "weight": 1},
    ]


@pytest.mark.parametrize(
    ("backends", "mirror", "words"),
    [
        ([], None, "backendRefs: found {}; give at least one revision a weight above 0"),
        ([Backend("m-1", 0)], None, "backendRefs: found {'m-1': 0}"),
        ([Backend("m-1", 1), Backend("m-1", 2)], None, "name each revision only once"),
        ([Backend("m-1", -1)], None, "weight of 'm-1': found -1; write 0 to 1,000,000"),
        ([Backend("m-1", 1)], Mirror("m-2", 101), "mirror percent: found 101; write 0 to 100"),
    ],
)
def test_a_route_that_would_serve_wrongly_is_refused(
    backends: list[Backend], mirror: Mirror | None, words: str
) -> None:
    with pytest.raises(ResourceError, match=re.escape(words)):
        route(*backends, mirror=mirror)


revisions = st.from_regex(r"m-[0-9a-f]{1,10}", fullmatch=True)
records = st.builds(
    RouteRecord,
    stable=st.none() | revisions.map("s{}".format),
    candidate=st.none() | revisions.map("c{}".format),
    phase=st.sampled_from(["Starting", "Canary"]),
    previous=st.none() | revisions.map("p{}".format),
    weight=st.integers(0, 10**6).map(lambda millionths: ratio(Fraction(millionths, 10**6))),
    attempt=st.integers(0, 100),
    verdict=st.none() | st.sampled_from(["Pass", "Fail"]),
    sequence=st.integers(0, 2**53),
    mirror=st.integers(0, 100),
    hurt=st.none() | st.integers(0, 100),
    since=st.none() | st.integers(0, 2**53),
    write=st.none()
    | st.builds(
        RouteWrite,
        st.integers(0, 2**53),
        st.integers(0, 10**14),
        st.text(st.characters(exclude_categories=["Cs"]), max_size=40),
        st.none() | revisions,
    ),
    more=st.dictionaries(
        st.text("xyz", min_size=2), st.integers() | st.text(max_size=9), max_size=3
    ),
)


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@for_all(records)
def test_the_record_is_read_back_as_it_was_written(record: RouteRecord) -> None:
    text = encode(record)

    assert decode("HTTPRoute 'm'", text) == record
    assert len(text.encode()) <= MAX_BYTES


GOOD = encode(RECORD)
SHADOW = encode(RouteRecord("m-1", "m-2", "Shadow", "0%", 1, None, 1, hurt=100, mirror=20, since=7))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("not json", "expected a JSON object"),
        ("[]", "expected a JSON object"),
        (
            GOOD.replace('"version":1', '"version":2'),
            ".version: found 2; expected 1; another release",
        ),
        (GOOD.replace('"attempt":1,', ""), "expected also the keys attempt"),
        (GOOD.replace('"attempt":1', '"attempts":1'), "expected also the keys attempt"),
        (
            GOOD.replace('"attempt":1', '"attempt":-1'),
            ".attempt: found -1; expected a whole number",
        ),
        (GOOD.replace('"attempt":1', '"attempt":true'), ".attempt: found true; expected a whole"),
        (GOOD.replace('"25%"', '"25"'), ".weight: found '25'; expected a share such as 25%"),
        (GOOD.replace('"25%"', "25"), ".weight: found 25; expected a share such as 25%"),
        (GOOD.replace('"previous":null', '"previous":"m-1"'), ".previous: found 'm-1'"),
        (GOOD.replace('"m-2"', '"m-1"'), ".candidate: found 'm-1'; expected a revision other"),
        (
            GOOD.replace('"m-2"', '"M 2"'),
            ".candidate: found 'M 2'; expected the name of a revision",
        ),
        (GOOD.replace('"Canary"', '""'), ".phase: found ''; expected the name of a phase"),
        (GOOD.replace('"verdict":null', '"verdict":1'), ".verdict: found 1; expected a verdict"),
        (SHADOW.replace(":20", ":101"), ".mirror: found 101; expected a whole number, 0 to 100"),
        (SHADOW.replace(":20", ":true"), ".mirror: found true; expected a whole number"),
        (SHADOW.replace(":20", ":null"), ".mirror: found nothing; expected a whole number"),
        (SHADOW.replace(":100", ":1.5"), ".hurt: found 1.5; expected a whole number, 0 to 100"),
        (SHADOW.replace(":7", ":-7"), ".since: found -7; expected a whole number"),
        (" " * 2000, "found '2,000 bytes'; expected at most 1,024 bytes"),
    ],
)
def test_a_record_that_nobody_wrote_is_refused(text: str, words: str) -> None:
    with pytest.raises(ResourceError, match=re.escape(words)) as refused:
        decode("HTTPRoute 'm'", text)

    assert str(refused.value).startswith(
        f"HTTPRoute 'm', metadata.annotations[{RECORD_ANNOTATION}]"
    )


def test_a_record_that_could_not_be_read_back_is_not_written() -> None:
    with pytest.raises(ResourceError, match="candidate"):
        encode(RouteRecord("m-1", "m-1", "Canary", "5%", 1, None, 1))


def written(why: str, dropped: str | None = None) -> RouteWrite:
    return RouteWrite(RECORD.sequence, 1_774_965_720_000, why, dropped)


@pytest.mark.parametrize(
    "why",
    ["x" * 2_000, "\u96ea" * 700, '"' * 1_500, "\U0001f426" * 400],
    ids=["letters", "Chinese", "quotes", "birds"],
)
@pytest.mark.parametrize("more", [{}, {"later": "y" * 300}])
def test_a_sentence_is_cut_to_the_room_that_is_left(why: str, more: dict[str, Any]) -> None:
    record = replace(RECORD, write=written(why, "m-3"), more=more)

    text = encode(record)
    found = decode("HTTPRoute 'm'", text)

    assert MAX_BYTES - 4 < len(text.encode()) <= MAX_BYTES
    assert found.write is not None
    assert found.write.why[:-1] == why[: len(found.write.why) - 1]
    assert found.write.why.endswith("…")
    assert found == replace(record, write=written(found.write.why, "m-3"))


@pytest.mark.parametrize(
    "write",
    [
        "7",
        "[]",
        "{}",
        '{"sequence":7}',
        '{"sequence":"7","ms":1}',
        '{"sequence":7,"ms":-1}',
        '{"sequence":7,"ms":1e99}',
        '{"sequence":7,"ms":1,"why":null}',
        '{"sequence":7,"ms":1,"why":"","dropped":1}',
    ],
)
def test_roles_hold_without_what_the_write_means(write: str) -> None:
    assert decode("HTTPRoute 'm'", f'{GOOD[:-1]},"write":{write}}}') == RECORD


def test_what_another_release_wrote_is_kept() -> None:
    text = f'{GOOD[:-1]},"later":{{"of":[1,null,"\u96ea"]}}}}'

    found = decode("HTTPRoute 'm'", text)

    assert found.more == {"later": {"of": [1, None, "\u96ea"]}}
    assert encode(found) == text


@pytest.mark.parametrize(("extra", "kept"), [("", {"a": 1, "b": "x" * 800}), ("m" * 200, {"a": 1})])
def test_what_has_no_room_beside_the_roles_gives_way(extra: str, kept: dict[str, Any]) -> None:
    """Roles that could not be written would leave users where they are."""
    record = replace(RECORD, verdict=extra or None, more={"a": 1, "b": "x" * 800})

    found = decode("HTTPRoute 'm'", encode(record))

    assert found == replace(record, more=kept)


def test_half_of_a_letter_can_be_written() -> None:
    (found,) = decode("HTTPRoute 'm'", f'{GOOD[:-1]},"later":"\\ud800"}}').more.values()

    assert found == "\ud800"
    assert json.loads(encode(replace(RECORD, more={"later": found})))["later"] == "?"


def test_the_same_record_in_another_form_is_no_edit() -> None:
    one, other = route(Backend("m-1", 1)), route(Backend("m-1", 1))
    said = json.loads(GOOD)
    backwards = dict(reversed(said.items()))
    other["metadata"]["annotations"][RECORD_ANNOTATION] = json.dumps(backwards, indent=1)

    assert is_same(one, other)
    other["metadata"]["annotations"][RECORD_ANNOTATION] = "{}"
    assert not is_same(one, other)
    assert not is_same(other, other)
