"""Writes the programs of our cells into the package, traced from their classes.

python scripts/programs.py
python scripts/programs.py --check    fails if the installed torch gives another program
"""

import inspect
import sys
from collections.abc import Iterator

from seqsweep.models.cells import CELLS
from seqsweep.models.tracing import trace
from seqsweep.native.program import PROGRAMS, Program, packaged_program


def trace_cells(inputs: int = 3, hidden: int = 4) -> Iterator[tuple[str, Program]]:
    """Yields the name and the program of each cell; the sizes do not change it."""
    for name, cell in CELLS.items():
        yield name, trace(cell, inputs, hidden)
        if "nonlinearity" in inspect.signature(cell).parameters:
            yield f"{name}-relu", trace(cell, inputs, hidden, {"nonlinearity": "relu"})


def main() -> None:
    if sys.argv[1:] == ["--check"]:
        changed = [name for name, program in trace_cells() if packaged_program(name) != program]
        sys.exit(f"another program: {', '.join(changed)}" if changed else 0)
    PROGRAMS.mkdir(exist_ok=True)
    for path in PROGRAMS.glob("*.txt"):
        path.unlink()
    for name, program in trace_cells():
        (PROGRAMS / f"{name}.txt").write_text(str(program), encoding="utf-8")
        print(f"{name}: {program.digest[:12]}")


if __name__ == "__main__":
    main()
