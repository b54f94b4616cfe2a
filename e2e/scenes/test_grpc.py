"""KServe's server, asked by gRPC with the Open Inference Protocol, through the gateway.

A good version is promoted through shadow and canary. One that fails every call with INTERNAL, which
in HTTP is an answer 200, is rolled back: in shadow before any user meets it, and without a shadow
in canary.
"""

import gzip
import itertools
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from demo import images
from demo.flights.prepared import Prepared, prepare
from e2e.cluster import addons
from e2e.fixtures import Cluster
from e2e.jobs import Jobs
from e2e.scenes.chronicle import Object
from e2e.scenes.conftest import OpenStage
from e2e.scenes.manifest import PORT, Wanted
from e2e.scenes.stage import Stage
from e2e.scenes.traffic import LONGEST_SECONDS, SETTLED
from e2e.waiting import wait_until

pytestmark = pytest.mark.slow

GRPC_PORT = 8081
RATE = 40
REQUESTS = 50
CALLERS = Path(__file__).with_name("grpc_callers.py")
SHADOW = {
    "percent": 50,
    "sideEffects": "None",
    "minRequests": 100,
    "minDuration": "10s",
}
NO_SHADOW = {"percent": 0}


@dataclass(frozen=True)
class Flights(Wanted):
    """The demo's model behind KServe's server, which speaks gRPC."""

    image: str = ""
    arguments: Sequence[str] = ()
    shadow: Mapping[str, Any] | None = None

    def manifest(self, namespace: str, host: str) -> dict[str, Any]:
        """The resource in `namespace`, reached under `host`."""
        written = super().manifest(namespace, host)
        spec = written["spec"]
        spec |= {"port": GRPC_PORT, "protocol": "GRPC"}
        spec["strategy"]["shadow"] = self.shadow or NO_SHADOW
        spec["strategy"]["canary"] |= {"steps": ["50%"], "warmup": "5s"}
        (container,) = spec["template"]["spec"]["containers"]
        artifact = "--artifact=/app/artifacts/v2.joblib"
        container |= {
            "image": self.image,
            "args": [f"--version={self.version}", artifact, "--with-grpc", *self.arguments],
            # Its gRPC has no health service of Kubernetes' kind.
            "readinessProbe": {
                "httpGet": {"path": "/v2/health/ready", "port": PORT},
                "periodSeconds": 1,
                "timeoutSeconds": 5,
            },
        }
        return written


@dataclass(frozen=True)
class Got:
    """What calls ended with: how many by gRPC status, and good answers by the model's version."""

    statuses: Counter[str]
    versions: Counter[str]

    def __sub__(self, before: "Got") -> "Got":
        return Got(self.statuses - before.statuses, self.versions - before.versions)


@dataclass(frozen=True)
class Story:
    """The resource at the end of each rollout, and what callers got before the last and in all."""

    promoted: Object
    in_shadow: Object
    in_canary: Object
    before_canary: Got
    got: Got


@pytest.fixture(scope="module")
def story(cluster: Cluster, open_stage: OpenStage) -> Iterator[Story]:
    """Versions 1 and 2 are good; 3 and 4 fail every call, and 4 has no shadow."""
    prepared = prepare()
    image = images.model(prepared)
    cluster.provider.load(image)
    with open_stage("grpc") as stage:
        yield _played(stage, prepared, image.reference)


def _played(stage: Stage, prepared: Prepared, image: str) -> Story:
    rollout = stage.rollout
    stage.operator.start()
    rollout.apply(Flights("1", image=image))
    rollout.wait_for_condition("Ready")
    callers = _callers(stage, prepared, image)
    # A route is accepted a little before the gateway knows its endpoints.
    wait_until(lambda: callers().statuses["OK"] >= SETTLED, "callers were not answered")
    first = callers()
    good = rollout.apply(Flights("2", image=image, shadow=SHADOW))
    promoted = rollout.wait_for_phase("Full", good, seconds=240).object
    failing = ["--errors=1.0"]
    bad = rollout.apply(Flights("3", image=image, shadow=SHADOW, arguments=failing))
    in_shadow = rollout.wait_for_phase("RolledBack", bad, seconds=180).object
    until_then = callers()
    worse = rollout.apply(Flights("4", image=image, arguments=failing))
    in_canary = rollout.wait_for_phase("RolledBack", worse, seconds=180).object
    return Story(promoted, in_shadow, in_canary, until_then - first, callers() - first)


def _callers(stage: Stage, prepared: Prepared, image: str) -> Callable[[], Got]:
    """Send calls from now on; what they ended with so far."""
    with gzip.open(prepared.requests, "rt") as lines:
        bodies = [line.split(" ", 1)[1] for line in itertools.islice(lines, REQUESTS)]
    flights = json.dumps([json.loads(body)["inputs"] for body in bodies])
    options = (addons.chosen().address, stage.host, f"{RATE}", f"{LONGEST_SECONDS}", flights)
    jobs = Jobs(stage.cluster.kubectl, stage.namespace)
    jobs.run("callers", "python3", "-c", CALLERS.read_text(), *options, image=image)
    jobs.wait_until_ready("callers")

    def got() -> Got:
        lines = jobs.printed("callers").splitlines()
        told = json.loads(lines[-1]) if lines else {"statuses": {}, "versions": {}}
        return Got(Counter(told["statuses"]), Counter(told["versions"]))

    return got


def errors(of: Object) -> Mapping[str, Any]:
    """What was counted for the objective `errors`."""
    (found,) = [each for each in of["status"]["objectives"] if each["name"] == "errors"]
    return dict(found)


def test_a_good_version_is_promoted_and_callers_notice_nothing(story: Story) -> None:
    assert story.promoted["status"]["stable"]["version"] == "2"
    assert story.got.versions.keys() == {"1", "2"}
    assert set(story.before_canary.statuses) == {"OK"}


def test_calls_that_fail_in_shadow_roll_a_version_back_before_any_user(story: Story) -> None:
    assert story.in_shadow["status"]["history"][0]["version"] == "3"
    found = errors(story.in_shadow)
    assert found["bad"] == found["total"] > 0
    assert story.got.versions["3"] == 0


def test_calls_that_fail_in_canary_roll_a_version_back(story: Story) -> None:
    assert story.in_canary["status"]["stable"]["version"] == "2"
    assert set(story.got.statuses) == {"OK", "INTERNAL"}
    assert 0 < story.got.statuses["INTERNAL"] < story.got.statuses["OK"] / 10
