"""The response header `Server-Timing`: how long stages of a request took, as a model tells it.

For model servers that export no histogram of a stage. Only names of stages are read, so that a
model cannot make any number of series. https://www.w3.org/TR/server-timing/
"""

import math
import re
from collections.abc import Mapping
from types import MappingProxyType

from model_rollouts.api.runtimes import Stage
from model_rollouts.observer.protocols.tensors import UnreadableError
from model_rollouts.resources.names import TIMING_HEADER as HEADER

LONGEST = 1_024
"""Characters of a header that are read."""
LONGEST_MS = 86_400_000.0
"""A day: nothing takes longer, and a sum of such times stays a number."""

NAMES: Mapping[str, Stage] = MappingProxyType(
    {
        "pre": Stage.PREPROCESS,
        "preprocess": Stage.PREPROCESS,
        "predict": Stage.PREDICT,
        "inference": Stage.PREDICT,
        "post": Stage.POSTPROCESS,
        "postprocess": Stage.POSTPROCESS,
        "queue": Stage.QUEUE,
        "ttft": Stage.TIME_TO_FIRST_TOKEN,
        "tpot": Stage.TIME_PER_OUTPUT_TOKEN,
    }
)
"""The metrics that are read, by their name in lower case."""

_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"  # noqa: S105 - a word of HTTP
_QUOTED = r'"(?:[^"\\]|\\.)*"'
_PARAMETER = re.compile(rf"\s*;\s*({_TOKEN})\s*(?:=\s*({_TOKEN}|{_QUOTED}))?\s*")
_NAME = re.compile(rf"\s*({_TOKEN})\s*")


def stages_of(header: str) -> dict[Stage, float]:
    """How long each stage took, in seconds; one that is named several times took all of that.

    A metric of another name, or without a duration, is passed over. Raises UnreadableError for a
    header that has not the form of one, and for a duration that is no time.
    """
    if len(header) > LONGEST:
        raise UnreadableError(f"{HEADER}: found {len(header):,} characters")
    found: dict[Stage, float] = {}
    at = 0
    while at < len(header):
        name = _NAME.match(header, at)
        if name is None:
            raise UnreadableError(f"{HEADER}: found {header[at : at + 20]!r} in place of a name")
        at, took = name.end(), None
        while at < len(header) and header[at] == ";":
            parameter = _PARAMETER.match(header, at)
            if parameter is None:
                raise UnreadableError(f"{HEADER}: found {header[at : at + 20]!r}")
            if parameter[1].lower() == "dur" and took is None:
                took = _seconds(parameter[2])
            at = parameter.end()
        if at < len(header) and header[at] != ",":
            raise UnreadableError(f"{HEADER}: found {header[at : at + 20]!r} after {name[1]}")
        at += 1
        stage = NAMES.get(name[1].lower())
        if stage is not None and took is not None:
            found[stage] = found.get(stage, 0.0) + took
    return found


def _seconds(text: str | None) -> float:
    try:
        took = float((text or "").strip('"'))
    except ValueError:
        took = math.nan
    if not 0 <= took <= LONGEST_MS:
        raise UnreadableError(f"{HEADER}: found dur={text}, milliseconds are needed")
    return took / 1000
