"""Counts the lines of each part of the source, beside its budget.

`python scripts/rooms.py` prints a line for each part, and one for their sum. With `--above`, which
`make check` gives, it prints only the parts that are above their budget.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

SOURCE = Path(__file__).parents[1] / "src"
ROOMS = {
    "config": (2400, "seqsweep/config"),
    "data": (6250, "seqsweep/data"),
    "models": (2950, "seqsweep/models"),
    "native": (1950, "seqsweep/native"),
    "training": (5750, "seqsweep/training"),
    "runs": (3250, "seqsweep/runs"),
    "sweeping": (3050, "seqsweep/sweeping"),
    "live": (760, "seqsweep/live"),
    "results": (7250, "seqsweep/results"),
    "using": (3550, "seqsweep/using"),
    "extras": (4390, "seqsweep/extras seqsweep/sklearn seqsweep/aeon.py"),
    "commands": (2350, "hydra_plugins seqsweep"),
}
"""The budget in lines and the paths of each part; a file belongs to the first matching part."""


def rooms() -> Iterator[tuple[str, int, int, int]]:
    """Yields the name, lines, files and budget of each part, then their sums."""
    left, total, files, budgets = set(SOURCE.rglob("*.py")), 0, 0, 0
    for name, (budget, paths) in ROOMS.items():
        parts = [SOURCE / path for path in paths.split()]
        own = {path for path in left if any(path.is_relative_to(part) for part in parts)}
        left -= own
        lines = sum(len(path.read_text(encoding="utf-8").splitlines()) for path in own)
        yield name, lines, len(own), budget
        total, files, budgets = total + lines, files + len(own), budgets + budget
    yield "sum", total, files, budgets


if __name__ == "__main__":
    for name, lines, files, budget in rooms():
        above = f"  {lines - budget:,} above" if lines > budget else ""
        if above or "--above" not in sys.argv:
            print(f"{name:12}{lines:7,} lines{files:5} files, budget {budget:6,}{above}")
