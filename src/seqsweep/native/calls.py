"""The functions of the native library, and the memory in which they compute."""

import ctypes
import functools
import threading
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from seqsweep.native.library import library, why_missing

# The return values of `run` besides 0, which means success.
STOPPED, OUT_OF_RANGE = 1, 2
_POINTER = ctypes.c_void_p


class Functions(NamedTuple):
    """The functions of the library, ready to be called."""

    run: Callable[..., int]
    workspace: Callable[..., int]
    parameters: Callable[..., int]
    trace: Callable[..., None]
    trace_workspace: Callable[..., int]


_ARGUMENTS: dict[str, tuple[Any, list[Any]]] = {
    "run": (ctypes.c_int32, [_POINTER, ctypes.c_int64, *[_POINTER] * 4]),
    "workspace": (ctypes.c_uint64, [_POINTER] * 3),
    "parameters": (ctypes.c_uint64, [_POINTER]),
    "trace": (None, [_POINTER] * 5),
    "trace_workspace": (ctypes.c_uint64, [_POINTER] * 2),
}
"""The type of each function's result, and the types of its arguments."""


@functools.cache
def functions() -> Functions:
    """Returns the functions of the library.

    Raises:
        OSError: the library cannot be loaded.
    """
    loaded = library()
    if loaded is None:
        raise OSError(why_missing())
    typed: dict[str, Callable[..., Any]] = {}
    for name, (result, arguments) in _ARGUMENTS.items():
        function = getattr(loaded.handle, f"seqsweep_{name}")
        function.restype, function.argtypes = result, arguments
        typed[name] = function
    return Functions(**typed)


class Workspace(threading.local):
    """The memory of one thread's training steps, which is reused and grows when needed."""

    def __init__(self) -> None:
        self.memory = np.empty(0, dtype=np.uint8)
        self.address = 0

    def at_least(self, size: int) -> int:
        """Returns the address of at least `size` bytes, aligned to 64 bytes."""
        # The 64 additional bytes leave room for the alignment.
        if size + 64 > self.memory.nbytes:
            self.memory = np.empty(size + 64, dtype=np.uint8)
            self.address = -(-self.memory.ctypes.data // 64) * 64
        return self.address


workspace = Workspace()
