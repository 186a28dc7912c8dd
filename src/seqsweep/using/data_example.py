"""The command `data example`: writes tables to try the commands on. Imports no torch."""

import math
import random
from collections.abc import Iterator, Sequence
from pathlib import Path

from seqsweep.arguments import Parser
from seqsweep.console import say
from seqsweep.runs.files import read_bytes, write_text

_SHAPES = ("circle", "line", "zigzag")
_WRITTEN = """\
gestures.csv: 300 drawn circles, lines and zigzags, with a row for each point
new.csv: 50 more without labels
recordings/: 75 more of five persons, each in a file PERSON/SHAPE/NUMBER.csv

seqsweep data info gestures.csv"""


def example(arguments: Sequence[str]) -> int:
    """Writes the files of an example, which never replace files of the user; returns 0."""
    parser = Parser("data example", "Writes example tables into the current folder.")
    words = "gestures: drawn circles, lines and zigzags (the only example)"
    parser.add_argument("name", nargs="?", default="gestures", choices=["gestures"], help=words)
    parser.parse(arguments)
    files = _gestures()
    for path, content in files.items():
        if path.exists() and read_bytes(path) != content.encode():
            raise ValueError(f"{path}: is a file of yours; type the command in another folder")
    for path, content in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        write_text(path, content, sync=False)
    say(_WRITTEN)
    return 0


def _gestures() -> dict[Path, str]:
    """Returns the content of each file, the same on every machine."""
    rng = random.Random(0)
    files: dict[Path, str] = {}
    for name, label, total in (("gestures.csv", ",label", 300), ("new.csv", "", 50)):
        lines = [f"id,time,x,y{label}"]
        for number in range(total):
            shape = _SHAPES[number % 3] if label else rng.choice(_SHAPES)
            end = f",{shape}" if label else ""
            lines += [f"g{number:03},{row}{end}" for row in _rows(shape, rng)]
        files[Path(name)] = "\n".join([*lines, ""])
    for number in range(75):
        shape = _SHAPES[number % 3]
        path = Path("recordings", f"P{number % 5}", shape, f"{number:02}.csv")
        files[path] = "\n".join(["time,x,y", *_rows(shape, rng), ""])
    return files


def _rows(shape: str, rng: random.Random) -> Iterator[str]:
    """Yields time, x and y of a gesture's points; place, size and angle are random."""
    count = rng.randint(15, 40)
    size, angle = rng.uniform(0.5, 2), rng.uniform(-1, 1)
    left, low = rng.gauss(0, 1), rng.gauss(0, 1)
    for time in range(count):
        part = time / (count - 1)
        along = 2 * part - 1
        across = 0.6 * math.copysign(1, math.sin(8 * math.pi * part)) if shape == "zigzag" else 0.0
        if shape == "circle":
            along, across = math.cos(2 * math.pi * part), math.sin(2 * math.pi * part)
        x = left + size * (along * math.cos(angle) - across * math.sin(angle))
        y = low + size * (along * math.sin(angle) + across * math.cos(angle))
        yield f"{time},{x + rng.gauss(0, 0.1):.3f},{y + rng.gauss(0, 0.1):.3f}"
