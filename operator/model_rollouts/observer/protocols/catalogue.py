"""The table of protocols, and which of them a request is of: a new one is a module and a row."""

import typing
from collections.abc import Collection
from typing import NamedTuple

from model_rollouts.observer.protocols import inference_v2_binary, opaque, openai, predict_v1
from model_rollouts.observer.protocols.tensors import Header, Tensor


class Read(typing.Protocol):
    """Reads a body."""

    def __call__(
        self, body: bytes, wanted: Collection[str] | None, header: Header = ..., /
    ) -> list[Tensor]:
        """The tensors that are `wanted`, all of them for None; raises UnreadableError."""


class Protocol(NamedTuple):
    """How requests and answers are read, and how the paths end at which models are asked so."""

    read_request: Read
    read_answer: Read
    path: bytes | None = None


PROTOCOLS = {
    "OpenInferenceV2": Protocol(
        inference_v2_binary.read_request, inference_v2_binary.read_answer, b"/infer"
    ),
    "PredictV1": Protocol(predict_v1.read_request, predict_v1.read_answer, b":predict"),
    "OpenAIChat": Protocol(openai.read_chat, openai.read_answer, b"/chat/completions"),
    # Behind the one above: its path ends with this one.
    "OpenAICompletions": Protocol(openai.read_prompts, openai.read_answer, b"/completions"),
    "Opaque": Protocol(opaque.read, opaque.read),
}

_BY_PATH = [(each.path, each) for each in PROTOCOLS.values() if each.path is not None]
_JSON = PROTOCOLS["OpenInferenceV2"]
_OPAQUE = PROTOCOLS["Opaque"]


def protocol_of(path: bytes, body: bytes) -> Protocol:
    """The protocol of a request: by its path, and where that says nothing, by what a body is.

    An object of JSON at any other path is read as the Open Inference Protocol V2: servers differ in
    where they serve it. Content types are not asked: many servers send JSON as something else.
    """
    if path:
        path = path.partition(b"?")[0]
        for ending, protocol in _BY_PATH:
            if path.endswith(ending):
                return protocol
    return _JSON if body.startswith(b"{") or body.lstrip()[:1] == b"{" else _OPAQUE
