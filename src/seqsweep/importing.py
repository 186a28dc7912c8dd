"""Imports torch in less time, and finds modules in the current folder."""

import atexit
import gc
import importlib.util
import os
import re
import sys
from collections.abc import Generator
from contextlib import contextmanager
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from typing import Any

from seqsweep.console import say_error

_typed_in: list[str] = []
"""The folder in which the command was typed, if the process has left the folder."""


def keep_folder_of_modules() -> None:
    """Remembers the current folder, which the process will leave, to find modules there."""
    _typed_in[:] = [os.getcwd()]


def is_class_path(value: Any) -> bool:
    """Returns whether a value has the form of a dotted path, such as `mine.Leaky`."""
    return isinstance(value, str) and re.fullmatch(r"\w+(\.\w+)+", value) is not None


def find_in_current_folder(target: str) -> None:
    """Appends the current folder to sys.path, if a `_target_` needs it."""
    top = target.partition(".")[0]
    if not top or top in sys.modules:
        return
    here = Path(*_typed_in or [os.getcwd()])
    is_here = (here / f"{top}.py").is_file() or any((here / top).glob("*.py"))
    if not is_here or importlib.util.find_spec(top) is not None:
        return
    sys.path.append(str(here))
    importlib.invalidate_caches()
    say_error(f"{target}: {top} is found in the current folder, which is now last in sys.path")


def find_module(name: str, folder: str | None = None) -> ModuleSpec | None:
    """Finds a module as an import does, but imports nothing, not even its package.

    Args:
        folder: a folder that is searched last, after sys.path.
    """
    package, _, last = name.rpartition(".")
    parent = find_module(package, folder) if package else None
    folders = list(getattr(parent, "submodule_search_locations", None) or ())
    for finder in sys.meta_path:
        # PathFinder looks for the package of a dotted name in sys.modules, but needs only its path.
        wanted = last if finder is PathFinder else name
        if spec := finder.find_spec(wanted, folders if package else None):
            return spec
    return PathFinder.find_spec(name, [folder]) if folder and not package else None


@contextmanager
def without_collections() -> Generator[None]:
    """Stops the garbage collector, and hides the block's objects from it.

    Importing Lightning makes half a million objects that live as long as the process. Garbage
    collections take a tenth of the import's time, and later 0.15 s each. If torch is already
    imported, for example in a program that uses this package, nothing is changed.
    """
    if "torch" in sys.modules or not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        # CUDA builds of torch import triton, which reports objects still frozen at exit as leaked.
        # Without triton the objects stay frozen, which makes the exit a second faster.
        if "triton" in sys.modules:
            atexit.register(gc.unfreeze)
        gc.enable()
