"""The training of a run: its parts and its story."""
