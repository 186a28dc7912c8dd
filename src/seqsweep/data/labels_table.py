"""Joins a table of labels to the rows of a source.

S rows of the source, N files of a folder.
"""

from collections.abc import Callable, Sequence
from typing import Any

import pyarrow as pa

from seqsweep.data.folders import without_ending
from seqsweep.text import listed, short


class LabelsTable:
    """A table with a row for each recording: its name, label and group.

    Args:
        file: the opened table, with the methods of `CsvFile`.
        names: the columns of the source.
        files: (N,) the paths of a folder's files; None for a source of one file.

    Attributes:
        of_source: the column of the source that names its recordings.
        columns: the columns that are joined to those of the source, as texts.
    """

    def __init__(self, file: Any, names: Sequence[str], files: Sequence[str] | None) -> None:
        self._where = f"data.source.labels={file.where}"
        cells: dict[str, list[Any]] = file.read([], file.names).to_pydict()
        columns = {
            name: [None if cell is None else str(cell) for cell in of] for name, of in cells.items()
        }
        self._key_of: Callable[[str], str] = str
        if files is not None:
            # A name without its folders is enough where all names differ.
            ends = {*map(_last_part, files)}
            self._key_of = _last_part if len(ends) == len(files) else without_ending
        keys = {name: [self._key_of(text or "") for text in of] for name, of in columns.items()}
        known = {*map(self._key_of, files or ())}
        chosen = [n for n in keys if (n in names if files is None else known & {*keys[n]})]
        if len(chosen) != 1:
            such = f"such as {files[0]}" if files else f"of the columns {listed(names)}"
            problem = f"must have one column that names its recordings, {such}"
            raise ValueError(f"{self._where}: {problem}; columns here: {listed([*columns])}")
        (self._key,) = chosen
        self.of_source = self._key if files is None else "{id}"
        self.columns = {n: texts for n, texts in columns.items() if n not in (*names, self._key)}
        self._rows = {key: row for row, key in enumerate(keys[self._key])}

    def join(self, table: Any) -> Any:
        """Returns the rows of the source (S,) with the columns of this table."""
        coded, rows = table[self.of_source].dictionary_encode().combine_chunks(), list[int]()
        for key in map(self._key_of, coded.dictionary.cast(pa.string()).to_pylist()):
            if key not in self._rows:
                raise ValueError(f"{self._where}: column {self._key!r} lacks {short(key)}")
            rows.append(self._rows[key])
        for name, texts in self.columns.items():
            table = table.append_column(name, repeated([texts[n] for n in rows], coded.indices))
        return table


def repeated(texts: Sequence[str | None], indices: Any) -> Any:
    """Returns a coded column of texts, each in several rows."""
    return pa.array(texts, pa.string()).dictionary_encode().take(indices)


def _last_part(path: str) -> str:
    return without_ending(path).rpartition("/")[2]
