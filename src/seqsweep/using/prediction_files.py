"""Writes predictions batch by batch, in formats that other programs read.

B sequences of a batch, C classes.
"""

import csv
import json
import os
import sys
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, TextIO

import numpy as np
import numpy.typing as npt

from seqsweep.runs.files import remove_leftovers, temporary_name
from seqsweep.text import did_you_mean, listed, quoted_formula, visible

ENDINGS = {".csv": "csv", ".parquet": "parquet", ".jsonl": "jsonl"}


class Predictions(NamedTuple):
    """The predictions of a batch.

    Attributes:
        names: the columns that name the sequences, (B,) each.
        indices: (B,) the predicted classes, as positions in the class names.
        probabilities: (B, C), in the precision of the network.
        labels: (B,) the names of the true classes; None if they are not known.
    """

    names: Sequence[Sequence[Any]]
    indices: npt.NDArray[np.int64]
    probabilities: npt.NDArray[np.float32]
    labels: Sequence[str] | None


class Header(NamedTuple):
    """The names of C classes, and the further columns of a table."""

    class_names: tuple[str, ...]
    has_labels: bool
    names: tuple[str, ...] = ("id",)

    @property
    def probabilities(self) -> slice:
        """The places of the probabilities among the columns."""
        first = len(self.names) + 1
        return slice(first, first + len(self.class_names))

    @property
    def columns(self) -> list[str]:
        """The columns of a table: names, prediction, p_<class>, and label if known."""
        own = [*self.names, "prediction", *(f"p_{name}" for name in self.class_names)]
        return [*own, "label"] if self.has_labels else own


def _columns(header: Header, rows: Predictions) -> list[Sequence[Any]]:
    """Returns the columns of a table, with probabilities as shortest decimals."""
    names = np.array(header.class_names)
    # NumPy writes a float32 with the fewest digits that restore its bits.
    texts = rows.probabilities.astype(np.str_)
    columns = [*rows.names, names[rows.indices].tolist(), *texts.T.tolist()]
    return columns if rows.labels is None else [*columns, rows.labels]


def _write_csv(file: TextIO, header: Header, batches: Iterable[Predictions]) -> None:
    """Writes the names of the columns, then a line per sequence."""
    writer = csv.writer(file, lineterminator="\n")
    for index, rows in enumerate(batches):
        if index == 0:  # nothing is printed before the first batch has succeeded
            writer.writerow(map(quoted_formula, header.columns))
        columns = _columns(header, rows)
        numbers = range(len(columns))[header.probabilities]
        for place, column in enumerate(columns):
            if place not in numbers:
                columns[place] = list(map(quoted_formula, column))
        writer.writerows(zip(*columns, strict=True))


def _write_json_lines(file: TextIO, header: Header, batches: Iterable[Predictions]) -> None:
    """Writes a JSON object for each sequence."""
    for rows in batches:
        columns = _columns(header, rows)
        columns[header.probabilities] = [[*map(float, of)] for of in columns[header.probabilities]]
        for row in zip(*columns, strict=True):
            file.write(json.dumps(dict(zip(header.columns, row, strict=True))) + "\n")


def _write_parquet(file: BinaryIO, header: Header, batches: Iterable[Predictions]) -> None:
    """Writes a row group for each batch."""
    import pyarrow
    import pyarrow.parquet

    with ExitStack() as stack:
        writer: Any = None
        for rows in batches:
            columns = _columns(header, rows)
            columns[header.probabilities] = list(rows.probabilities.T)
            arrays = [pyarrow.array(column) for column in columns]
            table = pyarrow.Table.from_arrays(arrays, names=header.columns)
            if writer is None:  # the first batch shows the type of the ids
                writer = stack.enter_context(pyarrow.parquet.ParquetWriter(file, table.schema))
            writer.write_table(table)


_WRITERS: dict[str, Callable[[Any, Header, Iterable[Predictions]], None]] = {
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


def write_predictions(
    out: Path | None,
    kind: str,
    header: Header,
    batches: Iterable[Predictions],
    text: TextIO | None = None,
) -> None:
    """Writes all batches; a file appears only when it is complete.

    Args:
        out: the file; None for the terminal.
        kind: one of FORMATS.
        text: a stream that replaces the terminal.
    """
    if out is None:
        _WRITERS[kind](text or _Visible(), header, batches)
        sys.stdout.flush()
        return
    # The file may be large, so it is not built in memory, unlike other files.
    remove_leftovers(out)
    temporary = Path(temporary_name(out))
    try:
        mode, encoding, newline = ("xb", None, None) if kind == "parquet" else ("x", "utf-8", "")
        with temporary.open(mode, encoding=encoding, newline=newline) as file:
            _WRITERS[kind](file, header, batches)
        temporary.replace(out)
    except OSError as error:  # it names the temporary file, or none on a full disk
        raise OSError(error.errno, error.strerror, os.fspath(out)) from None
    finally:
        temporary.unlink(missing_ok=True)
