"""Callers of a model by gRPC, with the Open Inference Protocol; runs where KServe is installed.

    python3 grpc_callers.py GATEWAY HOST RATE SECONDS FLIGHTS

FLIGHTS is JSON: a list of requests, each a list of tensors. Prints each second, as JSON, what calls
ended with so far: how many by gRPC status, and good answers by the version that the model says.
"""

import json
import sys
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
from kserve.protocol.grpc import grpc_predict_v2_pb2 as messages
from kserve.protocol.grpc import grpc_predict_v2_pb2_grpc as service

MODEL = "arrival"
PATIENCE_S = 20
CONTENTS = {"INT64": "int64_contents", "FP64": "fp64_contents", "BYTES": "bytes_contents"}


def request(tensors: list[dict[str, Any]]) -> Any:
    """The message for tensors as JSON has them."""
    made = messages.ModelInferRequest(model_name=MODEL)
    for tensor in tensors:
        given = made.inputs.add(
            name=tensor["name"], datatype=tensor["datatype"], shape=tensor["shape"]
        )
        values = [each.encode() if isinstance(each, str) else each for each in tensor["data"]]
        getattr(given.contents, CONTENTS[tensor["datatype"]]).extend(values)
    return made


def main(gateway: str, host: str, rate: float, seconds: float, flights: str) -> None:
    """Call until the time is over."""
    requests = [request(tensors) for tensors in json.loads(flights)]
    statuses, versions, lock = Counter[str](), Counter[str](), threading.Lock()
    channel = grpc.insecure_channel(f"{gateway}:80", [("grpc.default_authority", host)])
    stub = service.GRPCInferenceServiceStub(channel)

    def call(number: int) -> None:
        answer = None
        try:
            answer = stub.ModelInfer(requests[number % len(requests)], timeout=PATIENCE_S)
            status = "OK"
        except grpc.RpcError as error:
            # Whatever a call raises has the status that it ended with.
            status = error.code().name
        with lock:
            statuses[status] += 1
            if answer is not None:
                versions[answer.model_version] += 1

    begun = time.monotonic()
    with ThreadPoolExecutor(16) as pool:
        for number in range(int(rate * seconds)):
            time.sleep(max(0.0, begun + number / rate - time.monotonic()))
            pool.submit(call, number)
            if not number % int(rate):
                with lock:
                    print(json.dumps({"statuses": statuses, "versions": versions}), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], float(sys.argv[3]), float(sys.argv[4]), sys.argv[5])
