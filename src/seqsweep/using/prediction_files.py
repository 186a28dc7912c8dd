"""Writes predictions batch by batch, in the formats of other programs.

B sequences of a batch, C classes.
"""

import csv
import importlib.util
import json
import os
import sys
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, TextIO

import numpy as np
import numpy.typing as npt

from seqsweep.console import visible
from seqsweep.results.formatting import quoted_formula
from seqsweep.suggest import did_you_mean, listed

ENDINGS = {".csv": "csv", ".parquet": "parquet", ".jsonl": "jsonl"}


class Predictions(NamedTuple):
    """The predictions of a batch.

    Attributes:
        ids: (B,) the names of the sequences, or their positions in the file.
        indices: (B,) the predicted classes, as positions in the class names.
        probabilities: (B, C), in the precision of the network.
        labels: (B,) the names of the true classes; None where they are not known.
    """

    ids: Sequence[Any]
    indices: npt.NDArray[np.int64]
    probabilities: npt.NDArray[np.float32]
    labels: Sequence[str] | None


class Header(NamedTuple):
    """The description of a classifier, known before its first batch.

    Attributes:
        class_names: C names.
        has_labels: whether the true classes are known.
        data, classifier, split: their names, in the results files of the archive.
        settings: the config of the classifier in one line.
    """

    class_names: tuple[str, ...]
    has_labels: bool
    data: str = ""
    classifier: str = ""
    settings: str = ""
    split: str = "TEST"

    @property
    def columns(self) -> list[str]:
        """The columns of a table: id, prediction, p_<class> for each class, and label."""
        own = ["id", "prediction", *(f"p_{name}" for name in self.class_names)]
        return [*own, "label"] if self.has_labels else own


class Writer(ABC):
    """Writes batches of predictions into one file."""

    def __init__(self, header: Header, file: Any) -> None:
        self.header = header
        self._file = file

    @abstractmethod
    def write(self, rows: Predictions) -> None:
        """Writes the rows of a batch."""

    def close(self) -> None:
        """Writes what follows the last batch."""
        return

    def columns_of(self, rows: Predictions) -> list[Sequence[Any]]:
        """Returns the values of each column of a table, with probabilities as shortest decimals."""
        names = np.array(self.header.class_names)
        # As text, a float32 has the fewest digits that give back its bits.
        texts = rows.probabilities.astype(np.str_)
        columns = [rows.ids, names[rows.indices].tolist(), *texts.T.tolist()]
        return columns if rows.labels is None else [*columns, rows.labels]


class CsvWriter(Writer):
    """Writes a line for each sequence, after a line with the names of the columns."""

    def __init__(self, header: Header, file: TextIO) -> None:
        super().__init__(header, file)
        self._csv = csv.writer(file, lineterminator="\n")
        self._has_head = False

    def write(self, rows: Predictions) -> None:
        if not self._has_head:  # nothing is printed before the first batch has succeeded
            self._csv.writerow(map(quoted_formula, self.header.columns))
            self._has_head = True
        columns = self.columns_of(rows)
        for index in (0, 1) if rows.labels is None else (0, 1, -1):  # the others hold numbers
            columns[index] = list(map(quoted_formula, columns[index]))
        self._csv.writerows(zip(*columns, strict=True))


class JsonLinesWriter(Writer):
    """Writes a JSON object for each sequence."""

    def write(self, rows: Predictions) -> None:
        first, last = 2, 2 + len(self.header.class_names)
        for values in zip(*self.columns_of(rows), strict=True):
            numbers = map(float, values[first:last])
            row = [*values[:first], *numbers, *values[last:]]
            self._file.write(json.dumps(dict(zip(self.header.columns, row, strict=True))) + "\n")


class ParquetWriter(Writer):
    """Writes a column for each value, and a row group for each batch."""

    def __init__(self, header: Header, file: BinaryIO) -> None:
        super().__init__(header, file)
        if importlib.util.find_spec("pyarrow") is None:
            package = "the package pyarrow: pip install 'seqsweep[data]'"
            raise ValueError(f"a parquet file needs {package}")
        self._parquet: Any = None

    def write(self, rows: Predictions) -> None:
        import pyarrow
        import pyarrow.parquet

        columns = self.columns_of(rows)
        columns[2 : 2 + len(self.header.class_names)] = list(rows.probabilities.T)
        arrays = [pyarrow.array(column) for column in columns]
        table = pyarrow.Table.from_arrays(arrays, names=self.header.columns)
        if self._parquet is None:  # the first batch shows the type of the ids
            self._parquet = pyarrow.parquet.ParquetWriter(self._file, table.schema)
        self._parquet.write_table(table)

    def close(self) -> None:
        if self._parquet is not None:
            self._parquet.close()


class AeonWriter(Writer):
    """Writes the results file of the time series archive, which tsml-eval reads.

    Three lines come first: what was classified by what, the settings, and the accuracy. The lines
    of the sequences hold the true and the predicted class, as numbers from 0, and probabilities.
    """

    def __init__(self, header: Header, file: TextIO) -> None:
        super().__init__(header, file)
        # The accuracy stands before the lines that it follows from.
        self._lines = tempfile.TemporaryFile("w+", encoding="utf-8")  # noqa: SIM115
        self._hits = self._count = 0

    def write(self, rows: Predictions) -> None:
        assert rows.labels is not None
        position = {name: index for index, name in enumerate(self.header.class_names)}
        actual = [position[label] for label in rows.labels]
        texts = rows.probabilities.astype(np.str_)
        for label, index, of_classes in zip(actual, rows.indices, texts, strict=True):
            self._lines.write(f"{label},{index},,{','.join(of_classes)}\n")
        self._hits += int((rows.indices == actual).sum())
        self._count += len(actual)

    def close(self) -> None:
        classes = len(self.header.class_names)
        names = " ".join(f"{index}={name}" for index, name in enumerate(self.header.class_names))
        of_what = map(_one_line, (self.header.data, self.header.classifier))
        # A comma would begin another field.
        first = [*(text.replace(",", ";") for text in of_what), self.header.split, "0"]
        # Times, the benchmark's and the memory are not measured: -1, as in the format's own files.
        third = [str(self._hits / self._count), *["-1"] * 4, str(classes), "N/A", "-1", "-1"]
        self._file.write(f"{','.join(first)},MILLISECONDS,classes: {_one_line(names)}\n")
        self._file.write(f"{_one_line(self.header.settings)}\n{','.join(third)}\n")
        self._lines.seek(0)
        for line in self._lines:
            self._file.write(line)
        self._lines.close()


_WRITERS: dict[str, Callable[[Header, Any], Writer]] = {
    "csv": CsvWriter,
    "parquet": ParquetWriter,
    "jsonl": JsonLinesWriter,
    "aeon": AeonWriter,
}
FORMATS = tuple(_WRITERS)


class _Visible:
    """Prints on stdout; names of classes from a file must not control the terminal."""

    def write(self, text: str) -> None:
        sys.stdout.write(visible(text))


def format_of(out: Path | None, chosen: str | None) -> str:
    """Returns the format of an output file: the chosen one, or that of its ending.

    Raises:
        ValueError: neither is known, or the format cannot go to the terminal.
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


def check_output(path: Path) -> None:
    """Refuses the path of a file that cannot be written, before any work is done."""
    if path.is_dir():
        raise ValueError(f"{path}: is a folder; give the path of a file")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"{path}: there is no folder {path.parent}")
    if not os.access(path.parent, os.W_OK):
        raise PermissionError(f"{path}: the folder {path.parent} cannot be written")


@contextmanager
def writing(
    out: Path | None, kind: str, header: Header, text: TextIO | None = None
) -> Generator[Writer]:
    """Opens a writer; its file takes its name only when it is complete.

    Args:
        out: None for the terminal.
        kind: one of FORMATS.
        text: takes the place of the terminal.
    """
    if out is None:
        writer = _WRITERS[kind](header, text or _Visible())
        yield writer
        writer.close()
        sys.stdout.flush()
        return
    temporary = out.with_name(f".{out.name}.{os.getpid()}.tmp")
    try:
        mode, encoding, newline = ("wb", None, None) if kind == "parquet" else ("w", "utf-8", "")
        with temporary.open(mode, encoding=encoding, newline=newline) as file:
            writer = _WRITERS[kind](header, file)
            yield writer
            writer.close()
        temporary.replace(out)
    finally:
        temporary.unlink(missing_ok=True)


def _one_line(text: str) -> str:
    return " ".join(text.split())
