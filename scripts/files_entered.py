"""Prints how many of the package's files a command enters.

`python scripts/files_entered.py ARGUMENTS` runs `seqsweep ARGUMENTS` in this process, in an empty
folder. A file is entered if a function of it is called; importing it does not count. Forked
processes are not seen.
"""

import contextlib
import inspect
import os
import sys
import tempfile
import threading
from pathlib import Path
from types import FrameType
from typing import Any

import seqsweep
from seqsweep.cli import main

PACKAGE = Path(seqsweep.__file__).parent
OURS = (f"{PACKAGE}{os.sep}", f"{PACKAGE.parent / 'hydra_plugins'}{os.sep}")


def trace(arguments: list[str]) -> set[tuple[str, str]]:
    """Runs a command; returns the file and the name of each function that it called."""
    called = set[tuple[str, str]]()

    def note(frame: FrameType, event: str, _: Any) -> None:
        code = frame.f_code
        # While modules are imported, modules, classes and comprehensions outside functions run.
        is_function = code.co_flags & inspect.CO_OPTIMIZED and code.co_qualname[0] != "<"
        if event == "call" and is_function and code.co_filename.startswith(OURS):
            called.add((code.co_filename, code.co_qualname))

    sys.argv = ["seqsweep", *arguments]
    threading.setprofile(note)
    sys.setprofile(note)
    with contextlib.suppress(SystemExit):
        main(arguments)
    sys.setprofile(None)
    return called


def run() -> None:
    arguments = sys.argv[1:]
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        called = trace(arguments)
    files = {file for file, _ in called}
    print(f"{len(files)} files, {len(called)} functions: seqsweep {' '.join(arguments)}")


run()
