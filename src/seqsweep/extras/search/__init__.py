"""The searches: sweeps that choose their configs from a space of values."""
