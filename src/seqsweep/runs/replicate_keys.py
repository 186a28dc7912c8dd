"""The keys in which the replicates of one config differ."""

REPLICATE_KEYS = ("seed", "data.fold", "data.split_seed")
"""The keys that repeat a config with other luck: weights and order, or other splits."""
