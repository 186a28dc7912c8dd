"""Opens a source of rows: csv, parquet, a folder of either, a DataFrame.

Each becomes named columns of Arrow. Only columns that are features or have a role are read.
"""

import os
from collections import Counter
from collections.abc import Callable, Generator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from pyarrow import parquet

from seqsweep.command import with_options
from seqsweep.data.checks import Int64
from seqsweep.data.csv_files import CsvFile
from seqsweep.data.files import existing_file
from seqsweep.data.folders import find_recordings
from seqsweep.data.memory import check_memory
from seqsweep.data.table_options import CSV_OPTIONS, NONE, Roles, choose_roles, usual_columns
from seqsweep.text import listed


@dataclass
class _TypedFile:
    """A parquet file or a DataFrame, whose columns have types."""

    where: str  # its name, for messages
    names: list[str]
    load: Callable[[Sequence[str]], Any]
    notes: list[str] = field(default_factory=list[str])
    decimal: str = ""  # the sign in texts that are numbers; here no text is a number

    def read(self, numbers: Sequence[str], others: Sequence[str]) -> Any:
        """Reads the columns of two lists, features and others, in this order."""
        return self.load([*numbers, *others])

    def place(self, row: int) -> str:
        """Returns the place of a row, counted from 0, for messages."""
        return f"{self.where}: row {row}"


TableFile = CsvFile | _TypedFile


def open_file(path: str, **csv_options: Any) -> TableFile:
    """Opens a csv or parquet file; the content decides the format."""
    file = existing_file(path)
    with file.open("rb") as opened:
        start = opened.read(4)
    if start != b"PAR1":
        return CsvFile(file, **csv_options)
    for key, value in csv_options.items():
        if value != CSV_OPTIONS.get(key, value):
            raise ValueError(f"data.source.{key}={value!r}: {file} is a parquet file")
    with _damage_named(file):
        names = parquet.read_schema(file).names
    return _TypedFile(str(file), names, partial(_load_parquet, file))


def _load_parquet(file: Path, columns: Sequence[str]) -> Any:
    # With run-length encoding, a file may hold any number of rows in a few bytes.
    with _damage_named(file), parquet.ParquetFile(file) as opened:
        rows = opened.metadata.num_rows
        needs = f"its {rows:,} rows of {len(columns)} columns"
        check_memory(8 * rows * len(columns), str(file), needs)
        table = opened.read(columns=[*columns]).select(columns)
        table.validate(full=True)  # also finds texts that are not UTF-8
    return table


@contextmanager
def _damage_named(file: Path) -> Generator[None]:
    """Turns an error of pyarrow in the block into a ValueError that names the file."""
    try:
        yield
    except MemoryError:  # includes ArrowMemoryError
        raise
    except (pa.ArrowException, OSError, KeyError, UnicodeDecodeError) as error:
        reason = str(error).partition("\n")[0]
        raise ValueError(
            f"{file}: is cut off or damaged; make or copy it again (pyarrow: {reason})"
        ) from None


@dataclass
class Table:
    """The rows of a file, or of all files of a folder."""

    where: str  # its name, for messages
    files: Sequence[Callable[[], TableFile]]  # open the files
    texts: Mapping[str, list[str]] = field(default_factory=dict[str, list[str]])
    """The texts of a folder's files, by their column, such as `{label}`."""
    notes: list[str] = field(default_factory=list[str])
    pattern: str | None = None  # of a folder's paths, if it was guessed
    empty: set[str] = field(default_factory=set[str])  # further files, which have no content

    def __post_init__(self) -> None:
        # One file, such as a list of labels, may have other columns than the rest.
        opened = [file() for file in self.files[:: -(-len(self.files) // 5)]]
        names = Counter(tuple(file.names) for file in opened).most_common(1)[0][0]
        self.like = next(file for file in opened if tuple(file.names) == names)
        self.names = [*names, *self.texts]
        self._ends = np.zeros(len(self.files), np.int64)  # the rows up to the end of each file

    def choose_roles(self, options: Mapping[str, Any]) -> Roles:
        """Returns the roles of the columns; refuses options that a folder cannot have."""
        names = self.like.names
        for key in ("form", "frame", "reshape", "length") if self.texts else ():
            if options.get(key) not in (None, NONE, "long"):
                problem = "a file of a folder is one sequence, with a row for each step"
                raise ValueError(f"data.source.{key}={options[key]}: {problem}")
        is_label_guessed = options.get("label") is None and options.get("target") is None
        if self.pattern and "{label}" in self.texts and is_label_guessed:
            for usual in usual_columns(names, "label", is_folder=True):
                raise ValueError(
                    f"{self.like.where}: the class may be the folder or column {usual!r};"
                    f" data.source.pattern='{self.pattern}' takes the folder; for the column,"
                    f" {with_options({'label': usual})}"
                )
        roles = choose_roles(self.where, names, options, self.texts)
        for role, unused in roles.unused.items():
            self.notes.append(f"{self.where}: {role}={{{role}}}; not used: {listed(unused)}")
        return roles

    def read(self, numbers: Sequence[str], others: Sequence[str], once: Sequence[str] = ()) -> Any:
        """Reads the columns of two lists, features and others, in this order.

        Args:
            once: columns that must have one value in each file.
        """
        inner = [name for name in others if name not in self.texts]
        tables, unused, notes = list[Any](), set[str](), dict[str, None]()
        with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
            # One file is read in this thread, which a signal can interrupt.
            apply = pool.map if self.files[1:] else map
            read = apply(lambda file: self._rows_of(file(), numbers, inner, once), self.files)
            for index, (file, rows) in enumerate(read):
                tables.append(rows)
                if not len(rows):
                    self.empty.add(file.where)
                unused |= {*file.names}.difference(self.names)
                notes |= dict.fromkeys(one.replace(file.where, self.where) for one in file.notes)
                if index % 256 == 0:  # packed files need more than their size
                    further = rows.nbytes * (len(self.files) - index - 1)
                    check_memory(further, self.where, f"the rows of its {len(self.files):,} files")
        self.notes.extend(notes)
        self._ends = np.cumsum([len(table) for table in tables])
        if not self._ends[-1]:
            raise ValueError(f"{self.where}: has no rows")
        if self.empty:
            self.notes.append(f"{listed(sorted(self.empty))}: without rows, so left out")
        if unused:
            known = f"not in {self.like.where}, so not used"
            self.notes.append(f"{self.where}: {known}: {listed(sorted(unused))}")
        return self._joined(tables).select([*numbers, *others])

    def _rows_of(
        self, file: TableFile, numbers: Sequence[str], others: Sequence[str], once: Sequence[str]
    ) -> tuple[TableFile, Any]:
        """Returns a file and its rows."""
        columns, known = [*numbers, *others], {*file.names}
        if lacking := [name for name in columns if name not in known]:
            hint = "data.source.pattern=... chooses files"
            if common := [name for name in numbers if name in known]:
                hint += f"; {with_options({'features': common})}"
            problem = f"has no column {listed(lacking)}, unlike {self.like.where}"
            raise ValueError(f"{file.where}: {problem}; {hint}")
        rows = file.read(numbers, [*others, *once])
        for name in once:
            if len(rows[name].unique()) > 1:
                raise ValueError(
                    f"{file.where}: column {name!r} has several values, but a file of a folder is"
                    " one sequence; data.source.features=[...] leaves the column out"
                )
        return file, rows.select(columns)

    def _joined(self, tables: Sequence[Any]) -> Any:
        """Joins the rows of the files, with the columns of their paths."""
        # The type of a column without rows says nothing.
        filled = {n: table for n, table in enumerate(tables) if len(table)}
        try:
            joined = pa.concat_tables(filled.values(), promote_options="permissive")
        except pa.ArrowException as error:  # it names the column
            raise TypeError(f"{self.where}: the files differ: {error}") from None
        sizes = [*map(len, filled.values())]
        for column, texts in self.texts.items():
            codes: dict[str, int] = {}
            of_files = [codes.setdefault(texts[n], len(codes)) for n in filled]
            of_rows = pa.array(np.repeat(np.array(of_files, np.int32), sizes))
            joined = joined.append_column(column, pa.DictionaryArray.from_arrays(of_rows, [*codes]))
        return joined

    def count_rows(self) -> Int64:
        """Returns the numbers of rows in their files, from 0."""
        begins = np.repeat([0, *self._ends[:-1]], np.diff(self._ends, prepend=0))
        return np.arange(self._ends[-1]) - begins

    def place(self, row: int) -> str:
        """Returns the place of a row, counted from 0, for messages."""
        index = int(np.searchsorted(self._ends, row, side="right"))
        before = int(self._ends[index - 1]) if index else 0
        return self.files[index]().place(row - before)


def open_table(
    path: str, pattern: str | None = None, most: int | None = None, **csv_options: Any
) -> Table:
    """Opens a file, or all files of a folder; see `find_recordings`.

    Args:
        most: for a look at the rows, the bytes to read of a csv file, of a few files of a folder.
    """
    csv_options["most"] = most
    folder = Path(path).expanduser()
    if not folder.is_dir():
        if pattern is not None and folder.exists():
            raise ValueError(f"data.source.pattern={pattern}: is for a folder; {path} is not one")
        file = open_file(path, **csv_options)
        return Table(file.where, [lambda: file])
    found = find_recordings(folder, pattern)
    paths = [str(folder / path) for path in found.parts["id"]]
    sizes = [*map(os.path.getsize, paths)]
    check_memory(sum(sizes), str(folder), "its files")
    filled = [index for index, size in enumerate(sizes) if size]
    filled = filled if most is None else filled[:: -(-len(filled) // 20) or 1]
    if not filled:
        raise ValueError(f"{folder}: its files are empty")
    return Table(
        str(folder),
        [partial(open_file, paths[index], **csv_options) for index in filled],
        {f"{{{role}}}": [texts[index] for index in filled] for role, texts in found.parts.items()},
        found.notes,
        None if pattern else found.pattern,
        {path for path, size in zip(paths, sizes, strict=True) if not size},
    )


def frame_table(dataframe: Any) -> Table:
    """Returns the rows of a pandas DataFrame, or of a pyarrow Table."""
    data = dataframe
    if not isinstance(data, pa.Table):
        if not hasattr(dataframe, "reset_index"):
            raise TypeError(f"expected a pandas DataFrame, got {type(dataframe).__name__}")
        if any(name is not None for name in dataframe.index.names):
            dataframe = dataframe.reset_index()
        try:
            data = pa.Table.from_pandas(dataframe, preserve_index=False)
        except (pa.ArrowException, ValueError, TypeError) as error:
            reason = " ".join(map(str, error.args))
            raise TypeError(f"the DataFrame: a column mixes types: {reason}") from None
    file = _TypedFile("the DataFrame", data.column_names, lambda columns: data.select(columns))
    return Table(file.where, [lambda: file])
