"""What has to be there before the first scene: cluster, models, images, operator, empty stage."""

import functools
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from demo import images
from demo.flights.prepared import Prepared, prepare
from demo.story import observer
from demo.story.manifests import Manifests, values
from demo.story.observer import Observer
from e2e.chart import Release, image
from e2e.cluster import addons
from e2e.cluster.images import OBSERVER, OURS, Image
from e2e.cluster.kubectl import Kubectl
from e2e.cluster.progress import Step
from e2e.cluster.provider import Provider, choose

NAMESPACE, PLAIN = "flights", "flights-plain"
"""Where the operator rolls out, and where a plain Deployment does."""
OPERATOR = "model-rollouts"
SCRAPE_SECONDS = 5
"""That of the Prometheus of `make cluster`."""


@dataclass
class Setting:
    """The parts, as far as they are made; `out` is the folder of what is kept."""

    out: Path
    provider: Provider = field(default_factory=choose)

    @property
    def kubectl(self) -> Kubectl:
        """A kubectl with the administrator's rights."""
        return Kubectl(self.provider.kubeconfig)

    @property
    def prometheus(self) -> str:
        """The address of Prometheus on this machine."""
        return addons.prometheus_url(self.provider)

    @functools.cached_property
    def prepared(self) -> Prepared:
        """The trained models and the flights to come."""
        return prepare()

    @functools.cached_property
    def manifests(self) -> Manifests:
        """The manifests, with what the training found."""
        of_model, of_load = images.model(self.prepared), images.load(self.prepared)
        filled = values(self.prepared.cards(), of_model.reference, of_load.reference)
        return Manifests(filled, self.out / "manifests")

    def steps(self) -> Sequence[Step]:
        """Everything that is done, in order; safe to do again."""
        return [
            Step("models trained on January to March", self._trained),
            *self.provider.create(),
            *addons.install(self.provider),
            Step("image flights-model", lambda: self._load(images.model(self.prepared))),
            Step("image flights-load", lambda: self._load(images.load(self.prepared))),
            Step("image observer", lambda: self._load(OBSERVER)),
            Step("empty namespaces", self._emptied),
            Step("operator and observer, from the Helm chart", self._operator),
        ]

    def parts(self) -> Sequence[Step]:
        """Those of the steps that fetch and build, and need no cluster."""
        return [
            Step("models trained on January to March", self._trained),
            Step("image flights-model", lambda: self.provider.build(images.model(self.prepared))),
            Step("image flights-load", lambda: self.provider.build(images.load(self.prepared))),
            Step("image observer", lambda: self.provider.build(OBSERVER)),
        ]

    def _trained(self) -> str:
        cards = self.prepared.cards()
        scores = ", ".join(f"{name} {card.brier:.3f}" for name, card in cards.items())
        return f"Brier score on {cards['v2'].benchmark}: {scores}; lower is better"

    def _load(self, image: Image) -> None:
        self.provider.load(image)

    def clear(self) -> None:
        """Take operator and models away again; the cluster stays."""
        self._release.uninstall()
        where = ("namespace", NAMESPACE, PLAIN, OPERATOR)
        self.kubectl("delete", *where, "--ignore-not-found", "--timeout=180s")

    @property
    def observer(self) -> Observer:
        """What compares answers."""
        return Observer(self.provider, OPERATOR, f"{self._release.fullname}-observer-0")

    @property
    def _release(self) -> Release:
        return Release(self.provider.kubeconfig, OPERATOR, "demo")

    def _emptied(self) -> None:
        where = ("namespace", NAMESPACE, PLAIN)
        self.kubectl("delete", *where, "--ignore-not-found", "--timeout=180s")
        for namespace in (NAMESPACE, PLAIN):
            self.kubectl("create", "namespace", namespace)

    def _operator(self) -> str:
        (ours,) = (each for each in OURS if each.name == "operator")
        self.kubectl.apply(f"{{apiVersion: v1, kind: Namespace, metadata: {{name: {OPERATOR}}}}}")
        observer.certify(self.kubectl, OPERATOR)
        self._release.apply(
            {
                "image": image(ours.reference),
                "proxy": {"image": image(self.provider.images["envoy"])},
                "prometheus": {
                    "url": "http://prometheus.monitoring:9090",
                    "scrapeInterval": f"{SCRAPE_SECONDS}s",
                },
                "observer": observer.values(),
                # It leaves the rest of the cluster alone.
                "watch": {"namespaces": [NAMESPACE]},
            }
        )
        # The tag of an image stays the same when the image does not.
        of_observer = f"statefulset/{self._release.fullname}-observer"
        workloads = (f"deployment/{self._release.fullname}", of_observer)
        self.kubectl("rollout", "restart", *workloads, "-n", OPERATOR)
        for each in workloads:
            self.kubectl("rollout", "status", each, "-n", OPERATOR, "--timeout=120s")
        return "model-rollouts"
