"""Derives named, independent random streams from the seed of a run.

Nothing depends on the global random state or on what ran before: the weights come from the stream
`init`, the order of epoch e from `shuffle/e`, its augmentation from `augment/e`, and the dropout
masks of step s from the seed of the stream `dropout` plus s.
"""

import hashlib
from collections.abc import Generator
from contextlib import contextmanager

import torch


def stream_seed(seed: int, name: str) -> int:
    """Returns the 63-bit seed of one named stream of `seed`.

    >>> stream_seed(0, "init") == stream_seed(0, "init") != stream_seed(0, "shuffle/0")
    True
    """
    digest = hashlib.sha256(f"{seed}/{name}".encode()).digest()
    return int.from_bytes(digest[:8], "little") >> 1


def stream(seed: int, name: str) -> torch.Generator:
    """Returns a CPU generator at the start of a named stream."""
    return torch.Generator().manual_seed(stream_seed(seed, name))


@contextmanager
def global_stream(seed: int, name: str) -> Generator[None]:
    """Sets torch's global CPU generator to a named stream in the block.

    It is for code that draws only from the global state, such as the constructors of `torch.nn`.
    """
    state = torch.default_generator.get_state()
    torch.default_generator.manual_seed(stream_seed(seed, name))  # torch.manual_seed takes 0.4 ms
    try:
        yield
    finally:
        torch.default_generator.set_state(state)
