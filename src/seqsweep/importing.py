"""Imports torch and Lightning in less time."""

import atexit
import gc
import sys
from collections.abc import Generator
from contextlib import contextmanager


@contextmanager
def without_collections() -> Generator[None]:
    """Stops the garbage collector during the block, and hides the block's objects from it.

    Importing Lightning makes half a million objects that live as long as the process. Collections
    take a tenth of the import's time, and later 0.15 s each. If torch is already imported, as in a
    program that uses this package, nothing is changed.
    """
    if "torch" in sys.modules or not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        # triton, which CUDA builds of torch import, reports frozen objects as leaked at the end of
        # the process. Without triton the end takes a second less.
        if "triton" in sys.modules:
            atexit.register(gc.unfreeze)
        gc.enable()
