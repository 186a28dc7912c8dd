"""Tables as other people write them: Excel's, a sensor's, the UCR archive's."""

import gzip
import math
import random
from collections.abc import Callable, Sequence

CLASSES = ("gehen", "laufen", "stehen")
Cell = Callable[[float], str]


def german(value: float) -> str:
    return f"{value:.4f}".replace(".", ",")


def english(value: float) -> str:
    return f"{value:.4f}"


def long(
    sign: str, names: str, cell: Cell, id_of: Callable[[int], str], classes: Sequence[str] = CLASSES
) -> str:
    """Writes 48 recordings, a row for each step: id, time, two channels, class."""
    numbers, lines = random.Random(0), [names] if names else []
    for recording in range(48):
        label = recording % len(classes)
        for step in range(numbers.randint(12, 20)):
            angle = step * (0.3 + 0.3 * label) + numbers.gauss(0, 0.1)
            values = (0.05 * step, math.sin(angle), math.cos(angle))
            lines.append(sign.join([id_of(recording), *map(cell, values), classes[label]]))
    return "\n".join([*lines, ""])


def wide(
    sign: str, names: str, cell: Cell, classes: Sequence[str], before: Callable[[int], list[str]]
) -> str:
    """Writes 60 sequences, a row for each: some cells, 24 steps, and the class where it is last."""
    numbers, lines = random.Random(0), [names] if names else []
    for row in range(60):
        label = row % len(classes)
        steps = [cell(math.sin(t * (0.2 + 0.3 * label)) + numbers.gauss(0, 0.2)) for t in range(24)]
        first = before(row)
        lines.append(
            sign.join([*first, *steps, *([] if first == [classes[label]] else [classes[label]])])
        )
    return "\n".join([*lines, ""])


def ucr(sign: str, cell: Cell, classes: Sequence[str]) -> str:
    return wide(sign, "", cell, classes, lambda row: [classes[row % len(classes)]])


STEPS = [f"w{step}" for step in range(24)]
TABLES: dict[str, bytes] = {
    "messung.csv": long(
        ";", "Messung;Zeit [s];Beschleunigung x;Beschleunigung y;Klasse", german, str
    ).encode(),
    "excel.csv": ("sep=;\n" + long(";", "Versuch;Sekunde;ax;ay;Art", german, "V{:03}".format))
    .replace("\n", "\r\n")
    .encode(),
    "übung.csv": long(
        ";", "Übung;Zeit;Höhe;Länge;Tätigkeit", german, "Ü{}".format, ("Hüpfen", "Straße")
    ).encode("latin-1"),
    "sensor.csv": long(
        ",", "trial no.,t [s],a_x [m/s^2],a_y [m/s^2],activity", english, str
    ).encode(),
    "ohne.csv": long(";", "", german, "M{:03}".format).encode(),
    "gait.tsv.gz": gzip.compress(
        long("\t", "walk_id\tframe\tknee\thip\tgait", english, "w{}".format).encode()
    ),
    "gym.tsv": long("\t", "subject\tt\tax\tay\tactivity", english, "P{:03}".format).encode(),
    "flowers.csv": wide(
        ",", ",".join([*STEPS, "species"]), english, ("setosa", "virginica"), lambda row: []
    ).encode(),
    "GunPoint_TRAIN.txt": ucr(
        "  ", "{: .7e}".format, ("1.0000000e+00", "2.0000000e+00")
    ).encode(),
    "Coffee_TRAIN.tsv": ucr("\t", english, ("0", "1")).encode(),
    "export.csv": long(",", "rec,sek,k1,k2,art", english, str, ("1", "2", "3")).encode(),
    "proben.csv": wide(
        ";",
        ";".join(["Probe", "Bemerkung", *STEPS, "Sorte"]),
        german,
        ("rot", "weiß"),
        lambda row: [f"P{row:02}", ("gut", "schlecht", "gut", "k. A.")[row % 7 % 4]],
    ).encode("utf-16"),
}  # fmt: skip
"""The content of each file by its name."""
