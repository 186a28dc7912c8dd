"""Searches: sweeps that choose their configs one after another, within a budget."""
