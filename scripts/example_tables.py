"""Writes the tables of docs/data.md and docs/extend.md: reviews.csv and pumps.csv.

`python scripts/example_tables.py`. reviews.csv has 400 sentences on films, each good or bad.
pumps.csv has 150 pumps with some hours of pressure and flow, whose means are the wear of the pump.
"""

import csv
import random
from collections.abc import Iterable
from pathlib import Path


def write(path: Path, rows: Iterable[Iterable[object]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)


def reviews() -> Iterable[list[object]]:
    rng = random.Random(0)
    words = {"good": ["great", "lovely", "charming"], "bad": ["dull", "awful", "weak"]}
    yield ["text", "label"]
    for label in ["good", "bad"] * 200:
        other = "bad" if label == "good" else "good"
        parts = [f"really {rng.choice(words[label])}", f"not {rng.choice(words[other])}"]
        rng.shuffle(parts)
        name = "".join(rng.choices("abdeiklmnorst", k=5)).title()
        yield [f"The film {name} was {parts[0]}, and {parts[1]}.", label]


def pumps() -> Iterable[list[object]]:
    rng = random.Random(0)
    yield ["pump", "hour", "pressure", "flow", "wear"]
    for pump in range(150):
        wear = round(rng.random(), 3)
        for hour in range(rng.randint(10, 20)):
            pressure, flow = rng.gauss(wear, 1), rng.gauss(-wear, 1)
            yield [pump, hour, f"{pressure:.3f}", f"{flow:.3f}", wear]


if __name__ == "__main__":
    write(Path("reviews.csv"), reviews())
    write(Path("pumps.csv"), pumps())
