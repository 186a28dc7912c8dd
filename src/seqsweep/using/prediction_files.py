"""Writes predictions batch by batch, in formats that other programs read.

B sequences of a batch.
"""

import csv
import json
import os
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, BinaryIO, TextIO

import numpy as np
import numpy.typing as npt

from seqsweep.runs.files import remove_leftovers, temporary_name
from seqsweep.text import did_you_mean, listed, quoted_formula, visible

ENDINGS = {".csv": "csv", ".parquet": "parquet", ".jsonl": "jsonl"}


Table = Mapping[str, Sequence[Any] | npt.NDArray[Any]]
"""The columns of the rows of a batch, (B,) each; numbers are arrays, names are sequences."""


def _texts(column: Sequence[Any] | npt.NDArray[Any]) -> list[str]:
    """Returns cells as texts, with numbers as shortest decimals."""
    # NumPy writes a float32 with the fewest digits that restore its bits.
    is_array = isinstance(column, np.ndarray)
    return column.astype(np.str_).tolist() if is_array else list(map(quoted_formula, column))


def _write_csv(file: TextIO, batches: Iterable[Table]) -> None:
    """Writes the names of the columns, then a line per sequence."""
    writer = csv.writer(file, lineterminator="\n")
    for index, rows in enumerate(batches):
        if index == 0:  # nothing is printed before the first batch has succeeded
            writer.writerow(map(quoted_formula, rows))
        writer.writerows(zip(*map(_texts, rows.values()), strict=True))


def _write_json_lines(file: TextIO, batches: Iterable[Table]) -> None:
    """Writes a JSON object for each sequence."""
    for rows in batches:
        columns = [
            [*map(float, _texts(of))] if getattr(of, "dtype", None) == np.float32 else of
            for of in rows.values()
        ]
        for row in zip(*columns, strict=True):
            file.write(json.dumps(dict(zip(rows, row, strict=True)), default=int) + "\n")


def _write_parquet(file: BinaryIO, batches: Iterable[Table]) -> None:
    """Writes a row group for each batch."""
    import pyarrow
    import pyarrow.parquet

    with ExitStack() as stack:
        writer: Any = None
        for rows in batches:
            table = pyarrow.table(dict(rows))
            if writer is None:  # the first batch shows the type of the ids
                writer = stack.enter_context(pyarrow.parquet.ParquetWriter(file, table.schema))
            writer.write_table(table)


_WRITERS: dict[str, Callable[[Any, Iterable[Table]], None]] = {
    "csv": _write_csv,
    "parquet": _write_parquet,
    "jsonl": _write_json_lines,
}
FORMATS = tuple(_WRITERS)


class _Visible:
    """Prints on stdout, with control characters in names as escapes."""

    def write(self, text: str) -> None:
        sys.stdout.write(visible(text))


def format_of(out: Path | None, chosen: str | None) -> str:
    """Returns the chosen format, or the format of the file's ending.

    Raises:
        ValueError: the format or the ending is unknown, or cannot be printed in the terminal.
    """
    if chosen is not None and chosen not in FORMATS:
        hint = did_you_mean(chosen, FORMATS)
        raise ValueError(f"--format={chosen}: must be one of {listed(FORMATS)}{hint}")
    if out is None:
        if chosen == "parquet":
            raise ValueError("--format=parquet: needs a file; give --out FILE.parquet")
        return chosen or "csv"
    ending = ENDINGS.get(out.suffix.lower())
    if chosen is None and ending is None:
        endings = listed(list(ENDINGS))
        raise ValueError(f"--out={out}: unknown ending; expected {endings}, or give --format")
    return chosen or str(ending)


def write_table(
    out: Path | None, kind: str, batches: Iterable[Table], text: TextIO | None = None
) -> None:
    """Writes all batches; a file appears only when it is complete.

    Args:
        out: the file; None for the terminal.
        kind: one of FORMATS.
        text: a stream that replaces the terminal.
    """
    if out is None:
        _WRITERS[kind](text or _Visible(), batches)
        sys.stdout.flush()
        return
    # The file may be large, so it is not built in memory, unlike other files.
    remove_leftovers(out)
    temporary = Path(temporary_name(out))
    try:
        mode, encoding, newline = ("xb", None, None) if kind == "parquet" else ("x", "utf-8", "")
        with temporary.open(mode, encoding=encoding, newline=newline) as file:
            _WRITERS[kind](file, batches)
        temporary.replace(out)
    except OSError as error:  # it names the temporary file, or none on a full disk
        raise OSError(error.errno, error.strerror, os.fspath(out)) from None
    finally:
        temporary.unlink(missing_ok=True)
