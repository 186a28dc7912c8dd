"""Opens csv and parquet files as tables that know the place of a row.

Columns are read only if they have a purpose. S rows.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa
from pyarrow import parquet

from seqsweep.data.memory import check_memory
from seqsweep.data.paths import existing_file

Columns = Any
"""A `pyarrow.Table`; pyarrow has no types for a type checker."""

Column = Any
"""A `pyarrow.ChunkedArray`."""

DataType = Any
"""A `pyarrow.DataType`."""


class Table(Protocol):
    """A table that is opened but not read.

    Attributes:
        where: the file's name, for messages.
        names: all columns.
        has_text_cells: True if every cell is a text, as in a csv file.
    """

    where: str
    names: list[str]
    has_text_cells: bool

    def read(self, numbers: Sequence[str], others: Sequence[str]) -> Columns:
        """Reads these columns; `numbers` are features."""
        ...

    def is_list(self, name: str) -> bool:
        """Returns whether the cells of a column are lists."""
        ...

    def place(self, row: int) -> str:
        """Returns the place of a row, counted from 0, for messages."""
        ...


def open_table(path: str, delimiter: str | None = None) -> Table:
    """Opens a csv or parquet file; its content, not its name, says which.

    Raises:
        FileNotFoundError: with the nearest names in that folder.
        ValueError: the file is neither, or damaged.
    """
    file = existing_file(path)
    with file.open("rb") as opened:
        start = opened.read(4)
    if start == b"PAR1":
        if delimiter is not None:
            raise ValueError(f"data.source.delimiter={delimiter!r}: {file} is a parquet file")
        return ParquetTable(file)
    from seqsweep.data.table_csv import CsvTable

    return CsvTable(file, delimiter)


class ArrowTable:
    """A table of typed columns in memory, such as a DataFrame."""

    has_text_cells = False

    def __init__(self, where: str, table: Columns) -> None:
        self.where = where
        self.names = list(map(str, table.column_names))
        self._table = table

    def read(self, numbers: Sequence[str], others: Sequence[str]) -> Columns:
        return self._table.select([*numbers, *others])

    def is_list(self, name: str) -> bool:
        return _is_list(self._table.schema.field(name).type)

    def place(self, row: int) -> str:
        return f"{self.where}: row {row}"


class ParquetTable:
    """A parquet file; rows are counted from 0 over all row groups."""

    has_text_cells = False

    def __init__(self, file: Path) -> None:
        self.where = str(file)
        self._file = file
        opened = self._call(self._open)
        self._schema = opened.schema_arrow
        self.names = list(map(str, self._schema.names))
        self._rows = int(opened.metadata.num_rows)
        opened.close()

    def read(self, numbers: Sequence[str], others: Sequence[str]) -> Columns:
        columns = [*numbers, *others]
        # A run-length encoded file may hold any number of rows in a few bytes.
        needed = 8 * self._rows * len(columns)
        check_memory(needed, self.where, f"its {self._rows:,} rows of {len(columns)} columns")

        def read() -> Any:
            with self._open() as opened:
                whole = opened.read(columns=columns)
                whole.validate(full=True)  # finds texts that are not UTF-8, too
                return whole

        table = self._call(read)
        if len(table) != self._rows or set(table.column_names) != set(columns):
            raise self._damaged()
        return table

    def is_list(self, name: str) -> bool:
        return _is_list(self._schema.field(name).type)

    def place(self, row: int) -> str:
        return f"{self.where}: row {row}"

    def _open(self) -> Any:
        return parquet.ParquetFile(self._file)

    def _call(self, function: Any) -> Any:
        """Calls a function of pyarrow, whose errors mean a damaged file."""
        try:
            return function()
        except pa.ArrowMemoryError as error:
            raise MemoryError(f"{self.where}: {error}") from None
        except pa.ArrowNotImplementedError as error:
            reason = str(error).splitlines()[0]
            raise ValueError(f"{self.where}: pyarrow cannot read it: {reason}") from None
        except (pa.ArrowException, OSError, ValueError, KeyError):
            raise self._damaged() from None

    def _damaged(self) -> ValueError:
        return ValueError(f"{self.where} is cut off or damaged; make or copy it again")


def _is_list(kind: DataType) -> bool:
    types = pa.types
    return types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind)
