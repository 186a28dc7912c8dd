"""The command `data example`: writes tables to try the commands on. Imports no torch."""

import math
import random
from collections.abc import Iterator, Sequence
from pathlib import Path

from seqsweep.arguments import Parser
from seqsweep.console import say
from seqsweep.runs.files import read_bytes, write_text
from seqsweep.text import nearest_or_all

_SHAPES = ("circle", "line", "zigzag")
_NOISE = 0.1


def example(arguments: Sequence[str]) -> int:
    """Runs `seqsweep data example`. Returns the exit code.

    Raises:
        ValueError: there is no such example, or a file of another content has one of its names.
    """
    text = "Writes example tables into the current folder: gestures.csv, new.csv, recordings/."
    parser = Parser("data example", text)
    words = "gestures: drawn circles, lines and zigzags (the only example)"
    parser.add_argument("name", nargs="?", default="gestures", metavar="NAME", help=words)
    name = parser.parse(arguments).name
    if name != "gestures":
        raise ValueError(f"no example {name!r}{nearest_or_all(name, ['gestures'])}")
    files = _gestures()
    for path, content in files.items():
        if path.exists() and read_bytes(path) != content.encode():
            raise ValueError(f"{path}: is a file of yours; type the command in another folder")
    for path, content in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        write_text(path, content, sync=False)
    say("gestures.csv: 300 drawn circles, lines and zigzags, with a row for each point")
    say("new.csv: 50 more without labels")
    say("recordings/: 75 more of five persons, each in a file PERSON/SHAPE/NUMBER.csv")
    say("\nseqsweep data info gestures.csv")
    return 0


def _gestures() -> dict[Path, str]:
    """Returns the content of each file, the same on every machine."""
    rng = random.Random(0)
    files = {Path("gestures.csv"): _table(300, True, rng), Path("new.csv"): _table(50, False, rng)}
    for gesture in range(75):
        shape = _SHAPES[gesture % 3]
        path = Path("recordings", f"P{gesture % 5}", shape, f"{gesture:02}.csv")
        files[path] = "\n".join(["time,x,y", *_rows(shape, rng), ""])
    return files


def _table(count: int, labelled: bool, rng: random.Random) -> str:
    """Returns the text of a table with a row for each point."""
    lines = ["id,time,x,y,label" if labelled else "id,time,x,y"]
    for gesture in range(count):
        shape = _SHAPES[gesture % 3] if labelled else rng.choice(_SHAPES)
        label = f",{shape}" if labelled else ""
        lines += [f"g{gesture:03},{row}{label}" for row in _rows(shape, rng)]
    return "\n".join([*lines, ""])


def _rows(shape: str, rng: random.Random) -> Iterator[str]:
    """Yields time, x and y of a gesture's points; place, size and angle are random."""
    count = rng.randint(15, 40)
    size, angle = rng.uniform(0.5, 2), rng.uniform(-1, 1)
    left, low = rng.gauss(0, 1), rng.gauss(0, 1)
    for time in range(count):
        part = time / (count - 1)
        along, across = 2 * part - 1, 0.0
        if shape == "circle":
            along, across = math.cos(2 * math.pi * part), math.sin(2 * math.pi * part)
        elif shape == "zigzag":
            across = 0.6 * math.copysign(1, math.sin(8 * math.pi * part))
        x = left + size * (along * math.cos(angle) - across * math.sin(angle))
        y = low + size * (along * math.sin(angle) + across * math.cos(angle))
        yield f"{time},{x + rng.gauss(0, _NOISE):.3f},{y + rng.gauss(0, _NOISE):.3f}"
