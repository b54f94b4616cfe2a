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
from functools import lru_cache
from typing import Any

from model_rollouts.decision.counts import Traffic
from model_rollouts.decision.e_process import EProcess
from model_rollouts.decision.evidence import Evidence
from model_rollouts.decision.judge import Judge, State
from model_rollouts.decision.objective import Objective, Role
from model_rollouts.decision.rules import Dispersion, Rules
from model_rollouts.decision.stored_waiting import (
    FIRST_WAITING,
    encode_waiting,
    take_waiting,
    without_waiting,
)

VERSION = 4

_HEADER = struct.Struct("<BBH8s")
"""Version, arm, number of objectives, fingerprint of the rules beside the objectives."""
_OBJECTIVE = struct.Struct("<4s8s?ddd")
"""Fingerprints of name and definition; dispersion known, target, stable, plateau (or NaN)."""
_CLOCK = struct.Struct("<dqd")
_CHECKSUM = struct.Struct("<I")
_ARMS = (Traffic.SHADOW, Traffic.LIVE)


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
    body = b"".join([*parts, encode_waiting(state)])
    return base64.b85encode(body + _CHECKSUM.pack(zlib.crc32(body))).decode("ascii")


def resume(text: str, rules: Rules) -> tuple[Judge, State]:
    """The judge and the state that `encode` was given.

    Guards that the rules have and the text has not begin without evidence, because a later release
    may know more of them; so do guards whose limits or role were changed, unless the version has
    failed. What it costs is in docs/guards.md. No other difference is read over.
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
            f"evidence: it has format {version}, and this release reads format {VERSION}"
        )
    body, waiting = without_waiting(body)
    offset = _HEADER.size
    stored = []
    for _ in range(number):
        stored.append(_OBJECTIVE.unpack_from(body, offset))
        offset += _OBJECTIVE.size
    dispersions, changed = _dispersions(stored, rules)
    if rules_print != _rules_print(rules):
        raise EvidenceRefusedError("evidence: found other steps or error rates than those of now")
    judge = Judge(rules, dispersions)
    elapsed, minute, failed_at = _CLOCK.unpack_from(body, offset)
    offset += _CLOCK.size
    if changed and not math.isnan(failed_at):
        raise EvidenceRefusedError(f"evidence: the version failed before {changed} was changed")
    kept = [each for each in judge.processes if each.objective.name in dispersions]
    # How many bets there are follows from the limits, so a changed guard may have had others.
    beyond = len(body) - offset - sum(8 * _count(process.start()) for process in kept)
    if beyond and len(changed) != 1:
        raise EvidenceRefusedError(f"evidence: found {beyond} bytes more than its objectives have")
    evidence = []
    for process in judge.processes:
        read = process.start()
        if process.objective.name in changed:
            offset += 8 * _count(read) + beyond
        elif process.objective.name in dispersions:
            read, offset = _evidence(process, body, offset)
        evidence.append(read)
    names = [process.objective.name for process in judge.processes]
    whose = [
        None if name in changed else index
        for index, name in enumerate(names)
        if name in dispersions
    ]
    unseen_since, last_since = take_waiting(evidence, whose, waiting)
    return judge, State(
        tuple(evidence),
        elapsed=elapsed,
        minute=minute,
        arm=_ARMS[arm],
        failed_at=None if math.isnan(failed_at) else failed_at,
        unseen_since=unseen_since,
        last_since=last_since,
    )


def _dispersions(
    stored: list[tuple[Any, ...]], rules: Rules
) -> tuple[dict[str, Dispersion], list[str]]:
    """Those of the objectives that have evidence, by name, and which of these are changed guards.

    Refuses what was gathered for others.
    """
    number, now = len(stored), len(rules.objectives)
    if number > now:
        raise EvidenceRefusedError(f"evidence: found {number} objectives, now there are {now}")
    by_name = {name: rest for name, *rest in stored}
    dispersions, changed = {}, []
    for objective in rules.objectives:
        name, definition = _objective_prints(objective)
        if name not in by_name:
            if objective.role is Role.GATE:
                raise EvidenceRefusedError(f"evidence: found none for objective '{objective.name}'")
            continue
        gathered_for, known, target, stable, plateau = by_name[name]
        if gathered_for != definition and objective.kind.is_guard:
            changed.append(objective.name)
        elif gathered_for != definition:
            raise EvidenceRefusedError(
                f"evidence: found another definition of objective '{objective.name}'"
            )
        dispersions[objective.name] = Dispersion(
            target, stable, known=known, plateau=None if math.isnan(plateau) else plateau
        )
    if len(dispersions) < number:
        raise EvidenceRefusedError("evidence: found that of an objective that is none any more")
    return dispersions, changed


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
    flat += evidence[len(vectors) : FIRST_WAITING]  # type: ignore[arg-type]
    return struct.pack(f"<{len(flat)}d", *flat)


def _evidence(process: EProcess, body: bytes, offset: int) -> tuple[Evidence, int]:
    shape = process.start()
    lengths = [len(vector) for vector in _vectors(shape)]
    count = _count(shape)
    flat = struct.unpack_from(f"<{count}d", body, offset)
    ends = list(itertools.accumulate(lengths))
    vectors = (flat[end - length : end] for end, length in zip(ends, lengths, strict=True))
    return Evidence(*vectors, *flat[ends[-1] :]), offset + 8 * count  # type: ignore[arg-type]


def _count(shape: Evidence) -> int:
    """How many numbers are stored of evidence of that shape."""
    vectors = _vectors(shape)
    return sum(map(len, vectors)) + FIRST_WAITING - len(vectors)


def _fingerprint(text: str, size: int) -> bytes:
    return hashlib.blake2b(text.encode(), digest_size=size).digest()


@lru_cache(maxsize=256)
def _objective_prints(objective: Objective) -> tuple[bytes, bytes]:
    return _fingerprint(objective.name, 4), _fingerprint(objective.definition, 8)


@lru_cache(maxsize=256)
def _rules_print(rules: Rules) -> bytes:
    rest = (
        rules.steps,
        rules.false_rollback,
        rules.false_promotion,
        rules.baseline,
    )
    return _fingerprint(repr(rest), 8)
