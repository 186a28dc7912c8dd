"""The training problems of steps.py and against_jax.py. This module needs no torch."""

SHAPES = (
    (6, 3, 10), (6, 32, 32), (32, 32, 10), (32, 32, 32), (32, 64, 64), (32, 64, 128), (128, 32, 32)
)  # fmt: skip
"""The steps, the batch size and the hidden size of each problem."""

FEATURES, CLASSES, SEQUENCES = 8, 4, 192
CELLS = ("rnn", "gru", "lstm")
MEMBERS = (1, 8, 24, 96)
