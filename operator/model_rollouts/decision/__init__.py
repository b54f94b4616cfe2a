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
    RECENT_BLOCKS,
    Burn,
    BurnBlock,
    burn_is_over,
    count_burn,
    fast_burn,
    is_rate_above,
    lasting_burn,
    may_burn,
)
from model_rollouts.decision.catalogue import (
    breaker,
    client_errors,
    counters,
    disagreement,
    errors,
    latency,
    latency_against_stable,
    restarts,
)
from model_rollouts.decision.changed_guards import differ_in_guards_alone, with_guards_of
from model_rollouts.decision.codec import EvidenceRefusedError, encode, resume
from model_rollouts.decision.counts import (
    COMPARABLE_LOAD,
    NO_COUNTS,
    Counts,
    Interval,
    Sample,
    Shared,
    Traffic,
    is_comparable,
)
from model_rollouts.decision.course import READ_AFTER, Course, is_whole, may_advance
from model_rollouts.decision.deadline import (
    Bound,
    DeadlineAction,
    DeadlineOutcome,
    DeadlinePolicy,
    at_deadline,
)
from model_rollouts.decision.dispersion import DISPERSION_BLOCK, measure
from model_rollouts.decision.evidence import Evidence
from model_rollouts.decision.explanation import explain
from model_rollouts.decision.forecast import LOOK, Excluded, Forecast, forecast_decision
from model_rollouts.decision.judge import UNSEEN, Judge, State
from model_rollouts.decision.nearest import total_variation
from model_rollouts.decision.objective import (
    LARGEST_BAD_SHARE,
    Assurance,
    Compare,
    CounterPair,
    Histogram,
    Kind,
    Latency,
    Matchers,
    Objective,
    ObjectiveError,
    Role,
    Slice,
    promise,
)
from model_rollouts.decision.past_intervals import (
    NewIntervals,
    PastIntervals,
    proven_worse,
)
from model_rollouts.decision.rules import INDEPENDENT, UNKNOWN, Dispersion, Rules
from model_rollouts.decision.shift import (
    SHARE_TOLERANCE,
    SHIFTED,
    TOLERANCE,
    AgainstBaseline,
    AgainstReference,
    ShareAbove,
    ShiftEvidence,
    encode_shift,
    log_mean,
    moved_ones,
    of_two_samples,
    resume_shift,
)
from model_rollouts.decision.steps import (
    ROUNDING,
    Step,
    allowed_steps,
    extra_pods,
    largest_share,
    next_step,
    pods_for,
)
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
    "DISPERSION_BLOCK",
    "FAR_MULTIPLE",
    "INDEPENDENT",
    "LARGEST_BAD_SHARE",
    "LOOK",
    "NO_COUNTS",
    "READ_AFTER",
    "RECENT_BLOCKS",
    "ROUNDING",
    "SHARE_TOLERANCE",
    "SHIFTED",
    "TOLERANCE",
    "UNKNOWN",
    "UNSEEN",
    "AgainstBaseline",
    "AgainstReference",
    "Assurance",
    "Bound",
    "Bracket",
    "Burn",
    "BurnBlock",
    "Compare",
    "Condition",
    "CounterPair",
    "Counts",
    "Course",
    "DeadlineAction",
    "DeadlineOutcome",
    "DeadlinePolicy",
    "Decision",
    "Dispersion",
    "Evidence",
    "EvidenceRefusedError",
    "Excluded",
    "Forecast",
    "Histogram",
    "Interval",
    "Judge",
    "Kind",
    "Latency",
    "Matchers",
    "NewIntervals",
    "Objective",
    "ObjectiveError",
    "ObjectiveVerdict",
    "PastIntervals",
    "Reason",
    "Role",
    "Rules",
    "Sample",
    "Seen",
    "ShareAbove",
    "Shared",
    "ShiftEvidence",
    "Slice",
    "State",
    "Step",
    "Traffic",
    "Verdict",
    "allowed_steps",
    "at_deadline",
    "bracket",
    "breaker",
    "burn_is_over",
    "client_errors",
    "count_burn",
    "counters",
    "differ_in_guards_alone",
    "disagreement",
    "encode",
    "encode_shift",
    "errors",
    "explain",
    "extra_pods",
    "fast_burn",
    "forecast_decision",
    "is_comparable",
    "is_rate_above",
    "is_whole",
    "judge_against_past",
    "largest_share",
    "lasting_burn",
    "latency",
    "latency_against_stable",
    "log_mean",
    "may_advance",
    "may_burn",
    "measure",
    "moved_ones",
    "next_step",
    "no_bucket_boundary",
    "of_two_samples",
    "pods_for",
    "promise",
    "proven_worse",
    "restarts",
    "resume",
    "resume_shift",
    "total_variation",
    "with_guards_of",
]
