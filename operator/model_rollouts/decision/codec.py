"""Evidence as text for the status of the resource, and back.

Compact (raw doubles in base85, whose letters JSON leaves alone), versioned, exact, and bound to
the objectives it was gathered for: evidence against other limits would be read as something it is
not, so it is refused with the reason. The dispersions travel along because they are fixed for the
rollout.
"""

import base64
import hashlib
import itertools
import math
import struct
import zlib

from model_rollouts.decision.counts import Traffic
from model_rollouts.decision.e_process import EProcess
from model_rollouts.decision.evidence import Evidence
from model_rollouts.decision.judge import Judge, State
from model_rollouts.decision.objective import Objective
from model_rollouts.decision.rules import Dispersion, Rules

VERSION = 3

_HEADER = struct.Struct("<BBH8s")
"""Version, arm, number of objectives, fingerprint of the rules beside the objectives."""
_OBJECTIVE = struct.Struct("<4s8s?ddd")
"""Fingerprints of name and definition; dispersion known, target, stable, plateau (or NaN)."""
_CLOCK = struct.Struct("<dqd")
_CHECKSUM = struct.Struct("<I")
_ARMS = (Traffic.SHADOW, Traffic.LIVE)

_NO_CARRY = None
_CARRIED = 1.0
"""What releases wrote that could hand evidence for Pass from shadow to live: its rule, and after
each objective's sums its factor. None ever did; they keep their places, so that stored evidence is
read by every release."""

_AFTER_CARRY = 3
"""Fields of Evidence that are stored behind that factor."""


class EvidenceRefusedError(ValueError):
    """Stored evidence that does not fit: start again without evidence, and say why."""


def encode(judge: Judge, state: State) -> str:
    """The state as ASCII text, under 4 kB for six objectives and three steps."""
    rules = judge.rules
    parts = [
        _HEADER.pack(VERSION, _ARMS.index(state.arm), len(rules.objectives), _rules_print(rules))
    ]
    for objective, dispersion in zip(rules.objectives, judge.dispersions, strict=True):
        parts.append(
            _OBJECTIVE.pack(
                *_objective_prints(objective),
                dispersion.known,
                dispersion.target,
                dispersion.stable,
                math.nan if dispersion.plateau is None else dispersion.plateau,
            )
        )
    failed_at = math.nan if state.failed_at is None else state.failed_at
    parts.append(_CLOCK.pack(state.elapsed, state.minute, failed_at))
    parts += [_floats(evidence) for evidence in state.evidence]
    body = b"".join(parts)
    return base64.b85encode(body + _CHECKSUM.pack(zlib.crc32(body))).decode("ascii")


def resume(text: str, rules: Rules) -> tuple[Judge, State]:
    """The judge and the state that `encode` was given.

    Raises EvidenceRefusedError when the text is damaged, of another version, or was gathered
    under other objectives or rules.
    """
    try:
        raw = base64.b85decode(text)
        body = raw[: -_CHECKSUM.size]
        (checksum,) = _CHECKSUM.unpack(raw[-_CHECKSUM.size :])
        version, arm, number, rules_print = _HEADER.unpack_from(body)
    except (ValueError, struct.error) as error:
        raise EvidenceRefusedError(f"evidence: not readable ({error})") from None
    if checksum != zlib.crc32(body):
        raise EvidenceRefusedError("evidence: damaged, its checksum does not match")
    if version != VERSION:
        raise EvidenceRefusedError(
            f"evidence: found version {version}, this operator reads {VERSION}"
        )
    if number != len(rules.objectives):
        raise EvidenceRefusedError(
            f"evidence: found {number} objectives, now there are {len(rules.objectives)}"
        )
    offset = _HEADER.size
    dispersions = {}
    for objective in rules.objectives:
        name, definition, known, target, stable, plateau = _OBJECTIVE.unpack_from(body, offset)
        offset += _OBJECTIVE.size
        expected_name, expected_definition = _objective_prints(objective)
        if name != expected_name:
            raise EvidenceRefusedError(f"evidence: found none for objective '{objective.name}'")
        if definition != expected_definition:
            raise EvidenceRefusedError(
                f"evidence: found another definition of objective '{objective.name}'"
            )
        dispersions[objective.name] = Dispersion(
            target, stable, known=known, plateau=None if math.isnan(plateau) else plateau
        )
    if rules_print != _rules_print(rules):
        raise EvidenceRefusedError("evidence: found other steps or error rates than those of now")
    judge = Judge(rules, dispersions)
    elapsed, minute, failed_at = _CLOCK.unpack_from(body, offset)
    offset += _CLOCK.size
    evidence = []
    for process in judge.processes:
        read, offset = _evidence(process, body, offset)
        evidence.append(read)
    return judge, State(
        tuple(evidence), elapsed, minute, _ARMS[arm], None if math.isnan(failed_at) else failed_at
    )


def _vectors(evidence: Evidence) -> tuple[tuple[float, ...], ...]:
    """The fields that are tuples, which come first; the others are numbers."""
    return (
        evidence.fail_target,
        evidence.fail_stable,
        evidence.pass_stable,
        evidence.far_stable,
        evidence.betting,
    )


def _floats(evidence: Evidence) -> bytes:
    vectors = _vectors(evidence)
    flat = [number for vector in vectors for number in vector]
    numbers: list[float] = list(evidence[len(vectors) :])  # type: ignore[arg-type]
    numbers.insert(len(numbers) - _AFTER_CARRY, _CARRIED)
    flat += numbers
    return struct.pack(f"<{len(flat)}d", *flat)


def _evidence(process: EProcess, body: bytes, offset: int) -> tuple[Evidence, int]:
    shape = process.start()
    lengths = [len(vector) for vector in _vectors(shape)]
    count = sum(lengths) + len(shape) - len(lengths) + 1
    flat = struct.unpack_from(f"<{count}d", body, offset)
    ends = list(itertools.accumulate(lengths))
    vectors = (flat[end - length : end] for end, length in zip(ends, lengths, strict=True))
    numbers = flat[ends[-1] :]
    kept = (*numbers[: -_AFTER_CARRY - 1], *numbers[-_AFTER_CARRY:])
    return Evidence(*vectors, *kept), offset + 8 * count  # type: ignore[arg-type]


def _fingerprint(text: str, size: int) -> bytes:
    return hashlib.blake2b(text.encode(), digest_size=size).digest()


def _objective_prints(objective: Objective) -> tuple[bytes, bytes]:
    return _fingerprint(objective.name, 4), _fingerprint(repr(objective), 8)


def _rules_print(rules: Rules) -> bytes:
    rest = (
        rules.steps,
        rules.false_rollback,
        rules.false_promotion,
        rules.baseline,
        _NO_CARRY,
    )
    return _fingerprint(repr(rest), 8)
