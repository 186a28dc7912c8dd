"""Writes gestures.csv and new.csv, the example data of the README.

`python scripts/example_csv.py [FOLDER]`. A gesture is a drawn curve: a circle, a line or a zigzag
of 15 to 40 points, each a row with the id of the gesture, the time, x and y. gestures.csv has 300
labelled gestures, new.csv has 50 without labels. recordings/ has 75 labelled gestures,
each in a file PERSON/SHAPE/NUMBER.csv.
"""

import csv
import math
import random
import sys
from collections.abc import Iterator
from pathlib import Path

SHAPES = ("circle", "line", "zigzag")
NOISE = 0.1


def points(shape: str, rng: random.Random) -> Iterator[tuple[float, float]]:
    """Yields the points of one gesture, at a random place, size and angle."""
    count = rng.randint(15, 40)
    size, angle = rng.uniform(0.5, 2), rng.uniform(-1, 1)
    left, low = rng.gauss(0, 1), rng.gauss(0, 1)
    for index in range(count):
        part = index / (count - 1)
        if shape == "circle":
            along, across = math.cos(2 * math.pi * part), math.sin(2 * math.pi * part)
        else:
            along, across = 2 * part - 1, 0.0
            if shape == "zigzag":
                across = 0.6 * math.copysign(1, math.sin(8 * math.pi * part))
        x = along * math.cos(angle) - across * math.sin(angle)
        y = along * math.sin(angle) + across * math.cos(angle)
        yield left + size * x + rng.gauss(0, NOISE), low + size * y + rng.gauss(0, NOISE)


def write(path: Path, count: int, labelled: bool, rng: random.Random) -> None:
    with path.open("w", newline="") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(["id", "time", "x", "y", *(["label"] if labelled else [])])
        for gesture in range(count):
            shape = SHAPES[gesture % 3] if labelled else rng.choice(SHAPES)
            for time, (x, y) in enumerate(points(shape, rng)):
                rest = [shape] if labelled else []
                rows.writerow([f"g{gesture:03}", time, f"{x:.3f}", f"{y:.3f}", *rest])


def write_folder(folder: Path, count: int, rng: random.Random) -> None:
    """Writes each gesture to a file below its person and shape."""
    for gesture in range(count):
        shape = SHAPES[gesture % 3]
        path = folder / f"P{gesture % 5}" / shape / f"{gesture:02}.csv"
        path.parent.mkdir(parents=True, exist_ok=True)
        rows = [f"{time},{x:.3f},{y:.3f}\n" for time, (x, y) in enumerate(points(shape, rng))]
        path.write_text("".join(["time,x,y\n", *rows]))


if __name__ == "__main__":
    folder, rng = Path(sys.argv[1] if len(sys.argv) > 1 else "."), random.Random(0)
    write(folder / "gestures.csv", 300, True, rng)
    write(folder / "new.csv", 50, False, rng)
    write_folder(folder / "recordings", 75, rng)
