"""What is told of pods that are not ours: names, and what to write so that they stay away."""

import pytest

from model_rollouts.api.conditions import ConditionType, Reason
from model_rollouts.metrics import findings
from model_rollouts.metrics.findings import Finding
from model_rollouts.rollout.status.pod_words import told


def _found(arm: str, *pods: str) -> Finding:
    return Finding(findings.Reason.PODS_NOT_COUNTED, arm, pods, "")


@pytest.mark.parametrize(
    ("found", "words"),
    [
        ([_found("candidate", "b")], "a pod that this cluster does not have: b. They"),
        (
            [_found("candidate", "b"), _found("stable", "c", "a")],
            "3 pods that this cluster does not have: a, b, c. They",
        ),
        (
            [_found("stable", *"abcdefgh")],
            "8 pods that this cluster does not have: a, b, c, d, e and 3 more. They",
        ),
    ],
)
def test_some_are_named_and_the_rest_counted(found: list[Finding], words: str) -> None:
    said = told(found)

    assert said is not None
    assert words in said
    assert "prometheus.matchers" in said


def test_nothing_is_told_of_other_findings() -> None:
    assert told([Finding(findings.Reason.SCRAPE_MISSING, "candidate", ("a",), "")]) is None


def test_condition_and_reason_are_those_of_the_page() -> None:
    assert (ConditionType.PODS_NOT_COUNTED, Reason.UNKNOWN_PODS) == (
        "PodsNotCounted",
        "UnknownPods",
    )
