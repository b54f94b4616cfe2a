"""A provider is chosen by what the machine can run, and a refusal names the ways out."""

import pytest
import yaml

from e2e.cluster import kind, provider, tools
from e2e.cluster.kind import KindProvider
from e2e.cluster.local.provider import LocalProvider
from e2e.cluster.progress import StepError


def unable(monkeypatch: pytest.MonkeyPatch, of: type, reason: str) -> None:
    monkeypatch.setattr(of, "unable", lambda _: reason)


@pytest.fixture(autouse=True)
def no_wish(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PROVIDER", raising=False)


def test_docker_wins_when_it_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    unable(monkeypatch, KindProvider, "")
    unable(monkeypatch, LocalProvider, "")
    assert provider.choose().name == "kind"


def test_without_docker_the_local_one_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    unable(monkeypatch, KindProvider, "no Docker engine answers")
    unable(monkeypatch, LocalProvider, "")
    assert provider.choose().name == "local"


def test_a_wish_is_obeyed(monkeypatch: pytest.MonkeyPatch) -> None:
    unable(monkeypatch, KindProvider, "")
    unable(monkeypatch, LocalProvider, "")
    monkeypatch.setenv("PROVIDER", "local")
    assert provider.choose().name == "local"


def test_a_wish_that_cannot_be_met_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    unable(monkeypatch, KindProvider, "no Docker engine answers")
    unable(monkeypatch, LocalProvider, "")
    monkeypatch.setenv("PROVIDER", "kind")
    with pytest.raises(StepError, match="kind: no Docker engine answers"):
        provider.choose()


def test_an_unknown_wish_names_the_known_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROVIDER", "k3d")
    with pytest.raises(StepError, match="PROVIDER=k3d is unknown") as raised:
        provider.choose()
    assert raised.value.hint == "use PROVIDER=kind or local"


def test_neither_possible_names_both_reasons_and_a_way_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    unable(monkeypatch, KindProvider, "no Docker engine answers")
    unable(monkeypatch, LocalProvider, "it needs root")
    with pytest.raises(StepError, match=r"kind: no Docker.*local: it needs root") as raised:
        provider.choose()
    assert "as root on a Debian-like machine" in raised.value.hint


def test_both_providers_run_the_same_versions() -> None:
    gateway = tools.version("github.com/envoyproxy/gateway")
    assert KindProvider.images["envoy-gateway"].endswith(f":{gateway}")
    prometheus = tools.version("github.com/prometheus/prometheus")  # v0.313.5 is called 3.13.5
    assert KindProvider.images["prometheus"].endswith(f":v3.{prometheus[4:]}")
    node_image = yaml.safe_load(kind.CONFIG.read_text())["nodes"][0]["image"]
    minor = tools.version("k8s.io/kubernetes").rpartition(".")[0]
    assert node_image.startswith(f"kindest/node:{minor}.")
    assert "@sha256:" in node_image
