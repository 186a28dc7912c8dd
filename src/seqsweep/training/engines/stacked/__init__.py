"""Trains the runs of a stack together."""
