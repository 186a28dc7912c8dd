"""Joins a table of labels to the rows of a source.

S rows of the source, N files of a folder.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from seqsweep.data.folders import without_ending
from seqsweep.text import listed, short


class LabelsTable:
    """A table with a row for each recording: its name, label and group.

    Args:
        where: its name, for messages.
        columns: its columns by name, as texts.
        names: the columns of the source.
        files: (N,) the paths of a folder's files; None for a source of one file.
    """

    def __init__(
        self,
        where: str,
        columns: Mapping[str, Sequence[str | None]],
        names: Sequence[str],
        files: Sequence[str] | None,
    ) -> None:
        self._where = f"data.source.labels={where}"
        key_of: Callable[[str], str] = str
        if files is not None:
            # A name without its folders is enough where all names differ.
            ends = {*map(_last_part, files)}
            key_of = _last_part if len(ends) == len(files) else without_ending
        keys = {name: [key_of(text or "") for text in texts] for name, texts in columns.items()}
        self._files = files and [*map(key_of, files)]
        known = {*(self._files or ())}
        chosen = [n for n in keys if (n in names if files is None else known & {*keys[n]})]
        if len(chosen) != 1:
            such = f"such as {files[0]}" if files else f"of the columns {listed(names)}"
            problem = f"must have one column that names its recordings, {such}"
            raise ValueError(f"{self._where}: {problem}; columns here: {listed([*columns])}")
        (self.key,) = chosen
        self.columns = {n: texts for n, texts in columns.items() if n not in (*names, self.key)}
        self._rows = {key: row for row, key in enumerate(keys[self.key])}

    def join(self, table: Any, sizes: Mapping[int, int]) -> Any:
        """Returns the rows of the source (S,) with the columns of this table.

        Args:
            sizes: the number of rows of each file that has any, by its position.
        """
        if self._files is None:
            coded = table[self.key].cast(pa.string()).combine_chunks().dictionary_encode()
            keys, of_rows = coded.dictionary.to_pylist(), coded.indices.to_numpy()
        else:
            keys = [self._files[n] for n in sizes]
            of_rows = np.repeat(np.arange(len(keys)), [*sizes.values()])
        for key in keys:
            if key not in self._rows:
                raise ValueError(f"{self._where}: column {self.key!r} lacks {short(key)}")
        rows = np.array([self._rows[key] for key in keys])[of_rows]
        for name, texts in self.columns.items():
            coded = pa.DictionaryArray.from_arrays(pa.array(rows), pa.array(texts, pa.string()))
            table = table.append_column(name, coded)
        return table


def _last_part(path: str) -> str:
    return without_ending(path).rpartition("/")[2]
