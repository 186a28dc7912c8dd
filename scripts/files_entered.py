"""Prints how many of the package's files a command enters.

`python scripts/files_entered.py [-v] ARGUMENTS` runs `seqsweep ARGUMENTS` in this process, in an
empty folder. A file is entered if a function of it is called; importing it does not count. Forked
processes are not seen, and -v lists the files.
"""

import contextlib
import inspect
import os
import sys
import tempfile
import threading
from collections import Counter
from pathlib import Path
from types import FrameType
from typing import Any

import seqsweep
from seqsweep.cli import main

PACKAGE = Path(seqsweep.__file__).parent
OURS = (f"{PACKAGE}{os.sep}", f"{PACKAGE.parent / 'hydra_plugins'}{os.sep}")


def trace(arguments: list[str]) -> Counter[tuple[str, str]]:
    """Runs a command; returns how often it called each function, by file and name."""
    calls: Counter[tuple[str, str]] = Counter()

    def note(frame: FrameType, event: str, _: Any) -> None:
        code = frame.f_code
        # While modules are imported, modules, classes and comprehensions outside functions run.
        is_function = code.co_flags & inspect.CO_OPTIMIZED and code.co_qualname[0] != "<"
        if event == "call" and is_function and code.co_filename.startswith(OURS):
            calls[code.co_filename, code.co_qualname] += 1

    sys.argv = ["seqsweep", *arguments]
    threading.setprofile(note)
    sys.setprofile(note)
    with contextlib.suppress(SystemExit):
        main(arguments)
    sys.setprofile(None)
    return calls


def run() -> None:
    arguments = sys.argv[1:]
    verbose = arguments[:1] == ["-v"]
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        calls = trace(arguments[verbose:])
    files = Counter(file for file, _ in calls)
    if verbose:
        for file, functions in sorted(files.items()):
            print(f"{functions:4}  {Path(file).relative_to(PACKAGE.parent)}")
    print(f"{len(files)} files, {len(calls)} functions: seqsweep {' '.join(arguments[verbose:])}")


run()
