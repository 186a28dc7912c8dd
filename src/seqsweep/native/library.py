"""Loads the variant of the C++ library that suits this CPU.

This module does not import torch, which takes long, so `seqsweep --version` can use it.
"""

import ctypes
import functools
import os
import shutil
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from seqsweep.native.build import HERE, LIB, X86, find_compiler, is_cut_short, source_digest
from seqsweep.text import did_you_mean

_VARIABLE = "SEQSWEEP_NATIVE"
_OFF = "off"
_LEVELS = {"x86-64-v4": 4, "x86-64-v3": 3, "portable": 1}


@dataclass(frozen=True)
class Library:
    """The loaded C++ library.

    Attributes:
        handle: the functions, for ctypes.
        variant: the instruction set of the library: x86-64-v4, x86-64-v3 or portable.
        compiler: the compiler that built it, such as `g++ 12.2.0`.
    """

    handle: ctypes.CDLL
    variant: str
    compiler: str
    path: Path


def library() -> Library | None:
    """Returns the fastest variant that this CPU runs; None if it cannot be loaded.

    The environment variable SEQSWEEP_NATIVE selects another variant, or none if it is `off`.

    Raises:
        ValueError: SEQSWEEP_NATIVE is neither `off` nor a variant that this CPU runs.
    """
    loaded = load(_choice())
    return loaded if isinstance(loaded, Library) else None


def why_missing() -> str | None:
    """Returns why the library is missing, and often how to build it; None if loaded.

    Raises:
        ValueError: see `library`.
    """
    loaded = load(_choice())
    return None if isinstance(loaded, Library) else loaded


def is_switched_off() -> bool:
    """Returns whether SEQSWEEP_NATIVE=off switches the library off."""
    return _choice() == _OFF


def runnable_variants() -> tuple[str, ...]:
    """Returns the variants that this CPU runs, fastest first; empty if not built."""
    portable = _open(LIB, "portable")
    return () if portable is None else _runnable(portable)


def describe() -> dict[str, str]:
    """Returns the variant and the compiler, for provenance.json; empty without a library."""
    loaded = library()
    return {} if loaded is None else {"variant": loaded.variant, "compiler": loaded.compiler}


def _choice() -> str | None:
    """Returns the value of SEQSWEEP_NATIVE, or None; refuses unknown values."""
    value = os.environ.get(_VARIABLE) or None
    known = (_OFF, *X86)
    if value is None or value in known:
        return value
    raise ValueError(
        f"{_VARIABLE}={value}: must be {', '.join(known[:-1])} or {known[-1]}"
        f"{did_you_mean(value, known)}"
    )


@functools.cache
def load(choice: str | None, folder: Path = LIB) -> Library | str:
    """Loads a variant, by default the fastest, or returns why loading fails.

    Raises:
        ValueError: this CPU cannot run the chosen variant.
    """
    if choice == _OFF:
        return f"no native engine: {_VARIABLE}=off"
    try:
        # The portable variant runs on every CPU, so it can report what this CPU supports.
        portable = _open(folder, "portable")
        if portable is None:
            return _missing("it is not built")
        runnable = _runnable(portable)
        if choice is not None and choice not in runnable:
            raise ValueError(f"{_VARIABLE}={choice}: this CPU runs only {' and '.join(runnable)}")
        variant = choice or runnable[0]
        handle = _open(folder, variant)
        if handle is None:
            return _missing(f"{HERE.file_name(variant)} is not built")
        if _text(handle, "seqsweep_source") != source_digest():
            return _missing("it was built from other sources than these")
    except (OSError, AttributeError) as error:
        # ctypes raises AttributeError if the file lacks a function.
        return _missing(f"it cannot be loaded ({error})")
    path = folder / HERE.file_name(variant)
    return Library(handle, variant, _text(handle, "seqsweep_compiler"), path)


def _open(folder: Path, variant: str) -> ctypes.CDLL | None:
    """Loads one variant; returns None if its file is missing.

    Raises:
        OSError: the file is damaged.
    """
    path = folder / HERE.file_name(variant)
    if not path.is_file():
        return None
    if is_cut_short(path):
        raise OSError(f"{path}: the end of the file is missing")
    return ctypes.CDLL(str(path))


def _runnable(portable: ctypes.CDLL) -> tuple[str, ...]:
    """Returns the variants that this CPU and its operating system run, the fastest first."""
    level = portable.seqsweep_cpu_level()
    return tuple(variant for variant in HERE.variants if _LEVELS[variant] <= level)


def _text(handle: ctypes.CDLL, name: str) -> str:
    """Calls a function of the library that returns a text."""
    function = handle[name]
    function.restype = ctypes.c_char_p
    return function().decode()


def _missing(reason: str) -> str:
    """Returns a message: the reason, what it costs, and how to build the library."""
    python = "python" if _is_this_python(shutil.which("python")) else _short(sys.executable)
    commands = [f"{python} -m {__package__}.build"]
    if find_compiler() is None:
        # The command `pip` may belong to another Python.
        commands.insert(0, f"{python} -m pip install ziglang")
    return (
        f"no native engine: {reason}; autograd trains 4 to 100 times slower; to build it: "
        f"{' && '.join(commands)}"
    )


def _is_this_python(path: str | None) -> bool:
    # Links are not followed, because all environments of one Python link to the same file.
    return path is not None and Path(path).parent == Path(sys.executable).parent


def _short(path: str) -> str:
    """Returns a path relative to the working folder if it lies inside."""
    here = Path.cwd()
    return str(Path(path).relative_to(here)) if Path(path).is_relative_to(here) else path


# The return values of `run` besides 0, which means success.
STOPPED, OUT_OF_RANGE = 1, 2
_POINTER = ctypes.c_void_p


class Functions(NamedTuple):
    """The functions of the library, ready to be called."""

    run: Callable[..., int]
    workspace: Callable[..., int]
    parameters: Callable[..., int]
    predict: Callable[..., None]
    trace: Callable[..., None]
    trace_workspace: Callable[..., int]


_ARGUMENTS: dict[str, tuple[Any, list[Any]]] = {
    "run": (ctypes.c_int32, [_POINTER, ctypes.c_int64, *[_POINTER] * 4]),
    "workspace": (ctypes.c_uint64, [_POINTER] * 3),
    "parameters": (ctypes.c_uint64, [_POINTER]),
    "predict": (None, [_POINTER] * 4),
    "trace": (None, [_POINTER] * 4),
    "trace_workspace": (ctypes.c_uint64, [_POINTER] * 2),
}
"""The type of each function's result, and the types of its arguments."""


@functools.cache
def functions() -> Functions:
    """Returns the functions of the library.

    Raises:
        OSError: the library cannot be loaded, or is switched off.
        ValueError: see `library`.
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
    """The memory in which the calls of one thread compute; it grows when needed."""

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
