"""Templates: what they may do, and that none runs away."""

import time

import pytest

from model_rollouts.notifications.kinds import Topic
from model_rollouts.notifications.message import (
    SOURCES,
    Template,
    Writer,
    example,
    example_group,
)
from model_rollouts.notifications.occasions import Exposure, Occasion
from model_rollouts.notifications.store import Batch
from model_rollouts.notifications.wording import LONGEST_TEXT, MOST_ITEMS, Wording, WordingError
from tests.notifications.objects import only, rollout, unavailable


@pytest.mark.parametrize(
    ("source", "refusal"),
    [
        ("{{ name.upper() }}", "line 1: found Call, write only names"),
        ("\n{% set a = 1 %}", "line 2: found Assign, write only"),
        ("{{ 'a' * 999999999 }}", "found Mul, write only"),
        ("{{ '%999999999d' % 1 }}", "found Mod, write only"),
        ("{% include 'a' %}", "found Include, write only"),
        ("{% macro a() %}{% endmacro %}", "found Macro, write only"),
        ("{{ name | replace('a', 'b') }}", "found the filter 'replace', write one of capitalize"),
        ("{{ name | center(99999999) }}", "found the filter 'center'"),
        ("{% if name is mapping %}{% endif %}", "found the test 'mapping', write one of defined"),
        (
            "{% for a in numbers %}" * 3 + "{% endfor %}" * 3,
            "found a loop in a loop in a loop, write at most two",
        ),
        ("{% if %}", "found no template: "),
        ("{{ " + "(" * 2_000 + "1" + ")" * 2_000 + " }}", "found no template: "),
        ("a" * 5_000, "found 5,000 characters, write at most 4,096"),
    ],
)
def test_a_template_that_might_run_away_is_refused(source: str, refusal: str) -> None:
    with pytest.raises(WordingError) as error:
        Wording(source, LONGEST_TEXT)

    assert refusal in str(error.value)


@pytest.mark.parametrize(
    ("source", "refusal"),
    [
        ("{{ nane }}", "'nane' is undefined"),
        ("{{ name.__class__ }}", "unsafe"),
        ("{% for a in name %}{% endfor %}", "found a loop over str, write a loop over a list"),
    ],
)
def test_a_template_that_fails_says_why(source: str, refusal: str) -> None:
    with pytest.raises(WordingError) as error:
        Wording(source, LONGEST_TEXT).render(example(Topic.ROLLED_BACK))

    assert refusal in str(error.value)


def test_the_result_is_cut_and_a_loop_ends_early() -> None:
    many = {"numbers": ["x" * 1_000] * 1_000}

    text = Wording("{% for a in numbers %}{{ a }}{% endfor %}", LONGEST_TEXT).render(many)
    number = Wording("{% for a in numbers %}.{% endfor %}", LONGEST_TEXT).render(many)

    assert (len(text), text[-1]) == (LONGEST_TEXT, "…")
    assert len(number) == MOST_ITEMS


def test_texts_that_are_joined_by_what_was_joined_do_not_grow() -> None:
    nested = "numbers | join(" * 10 + "''" + ")" * 10

    text = Wording(f"{{{{ {nested} }}}}", LONGEST_TEXT).render({"numbers": ["x" * 100] * 20})

    assert len(text) == LONGEST_TEXT


def test_the_dearest_template_takes_little_time() -> None:
    """Of what a template can do, loops in loops over texts that are joined take longest."""
    inner = "{% if numbers | join(numbers | join) == '' %}{% endif %}"
    loops = "{% for a in numbers %}{% for b in numbers %}"
    ends = "{% endfor %}{% endfor %}"
    room = (4_096 - len(loops) - len(ends)) // len(inner)
    wording = Wording(loops + inner * room + ends, LONGEST_TEXT)

    begun = time.process_time()
    wording.render({"numbers": ["x" * 1_024] * 100})

    # No test asserts a time, but for ever is no time.
    assert time.process_time() - begun < 60


def batch(*occasions: Occasion) -> Batch:
    return Batch("b1", occasions)


def test_a_rollback_says_what_a_person_on_call_needs() -> None:
    found = only(rollout(), Topic.ROLLED_BACK)
    exposed = Occasion(
        **{**{name: getattr(found, name) for name in Occasion.__slots__}}
        | {"exposure": Exposure("10%", 1_800_000_400.0)}
    )

    message = Writer("eu-1").message(batch(exposed))

    assert message.title == "[eu-1] flights/arrival: version 3 was rolled back"
    assert message.text.splitlines() == [
        "errors failed: 99 % of requests must succeed; version 3 failed 6 of 62 (9.7 %), stable 0 "
        "of 563.",
        "Since 2027-01-15 08:08 UTC; all users get version 2.",
        "Users: version 3 had up to 10 % of users, from 2027-01-15 08:06 UTC on; 62 of its "
        "requests were counted.",
        "Owner: vision (#vision-alerts).",
        "Runbook: https://wiki.example.com/arrival",
        "See why: kubectl mdep explain arrival -n flights",
        "Try the version again: kubectl mdep retry arrival -n flights",
        "Message b1",
    ]


def test_requests_are_not_taken_for_users_where_that_is_not_known() -> None:
    """Those of a version that was rolled back in shadow were all mirrored."""
    message = Writer().message(batch(only(rollout(), Topic.ROLLED_BACK)))

    assert "Users: 62 of its requests were counted, of users or mirrored." in message.text


def test_a_few_facts_are_told_in_whole_and_many_in_a_line_each() -> None:
    rolled_back = only(rollout(), Topic.ROLLED_BACK)
    away = [only(unavailable(uid=f"v-{n}", name=f"m{n}"), Topic.UNAVAILABLE) for n in range(30)]

    few = Writer().message(batch(rolled_back, away[0]))
    many = Writer().message(batch(rolled_back, *away))

    assert few.title == "2 ModelDeployments: 1 unavailable, 1 rolled back"
    assert few.text.count("kubectl mdep") == 4
    assert many.title == "31 ModelDeployments: 30 unavailable, 1 rolled back"
    assert many.text.count("\n- flights/") == MOST_ITEMS - 1
    assert "and 11 more." in many.text
    assert "kubectl mdep list -A" in many.text


def test_a_template_of_the_chart_is_used_and_a_failing_one_replaced() -> None:
    found = only(rollout(), Topic.ROLLED_BACK)
    own = Template.of("{{ name }}", "{{ labels.tier }}")

    plain = Writer("", {"RolledBack": own}).message(batch(found))
    labelled = Writer("", {"RolledBack": own}).message(
        batch(only(rollout(labels={"tier": "gold"}), Topic.ROLLED_BACK))
    )

    assert labelled.text == "gold\nMessage b1"
    assert "errors failed" in plain.text


@pytest.mark.parametrize("name", SOURCES)
def test_each_template_uses_names_that_there_are(name: str) -> None:
    given = example_group() if name == "Group" else example(Topic(name))

    template = Template.of(*SOURCES[name])

    assert template.title.render(given)
    assert template.text.render(given)
