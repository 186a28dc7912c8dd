"""Derives named, independent random streams from the seed of a run.

Nothing depends on the global random state or on what ran before: the weights come from the stream
`init`, the order of epoch e from `shuffle/e`, its augmentation from `augment/e`, and the dropout
masks of step s from the seed of the stream `dropout` plus s.
"""

import hashlib
import random
from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar

import numpy as np
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


_generator: ContextVar[torch.Generator | None] = ContextVar("generator", default=None)


@contextmanager
def drawing_from(generator: torch.Generator) -> Generator[None]:
    """Lets `rand` draw from a generator in the block, in this thread.

    All threads of a program draw from torch's global generator, so a thread that sets it, even for
    a moment, changes the numbers of the others.
    """
    token = _generator.set(generator)
    try:
        yield
    finally:
        _generator.reset(token)


def rand(*shape: int, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    """Draws numbers in [0, 1) from the generator of `drawing_from`, else the global one."""
    return torch.rand(shape, dtype=dtype, generator=_generator.get(), device="cpu")


def seed_globals(seed: int, name: str) -> None:
    """Sets the global generators of torch, numpy and random to a named stream.

    It is for code of the user, and for code that draws only from the global state, such as the
    constructors of `torch.nn`.
    """
    value = stream_seed(seed, name)
    torch.default_generator.manual_seed(value)  # torch.manual_seed takes 0.4 ms
    if torch.cuda.is_initialized():
        torch.cuda.manual_seed_all(value)
    np.random.seed(value % 2**32)
    random.seed(value)


@contextmanager
def restored_generators(enabled: bool = True) -> Generator[None]:
    """Restores the global generators of torch, numpy and random after the block."""
    states = np.random.get_state(), random.getstate()
    # `fork_rng` would start a GPU that the program may not need.
    devices = range(torch.cuda.device_count()) if torch.cuda.is_initialized() else ()
    try:
        with torch.random.fork_rng(devices, enabled):
            yield
    finally:
        if enabled:
            np.random.set_state(states[0])
            random.setstate(states[1])


@contextmanager
def global_stream(seed: int, name: str) -> Generator[None]:
    """Sets the global generators to a named stream in the block, then restores them."""
    with restored_generators():
        seed_globals(seed, name)
        yield
