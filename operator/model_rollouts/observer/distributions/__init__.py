"""How values are spread: a reference, its bins, and what moved since."""

from model_rollouts.observer.distributions.bins import edges_of, label
from model_rollouts.observer.distributions.movement import (
    Comparison,
    IncomparableError,
    Movement,
    added,
    compare,
)
from model_rollouts.observer.distributions.reference import (
    LARGEST_FILE,
    LONGEST_NAME,
    LONGEST_VALUE,
    MOST_BINS,
    MOST_INPUTS,
    BadReferenceError,
    Categories,
    Column,
    Dataset,
    Lengths,
    Numbers,
    Reference,
    read,
    write,
)

__all__ = [
    "LARGEST_FILE",
    "LONGEST_NAME",
    "LONGEST_VALUE",
    "MOST_BINS",
    "MOST_INPUTS",
    "BadReferenceError",
    "Categories",
    "Column",
    "Comparison",
    "Dataset",
    "IncomparableError",
    "Lengths",
    "Movement",
    "Numbers",
    "Reference",
    "added",
    "compare",
    "edges_of",
    "label",
    "read",
    "write",
]
