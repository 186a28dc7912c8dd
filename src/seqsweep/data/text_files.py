"""Reads texts and their labels from csv, parquet and plain text files.

N texts.
"""

import csv
import io
import sys
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np

from seqsweep.data.checks import Array
from seqsweep.data.files import existing_file, unpacked
from seqsweep.suggest import did_you_mean, listed

_ENDINGS = (".csv", ".csv.gz", ".parquet", ".tsv", ".tsv.gz", ".txt", ".txt.gz")


class Texts(NamedTuple):
    """The texts of a file.

    Attributes:
        labels: (N,); None where they were not asked for.
        place: names a text by its position, for messages.
    """

    file: Path
    texts: list[str]
    labels: Array | None
    place: Callable[[int], str]


def read_texts(
    path: str,
    text_column: str | None = None,
    label_column: str | None = None,
    labelled: bool = True,
) -> Texts:
    """Reads the texts of a file, and their labels.

    Args:
        path, text_column, label_column: see `data.text.text`.
        labelled: False accepts a file without labels: one without their column, or a .txt or .tsv
            file in which a line has no tab. Each of its lines is a whole text.

    Raises:
        FileNotFoundError, ValueError: see `data.text.text`.
    """
    file = existing_file(path)
    ending = next((end for end in _ENDINGS if file.name.lower().endswith(end)), None)
    if ending is None:
        raise ValueError(f"{file}: must end with one of {', '.join(_ENDINGS)}")
    if ending.startswith((".tsv", ".txt")):
        read = _read_lines(file, labelled)
    else:
        columns = {"text_column": text_column, "label_column": label_column}
        read = (_read_parquet if ending == ".parquet" else _read_csv)(file, columns, labelled)
    if not read.texts:
        raise ValueError(f"{file}: has no texts")
    return read


def _read_lines(file: Path, labelled: bool) -> Texts:
    """Reads a file of LABEL<TAB>TEXT, or of texts; empty lines are left out."""
    stream = _opened(file, newline=None)
    lines = [(n, line.rstrip("\n")) for n, line in enumerate(stream, start=1) if line.strip()]
    numbers = [number for number, _ in lines]
    without = next((number for number, line in lines if "\t" not in line), None)
    if without is not None and labelled:
        raise ValueError(f"{file}:{without}: expected LABEL<TAB>TEXT, got no tab")
    if without is not None:
        return _texts(file, [line for _, line in lines], None, numbers)
    pairs = [line.partition("\t") for _, line in lines]
    return _texts(file, [text for *_, text in pairs], [label for label, *_ in pairs], numbers)


def _read_csv(file: Path, columns: dict[str, str | None], labelled: bool) -> Texts:
    rows: list[list[str]] = []
    numbers: list[int] = []
    with long_fields():
        reader = csv.reader(_opened(file, newline=""), strict=True)
        try:
            header = next(reader, [])
            chosen = _choose(file, header, columns, labelled)
            for row in reader:
                if row and len(row) != len(header):
                    raise ValueError(
                        f"{file}:{reader.line_num}: expected {len(header)} columns, got {len(row)}"
                    )
                if row:
                    rows.append([row[index] for index in chosen])
                    numbers.append(reader.line_num)
        except csv.Error as error:
            raise ValueError(f"{file}:{reader.line_num}: {error}") from None
    labels = [row[1] for row in rows] if len(chosen) > 1 else None
    return _texts(file, [row[0] for row in rows], labels, numbers)


def _read_parquet(file: Path, columns: dict[str, str | None], labelled: bool) -> Texts:
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError:
        raise ValueError(f"{file}: needs pyarrow: pip install 'seqsweep[data]'") from None
    try:
        names = cast("list[str]", pq.read_schema(file).names)
        chosen = [names[index] for index in _choose(file, names, columns, labelled)]
        table = pq.read_table(file, columns=chosen)
        values: list[list[Any]] = [table.column(name).to_pylist() for name in chosen]
    except UnicodeDecodeError as error:
        raise ValueError(f"{file}: is not UTF-8: {error.reason}") from None
    except (pa.ArrowException, OSError) as error:
        raise ValueError(f"{file}: is not a parquet file: {str(error).splitlines()[0]}") from None
    for name, column in zip(chosen, values, strict=True):
        if None in column:
            raise ValueError(f"{file}: row {column.index(None) + 1}: {name} is missing")
    wrong = next((i for i, one in enumerate(values[0]) if not isinstance(one, str)), None)
    if wrong is not None:
        kind = type(values[0][wrong]).__name__
        raise ValueError(f"{file}: row {wrong + 1}: {chosen[0]} is {kind}; expected a text")
    labels = None
    if len(values) > 1:
        if pa.types.is_nested(table.schema.field(chosen[1]).type):
            raise ValueError(f"{file}: {chosen[1]} holds lists; expected a label in each row")
        labels = np.asarray(values[1])
    return Texts(file, values[0], labels, lambda index: f"{file}: row {index + 1}")


def _choose(
    file: Path, names: Sequence[str], columns: dict[str, str | None], labelled: bool
) -> list[int]:
    """Returns the positions of the columns of texts and labels."""
    positions: list[int] = []
    for argument, given in columns.items():
        name = argument.removesuffix("_column") if given is None else given
        if name in names:
            positions.append(list(names).index(name))
            continue
        if argument == "label_column" and not labelled:
            continue
        value = "null" if given is None else given
        known, hint = listed(names) or "it has none", did_you_mean(name, names)
        raise ValueError(f"{argument}={value}: must be a column of {file}: {known}{hint}")
    return positions


def _texts(file: Path, texts: list[str], labels: list[str] | None, lines: list[int]) -> Texts:
    array = None if labels is None else np.array(labels, dtype=np.str_)
    return Texts(file, texts, array, lambda index: f"{file}:{lines[index]}")


def _opened(file: Path, newline: str | None) -> io.StringIO:
    """Opens a file of text, packed or not.

    Args:
        newline: as in `open`; csv needs the line ends as they are.
    """
    try:
        return io.StringIO(unpacked(file).decode(), newline)
    except UnicodeDecodeError as error:
        raise ValueError(f"{file}: is not UTF-8: {error.reason} (byte {error.start})") from None


@contextmanager
def long_fields() -> Generator[None]:
    """Allows texts of any length, which Python's csv otherwise limits to 131,072 characters."""
    before = csv.field_size_limit(sys.maxsize)
    try:
        yield
    finally:
        csv.field_size_limit(before)
