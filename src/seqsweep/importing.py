"""Imports torch and Lightning at less cost."""

import gc
import sys
from collections.abc import Generator
from contextlib import contextmanager


@contextmanager
def without_collections() -> Generator[None]:
    """Keeps the garbage collector out of the block's imports, and what they make out of its sight.

    Importing Lightning makes half a million objects that live as long as the process. To look
    through them again and again takes a tenth of the import, and later 0.15 s a time. Where torch
    is there already, as in a program that uses this package, nothing is changed.
    """
    if "torch" in sys.modules or not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
