"""Imports torch in less time, and prepares the import of code of the user."""

import atexit
import gc
import importlib.util
import os
import re
import sys
import traceback
import warnings
from collections.abc import Generator
from contextlib import contextmanager
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from multiprocessing import current_process
from pathlib import Path
from types import ModuleType
from typing import Any

INSTALLED = {"site-packages", "dist-packages"}

STANDARD_LIBRARY = Path(os.__file__).parent

OTHER_LIGHTNING = {"pytorch_lightning": "lightning.pytorch", "lightning_fabric": "lightning.fabric"}
"""The packages that have the same source as parts of `lightning`, but other classes."""

_typed_in: list[str] = []
"""The folder in which the command was typed, if the process has left the folder."""


def keep_folder_of_modules() -> None:
    """Remembers the current folder, which the process will leave, to find modules there."""
    _typed_in[:] = [os.getcwd()]


def is_class_path(value: Any) -> bool:
    """Returns whether a value has the form of a dotted path, such as `mine.Leaky`."""
    return isinstance(value, str) and re.fullmatch(r"\w+(\.\w+)+", value) is not None


def prepare_import(target: str) -> None:
    """Lets a `_target_` of the user be imported, also from the current folder."""
    top = target.partition(".")[0]
    # If another Lightning is in use, it stays, and its classes are refused.
    is_free = not OTHER_LIGHTNING.keys() & sys.modules.keys()
    if top != "seqsweep" and is_free and _one_lightning not in sys.meta_path:
        sys.meta_path.insert(0, _one_lightning)
        # Lightning says it in every run of a module that keeps its network among its arguments.
        warnings.filterwarnings("ignore", "Attribute '.*' is an instance of `nn.Module`")
    if not top or top in sys.modules:
        return
    here = Path(*_typed_in or [os.getcwd()])
    is_here = (here / f"{top}.py").is_file() or any((here / top).glob("*.py"))
    if not is_here or importlib.util.find_spec(top) is not None:
        return
    sys.path.append(str(here))
    importlib.invalidate_caches()


def find_module(name: str, folder: str | None = None) -> ModuleSpec | None:
    """Finds a module as an import does, but imports nothing, not even its package.

    Args:
        folder: a folder that is searched last, after sys.path.
    """
    package, _, last = name.rpartition(".")
    parent = find_module(package, folder) if package else None
    folders = list(getattr(parent, "submodule_search_locations", None) or ())
    # The version of `pytorch_lightning` is that of the package itself.
    for finder in (each for each in sys.meta_path if each is not _one_lightning):
        # PathFinder looks for the package of a dotted name in sys.modules, but needs only its path.
        wanted = last if finder is PathFinder else name
        if spec := finder.find_spec(wanted, folders if package else None):
            return spec
    return PathFinder.find_spec(name, [folder]) if folder and not package else None


class _OneLightning(MetaPathFinder, Loader):
    """Imports `lightning.pytorch` for `pytorch_lightning`, whose modules our Trainer refuses."""

    def find_spec(self, fullname: str, path: Any, target: Any = None) -> ModuleSpec | None:
        top, point, rest = fullname.partition(".")
        if top not in OTHER_LIGHTNING:
            return None
        # Each process that is spawned, such as a worker of a DataLoader, gets a copy of this dict,
        # and unpickles it before the code of the user.
        process: Any = current_process()
        process._config["lightning"] = self
        return ModuleSpec(fullname, self, loader_state=OTHER_LIGHTNING[top] + point + rest)

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        module = importlib.import_module(str(spec.loader_state))
        spec.loader_state = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        # The import has replaced the spec of the module, which is complete already.
        module.__spec__ = module.__spec__ and module.__spec__.loader_state

    def __reduce__(self) -> tuple[Any, ...]:
        return prepare_import, ("",)


_one_lightning = _OneLightning()


def place_in_user_code(error: BaseException) -> str:
    """Returns the file and line in the user's code that raised an error."""
    places = [
        f" ({path}:{line})"
        for frame, line in traceback.walk_tb(error.__traceback__)
        if (path := Path(frame.f_code.co_filename)).is_file()
        and not INSTALLED & set(path.parts)
        and not {STANDARD_LIBRARY, Path(__file__).parent} & set(path.parents)
    ]
    return places[-1] if places else ""


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
