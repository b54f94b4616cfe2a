"""What makes no sense is refused where it enters, by an error that names the field."""

from collections.abc import Callable

import pytest

from model_rollouts.metrics.batching import Batching
from model_rollouts.metrics.errors import InputError
from model_rollouts.metrics.grid import Grid
from model_rollouts.metrics.intake import Intake
from model_rollouts.metrics.objectives import CountedObjective, Term, errors, latency, own_counters
from model_rollouts.metrics.pods import Pod
from model_rollouts.metrics.requests import Arm, MeasuredRollout, Request
from model_rollouts.metrics.series import LabelNames
from model_rollouts.metrics.sources import PROXY, Counter
from model_rollouts.metrics.watermark import Watermark
from model_rollouts.prometheus.server import ServerOptions
from tests.metrics.fake_prometheus import rollout


@pytest.mark.parametrize(
    ("build", "field"),
    [
        (lambda: Arm("", "r"), "arm.name"),
        (lambda: Arm("a", " "), "arm 'a', revision"),
        (lambda: Arm("a", "r", "live"), "arm 'a', listener"),  # type: ignore[arg-type]
        (lambda: Pod("", "r", 0), "pod.name"),
        (lambda: rollout(arms=()), "rollout 'shop/model', arms"),
        (lambda: rollout(arms=[Arm("a", "r"), Arm("a", "s")]), "rollout 'shop/model', arms"),
        (
            lambda: rollout(arms=[Arm("a", "r"), Arm("b", "r")]),
            "rollout 'shop/model', arms (revision and listener)",
        ),
        (lambda: rollout(objectives=[]), "rollout 'shop/model', objectives"),
        (
            lambda: rollout(objectives=[errors("e"), latency("e", [1])]),
            "rollout 'shop/model', objectives",
        ),
        (lambda: rollout(started_ms=-1), "rollout 'shop/model', started_ms"),
        (lambda: rollout(warmup_ms=-1), "rollout 'shop/model', warmup_ms"),
        (lambda: MeasuredRollout("k", "", (), (), 0), "rollout 'k', namespace"),
        (lambda: latency("l", []), "objective 'l', thresholds"),
        (lambda: latency("l", [0.3, 0.0]), "objective 'l', thresholds"),
        (lambda: latency("l", [float("nan")]), "objective 'l', thresholds"),
        (lambda: latency("l", [0.3, 0.3]), "objective 'l', thresholds"),
        (
            lambda: own_counters("o", bad="a{b}", total="t"),
            "objective 'o', counters.bad.metric",
        ),
        (lambda: own_counters("o", bad="b", total=""), "objective 'o', counters.total.metric"),
        (lambda: CountedObjective("o", PROXY, (), ((Term(Counter("x")),),)), "objective 'o'"),
        (lambda: Counter("rate(x)"), "counter.metric"),
        (lambda: Grid(0), "step_ms"),
        (lambda: Grid(5_000, 10_000), "lookback_ms"),
        (lambda: LabelNames(pod="a-b"), "labels.pod"),
        (lambda: Batching(matchers=(("a-b", "x"),)), "matchers"),
        (lambda: Batching(answer_bytes=1), "answer_bytes"),
        (lambda: Watermark.from_json({}), "watermark.at"),
        (lambda: Watermark.from_json({"at": 1.5}), "watermark.at"),
        (lambda: Watermark.from_json({"at": 1, "carry": 3}), "watermark.carry"),
        (lambda: Watermark.from_json({"at": 1, "carry": {"a": "b"}}), "watermark.carry.a"),
        (lambda: Watermark.from_json({"at": 1, "behind": 3}), "watermark.behind"),
        (lambda: Watermark.from_json({"at": 1, "behind": {"a": -1}}), "watermark.behind.a"),
        (lambda: ServerOptions("prometheus:9090"), "url"),
        (lambda: ServerOptions("http://[oops"), "url"),
        (lambda: ServerOptions("http://me:secret@prometheus"), "url"),
        (lambda: ServerOptions("http://p", token="t", user="u"), "token"),
        (lambda: ServerOptions("http://p", timeout_s=0), "timeout_s"),
        (lambda: ServerOptions("http://p", retries=-1), "retries"),
        (
            lambda: Intake().plan([Request(rollout()), Request(rollout())], 0),
            "requests, rollout.key",
        ),
        (
            lambda: Intake().plan(
                [
                    Request(rollout()),
                    Request(MeasuredRollout("k", "shop", rollout().arms, rollout().objectives, 0)),
                ],
                0,
            ),
            "rollout 'k', revision",
        ),
    ],
)
def test_the_field_is_named(build: Callable[[], object], field: str) -> None:
    with pytest.raises(InputError) as refused:
        build()

    assert refused.value.field == field
    assert str(refused.value).startswith(f"{field}: found ")
    assert "secret" not in str(refused.value)
