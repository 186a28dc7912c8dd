"""The training of a run, from its config to its record."""
