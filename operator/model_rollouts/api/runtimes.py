"""Which histogram of which model server times a stage of a request: the table behind `stage`.

A row is what one release of a model server exports. Whatever a server has no histogram for, such as
a sum or a summary, has no row: neither can say how many requests took longer than a promised time.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from model_rollouts.api.base import Word


class Runtime(Word):
    """A model server whose metrics are known."""

    KSERVE = "KServe", "KServe's server for models in Python."
    TRITON = "Triton", "NVIDIA Triton Inference Server."
    VLLM = "VLLM", "vLLM, also as the backend of another server."
    SGLANG = "SGLang", "SGLang, with `--enable-metrics`."
    TGI = "TGI", "Text Generation Inference."
    MLSERVER = "MLServer", "MLServer."
    TORCHSERVE = "TorchServe", "TorchServe."
    TF_SERVING = "TFServing", "TensorFlow Serving, with `--monitoring_config_file`."
    SERVER_TIMING = (
        "ServerTiming",
        "Any whose answers have the header `Server-Timing`; needs `spec.capture`.",
    )


class Stage(Word):
    """A part of a request inside of the model server."""

    PREPROCESS = "Preprocess", "From the request to the model's input."
    PREDICT = "Predict", "The model itself."
    POSTPROCESS = "Postprocess", "From the model's output to the answer."
    QUEUE = "Queue", "Waiting for the model."
    TIME_TO_FIRST_TOKEN = "TimeToFirstToken", "From the request to the first token of the answer."
    TIME_PER_OUTPUT_TOKEN = (
        "TimePerOutputToken",
        "The mean time from one token to the next, one for each request.",
    )


class Unit(Word):
    """In what a histogram counts times."""

    SECONDS = "Seconds", "Bucket edges are seconds, as Prometheus advises."
    MILLISECONDS = "Milliseconds", "Bucket edges are milliseconds."
    MICROSECONDS = "Microseconds", "Bucket edges are microseconds."


class Tried(Word):
    """How it is known that a row is true."""

    REAL = "real", "asked of the server itself; what it exported is recorded in the tests"
    SEEN = "seen", "read in its source, and held against output of it that others recorded"
    READ = "read", "read in its source or documentation, and asked of no server"


class Release(NamedTuple):
    """The release of a model server that the rows are of: where they were read or asked."""

    version: str
    source: str
    tried: Tried


class Row(NamedTuple):
    """A histogram of a model server, by its name without `_bucket`; `stage` None: all of a request.

    `matchers` are labels, each with the values of which a series has one.
    """

    runtime: Runtime
    stage: Stage | None
    metric: str
    unit: Unit = Unit.SECONDS
    matchers: tuple[tuple[str, tuple[str, ...]], ...] = ()


SERVER_TIMING = "model_rollouts_observer_stage_seconds"
"""The observer's histogram of what model servers tell of each answer."""

RELEASES = {
    Runtime.KSERVE: Release(
        "0.21.0",
        "https://github.com/kserve/kserve/blob/v0.21.0/python/kserve/kserve/metrics.py",
        Tried.REAL,
    ),
    Runtime.TRITON: Release(
        "2.71",
        "https://github.com/triton-inference-server/server/blob/main/docs/user_guide/metrics.md",
        Tried.READ,
    ),
    Runtime.VLLM: Release(
        "0.33.0",
        "https://github.com/vllm-project/vllm/blob/v0.33.0/vllm/v1/metrics/loggers.py",
        Tried.SEEN,
    ),
    Runtime.SGLANG: Release(
        "0.5.23",
        "https://github.com/sgl-project/sglang/blob/v0.5.23/python/sglang/srt/observability/"
        "metrics_collector.py",
        Tried.READ,
    ),
    Runtime.TGI: Release(
        "3.3.7",
        "https://github.com/huggingface/text-generation-inference/blob/v3.3.7/router/src/server.rs",
        Tried.SEEN,
    ),
    Runtime.MLSERVER: Release(
        "1.7.1",
        "https://github.com/SeldonIO/MLServer/blob/1.7.1/mlserver/handlers/dataplane.py",
        Tried.REAL,
    ),
    Runtime.TORCHSERVE: Release(
        "0.12.0",
        "https://github.com/pytorch/serve/blob/v0.12.0/ts/configs/metrics.yaml",
        Tried.SEEN,
    ),
    Runtime.TF_SERVING: Release(
        "2.20.0",
        "https://github.com/tensorflow/serving/blob/2.20.0/tensorflow_serving/servables/tensorflow/"
        "util.cc",
        Tried.READ,
    ),
    Runtime.SERVER_TIMING: Release(
        "2023",
        "https://www.w3.org/TR/2023/WD-server-timing-20230411/",
        Tried.REAL,
    ),
}

ROWS = (
    Row(Runtime.KSERVE, Stage.PREPROCESS, "request_preprocess_seconds"),
    Row(Runtime.KSERVE, Stage.PREDICT, "request_predict_seconds"),
    Row(Runtime.KSERVE, Stage.POSTPROCESS, "request_postprocess_seconds"),
    # With `--metrics-config histogram_latencies=true`.
    Row(
        Runtime.TRITON,
        Stage.TIME_TO_FIRST_TOKEN,
        "nv_inference_first_response_histogram_ms",
        Unit.MILLISECONDS,
    ),
    Row(Runtime.VLLM, None, "vllm:e2e_request_latency_seconds"),
    Row(Runtime.VLLM, Stage.QUEUE, "vllm:request_queue_time_seconds"),
    Row(Runtime.VLLM, Stage.PREDICT, "vllm:request_inference_time_seconds"),
    Row(Runtime.VLLM, Stage.TIME_TO_FIRST_TOKEN, "vllm:time_to_first_token_seconds"),
    Row(Runtime.VLLM, Stage.TIME_PER_OUTPUT_TOKEN, "vllm:request_time_per_output_token_seconds"),
    Row(Runtime.SGLANG, None, "sglang:e2e_request_latency_seconds"),
    Row(Runtime.SGLANG, Stage.QUEUE, "sglang:queue_time_seconds"),
    # Of an answer in one part, the time to the first token is that of all of it.
    Row(
        Runtime.SGLANG,
        Stage.TIME_TO_FIRST_TOKEN,
        "sglang:time_to_first_token_seconds",
        matchers=(("is_streaming", ("true",)),),
    ),
    Row(
        Runtime.SGLANG, Stage.TIME_PER_OUTPUT_TOKEN, "sglang:request_time_per_output_token_seconds"
    ),
    Row(Runtime.TGI, None, "tgi_request_duration"),
    Row(Runtime.TGI, Stage.PREPROCESS, "tgi_request_validation_duration"),
    Row(Runtime.TGI, Stage.QUEUE, "tgi_request_queue_duration"),
    Row(Runtime.TGI, Stage.PREDICT, "tgi_request_inference_duration"),
    Row(Runtime.TGI, Stage.TIME_PER_OUTPUT_TOKEN, "tgi_request_mean_time_per_token_duration"),
    Row(
        Runtime.MLSERVER,
        None,
        "rest_server_request_duration_seconds",
        matchers=(
            (
                "path",
                (
                    "/v2/models/{model_name}/infer",
                    "/v2/models/{model_name}/versions/{model_version}/infer",
                ),
            ),
        ),
    ),
    Row(Runtime.TF_SERVING, None, ":tensorflow:serving:request_latency", Unit.MICROSECONDS),
    Row(
        Runtime.TF_SERVING, Stage.PREDICT, ":tensorflow:serving:runtime_latency", Unit.MICROSECONDS
    ),
    *(
        Row(Runtime.SERVER_TIMING, stage, SERVER_TIMING, matchers=(("stage", (stage.value,)),))
        for stage in Stage
    ),
)


def stages_of(runtime: Runtime) -> tuple[Stage, ...]:
    """The stages that a model server has a histogram of."""
    return tuple(row.stage for row in ROWS if row.runtime is runtime and row.stage is not None)


def rows_of(stage: Stage, runtime: Runtime | None) -> tuple[Row, ...]:
    """What times `stage`: the row of `runtime`, or those of all model servers without it."""
    return tuple(
        row for row in ROWS if row.stage is stage and (runtime is None or row.runtime is runtime)
    )


def exported(runtime: Runtime) -> str:
    """What to write in place of a stage that `runtime` has no histogram of."""
    stages = stages_of(runtime)
    if not stages:
        return (
            f"write `histogram`, or remove the objective: {runtime} {RELEASES[runtime].version} "
            "has no histogram of any stage"
        )
    return (
        f"write {either(stages)}, or `histogram`: of no other stage {runtime} "
        f"{RELEASES[runtime].version} has a histogram"
    )


def either(words: Iterable[str]) -> str:
    """The words as a choice, e.g. `a, b or c`."""
    each: Sequence[str] = [str(word) for word in words]
    return each[0] if len(each) == 1 else f"{', '.join(each[:-1])} or {each[-1]}"
