"""`status.evidence`: what of the memory must outlive the operator, as compact text."""

import hashlib
import json
import math
import struct
from dataclasses import replace
from typing import Any

from model_rollouts import decision
from model_rollouts.decision import Dispersion, NewIntervals, PastIntervals, Rules, Seen
from model_rollouts.metrics.watermark import Watermark
from model_rollouts.rollout.memory import Clocks, Memory, PeakLoad, ShadowImpact, Trial
from model_rollouts.rollout.trial import crashes, own_pods, shadow_impact
from model_rollouts.rollout.trial.objectives import OwnBuckets
from model_rollouts.rollout.trial.trial import begin_trial, shared_judge
from model_rollouts.text import cut

VERSION = 1

LONGEST = 5120
"""Characters: the status of a thousand rollouts is held in memory by everybody who watches."""

LONGEST_REASON = 200
"""Characters of why evidence was dropped."""
GRPC_UNTOLD = "the release before counted failed answers of gRPC as good"

UNREAD = "another release wrote it, in a form that this one does not read"

_LARGEST = 2.0**53


def encode(memory: Memory) -> str | None:
    """What must be kept, as at most `LONGEST` characters of JSON; None when there is nothing.

    Clocks, dispersion, the time of the last request, what shadow has shown, and the trial with the
    names of its pods. Evidence about so many objectives and steps that it does not fit is left out,
    that about stable first, then the names: after a restart it is counted again from where the
    trial began.
    """
    trial, clocks = memory.trial, memory.clocks
    if trial is None and clocks is None and memory.dispersion is None and not memory.buckets:
        return None
    kept: dict[str, Any] = {"v": VERSION}
    if clocks is not None:
        kept["clocks"] = [clocks.of, clocks.as_of, clocks.phase, clocks.step, clocks.running]
        if clocks.sequence is not None:
            # Apart from the others: a release before this one reads exactly those.
            kept["sequence"] = clocks.sequence
    if memory.dispersion is not None:
        kept["dispersion"] = _values(memory.dispersion)
    if memory.others:
        kept["others"] = {key: _values(each) for key, each in memory.others}
    if memory.last_request_ms is not None:
        kept["request"] = memory.last_request_ms
    kept |= _of_shadow(memory)
    if memory.usual is not None:
        kept["usual"] = memory.usual
    if memory.buckets:
        kept["buckets"] = _grouped(memory.buckets)
    if memory.missed:
        kept["missed"] = dict(memory.missed)
    if trial is None:
        return _text(kept)
    kept["trial"] = [trial.revision, trial.attempt, trial.started_ms]
    if trial.entered:
        kept["entered"] = trial.entered
    if memory.dropped is not None:
        kept["dropped"] = memory.dropped
    counted: dict[str, Any] = {"judge": decision.encode(trial.judge, trial.state)}
    strain = memory.shadow_impact
    if strain is not None and strain.judge is not None and strain.state is not None:
        counted["strain"] = decision.encode(strain.judge, strain.state)
    if strain is not None and strain.intervals:
        counted["intervals"] = {
            name: _intervals(each, strain.since.get(name, NewIntervals()))
            for name, each in strain.intervals.items()
        }
    if memory.crashes is not None:
        counted["crashes"] = crashes.to_json(memory.crashes)
    if trial.watermark is not None:
        counted["watermark"] = trial.watermark.to_json()
    named = {"pods": own_pods.to_json(memory.pods)} if memory.pods else {}
    for left_out in ("", "intervals", "strain", "pods"):
        counted.pop(left_out, None)
        named.pop(left_out, None)
        text = _text(kept | named | counted)
        if len(text) <= LONGEST:
            return text
    return _text({**kept, "rules": _print(trial.judge.rules)})


def _of_shadow(memory: Memory) -> dict[str, Any]:
    """Stable before its requests were copied, how it suffered, and the highest load it bore."""
    kept: dict[str, Any] = {}
    strain, load = memory.shadow_impact, memory.peak_load
    if strain is not None:
        before = {name: [seen.total, seen.bad] for name, seen in strain.before.items()}
        kept["before"] = [strain.until_ms, before, strain.words]
    if load is not None:
        kept["load"] = [load.highest, load.copies]
    return kept


def _intervals(before: PastIntervals, since: NewIntervals) -> list[Any]:
    """As `_with_intervals` reads them."""
    now = [since.number, list(since.above), list(since.worse), list(since.bets)]
    return [before.number, list(before.worst), *now, since.seen.total, since.seen.bad]


def _values(of: Dispersion) -> list[float | bool | None]:
    return [of.target, of.stable, of.known, of.plateau]


def _text(kept: dict[str, Any]) -> str:
    return json.dumps(kept, separators=(",", ":"))


def _print(rules: Rules) -> str:
    # Releases before this one had one more rule, which none of them ever set.
    compared = "".join(f"{each.comparison or ''}{each.slice or ''}" for each in rules.objectives)
    text = f"{repr(rules)[:-1]}, shadow_carry=None){compared}"
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def decode(text: str | None, revision: str, attempt: int, judged_by: Rules) -> Memory:
    """The memory of the trial of `revision` at `attempt`; empty for what cannot be used.

    Evidence of another revision, attempt or other rules is no evidence. Clocks say themselves what
    they are about and are kept in any case, the dispersion unless it was measured for another
    trial. What a newer release wrote is not read at all. Why evidence of this trial cannot be
    used is said (`Memory.dropped`). Never raises.
    """
    kept = _kept(text)
    if not kept:
        return Memory(dropped=UNREAD if "v" in _parsed(text) else None)
    clocks, dispersion = _clocks(kept), _dispersion(kept.get("dispersion"))
    others = _others(kept.get("others"))
    last = _time(kept.get("request"))
    if "trial" not in kept:
        return Memory(clocks=clocks, dispersion=dispersion, others=others, last_request_ms=last)
    begun = kept["trial"]
    if not isinstance(begun, list) or begun[:-1] != [revision, attempt]:
        return Memory(clocks=clocks)
    started = _time(begun[-1])
    if started is None:
        return Memory(clocks=clocks)
    entered = kept.get("entered", 0.0)
    if not _numbers([entered]):
        return Memory(clocks=clocks)
    anew = begin_trial(
        revision, attempt, judged_by, dispersion, started, others=others, entered=float(entered)
    )
    strain, load = _strain(kept), _load(kept.get("load"))
    dropped = kept.get("dropped")
    try:
        if kept.get("grpc") is True:
            raise ValueError(GRPC_UNTOLD)
        trial = _trial(kept, anew)
    except (ValueError, TypeError, AttributeError, struct.error) as error:
        return Memory(
            clocks=clocks,
            dispersion=dispersion,
            others=others,
            shadow_impact=strain,
            peak_load=load,
            about=revision,
            usual=usual(text),
            dropped=cut(str(error).removeprefix("evidence: "), LONGEST_REASON),
        )
    if strain is not None and "judge" not in kept:
        # The past is counted again with everything else.
        strain = ShadowImpact(strain.until_ms, words=strain.words)
    elif strain is not None:
        strain = shadow_impact.resumed(_with_state(strain, kept.get("strain"), trial))
    return Memory(
        clocks=clocks,
        trial=trial,
        shadow_impact=strain,
        peak_load=load,
        dispersion=dispersion,
        others=others,
        dropped=cut(dropped, LONGEST_REASON) if isinstance(dropped, str) else None,
        missed=missed(text),
        usual=usual(text),
        crashes=crashes.from_json(kept.get("crashes")),
        pods=pods(text),
        last_request_ms=last,
        about=revision,
    )


def _load(values: Any) -> PeakLoad | None:
    match values:
        case [None | int() | float() as peak, int(copies)] if _numbers([copies]):
            if peak is not None and not _numbers([peak]):
                return None
            return PeakLoad(None if peak is None else float(peak), copies)
        case _:
            return None


def _strain(kept: dict[str, Any]) -> ShadowImpact | None:
    match kept.get("before"):
        case [int(until_ms), dict(before), str() | None as words] if _numbers([until_ms]):
            if not all(isinstance(each, list) and len(each) == 2 for each in before.values()):
                return None
            if not all(_numbers(each) and each[1] <= each[0] for each in before.values()):
                return None
            seen = {str(name): Seen(*map(float, each)) for name, each in before.items()}
            return _with_intervals(ShadowImpact(until_ms, seen, words=words), kept)
        case _:
            return None


def _with_intervals(impact: ShadowImpact, kept: dict[str, Any]) -> ShadowImpact:
    """The strain with what is known interval by interval, as far as it can be read."""
    found = kept.get("intervals")
    before: dict[str, PastIntervals] = {}
    since: dict[str, NewIntervals] = {}
    for name, each in found.items() if isinstance(found, dict) else ():
        match each:
            case [int(number), list(worst), int(new), list(above), list(worse), list(bets), *sums]:
                past = PastIntervals(number, tuple(worst))
                told = len(above) == len(worse) == len(bets) == (len(past.ranks) if new else 0)
                if (
                    _numbers([number, *worst, new, *above, *worse, *sums])
                    and all(type(each) in (int, float) and math.isfinite(each) for each in bets)
                    and len(sums) == 2
                    and sums[1] <= sums[0]
                    and past.is_whole
                    and told
                ):
                    before[name] = past
                    seen = Seen(float(sums[0]), float(sums[1]))
                    counted = tuple(map(int, above)), tuple(map(int, worse))
                    since[name] = NewIntervals(new, *counted, tuple(map(float, bets)), seen)
    return replace(impact, intervals=before, since=since)


def _with_state(impact: ShadowImpact, text: Any, trial: Trial) -> ShadowImpact:
    """The strain with its evidence, as far as that is about the same past and objectives."""
    judging = shadow_impact.judge_of(trial, impact.before)
    if judging is None or not isinstance(text, str):
        return impact
    try:
        _, state = decision.resume(text, judging.rules)
    except (ValueError, struct.error):
        return impact
    return replace(impact, judge=judging, state=state)


def missed(text: str | None) -> tuple[tuple[str, float], ...]:
    """What the version before missed by the evidence of a watch: the rules follow from it."""
    kept = _kept(text).get("missed")
    if not isinstance(kept, dict) or not _numbers(list(kept.values())):
        return ()
    return tuple((str(name), float(share)) for name, share in kept.items())


def usual(text: str | None) -> float | None:
    """The time of `Memory.usual` by the evidence: the rules follow from it."""
    found: Any = _kept(text).get("usual")
    return float(found) if _numbers([found]) and found > 0 else None


def buckets(text: str | None) -> OwnBuckets:
    """`Memory.buckets` by the evidence: the rules follow from it."""
    found: dict[tuple[str, str], tuple[float, ...]] = {}
    kept = _kept(text).get("buckets")
    for key, groups in kept.items() if isinstance(kept, dict) else ():
        for group in groups if isinstance(groups, list) else ():
            match group:
                case [list(edges), *names] if _numbers(edges) and all(edges):
                    found |= {(key, str(name)): tuple(map(float, edges)) for name in names}
    return found


def _grouped(known: OwnBuckets) -> dict[str, list[list[Any]]]:
    """By histogram, the edges with the revisions that have them: most often all have the same."""
    found: dict[str, dict[tuple[float, ...], list[str]]] = {}
    for (key, revision), edges in known.items():
        found.setdefault(key, {}).setdefault(edges, []).append(revision)
    return {
        key: [[list(edges), *names] for edges, names in each.items()] for key, each in found.items()
    }


def pods(text: str | None) -> tuple[str, ...]:
    """The names of the pods that the evidence is of, as far as they are known."""
    return own_pods.from_json(_kept(text).get("pods"))


def _kept(text: str | None) -> dict[str, Any]:
    kept = _parsed(text)
    return kept if kept.get("v") == VERSION else {}


def _parsed(text: str | None) -> dict[str, Any]:
    try:
        found = json.loads(text or "")
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _time(value: Any) -> int | None:
    return value if type(value) is int and 0 <= value < _LARGEST else None


def _numbers(values: list[Any]) -> bool:
    return all(type(each) in (int, float) and 0 <= each < _LARGEST for each in values)


def _clocks(kept: dict[str, Any]) -> Clocks | None:
    match kept.get("clocks"):
        case [str(of), *numbers, bool(running)] if len(numbers) == 3 and _numbers(numbers):
            as_of, phase, step = map(float, numbers)
            return Clocks(of, as_of, phase, step, running, _time(kept.get("sequence")))
        case _:
            return None


def _dispersion(values: Any) -> Dispersion | None:
    match values:
        # A release before this one kept no plateau.
        case [target, stable, bool(known), *plateau] if (
            _numbers([target, stable]) and min(target, stable) >= 1
        ):
            match plateau:
                case [] | [None]:
                    return Dispersion(float(target), float(stable), known=known)
                case [seconds] if _numbers(plateau) and seconds > 0:
                    return Dispersion(
                        float(target), float(stable), known=known, plateau=float(seconds)
                    )
            return None
        case _:
            return None


def _others(values: Any) -> tuple[tuple[str, Dispersion], ...]:
    if not isinstance(values, dict):
        return ()
    found = ((str(key), _dispersion(each)) for key, each in values.items())
    return tuple((key, each) for key, each in found if each is not None)


def _trial(kept: dict[str, Any], anew: Trial) -> Trial:
    """The trial with its evidence; `anew` is the same one without. Raises what says why not."""
    rules = anew.judge.rules
    if "judge" not in kept:
        if kept.get("rules") != _print(rules):
            raise ValueError("it was gathered under other rules")
        return anew
    judging, state = decision.resume(kept["judge"], rules)
    watermark = Watermark.from_json(kept["watermark"]) if "watermark" in kept else None
    if not 0 <= state.elapsed < _LARGEST:
        raise ValueError(f"it lasts {state.elapsed} s")
    return replace(
        anew, judge=shared_judge(rules, judging.dispersions), state=state, watermark=watermark
    )
