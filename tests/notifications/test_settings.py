"""The file of targets and words: what it says, and each refusal."""

from pathlib import Path
from typing import Any

import pytest

from model_rollouts.notifications.kinds import DEFAULT_KINDS, Topic
from model_rollouts.notifications.settings import SettingsError, checked, read
from tests.notifications.objects import only, rollout, unavailable

SLACK = {"name": "slack", "type": "Apprise", "urlFile": "slack/url"}
HOOK = {"name": "hook", "type": "Webhook", "urlFile": "hook/url"}
KINDS = "Unavailable, FallbackActive, RolledBack, Undecided, Stalled, ByHand, Promoted, Progress"


def settings(*targets: dict[str, Any], **more: Any) -> Any:
    return checked({"targets": list(targets), **more}, Path("/etc/notifications"))


def test_a_file_without_anything_has_no_targets_and_the_defaults(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("{}")

    found = read(tmp_path / "config.yaml")

    assert (found.targets, found.group_wait_s, found.group_interval_s) == ((), 10.0, 60.0)
    assert (found.most_per_hour, found.unavailable_after_s, found.give_up_after_s) == (
        30,
        60.0,
        86_400.0,
    )


def test_files_of_secrets_lie_beside_it() -> None:
    found = settings({**HOOK, "tokenFile": "hook/token"})

    place = found.targets[0].place(found.folder)

    assert place.url_file == Path("/etc/notifications/hook/url")
    assert place.token_file == Path("/etc/notifications/hook/token")


@pytest.mark.parametrize(
    ("match", "is_taken"),
    [
        ({}, True),
        ({"teams": ["vision", "speech"]}, True),
        ({"teams": ["speech"]}, False),
        ({"channels": ["#vision-alerts"]}, True),
        ({"channels": ["#other"]}, False),
        ({"namespaces": ["flights"]}, True),
        ({"namespaces": ["shop"]}, False),
        ({"labels": {"tier": "gold"}}, True),
        ({"labels": {"tier": "silver"}}, False),
        ({"labels": {"tier": "gold", "region": "eu"}}, False),
        ({"teams": ["vision"], "namespaces": ["shop"]}, False),
    ],
)
def test_messages_are_routed_by_owner_namespace_and_label(
    match: dict[str, Any], is_taken: bool
) -> None:
    (target,) = settings({**SLACK, "match": match}).targets

    found = only(rollout(labels={"tier": "gold"}), Topic.ROLLED_BACK)

    assert target.takes(found) is is_taken


def test_a_pager_is_told_only_that_users_get_no_answers() -> None:
    pager, other = settings({**SLACK, "pager": True}, HOOK).targets
    rolled_back, away = only(rollout(), Topic.ROLLED_BACK), only(unavailable(), Topic.UNAVAILABLE)

    assert [each.takes(rolled_back) for each in (pager, other)] == [False, True]
    assert [each.takes(away) for each in (pager, other)] == [True, True]
    assert other.kinds() == DEFAULT_KINDS


@pytest.mark.parametrize(
    ("found", "refusal"),
    [
        ({"target": []}, "target: found an unknown field, write one of the fields in docs/messa"),
        ({"cluster": "x" * 64}, "cluster: found 'xxx"),
        ({"groupWait": "10"}, "groupWait, duration: found '10', write a time such as 24h"),
        ({"groupInterval": "0s"}, "groupInterval, duration: found '0s', write more than 0s"),
        ({"unavailableAfter": 60}, "unavailableAfter: found '60', write text, in quotes if it"),
        ({"giveUpAfter": "never"}, "giveUpAfter, duration: found 'never', write a time such"),
        ({"mostPerHour": 0}, "mostPerHour: found '0', write a whole number from 1 to 3600"),
        ({"mostPerHour": "many"}, "mostPerHour: found 'many', write a whole number"),
        ({"targets": {}}, "targets: found dict, write a list"),
        ({"targets": [{**SLACK, "name": "My Slack"}]}, "targets.0.name: found 'My Slack', write"),
        ({"targets": [{"name": "a"}]}, "targets.0.type: found none, write a value"),
        (
            {"targets": [{**SLACK, "type": "Slack"}]},
            "targets.0.type: found 'Slack', write one of Apprise",
        ),
        ({"targets": [SLACK, SLACK]}, "targets.1.name: found 'slack' twice, write each name once"),
        (
            {"targets": [{"name": "a", "type": "Apprise"}]},
            "targets.0.urlFile: found none with type Apprise, write it",
        ),
        (
            {"targets": [{**SLACK, "tokenFile": "t"}]},
            "targets.0.tokenFile: found one with type Apprise, remove it",
        ),
        (
            {"targets": [{**SLACK, "tell": ["Rolledback"]}]},
            "targets.0.tell.0: found 'Rolledback', write one of Unavailable, FallbackActive",
        ),
        ({"targets": [{**SLACK, "tell": []}]}, "targets.0.tell: found an empty list, write some"),
        (
            {"targets": [{**SLACK, "pager": True, "tell": ["Stalled"]}]},
            "targets.0.tell: found it with pager: true, remove one: only Unavailable pages",
        ),
        ({"targets": [{**SLACK, "pager": "maybe"}]}, "targets.0.pager: found 'maybe', write true"),
        (
            {"targets": [{**SLACK, "match": {"team": ["a"]}}]},
            "targets.0.match.team: found an unknown field, write one of the fields",
        ),
        (
            {"targets": [{**SLACK, "match": {"teams": "a"}}]},
            "targets.0.match.teams: found 'a', write a list",
        ),
        (
            {"targets": [{**SLACK, "match": {"labels": ["a"]}}]},
            "targets.0.match.labels: found list, write a mapping of names and values",
        ),
        (
            {"templates": {"Rolledback": {}}},
            "templates.Rolledback: found an unknown name, write one of Unavailable, Fallback",
        ),
        (
            {"templates": {"RolledBack": {"title": "{{ nane }}"}}},
            "templates.RolledBack.title: found a template that fails: 'nane' is undefined, write",
        ),
        (
            {"templates": {"Group": {"text": "{{ items() }}"}}},
            "templates.Group.text: line 1: found Call, write only names",
        ),
    ],
)
def test_what_is_wrong_is_refused_with_what_to_write(found: dict[str, Any], refusal: str) -> None:
    with pytest.raises(SettingsError) as error:
        checked(found, Path())

    assert str(error.value).startswith(f"config, {refusal}")


def test_all_kinds_are_named_where_none_is() -> None:
    with pytest.raises(SettingsError, match=KINDS):
        settings({**SLACK, "tell": []})


@pytest.mark.parametrize(
    ("text", "refusal"),
    [("a: [", "found expected the node content"), ("- a", "found list, write a mapping")],
)
def test_what_is_no_file_of_settings_is_refused(text: str, refusal: str, tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(text)

    with pytest.raises(SettingsError, match=refusal):
        read(path)
    with pytest.raises(SettingsError, match="could not be read: No such file"):
        read(tmp_path / "none.yaml")
