"""Two answers to one request, to a verdict: one function and one row of the table a comparison."""

from model_rollouts.observer.compare.catalogue import COMPARISONS, Comparison
from model_rollouts.observer.compare.pair import Answer, Outcome, Verdict, compared, rows_of
from model_rollouts.observer.compare.worst import Case, Worst

__all__ = [
    "COMPARISONS",
    "Answer",
    "Case",
    "Comparison",
    "Outcome",
    "Verdict",
    "Worst",
    "compared",
    "rows_of",
]
