"""Two arms of a request to a pair, within a time and a bound."""

from model_rollouts.observer.pairing.pairs import Half, Met, Pair, Pairs, Taken

__all__ = ["Half", "Met", "Pair", "Pairs", "Taken"]
