"""Decides Pass, Fail or Inconclusive from counts of requests, with error guarantees.

    rules = Rules((errors("errors", 0.999), breaker()))
    judge = Judge(rules, {"errors": measure(history)})
    state = judge.start()
    state = judge.update(state, interval)     # once per scrape
    judge.decide(state, toward=0.25)          # may the weight go to 25 %?
    explain(judge, state)                     # why, in words and in numbers
    text = encode(judge, state)               # into the status; resume(text, rules) reads it

Pure and standard library only: no clock, no input or output, no randomness. docs/decisions.md
derives the method and shows what it achieves.
"""

from model_rollouts.decision.against_past import judge_against_past
from model_rollouts.decision.bracket import FAR_MULTIPLE, Bracket, bracket, no_bucket_boundary
from model_rollouts.decision.burn_rate import (
    BLOCK,
    Burn,
    BurnBlock,
    burn_is_over,
    count_burn,
    fast_burn,
    is_rate_above,
    lasting_burn,
)
from model_rollouts.decision.catalogue import breaker, counters, errors, latency, restarts
from model_rollouts.decision.codec import EvidenceRefusedError, encode, resume
from model_rollouts.decision.counts import (
    COMPARABLE_LOAD,
    COMPARABLE_WEIGHT,
    NO_COUNTS,
    Counts,
    Interval,
    Sample,
    Traffic,
)
from model_rollouts.decision.deadline import (
    Bound,
    DeadlineAction,
    DeadlineOutcome,
    DeadlinePolicy,
    at_deadline,
)
from model_rollouts.decision.dispersion import DISPERSION_BLOCK, measure
from model_rollouts.decision.explanation import explain
from model_rollouts.decision.forecast import Excluded, Forecast, forecast_decision
from model_rollouts.decision.judge import Judge, State
from model_rollouts.decision.objective import (
    LARGEST_BAD_SHARE,
    Assurance,
    Compare,
    CounterPair,
    Kind,
    Latency,
    Objective,
    ObjectiveError,
    Role,
    promise,
)
from model_rollouts.decision.rules import INDEPENDENT, UNKNOWN, Dispersion, Rules
from model_rollouts.decision.verdict import (
    Condition,
    Decision,
    ObjectiveVerdict,
    Reason,
    Seen,
    Verdict,
)

__all__ = [
    "BLOCK",
    "COMPARABLE_LOAD",
    "COMPARABLE_WEIGHT",
    "DISPERSION_BLOCK",
    "FAR_MULTIPLE",
    "INDEPENDENT",
    "LARGEST_BAD_SHARE",
    "NO_COUNTS",
    "UNKNOWN",
    "Assurance",
    "Bound",
    "Bracket",
    "Burn",
    "BurnBlock",
    "Compare",
    "Condition",
    "CounterPair",
    "Counts",
    "DeadlineAction",
    "DeadlineOutcome",
    "DeadlinePolicy",
    "Decision",
    "Dispersion",
    "EvidenceRefusedError",
    "Excluded",
    "Forecast",
    "Interval",
    "Judge",
    "Kind",
    "Latency",
    "Objective",
    "ObjectiveError",
    "ObjectiveVerdict",
    "Reason",
    "Role",
    "Rules",
    "Sample",
    "Seen",
    "State",
    "Traffic",
    "Verdict",
    "at_deadline",
    "bracket",
    "breaker",
    "burn_is_over",
    "count_burn",
    "counters",
    "encode",
    "errors",
    "explain",
    "fast_burn",
    "forecast_decision",
    "is_rate_above",
    "judge_against_past",
    "lasting_burn",
    "latency",
    "measure",
    "no_bucket_boundary",
    "promise",
    "restarts",
    "resume",
]
