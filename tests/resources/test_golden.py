"""What one revision is rendered to, in full, as committed YAML."""

from model_rollouts.resources.controller_revision import objects
from model_rollouts.resources.revision import Protocol
from model_rollouts.routes.http_route import Backend, Mirror, RouteSpec, http_route
from model_rollouts.routes.record import RouteRecord
from tests.resources.example import MODEL, NAMESPACE, OWNER, revision_input, stored
from tests.resources.golden import GOLDEN, assert_golden

STABLE, CANDIDATE = f"{MODEL}-1111111111", f"{MODEL}-2222222222"


def test_the_pod() -> None:
    deployment, *_ = objects(stored(), OWNER)

    assert_golden("pod.yaml", deployment["spec"]["template"])


def test_the_deployment_but_its_pod() -> None:
    deployment, *_ = objects(stored(), OWNER, replicas=2)
    del deployment["spec"]["template"]

    assert_golden("deployment.yaml", deployment)


def test_the_services() -> None:
    _, *services = objects(stored(), OWNER)

    assert_golden("services.yaml", *services)


def test_the_services_of_a_model_that_speaks_grpc_say_so_to_the_gateway() -> None:
    _, *services = objects(stored(), OWNER)
    _, *of_grpc = objects(stored(revision_input(protocol=Protocol.GRPC)), OWNER)

    for one, other in zip(services, of_grpc, strict=True):
        (port,), (spoken,) = one["spec"]["ports"], other["spec"]["ports"]
        assert spoken == {**port, "appProtocol": "kubernetes.io/h2c"}


def test_the_controller_revision() -> None:
    assert_golden("controller-revision.yaml", stored())


def test_the_route_in_a_canary_with_a_mirror() -> None:
    spec = RouteSpec(
        parent_refs=[{"name": "models", "namespace": "gateways"}],
        hostnames=["arrival.example.com"],
        rules=[
            {
                "matches": [{"path": {"type": "PathPrefix", "value": "/v2/models/arrival"}}],
                "timeouts": {"request": "10s"},
            }
        ],
    )
    record = RouteRecord(STABLE, CANDIDATE, "Canary", "25%", 1, "Inconclusive", 7)

    route = http_route(
        MODEL,
        spec,
        [Backend(STABLE, 95), Backend(CANDIDATE, 5)],
        record,
        namespace=NAMESPACE,
        owner=OWNER,
        mirror=Mirror(CANDIDATE, 10),
    )

    assert_golden("route.yaml", route)


def test_every_golden_file_belongs_to_a_test() -> None:
    used = {
        "pod",
        "captured-pod",
        "fallback-proxy",
        "deployment",
        "services",
        "controller-revision",
        "route",
    }
    assert {path.stem for path in GOLDEN.iterdir()} == used
