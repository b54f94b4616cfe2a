"""The table of model servers, held against what each exports (`recorded/`)."""

import asyncio
import contextlib
import math
from functools import partial
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from e2e.cluster.paths import REPOSITORY
from model_rollouts.api.runtimes import (
    RELEASES,
    ROWS,
    Row,
    Runtime,
    Stage,
    Tried,
    exported,
    rows_of,
    stages_of,
)
from model_rollouts.decision import Histogram
from model_rollouts.engine.past_metrics import PastMetrics
from model_rollouts.metrics.grid import Grid
from model_rollouts.metrics.histogram_edges import edge_of
from model_rollouts.metrics.sources import MODEL_SERVER, OBSERVER, source_of
from model_rollouts.prometheus.client import PrometheusClient
from model_rollouts.prometheus.server import ServerOptions
from model_rollouts.rollout import BucketsQuery
from model_rollouts.rollout.trial.objectives import of_row
from tests.kubernetes_clients import until
from tests.metrics.pages import served
from tests.metrics.test_own_counters import target
from tests.prometheus_server import prometheus_server

PAGES = {
    Runtime.KSERVE: "kserve",
    Runtime.TRITON: "triton",
    Runtime.VLLM: "vllm",
    Runtime.SGLANG: "sglang",
    Runtime.TGI: "tgi",
    Runtime.MLSERVER: "mlserver",
    Runtime.TORCHSERVE: "torchserve",
    Runtime.TF_SERVING: "tf-serving",
}
OWN = tuple(row for row in ROWS if row.runtime in PAGES)
"""Those that a server exports itself."""
FOLDER = Path(__file__).parent / "recorded"
ELSEWHERE = FOLDER / "elsewhere"
"""What others recorded of other releases, and published: where, their first lines say."""
SEEN = {each: ELSEWHERE / f"{name}.txt" for each, name in PAGES.items()
        if (ELSEWHERE / f"{name}.txt").exists()}  # fmt: skip
FOUND = {
    Runtime.TRITON: frozenset[str](),
    Runtime.VLLM: frozenset(row.metric for row in ROWS if row.runtime is Runtime.VLLM),
    Runtime.SGLANG: frozenset({"sglang:e2e_request_latency_seconds"}),
    Runtime.TGI: frozenset(row.metric for row in ROWS if row.runtime is Runtime.TGI),
    Runtime.TORCHSERVE: frozenset[str](),
}
"""The histograms of the table that are in it, with the labels that the table asks for."""
GUIDE = (REPOSITORY / "docs" / "stages.md").read_text()


def page(runtime: Runtime) -> str:
    """What the server exports."""
    return (FOLDER / f"{PAGES[runtime]}.txt").read_text()


def edges(row: Row, text: str) -> tuple[float, ...]:
    """The finite edges in seconds of the row's histogram, read without any code of the operator."""
    scale = {"Seconds": 1.0, "Milliseconds": 1e-3, "Microseconds": 1e-6}[row.unit]
    found = {
        edge_of(sample.labels["le"])
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == f"{row.metric}_bucket"
        and all(sample.labels.get(label) in values for label, values in row.matchers)
    }
    finite = [edge * scale for edge in found if edge is not None and 0 < edge < math.inf]
    return tuple(sorted(finite))


@pytest.mark.parametrize("runtime", PAGES)
def test_it_is_told_whether_a_server_was_asked(runtime: Runtime) -> None:
    release, (first, *_) = RELEASES[runtime], page(runtime).splitlines()

    start = "# Recorded from" if release.tried is Tried.REAL else "# Written after the source"

    assert first.startswith(start)
    assert release.version in first


@pytest.mark.parametrize("runtime", PAGES)
def test_no_histogram_that_a_server_exports_is_left_out_or_made_up(runtime: Runtime) -> None:
    families = text_string_to_metric_families(page(runtime))
    there = {each.name for each in families if each.type == "histogram" and each.samples}

    assert {row.metric for row in ROWS if row.runtime is runtime} == there


@pytest.mark.parametrize("runtime", FOUND)
def test_what_others_recorded_has_the_histograms_that_are_said_to_be_in_it(
    runtime: Runtime,
) -> None:
    text, rows = SEEN[runtime].read_text(), [row for row in ROWS if row.runtime is runtime]
    source = text.removeprefix("# Recorded by others: ").split(",", 1)[0]

    there = {row.metric for row in rows if edges(row, text)}

    assert there == FOUND[runtime]
    assert source.startswith("https://")
    assert f"]({source})" in GUIDE
    # A stage takes at least a microsecond and at most an hour: another unit would show.
    assert all(1e-6 < mean_of(row, text) < 3_600 for row in rows if row.metric in there)


def mean_of(row: Row, text: str) -> float:
    """How many seconds one request took in the mean, by the sum and the count of a histogram."""
    scale = {"Seconds": 1.0, "Milliseconds": 1e-3, "Microseconds": 1e-6}[row.unit]
    found = {
        sample.name.removeprefix(f"{row.metric}_"): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name in (f"{row.metric}_sum", f"{row.metric}_count")
    }
    return scale * found["sum"] / found["count"]


def test_a_server_is_seen_where_others_recorded_all_of_its_rows() -> None:
    rows = {runtime: {row.metric for row in ROWS if row.runtime is runtime} for runtime in FOUND}
    whole = {runtime for runtime in FOUND if rows[runtime] == FOUND[runtime]}

    assert whole == {each for each in RELEASES if RELEASES[each].tried is Tried.SEEN}
    assert SEEN.keys() == FOUND.keys()


def test_a_stage_of_a_server_is_one_histogram() -> None:
    pairs = [(row.runtime, row.stage) for row in ROWS]

    assert len(pairs) == len(set(pairs))
    assert all(rows_of(stage, None) for stage in Stage)


@pytest.mark.prometheus
@pytest.mark.timeout(60)
def test_prometheus_has_the_edges_of_each_row_by_the_name_and_labels_of_the_table(
    tmp_path: Path, prometheus: Path
) -> None:
    with contextlib.ExitStack() as stack:
        port = stack.enter_context(served(lambda _path: "up_to_now 1\n"))
        ports = {
            runtime: stack.enter_context(served(partial(_page_of, runtime))) for runtime in PAGES
        }
        targets = [target(each, revision(runtime)) for runtime, each in ports.items()]
        targets += [
            target(stack.enter_context(served(partial(_seen, runtime))), seen(runtime))
            for runtime in SEEN
        ]
        server = stack.enter_context(
            prometheus_server(prometheus, tmp_path, [*targets, target(port, "nothing-1")], "1s")
        )
        found = asyncio.run(_asked(server.url))

    assert found == {
        (of_row(row).key, name): pytest.approx(edges(row, text)) for row, name, text in EXPORTED
    }


def _seen(runtime: Runtime, _path: str) -> str:
    return SEEN[runtime].read_text()


def _page_of(runtime: Runtime, _path: str) -> str:
    return page(runtime)


async def _asked(url: str) -> dict[tuple[str, str], tuple[float, ...]]:
    async with PrometheusClient(ServerOptions(url)) as client:
        asking = PastMetrics(client, Grid(1_000))
        histograms: tuple[tuple[Histogram, tuple[float, ...]], ...]
        histograms = tuple((of_row(row), (0.1,)) for row in OWN)
        query = BucketsQuery(histograms, (*map(revision, PAGES), *map(seen, SEEN), "nothing-1"))

        async def all_there() -> bool:
            return len((await asking.buckets("shop", query)).edges) == len(EXPORTED)

        await until(all_there, "not every row had buckets", 30)
        return dict((await asking.buckets("shop", query)).edges)


def revision(runtime: Runtime) -> str:
    """The name of the revision that is such a server."""
    return f"{PAGES[runtime]}-1"


def seen(runtime: Runtime) -> str:
    """The name of the revision that is such a server of another release."""
    return f"{PAGES[runtime]}-0"


EXPORTED = (
    *((row, revision(row.runtime), page(row.runtime)) for row in OWN),
    *(
        (row, seen(row.runtime), SEEN[row.runtime].read_text())
        for row in OWN
        if row.metric in FOUND.get(row.runtime, ())
    ),
)
"""Each histogram, the revision that has it, and what that one exports."""


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.runtime} {row.stage}")
def test_the_page_of_stages_has_each_row(row: Row) -> None:
    labels = "".join(f", `{label}` {' or '.join(f'`{each}`' for each in values)}" for label, values
                     in row.matchers)  # fmt: skip
    what = "the whole request" if row.stage is None else f"`{row.stage}`"

    assert f"| `{row.runtime}` | {what} | `{row.metric}`{labels} | {row.unit} |" in GUIDE


@pytest.mark.parametrize("runtime", Runtime)
def test_the_page_of_stages_says_how_each_server_is_known(runtime: Runtime) -> None:
    release = RELEASES[runtime]

    assert f"| `{runtime}` | [{release.version}]({release.source}) | {release.tried} |" in GUIDE


def test_what_is_refused_says_what_there_is() -> None:
    assert exported(Runtime.TRITON) == (
        "write TimeToFirstToken, or `histogram`: of no other stage Triton 2.71 has a histogram"
    )
    assert exported(Runtime.KSERVE).startswith("write Preprocess, Predict or Postprocess, or")
    assert exported(Runtime.TORCHSERVE) == (
        "write `histogram`, or remove the objective: TorchServe 0.12.0 has no histogram of any "
        "stage"
    )
    assert stages_of(Runtime.MLSERVER) == ()


def test_all_but_the_header_are_asked_of_the_server_itself_and_that_of_the_observer() -> None:
    sources = {row.runtime: source_of(row.metric) for row in ROWS}

    assert sources.pop(Runtime.SERVER_TIMING) is OBSERVER
    assert {*sources.values()} == {MODEL_SERVER}
    assert sources.keys() | {Runtime.TORCHSERVE} == PAGES.keys()
