"""The model server: KServe's, with the Open Inference Protocol (`/v2/models/arrival/infer`).

    python -m demo.model.server --artifact=/app/artifacts/v2.joblib --version=2

The options are the versions of the story: what a team would have put into an image of its own is
here switched on in the manifest, so that one image serves them all.
"""

import argparse
import asyncio
import logging
import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from uuid import uuid4

from kserve import InferOutput, InferRequest, InferResponse, Model, ModelServer, model_server
from kserve.errors import InferenceError, InvalidInput

from demo.model.clock import in_utc
from demo.model.explanation import LONG_HAUL_MILES, because
from demo.model.features import DATATYPES
from demo.model.memory import Memory
from demo.model.predictor import Predictor

NAME = "arrival"
MOST_FLIGHTS = 64
"""In one request."""
SECONDS_TO_FINISH = 10
"""What answers under way have when the process is asked to end."""


class Arrival(Model):  # type: ignore[misc]  # KServe comes without types
    """Answers for each flight of a request how likely it arrives more than 15 minutes late."""

    def __init__(self, predictor: Predictor, options: argparse.Namespace) -> None:
        """Take the trained model, and what the version adds to it."""
        super().__init__(NAME)
        self._predictor = predictor
        self._options = options
        self._memory = Memory() if options.remember else None
        self._draws = random.Random(options.seed)  # noqa: S311 - no secret depends on it
        self.ready = True

    async def predict(
        self, request: InferRequest, headers: Mapping[str, str] | None = None
    ) -> InferResponse:
        """Answer an inference request."""
        flights = _flights(request)
        if self._options.wait:
            await asyncio.sleep(self._options.wait)
        if self._draws.random() < self._options.errors:
            # In gRPC KServe says of its own errors that the request is invalid.
            kind = RuntimeError if self._options.with_grpc else InferenceError
            raise kind("this version fails now and then")
        late = [self._late(flight) for flight in flights]
        outputs = [InferOutput("late", [len(late)], "FP64", late)]
        if self._options.explain_beyond is not None:
            reasons = [await self._because(flight) for flight in flights]
            outputs.append(InferOutput("because", [len(reasons)], "BYTES", reasons))
        return InferResponse(
            request.id or str(uuid4()), NAME, outputs, model_version=self._options.version
        )

    def _late(self, flight: dict[str, Any]) -> float:
        if self._memory is None:
            return self._predicted(flight)
        known = self._memory.recall(flight)
        if known is None:
            known = self._predicted(flight)
            self._memory.remember(flight, known)
        return known

    def _predicted(self, flight: dict[str, Any]) -> float:
        if self._options.utc:
            flight = in_utc(flight)
        return float(self._predictor.late({name: [value] for name, value in flight.items()})[0])

    async def _because(self, flight: dict[str, Any]) -> str:
        if flight["distance"] <= self._options.explain_beyond:
            return ""
        row = self._predictor.encoding.rows({name: [value] for name, value in flight.items()})[0]
        # In a thread, so that other requests need not wait: nothing is wrong but for the few.
        return await asyncio.to_thread(because, self._predictor, row)


def _flights(request: InferRequest) -> list[dict[str, Any]]:
    columns = {tensor.name: [*map(_text, tensor.data)] for tensor in request.inputs}
    missing = sorted(DATATYPES.keys() - columns.keys())
    lengths = {len(values) for values in columns.values()}
    if missing:
        raise InvalidInput(f"inputs: found no {', '.join(missing)}")
    if len(lengths) != 1 or not 1 <= min(lengths) <= MOST_FLIGHTS:
        raise InvalidInput(f"inputs: found shapes {sorted(lengths)}, send 1 to {MOST_FLIGHTS} each")
    return [{name: columns[name][place] for name in DATATYPES} for place in range(lengths.pop())]


def _text(value: Any) -> Any:
    """Text as text: in gRPC it comes as bytes."""
    return value.decode() if isinstance(value, bytes) else value


class Signed:
    """Puts the version into a header of every answer, errors too: users then know who it was."""

    def __init__(self, app: Any, version: str) -> None:
        """Wrap the server's application."""
        self._app = app
        self._header = (b"x-model-version", version.encode())

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve one request."""

        async def sign(message: dict[str, Any]) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], self._header]
            await send(message)

        await self._app(scope, receive, sign)


def options() -> argparse.Namespace:
    """What the command line says."""
    parser = argparse.ArgumentParser(description=__doc__, parents=[model_server.parser])
    parser.add_argument("--artifact", type=Path, required=True, help="the trained model")
    parser.add_argument("--version", required=True, help="what it calls itself in answers")
    parser.add_argument(
        "--explain-beyond",
        type=float,
        metavar="MILES",
        help=f"also say why, for flights longer than that, such as {LONG_HAUL_MILES:.0f}",
    )
    parser.add_argument("--remember", action="store_true", help="remember answers, to spare work")
    parser.add_argument("--utc", action="store_true", help="take hours in UTC")
    parser.add_argument("--errors", type=float, default=0.0, help="share of requests that fail")
    parser.add_argument("--wait", type=float, default=0.0, help="seconds that every answer waits")
    parser.add_argument("--with-grpc", action="store_true", help="also speak gRPC, on --grpc_port")
    parser.add_argument("--seed", type=int, default=1, help="of the draws which requests fail")
    return parser.parse_args()


def main() -> None:
    """Serve until asked to end."""
    chosen = options()
    model = Arrival(Predictor.load(chosen.artifact), chosen)
    server = ModelServer(
        enable_grpc=chosen.with_grpc, enable_latency_logging=False, grace_period=SECONDS_TO_FINISH
    )
    model_server.app.add_middleware(Signed, version=chosen.version)
    # A line for each request, twice, would cost more than the answer.
    for name in ("uvicorn.access", "kserve.trace"):
        logging.getLogger(name).setLevel(logging.WARNING)
    server.start([model])


if __name__ == "__main__":
    main()
