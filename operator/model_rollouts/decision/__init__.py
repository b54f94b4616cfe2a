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

from model_rollouts.decision.bracket import Bracket, bracket, no_bucket_boundary
from model_rollouts.decision.catalogue import breaker, counters, errors, latency, restarts
from model_rollouts.decision.codec import EvidenceRefusedError, encode, resume
from model_rollouts.decision.counts import Counts, Interval, Sample, Traffic
from model_rollouts.decision.deadline import (
    Bound,
    DeadlineAction,
    DeadlineOutcome,
    DeadlinePolicy,
    at_deadline,
)
from model_rollouts.decision.dispersion import measure
from model_rollouts.decision.explain import explain
from model_rollouts.decision.forecast import Excluded, Forecast, forecast
from model_rollouts.decision.judge import Judge, State
from model_rollouts.decision.objective import (
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
    "INDEPENDENT",
    "UNKNOWN",
    "Assurance",
    "Bound",
    "Bracket",
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
    "counters",
    "encode",
    "errors",
    "explain",
    "forecast",
    "latency",
    "measure",
    "no_bucket_boundary",
    "promise",
    "restarts",
    "resume",
]
