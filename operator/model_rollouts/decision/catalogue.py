"""The kinds of objective, each with the limits that follow from what people write."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

from model_rollouts.decision.bracket import bracket
from model_rollouts.decision.objective import (
    LARGEST_BAD_SHARE,
    Assurance,
    Compare,
    CounterPair,
    Histogram,
    Kind,
    Latency,
    Objective,
    ObjectiveError,
    Role,
    Slice,
)
from model_rollouts.text import percent

ERRORS_BAD: Mapping[Assurance, float] = MappingProxyType(
    {Assurance.FAST: 5.0, Assurance.STANDARD: 2.0, Assurance.STRICT: 1.5}
)
"""Bad limit of an errors objective in multiples of its good limit."""

LATENCY_BAD: Mapping[Assurance, float] = MappingProxyType(
    {Assurance.FAST: 2.0, Assurance.STANDARD: 1.5, Assurance.STRICT: 1.25}
)
"""Bad limit of a latency objective in multiples of its good limit."""

MORE_THAN_STABLE = 0.01
"""Share of requests that a version may refuse, or answer slowly, beyond the share of stable."""

ERRORS_ACCEPT = 5.0
LATENCY_ACCEPT = 2.0
"""Bounds that `PromoteWithBound` accepts at the deadline, in multiples of the good limit."""


def errors(
    name: str,
    target: float,
    *,
    assurance: Assurance = Assurance.STANDARD,
    compare: Compare = Compare.AUTO,
    role: Role = Role.GATE,
    slice: Slice | None = None,
) -> Objective:
    """An availability objective: `target` is the share of answers without error, e.g. 0.999.

    Those of `slice` are judged, None for all.
    Raises ObjectiveError when `target` is not between 0 and 1 or leaves no room for a bad limit.
    """
    good = _missing_share(name, "target", target)
    bad = _bad_limit(name, "target", target, good, ERRORS_BAD[assurance])
    return Objective(
        name=name,
        kind=Kind.ERRORS,
        good=good,
        bad=bad,
        accept=max(bad, ERRORS_ACCEPT * good),
        compare=_known(compare, slice),
        role=role,
        slice=slice,
    )


def _known(compare: Compare, slice: Slice | None) -> Compare:
    return compare if slice is None or slice.by_stable else Compare.TARGET


def latency(
    name: str,
    within: float,
    share: float,
    edges: Sequence[float],
    *,
    stable_edges: Sequence[float] | None = None,
    histogram: Histogram | None = None,
    assurance: Assurance = Assurance.STANDARD,
    compare: Compare = Compare.AUTO,
    role: Role = Role.GATE,
    slice: Slice | None = None,
) -> Objective:
    """A latency objective: `share` of the answers within `within` seconds, e.g. 0.99 and 0.3.

    `edges` are the finite bucket edges of the candidate's histogram in seconds, `stable_edges`
    those of stable's, where they differ. When `within` is none of them the objective still works,
    less sharply: see `bracket`. With no edges at all it neither passes nor fails. `histogram` is
    the model server's own, None for the proxy's. Requests of `slice` are judged, None for all.
    Raises ObjectiveError when a number makes no sense.
    """
    if not 0 < within < math.inf:
        raise ObjectiveError(
            f"objective '{name}', within: found {within:g} s, write a time above 0 s, such as 0.3 s"
        )
    beside = edges if stable_edges is None else stable_edges
    for found in (edges, beside):
        if not all(0 < edge < math.inf for edge in found):
            raise ObjectiveError(
                f"objective '{name}', edges: found {list(found)}, "
                "write the finite bucket edges of the histogram in seconds, all above 0"
            )
    read = bracket(within, edges)
    good = _missing_share(name, "share", share)
    bad = _bad_limit(name, "share", share, good, LATENCY_BAD[assurance])
    return Objective(
        name=name,
        kind=Kind.LATENCY,
        good=good,
        bad=bad,
        accept=max(bad, LATENCY_ACCEPT * good),
        compare=_known(compare, slice),
        role=role,
        slice=slice,
        latency=Latency(
            within,
            share,
            read,
            bracket(within, beside, far_from=read.far or 0.0),
            histogram,
        ),
    )


def counters(
    name: str,
    good: float,
    bad: float,
    *,
    metrics: CounterPair | None = None,
    compare: Compare = Compare.AUTO,
    role: Role = Role.GUARD,
) -> Objective:
    """The user's own pair of counters with both limits as shares of the total.

    Raises ObjectiveError when the limits leave no room between them.
    """
    return Objective(
        name=name,
        kind=Kind.COUNTERS,
        good=good,
        bad=bad,
        accept=max(bad, ERRORS_ACCEPT * good),
        compare=compare,
        role=role,
        counters=metrics,
    )


def disagreement(
    name: str,
    good: float,
    bad: float,
    *,
    comparison: str,
    against_itself: bool = False,
    role: Role = Role.GUARD,
) -> Objective:
    """Answers that differ from those of stable to the same requests, with both limits as shares.

    It is compared with nothing else: a disagreement is a comparison with stable already. The
    default role is Guard, because agreement is not quality. `comparison` names what is compared.
    `against_itself`: stable was asked once more, and its sample has how often the second answer
    differed and the candidate's did not, as that of the candidate has how often the candidate's
    did and the second one did not, of the same requests. Exchanged, both would be as likely if the
    versions were the same, so `Compare.AUTO` stands as it is (docs/decisions.md, "Paired answers").
    Raises ObjectiveError when the limits leave no room between them.
    """
    return Objective(
        name=name,
        kind=Kind.DISAGREEMENT,
        good=good,
        bad=bad,
        accept=max(bad, ERRORS_ACCEPT * good),
        compare=Compare.AUTO if against_itself else Compare.TARGET,
        role=role,
        comparison=comparison,
    )


def restarts(
    name: str = "restarts",
    good: float = 0.01,
    bad: float = 0.1,
    *,
    compare: Compare = Compare.AUTO,
    role: Role = Role.GUARD,
) -> Objective:
    """Restarts of the model per pod-minute: one in 100 minutes is tolerated, one in ten is not."""
    return Objective(
        name=name,
        kind=Kind.RESTARTS,
        good=good,
        bad=bad,
        accept=max(bad, ERRORS_ACCEPT * good),
        compare=compare,
        role=role,
    )


def client_errors(
    name: str = "client-errors",
    more: float = MORE_THAN_STABLE,
    *,
    role: Role = Role.GUARD,
) -> Objective:
    """Answers 4xx other than 429, against stable alone: clients send wrong requests to both.

    A version is good while it refuses at most `more` of its requests beyond stable's share.
    Raises ObjectiveError when `more` makes no sense.
    """
    return _against_stable(name, Kind.CLIENT_ERRORS, more, role)


def latency_against_stable(
    name: str,
    within: float,
    edges: Sequence[float],
    *,
    stable_edges: Sequence[float] | None = None,
    more: float = MORE_THAN_STABLE,
    role: Role = Role.GUARD,
) -> Objective:
    """Answers slower than `within` seconds, against stable alone: nobody promised a time.

    `within` is a little above stable's own p99, and known before the trial. A version is good while
    at most `more` of its requests are slower, beyond stable's share. `edges` are as for `latency`.
    Raises ObjectiveError when `more` makes no sense.
    """
    beside = edges if stable_edges is None else stable_edges
    read, read_beside = (replace(bracket(within, found), far=None) for found in (edges, beside))
    held = Latency(within, 1 - MORE_THAN_STABLE, read, read_beside)
    return _against_stable(name, Kind.LATENCY_AGAINST_STABLE, more, role, held)


def _against_stable(
    name: str, kind: Kind, more: float, role: Role, latency: Latency | None = None
) -> Objective:
    return Objective(
        name=name,
        kind=kind,
        good=more,
        bad=2 * more,
        accept=ERRORS_ACCEPT * more,
        compare=Compare.STABLE,
        role=role,
        # All of `more`: versions that differ by less are both good, however little stable has.
        slack=1.0,
        latency=latency,
    )


def breaker(name: str = "breaker", good: float = 0.2, bad: float = 0.5) -> Objective:
    """The objective that is always on: ends a total outage within seven requests."""
    return Objective(name=name, kind=Kind.BREAKER, good=good, bad=bad, accept=bad, role=Role.GUARD)


def _missing_share(name: str, field: str, share: float) -> float:
    if not 0 < share < 1:
        hint = f"{share / 100:g}" if 1 < share < 100 else "0.999"
        raise ObjectiveError(
            f"objective '{name}', {field}: found {share:g}, write a share between 0 and 1, "
            f"such as {hint}"
            + ("; no number of requests shows that none will fail" if share == 1 else "")
        )
    # 1 - 0.999 is 0.0010000000000000009; people wrote 0.001.
    return round(1 - share, 12)


def _bad_limit(name: str, field: str, share: float, good: float, multiple: float) -> float:
    bad = round(good * multiple, 12)
    if bad > LARGEST_BAD_SHARE:
        raise ObjectiveError(
            f"objective '{name}', {field}: found {share:g} ({percent(share)}), too low to rule out "
            f"a worse version; write more than {1 - LARGEST_BAD_SHARE / multiple:.3g} "
            f"({percent(1 - LARGEST_BAD_SHARE / multiple)})"
        )
    return bad
