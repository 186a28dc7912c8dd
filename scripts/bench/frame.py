"""Processes, clocks, tables and options for the programs of this folder.

At its top this module imports neither torch nor seqsweep. A process starts with the peak memory of
its parent, and the process that runs JAX has neither package.
"""

import argparse
import gc
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

BENCH = Path(__file__).parent
SEQSWEEP = (sys.executable, "-m", "seqsweep")
ONE_THREAD = os.environ | {"OMP_NUM_THREADS": "1"}
"""The environment of a process that computes with a single thread."""

BUDGET = 6.0
"""The seconds after which no further turn is started."""

CALL = """import importlib, json, sys
sys.path.insert(0, sys.argv[1])
function = getattr(importlib.import_module(sys.argv[2]), sys.argv[3])
print("\\n" + json.dumps(function(*json.loads(sys.argv[4]))))"""


@dataclass(frozen=True)
class Usage:
    """The cost of a process with its ended children, and its output."""

    cpu: float
    wall: float
    mib: float
    text: str

    @property
    def value(self) -> Any:
        """The result of a function, if `call_command` made the command."""
        return json.loads(self.text.splitlines()[-1])


def run(
    command: Sequence[str | Path],
    folder: Path | None = None,
    variables: Mapping[str, str] | None = None,
) -> Usage:
    """Runs a command with one thread; ends the program if it fails."""
    with tempfile.TemporaryFile("w+") as output, tempfile.TemporaryFile("w+") as errors:
        began = time.perf_counter()
        process = subprocess.Popen(
            command,
            cwd=folder,
            env={**ONE_THREAD, **(variables or {})},
            stdout=output,
            stderr=errors,
        )
        _, status, used = os.wait4(process.pid, 0)
        wall, process.returncode = time.perf_counter() - began, os.waitstatus_to_exitcode(status)
        output.seek(0)
        errors.seek(0)
        text = output.read()
        if process.returncode != 0:
            words = " ".join(map(str, command))
            sys.exit(f"{words}: exit code {process.returncode}\n{text}{errors.read()}")
    mib = used.ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)
    return Usage(used.ru_utime + used.ru_stime, wall, mib, text)


def call_command(
    function: Callable[..., Any], *arguments: Any, python: str = sys.executable
) -> list[str]:
    """Returns the command that calls a function of a program of this folder.

    Arguments and result are plain values. The last line that it prints is the result.
    """
    module = Path(function.__code__.co_filename).stem
    return [python, "-c", CALL, str(BENCH), module, function.__name__, json.dumps(arguments)]


def cpu_seconds(action: Callable[[], object], count: int) -> float:
    """Returns the CPU time of one call, the least of ten turns.

    A turn makes `count` calls. A slow action gets fewer calls and fewer turns. The garbage
    collector is off, as in Python's `timeit`.
    """
    gc.disable()
    start = time.process_time()
    action()
    first = time.process_time() - start
    count = max(1, min(count, round(BUDGET / 3 / first))) if first > 0 else count
    least, began = float("inf"), time.process_time()
    for _ in range(10):
        start = time.process_time()
        for _ in range(count):
            action()
        least = min(least, (time.process_time() - start) / count)
        if time.process_time() - began > BUDGET:
            break
    gc.enable()
    return least


class Table:
    """Prints a table row by row, its first column aligned to the left."""

    def __init__(self, *heads: str, first: int = 24) -> None:
        self.widths = [max(9, len(head) + 2) for head in heads]
        self.widths[0] = first
        self.row(*heads)

    def row(self, *cells: object) -> None:
        texts = [cell_text(cell) for cell in cells]
        ends = (f"{text:>{width}}" for text, width in zip(texts[1:], self.widths[1:], strict=False))
        print(f"{texts[0]:<{self.widths[0]}}" + "".join(ends), flush=True)


def cell_text(cell: object) -> str:
    """Returns the text of a cell: numbers with three digits, an empty one for None."""
    if isinstance(cell, float):
        return f"{cell:,.0f}" if abs(cell) >= 1000 else f"{cell:.3g}"
    return "" if cell is None else str(cell)


def read_options(doc: str | None, **defaults: Any) -> argparse.Namespace:
    """Reads an option for each default: a number, a flag or a list.

    A tuple of words holds the choices.
    """
    parser = argparse.ArgumentParser(
        description=doc, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for name, default in defaults.items():
        kind: dict[str, Any] = {"type": type(default), "help": f"({default})"}
        if isinstance(default, bool):
            kind = {"action": "store_true"}
        elif isinstance(default, (list, tuple)):
            first: Any = default[0]
            kind = {"nargs": "+", "type": type(first)}
            if isinstance(default, tuple) and isinstance(first, str):
                kind["choices"] = default
        parser.add_argument(f"--{name.replace('_', '-')}", default=default, **kind)
    return parser.parse_args()
