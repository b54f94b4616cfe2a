"""From what is observed of a rollout to what should be true now, and the one next move.

    memory = take_counts(memory, counted, weight)    # counts of a tick become evidence
    done = make_plan(observed, memory, now, settings)     # actions in the order of their commits
    done.memory                                      # handed to the next pass

Pure: no clock, no input or output, no logging. The engine gathers what is `Observed`, carries out
the actions and asks again; whatever happens between two actions, the next pass finds its way from
what the cluster shows. This is the door: other rooms import nothing from behind it.
"""

from model_rollouts.rollout.actions import (
    Accompany,
    Action,
    Apply,
    Create,
    Delete,
    Emit,
    Need,
    Scale,
    WriteRoute,
    WriteStatus,
)
from model_rollouts.rollout.evidence import (
    Declared,
    Evidence,
    Query,
    declared,
    failures_to_roll_back,
    forecast_of,
    queries,
    steps_of,
    stored_evidence,
)
from model_rollouts.rollout.memory import Memory
from model_rollouts.rollout.observed import (
    MOST_CASES,
    NETWORK,
    BucketsQuery,
    CasesQuery,
    Checked,
    Children,
    Failure,
    FallbackQuery,
    FallbackSeen,
    Gateway,
    History,
    InputMoved,
    InputsSeen,
    Latencies,
    LatencyQuery,
    MirroredSizes,
    Observed,
    OtherBudget,
    ScrapedBuckets,
    Spread,
    WorstCases,
)
from model_rollouts.rollout.plan import Plan, Settings, make_plan
from model_rollouts.rollout.pods import Ended, Pod, Trouble
from model_rollouts.rollout.policies.needs import HistoryQuery, SizesQuery
from model_rollouts.rollout.rest import Rest
from model_rollouts.rollout.state.current_trial import PHASE_MS
from model_rollouts.rollout.state.state import Pace
from model_rollouts.rollout.trial.samples import (
    CANDIDATE,
    SHADOW,
    STABLE,
    Counting,
    timed_past,
)
from model_rollouts.rollout.trial.trial import take_counts

__all__ = [
    "CANDIDATE",
    "MOST_CASES",
    "NETWORK",
    "PHASE_MS",
    "SHADOW",
    "STABLE",
    "Accompany",
    "Action",
    "Apply",
    "BucketsQuery",
    "CasesQuery",
    "Checked",
    "Children",
    "Counting",
    "Create",
    "Declared",
    "Delete",
    "Emit",
    "Ended",
    "Evidence",
    "Failure",
    "FallbackQuery",
    "FallbackSeen",
    "Gateway",
    "History",
    "HistoryQuery",
    "InputMoved",
    "InputsSeen",
    "Latencies",
    "LatencyQuery",
    "Memory",
    "MirroredSizes",
    "Need",
    "Observed",
    "OtherBudget",
    "Pace",
    "Plan",
    "Pod",
    "Query",
    "Rest",
    "Scale",
    "ScrapedBuckets",
    "Settings",
    "SizesQuery",
    "Spread",
    "Trouble",
    "WorstCases",
    "WriteRoute",
    "WriteStatus",
    "declared",
    "failures_to_roll_back",
    "forecast_of",
    "make_plan",
    "queries",
    "steps_of",
    "stored_evidence",
    "take_counts",
    "timed_past",
]
