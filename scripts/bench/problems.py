"""The training problems of steps.py and against_jax.py. This module needs no torch."""

import argparse

SHAPES = (
    (6, 3, 10), (6, 32, 32), (32, 32, 10), (32, 32, 32), (32, 64, 64), (32, 64, 128), (128, 32, 32)
)  # fmt: skip
"""The steps, the batch size and the hidden size of each problem."""

FEATURES, CLASSES, SEQUENCES = 8, 4, 192
CELLS = ("rnn", "gru", "lstm")


def make_parser(description: str) -> argparse.ArgumentParser:
    """Makes a parser of the options that choose architectures and numbers of members."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--cells", nargs="+", default=["rnn"], choices=CELLS)
    parser.add_argument("--members", nargs="+", type=int, default=[1, 8, 24, 96])
    parser.add_argument("--layers", type=int, default=1)
    parser.add_argument("--bidirectional", action="store_true")
    return parser
