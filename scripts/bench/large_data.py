"""Measures the reading of one large csv file, and of a folder.

    python scripts/bench/large_data.py [--mb 1000] [--files 10000]

Each sequence has as many rows of a time and six channels. The folder has a file for each sequence,
in four folders of classes; the one file has the same rows, with an id and a label. Each row of the
table is a process of its own, with start and imports: its CPU time and its wall time, as seconds,
and its peak memory. Files may be read in threads, which saves wall time alone.
"""

import tempfile
from pathlib import Path

import numpy as np
from frame import SEQSWEEP, Table, call_command, read_options, run

ROW = 55
"""The bytes of a row in a file of the folder."""

CLASSES = "abcd"
CHANNELS = [f"x{number}" for number in range(6)]


def write(folder: Path, megabytes: int, files: int) -> None:
    """Writes one.csv and the folder many, from the rows of one block of numbers."""
    steps = max(1, megabytes * 1_000_000 // files // ROW)
    x = np.random.default_rng(0).normal(size=(steps + 1000, len(CHANNELS)))
    lines = [",".join(f"{value:.5f}" for value in row) for row in x]
    for name in CLASSES:
        (folder / "many" / name).mkdir(parents=True)
    head = ",".join(["time", *CHANNELS])
    with (folder / "one.csv").open("w") as one:
        one.write(f"id,{head},label\n")
        for number in range(files):
            label, first = CLASSES[number % len(CLASSES)], 7 * number % 1000
            rows = [f"{time},{line}\n" for time, line in enumerate(lines[first : first + steps])]
            path = folder / "many" / label / f"{number:05}.csv"
            path.write_text(f"{head}\n{''.join(rows)}")
            one.writelines(f"r{number:05},{row[:-1]},{label}\n" for row in rows)


def size(path: Path) -> float:
    """Returns the MB of a file, or of the files of a folder."""
    files = [path] if path.is_file() else [*path.glob("*/*.csv")]
    return sum(file.stat().st_size for file in files) / 1e6


def read(path: str) -> int:
    """Reads a table, as a run does; returns the number of its sequences."""
    from seqsweep.data.tables import table

    return len(table(path).train)


def main() -> None:
    options = read_options(__doc__, mb=1000, files=10_000)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write(folder, options.mb, options.files)
        table = Table("", "MB", "CPU s", "wall s", "MiB", first=30)
        used: dict[str, list[float]] = {}
        for path in (folder / "one.csv", folder / "many"):
            commands = {
                "read": call_command(read, str(path)),
                "data info": [*SEQSWEEP, "data", "info", str(path)],
            }
            for title, command in commands.items():
                usage = run(command, folder)
                used.setdefault(title, []).append(usage.cpu)
                table.row(f"{title} {path.name}", size(path), usage.cpu, usage.wall, usage.mib)
        for title, (one, many) in used.items():
            print(f"{title}: {options.files:,} files take {many / one:.2f} times the CPU of one")


if __name__ == "__main__":
    main()
