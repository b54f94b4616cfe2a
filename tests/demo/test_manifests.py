"""The manifests of the story are what the operator takes, and say nothing that was not measured."""

import tomllib
from pathlib import Path

import pytest
import yaml

from demo.flights.training import Card
from demo.story.breaking import scenes_of
from demo.story.manifests import HERE, Manifests, values
from demo.story.scenes import COMPARED
from e2e.cluster.paths import REPOSITORY
from model_rollouts.api.deployment import ModelDeployment

VERSIONS = ("v1", "v2", "v3", "v4", "again", "broken")
CARDS = {
    name: Card(name, f"sha256:{'ab' * 32}", 10, "2013-03-31", "holdout-2013-04", 5, brier, 0.2)
    for name, brier in (("v1", 0.19123), ("v2", 0.09154))
}


@pytest.fixture
def manifests(tmp_path: Path) -> Manifests:
    return Manifests(values(CARDS, "flights-model:dev", "flights-load:dev"), tmp_path)


@pytest.mark.parametrize("name", VERSIONS)
def test_a_version_is_a_resource(manifests: Manifests, name: str) -> None:
    written = manifests.write(name, version="9", faults="--errors=0.02")

    resource = ModelDeployment.model_validate(yaml.safe_load(written.read_text()))

    model = resource.spec.model
    assert model.benchmark is not None
    assert model.benchmark.value == ("0.1912" if name == "v1" else "0.0915")
    assert model.git_commit is not None
    assert [each.name for each in resource.spec.objectives] == ["errors", "latency"]


def test_versions_differ_in_what_they_are_and_in_nothing_else() -> None:
    def rest(name: str) -> list[str]:
        lines = (HERE / f"{name}.yaml").read_text().splitlines()
        own = ("#", "version:", "artifact:", "benchmark:", "args:")
        return [line for line in lines if not line.strip().startswith(own)]

    assert all(rest(name) == rest("v2") for name in VERSIONS)


def test_a_version_whose_answers_are_compared_is_captured_as_stable_is(
    manifests: Manifests,
) -> None:
    written = manifests.write("compared", version="7", arguments='["--version=7", "--utc"]')

    compared, stable = (
        ModelDeployment.model_validate(yaml.safe_load(each.read_text())).spec
        for each in (written, manifests.write("v2"))
    )

    assert compared.capture == stable.capture
    assert [each.name for each in compared.objectives] == ["errors", "latency", COMPARED]


@pytest.mark.parametrize("name", ["users", "plain"])
def test_the_rest_is_valid_yaml(manifests: Manifests, name: str) -> None:
    filled = {"namespace": "flights", "host": "a.example.com", "rate": "50", "skip": "0"}

    written = manifests.write(name, arguments='["--version=2"]', **filled)

    assert all(each["metadata"]["namespace"] == "flights" for each in documents(written))


def documents(path: Path) -> list[dict[str, dict[str, str]]]:
    return list(yaml.safe_load_all(path.read_text()))


def test_the_image_has_the_libraries_that_the_models_were_trained_with() -> None:
    def pins(path: Path) -> dict[str, str]:
        found = (line.partition("==") for line in path.read_text().splitlines())
        return {name.lower(): version for name, _, version in found}

    ours = pins(REPOSITORY / "constraints.txt")
    image = pins(REPOSITORY / "demo" / "model" / "constraints.txt")
    for name in ("scikit-learn", "numpy", "scipy", "joblib"):
        assert image[name] == ours[name]
    extras = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    assert "demo" in extras["optional-dependencies"]


def test_a_broken_version_needs_a_fault() -> None:
    with pytest.raises(ValueError, match="found no fault"):
        scenes_of("0%", None)
    with pytest.raises(ValueError, match="found '2'"):
        scenes_of("2", None)
    assert "--errors=0.02 --explain-beyond=2500" in scenes_of("2%", "rare")[1].words
