"""Sweeps, and the commands that start or repeat runs."""
