"""pytest fixtures for real parts: an API server of one's own, and the whole cluster.

Where a part cannot run, its tests are skipped with the reason; in CI they fail, because a skip
there would look like a pass.
"""

import contextlib
import os
import shutil
import ssl
import subprocess
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import httpx
import pytest
from ephemeral_port_reserve import reserve
from prometheus_api_client.prometheus_connect import PrometheusConnect
from rich.console import Console

from e2e.cluster import addons, control_plane, credentials, debian, progress, tools
from e2e.cluster.control_plane import Endpoint
from e2e.cluster.kubectl import Kubectl
from e2e.cluster.paths import REPOSITORY
from e2e.cluster.progress import StepError
from e2e.cluster.provider import Provider, choose
from e2e.waiting import wait_until
from model_rollouts.metrics.series import Sample
from model_rollouts.prometheus.inspect import connect, raw_samples
from model_rollouts.prometheus.server import ServerOptions

READY_SECONDS = 60.0
SETTING_UP: dict[str, float] = {}
"""Seconds that a fixture took to become ready, for the summary at the end."""


@dataclass(frozen=True)
class ApiServer:
    """An etcd and an API server of this test run, with the CRDs of Gateway API and ours."""

    url: str
    kubeconfig: Path
    token: str
    ca: Path

    @property
    def kubectl(self) -> Kubectl:
        """A kubectl with the administrator's rights."""
        return Kubectl(self.kubeconfig)


@dataclass(frozen=True)
class Cluster:
    """The whole cluster of `make cluster`."""

    provider: Provider

    @property
    def kubectl(self) -> Kubectl:
        """A kubectl with the administrator's rights."""
        return Kubectl(self.provider.kubeconfig)

    @property
    def gateway_address(self) -> str:
        """Where pods reach the Gateway `models`."""
        return addons.chosen().url

    def route_accepted(self, name: str, namespace: str) -> bool:
        """Whether the gateway has accepted the HTTPRoute `name` as it stands now."""
        route = self.kubectl.get("httproute", name, "-n", namespace)
        conditions = [
            (condition["type"], condition["status"])
            for parent in route.get("status", {}).get("parents", [])
            for condition in parent["conditions"]
            if condition["observedGeneration"] == route["metadata"]["generation"]
        ]
        return {("Accepted", "True"), ("ResolvedRefs", "True")} <= set(conditions)

    def query(self, expression: str) -> list[tuple[dict[str, str], float]]:
        """Return labels and value of each series that the PromQL `expression` gives now."""
        with contextlib.closing(self._prometheus()) as server:
            found = server.custom_query(expression)
        return [(series["metric"], float(series["value"][1])) for series in found]

    def samples(self, selector: str) -> list[tuple[dict[str, str], list[Sample]]]:
        """Return labels and raw samples of each series that a range selector gives now."""
        with contextlib.closing(self._prometheus()) as server:
            return raw_samples(server, selector, round(time.time() * 1000))

    def _prometheus(self) -> PrometheusConnect:
        return connect(ServerOptions(addons.prometheus_url(self.provider)))


@pytest.fixture(scope="session")
def api_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    """A real API server, one for each test run; end by pid when the run ends."""
    begun = time.monotonic()
    with contextlib.ExitStack() as running:
        try:
            found = running.enter_context(api_server_in(tmp_path_factory.mktemp("api-server")))
        except ToolsMissingError as error:
            _unavailable(str(error))
        SETTING_UP["api_server"] = time.monotonic() - begun
        yield found


class ToolsMissingError(StepError):
    """Programs that have to be built first are not there."""


@contextlib.contextmanager
def api_server_in(directory: Path, audit_log: Path | None = None) -> Iterator[ApiServer]:
    """An etcd and an API server with their data in `directory`, until the end of the context.

    `audit_log` gets one line for each request. Raises ToolsMissingError, or StepError when the
    server does not start.
    """
    if not tools.built(tools.API_SERVER):
        raise ToolsMissingError("etcd and kube-apiserver are not built: run `make tools`")
    begun = time.monotonic()
    store, peer, serves = (Endpoint("127.0.0.1", reserve()) for _ in range(3))
    url = f"https://{serves.host}:{serves.port}"
    made = credentials.ensure(directory / "credentials", url, ["localhost", "127.0.0.1"])
    with contextlib.ExitStack() as running:
        etcd = control_plane.etcd(directory / "etcd", store, peer)
        running.enter_context(_process(etcd, directory / "etcd.log"))
        command = control_plane.api_server(made, store, serves, "10.96.0.0/16", audit_log)
        log = directory / "kube-apiserver.log"
        server = running.enter_context(_process(command, log))
        while not control_plane.api_server_ready(made, serves):
            if server.poll() is not None or time.monotonic() - begun > READY_SECONDS:
                raise StepError(f"the API server did not start:\n{log.read_text()[-3000:]}")
            # Ready is a state to ask for: the API server announces it nowhere.
            time.sleep(0.05)
        kubeconfig = made.kubeconfig("admin")
        found = ApiServer(url, kubeconfig, made.token("admin"), made.ca)
        _install_crds(found.kubectl)
        yield found


@pytest.fixture
def namespace(api_server: ApiServer) -> str:
    """A fresh namespace on the API server; it goes with the server."""
    name = f"test-{uuid.uuid4().hex[:8]}"
    # Not by kubectl: a hundred tests want one, and starting it for each takes seconds in all.
    made = httpx.post(
        f"{api_server.url}/api/v1/namespaces",
        json={"metadata": {"name": name}},
        headers={"Authorization": f"Bearer {api_server.token}"},
        verify=ssl.create_default_context(cafile=str(api_server.ca)),
        trust_env=False,
    )
    made.raise_for_status()
    return name


@pytest.fixture(scope="session")
def helm() -> Path:
    """The program of the Helm that the cluster is made with."""
    if not tools.built(["helm"]):
        _unavailable("Helm is not built: run `make tools`")
    return tools.binary("helm")


@pytest.fixture(scope="session")
def kubectl() -> Path:
    """The program of the kubectl that the cluster is made with; it builds kustomizations too."""
    if not tools.built(["kubectl"]):
        _unavailable("kubectl is not built: run `make tools`")
    return tools.binary("kubectl")


@pytest.fixture(scope="session")
def controller_manager() -> Path:
    """The program of the controllers of the cluster."""
    if not tools.built(["kube-controller-manager"]):
        _unavailable("kube-controller-manager is not built: run `make programs`")
    return tools.binary("kube-controller-manager")


@pytest.fixture(scope="session")
def prometheus() -> Path:
    """The program of the Prometheus that the cluster runs too."""
    if not tools.built(["prometheus"]):
        _unavailable("Prometheus is not built: run `make tools`")
    return tools.binary("prometheus")


@pytest.fixture(scope="session")
def victoria_metrics() -> Path:
    """The program of VictoriaMetrics, single-node; CI does not build it."""
    if not tools.built(["victoria-metrics"]):
        _unavailable("VictoriaMetrics is not built: run `make test-stores`")
    return tools.binary("victoria-metrics")


@pytest.fixture(scope="session")
def prometheus_2() -> Path:
    """The program of Debian's Prometheus 2: its ranges are closed and it keeps `le` as scraped."""
    return _debian_program("prometheus", "prometheus")


@pytest.fixture(scope="session")
def lua() -> Path:
    """The program of Debian's Lua, the language of Argo CD's health checks."""
    return _debian_program("lua5.4", "lua5.4")


@pytest.fixture(scope="session")
def image_builder() -> None:
    """The programs that build images without a Docker engine, on this machine."""
    if shutil.which("buildah") is None or os.geteuid() != 0:
        _unavailable("images are built by root and with buildah: run `make parts`")


@pytest.fixture(params=["prometheus", "prometheus_2"])
def any_prometheus(request: pytest.FixtureRequest) -> Path:
    """One program after the other, where the two series differ in what they answer."""
    program: Path = request.getfixturevalue(request.param)
    return program


@pytest.fixture(scope="session")
def cluster() -> Cluster:
    """The whole cluster: reused when it runs, repaired or made when it does not."""
    begun = time.monotonic()
    try:
        provider = choose()
    except StepError as error:
        _unavailable(str(error))
    second = addons.contour(provider) if addons.chosen() is addons.Gateway.CONTOUR else ()
    steps = [*provider.create(), *addons.install(provider), *second]
    progress.run(steps, Console(stderr=True))
    SETTING_UP["cluster"] = time.monotonic() - begun
    return Cluster(provider)


@pytest.fixture
def cluster_namespace(cluster: Cluster) -> Iterator[str]:
    """A fresh namespace on the cluster, deleted after the test."""
    name = f"test-{uuid.uuid4().hex[:8]}"
    cluster.kubectl("create", "namespace", name)
    yield name
    cluster.kubectl("delete", "namespace", name, "--wait=false")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark tests by the real part they use, so that lanes select them by what they need."""
    for item in items:
        used = getattr(item, "fixturenames", ())
        if "api_server" in used:
            item.add_marker(pytest.mark.api_server)
            # One server for the run, also when the run has several workers.
            item.add_marker(pytest.mark.xdist_group("api_server"))
        if "cluster" in used:
            item.add_marker(pytest.mark.cluster)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how long the real parts took to become ready."""
    for name, seconds in SETTING_UP.items():
        terminalreporter.write_line(f"{name} was ready in {seconds:.1f} s")


def _unavailable(reason: str) -> NoReturn:
    if os.environ.get("CI"):
        pytest.fail(f"needed in CI: {reason}")
    pytest.skip(reason)


def _debian_program(package: str, name: str) -> Path:
    try:
        return debian.program(package, name)
    except StepError as error:
        _unavailable(str(error))


def _install_crds(kubectl: Kubectl) -> None:
    gateway_api = tools.module_directory("sigs.k8s.io/gateway-api") / "config" / "crd" / "standard"
    folders = [folder for folder in (gateway_api, REPOSITORY / "crds") if folder.is_dir()]
    options = [option for folder in folders for option in ("-f", str(folder))]
    # The server is new and validates by itself; both options only cost seconds here.
    kubectl("create", "--validate=ignore", *options)
    # `kubectl wait` would open one watch after the other, for a second and more.
    wait_until(
        lambda: all(map(_established, kubectl.get("crd")["items"])),
        "the CRDs were not established",
    )


def _established(crd: dict[str, Any]) -> bool:
    # While it is being accepted the API server shows the list as null.
    conditions = crd.get("status", {}).get("conditions") or []
    return {"Established": "True"}.items() <= {c["type"]: c["status"] for c in conditions}.items()


@contextlib.contextmanager
def _process(command: list[str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("wb") as sink:
        process = subprocess.Popen(command, stdout=sink, stderr=subprocess.STDOUT)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
