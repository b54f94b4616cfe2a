"""What the documentation tells people to scrape is what the cluster's Prometheus scrapes."""

import re
from pathlib import Path
from typing import Any

import yaml

from e2e.cluster import addons
from e2e.cluster.paths import REPOSITORY
from model_rollouts.metrics.sources import MODEL_SERVER
from model_rollouts.resources import names


def documented(name: str = "install.md") -> Any:
    page = (REPOSITORY / "docs" / name).read_text()
    (text,) = (block for block in page.split("```yaml\n")[1:] if block.startswith("scrape_configs"))
    (job,) = yaml.safe_load(text.partition("```")[0])["scrape_configs"]
    return job


def scraped() -> list[Any]:
    manifests = yaml.safe_load_all((Path(addons.__file__).parent / "prometheus.yaml").read_text())
    config = next(obj for obj in manifests if obj["kind"] == "ConfigMap")
    jobs: list[Any] = yaml.safe_load(config["data"]["prometheus.yml"])["scrape_configs"]
    return jobs


def test_the_cluster_scrapes_as_documented() -> None:
    job = documented()

    assert [each for each in scraped() if each["job_name"] == job["job_name"]] == [job]


def test_the_cluster_scrapes_the_observer_as_documented() -> None:
    job = documented("observer.md")
    # Tests install the chart in namespaces of their own.
    del job["kubernetes_sd_configs"][0]["namespaces"]

    assert [each for each in scraped() if each["job_name"] == job["job_name"]] == [job]


def test_the_cluster_tells_whose_counters_they_are_as_documented() -> None:
    (pods,) = (job for job in scraped() if job["job_name"] == "pods")

    *_, tells = documented("metrics.md")["relabel_configs"]

    assert tells in pods["relabel_configs"]
    label = re.sub(r"[^a-z]", "_", names.REVISION_LABEL)
    assert tells["source_labels"] == [f"__meta_kubernetes_pod_label_{label}"]
    assert tells["target_label"] == MODEL_SERVER.revision_label
    assert pods["honor_labels"] is False


def test_the_documented_job_selects_what_the_operator_renders() -> None:
    job = documented()
    keep_port, *_ = job["relabel_configs"]
    (discovery,) = job["kubernetes_sd_configs"]

    assert job["metrics_path"] == names.METRICS_PATH
    assert job["honor_labels"] is False
    assert keep_port["regex"] == names.METRICS_PORT_NAME
    assert discovery["selectors"][0]["label"] == f"{names.MANAGED_BY_LABEL}={names.MANAGED_BY}"
