"""Opens a source of rows: a file, a folder of files, a DataFrame.

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
import pyarrow.compute
from pyarrow import json, parquet

from seqsweep.command import with_options
from seqsweep.data.checks import Int64
from seqsweep.data.csv_files import CsvFile, first_refused, is_text, plain_words, yes_or_no
from seqsweep.data.files import existing_file
from seqsweep.data.folders import find_recordings
from seqsweep.data.labels_table import LabelsTable, repeated
from seqsweep.data.memory import check_memory
from seqsweep.data.table_options import CSV_OPTIONS, NONE, Roles, choose_roles, usual_columns
from seqsweep.text import listed, short

pc: Any = pyarrow.compute  # the import creates its functions


@dataclass
class _TypedFile:
    """A source whose columns have types: parquet, JSON lines, npy or a DataFrame."""

    where: str  # its name, for messages
    names: list[str]
    load: Callable[[Sequence[str]], Any]
    notes: list[str] = field(default_factory=list[str])
    decimal: str = ""  # the sign in texts that are numbers: a point
    lists: Sequence[str] = ()  # columns with a recording in each cell
    has_lines: bool = False  # each row is a line

    def read(self, numbers: Sequence[str], others: Sequence[str]) -> Any:
        """Reads the columns of two lists, features and others, in this order."""
        table = self.load([*dict.fromkeys([*numbers, *others, *self.lists])])
        fields = (
            field.with_type(field.type.value_type) if pa.types.is_dictionary(field.type) else field
            for field in table.schema
        )
        table = table.cast(pa.schema(fields))
        table = self._exploded(table.combine_chunks()) if self.lists else table
        return table.select([*numbers, *others])

    def _exploded(self, table: Any) -> Any:
        """Returns a row for each item of the lists in the cells."""
        parents, *others = [pc.list_parent_indices(table[name]) for name in self.lists]
        if any(parents != other for other in others):
            problem = f"{listed(self.lists)} must have lists of the same length in each row"
            raise ValueError(f"{self.where}: {problem}")
        columns = {
            name: pc.list_flatten(column) if name in self.lists else column.take(parents)
            for name, column in zip(table.column_names, table.columns, strict=True)
        }
        return pa.table(columns)

    def place(self, row: int) -> str:
        """Returns the place of a row, counted from 0, for messages."""
        return f"{self.where}:{row + 1}" if self.has_lines else f"{self.where}: row {row}"


TableFile = CsvFile | _TypedFile


def open_file(path: str, **csv_options: Any) -> TableFile:
    """Opens a table; the content decides the format, or the ending .jsonl or .ndjson."""
    file = existing_file(path)
    with file.open("rb") as opened:
        start = opened.read(6)
    is_json = path.lower().endswith((".jsonl", ".ndjson"))
    if not is_json and start[:4] != b"PAR1" and start != b"\x93NUMPY":
        return CsvFile(file, **csv_options)
    for key, value in csv_options.items():
        if value != CSV_OPTIONS.get(key, value):
            raise ValueError(f"data.source.{key}={value!r}: {file} is not a csv file")
    with _damage_named(file):
        if start[:4] == b"PAR1":
            schema, load = parquet.read_schema(file), partial(_load_parquet, file)
        else:
            table = json.read_json(str(file)) if is_json else _npy_table(file)
            schema, load = table.schema, table.select
    lists = [n for n, of in zip(schema.names, schema.types, strict=True) if _is_list(of)]
    return _TypedFile(str(file), schema.names, load, lists=lists, has_lines=is_json)


def _is_list(kind: Any) -> bool:
    """Returns whether each cell of a column holds a list of plain values."""
    is_list = pa.types.is_list(kind) or pa.types.is_large_list(kind)
    return is_list and not pa.types.is_nested(kind.value_type)


def _npy_table(file: Path) -> Any:
    """Returns a NumPy array (T, F) or (T,) with a column for each channel."""
    values = np.load(file, allow_pickle=False)
    if values.ndim not in (1, 2) or not values.size:
        raise ValueError(f"{file}: has shape {values.shape}; must be (T, F) or (T,)")
    columns = values.reshape(len(values), -1).T
    return pa.table({f"channel_{f}": column.copy() for f, column in enumerate(columns)})


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
    labels: LabelsTable | None = None  # a second table

    def __post_init__(self) -> None:
        # One file, such as a list of labels, may have other columns than the rest.
        opened = [file() for file in self.files[:: -(-len(self.files) // 5)]]
        opened = [file for file in opened if file.names] or opened  # others have no lines
        names = Counter(tuple(file.names) for file in opened).most_common(1)[0][0]
        self.like = next(file for file in opened if tuple(file.names) == names)
        if not names:
            problem = "is empty; expected a line with the names of the columns"
            raise ValueError(f"{self.like.where}: {problem}")
        self.names = [*names, *self.texts, *self.further]
        self._ends = np.zeros(len(self.files), np.int64)  # the rows up to the end of each file

    @property
    def further(self) -> list[str]:
        """The names of the columns of a second table."""
        return [] if self.labels is None else [*self.labels.columns]

    def choose_roles(self, options: Mapping[str, Any]) -> Roles:
        """Returns the roles of the columns; refuses options that a folder cannot have."""
        names = self.like.names
        for key in ("form", "frame", "reshape", "length") if self.texts else ():
            if options.get(key) not in (None, NONE, "long"):
                problem = "a file of a folder is one sequence, with a row for each step"
                raise ValueError(f"data.source.{key}={options[key]}: {problem}")
        is_label_guessed = options.get("label") is None and options.get("target") is None
        if self.pattern and "{label}" in self.texts and is_label_guessed:
            for usual in usual_columns(names, "label"):
                raise ValueError(
                    f"{self.like.where}: the class may be the folder or column {usual!r};"
                    f" data.source.pattern='{self.pattern}' takes the folder; for the column,"
                    f" {with_options({'label': usual})}"
                )
        roles = choose_roles(self.where, names, options, self.texts, self.further)
        if self.labels and (key := self.labels.of_source) in roles.features:
            fact = f"column {key!r} names the recordings of data.source.labels"
            raise ValueError(f"{self.where}: {fact}, so it is not a feature; data.source.id={key}")
        for role, unused in roles.unused.items():
            self.notes.append(f"{self.where}: {role}={{{role}}}; not used: {listed(unused)}")
        return roles

    def read(self, numbers: Sequence[str], others: Sequence[str], once: Sequence[str] = ()) -> Any:
        """Reads the columns of two lists, features and others, in this order.

        Args:
            once: columns that must have one value in each file.
        """
        needed = dict.fromkeys([*others, self.labels.of_source] if self.labels else others)
        inner = [name for name in needed if name not in (*self.texts, *self.further)]
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
        if not file.names:
            return file, pa.table({name: pa.nulls(0) for name in columns})
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
        return file, _with_numbers(file, rows.select(columns), numbers)

    def _joined(self, tables: Sequence[Any]) -> Any:
        """Joins the files, the columns of their paths, and a second table."""
        # The type of a column without rows says nothing.
        filled = [index for index, table in enumerate(tables) if len(table)]
        try:
            joined = pa.concat_tables([tables[n] for n in filled], promote_options="permissive")
        except pa.ArrowException as error:  # it names the column
            raise TypeError(f"{self.where}: the files differ: {error}") from None
        files = np.arange(len(filled), dtype=np.int32)
        of_rows = pa.array(np.repeat(files, [len(tables[n]) for n in filled]))
        for name, texts in self.texts.items():
            joined = joined.append_column(name, repeated([texts[n] for n in filled], of_rows))
        return self.labels.join(joined) if self.labels else joined

    def count_rows(self) -> Int64:
        """Returns the numbers of rows in their files, from 0."""
        begins = np.repeat([0, *self._ends[:-1]], np.diff(self._ends, prepend=0))
        return np.arange(self._ends[-1]) - begins

    def place(self, row: int) -> str:
        """Returns the place of a row, counted from 0, for messages."""
        index = int(np.searchsorted(self._ends, row, side="right"))
        before = int(self._ends[index - 1]) if index else 0
        return self.files[index]().place(row - before)


def _with_numbers(file: TableFile, rows: Any, names: Sequence[str]) -> Any:
    """Returns the rows of a file, with numbers for texts in these columns."""
    columns, flags = rows.columns, list[str]()
    for index, (name, texts) in enumerate(zip(names, rows.columns, strict=False)):
        if not is_text(texts.type):
            continue
        words = plain_words(texts, file.decimal)
        try:
            columns[index] = words.cast(pa.float64())
        except pa.ArrowInvalid:
            columns[index] = yes_or_no(words)
            flags.append(name)
        if columns[index] is None:
            row = first_refused(words, lambda cells: cells.cast(pa.float64()))
            raise ValueError(
                f"{file.place(row)}: column {name!r}: {short(texts[row].as_py().strip())} is not a"
                " number; data.source.features=[...] chooses the feature columns"
            )
    if flags:
        told = "TRUE and yes are read as 1, FALSE and no as 0"
        file.notes.append(f"{file.where}: {listed(flags)}: {told}")
    return pa.table(columns, rows.column_names)


def open_table(
    path: str,
    pattern: str | None = None,
    labels: str | None = None,
    most: int | None = None,
    **csv_options: Any,
) -> Table:
    """Opens a file, or all files of a folder; see `find_recordings`.

    Args:
        labels: the path of a second table, with a row for each file or sequence.
        most: for a look at the rows, the bytes to read of a csv file, of a few files of a folder.
    """
    csv_options["most"] = most
    folder = Path(path).expanduser()
    if not folder.is_dir():
        if pattern is not None and folder.exists():
            raise ValueError(f"data.source.pattern={pattern}: is for a folder; {path} is not one")
        file = open_file(path, **csv_options)
        second = None if labels is None else LabelsTable(open_file(labels), file.names, None)
        return Table(file.where, [lambda: file], labels=second)
    found = find_recordings(folder, pattern, labels)
    paths = [str(folder / path) for path in found.parts["id"]]
    sizes = [*map(os.path.getsize, paths)]
    check_memory(sum(sizes), str(folder), "its files")
    filled = [index for index, size in enumerate(sizes) if size]
    filled = filled if most is None else filled[:: -(-len(filled) // 20) or 1]
    if not filled:
        raise ValueError(f"{folder}: its files are empty")
    ids = [found.parts["id"][index] for index in filled]
    return Table(
        str(folder),
        [partial(open_file, paths[index], **csv_options) for index in filled],
        {f"{{{role}}}": [texts[index] for index in filled] for role, texts in found.parts.items()},
        found.notes,
        None if pattern else found.pattern,
        {path for path, size in zip(paths, sizes, strict=True) if not size},
        None if labels is None else LabelsTable(open_file(labels), (), ids),
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
