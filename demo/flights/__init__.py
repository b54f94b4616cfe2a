"""Flights that left New York in 2013: the data, the models trained on them, and later requests."""
