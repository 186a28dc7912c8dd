"""Reads a folder of recordings as one table."""

import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from seqsweep.command import with_options
from seqsweep.data.checks import Int64
from seqsweep.data.folders import find_recordings
from seqsweep.data.lists import check_memory
from seqsweep.data.table_files import Table, open_table
from seqsweep.data.tables import NONE, ROLES, Roles, choose_roles
from seqsweep.text import listed


def open_tables(path: str, pattern: str | None = None, **csv_options: Any) -> Table:
    """Opens a file, or all files of a folder as one table."""
    folder = Path(path).expanduser()
    if folder.is_dir():
        return FolderTable(folder, pattern, csv_options)
    if pattern is not None and folder.exists():
        raise ValueError(f"data.source.pattern={pattern}: is for a folder; {path} is not one")
    return open_table(path, **csv_options)


class FolderTable(Table):
    """A folder with a sequence in each file; see `find_recordings`."""

    def __init__(self, folder: Path, pattern: str | None, csv_options: Mapping[str, Any]) -> None:
        found = find_recordings(folder, pattern)
        self._csv_options = csv_options
        self._guessed = None if pattern else found.pattern
        files = [folder / path for path in found.parts["id"]]
        filled = [index for index, file in enumerate(files) if os.path.getsize(file)]
        if not filled:
            raise ValueError(f"{folder}: its files are empty")
        self._files = [files[index] for index in filled]
        self._empty = {*files}.difference(self._files)
        self._ends = np.zeros(len(self._files), np.int64)  # the rows up to the end of each file
        self._single = list[str]()  # columns that must have one value in a file
        texts = {f"{{{role}}}": [of[n] for n in filled] for role, of in found.parts.items()}
        # One file, such as a list of labels, may have other columns than the rest.
        tables = [self._open(index) for index in self._some(5)]
        names = Counter(tuple(table.names) for table in tables).most_common(1)[0][0]
        self._like = next(table for table in tables if tuple(table.names) == names)
        self.has_text_cells, self.decimal = self._like.has_text_cells, self._like.decimal
        super().__init__(str(folder), [*names, *texts], self._read, found.notes, texts)

    def _open(self, index: int) -> Table:
        return open_table(str(self._files[index]), **self._csv_options)

    def _some(self, most: int) -> Sequence[int]:
        """Returns the indices of a few files from all parts of the folder."""
        return range(0, len(self._files), -(-len(self._files) // most))

    def choose_roles(self, wanted: Mapping[str, Any]) -> Roles:
        """Returns the roles of columns; a role that the paths have is not guessed."""
        for key in ("form", "frame", "reshape", "length"):
            if wanted.get(key) not in (None, NONE, "long"):
                problem = "a file of a folder is one sequence, with a row for each step"
                raise ValueError(f"data.source.{key}={wanted[key]}: {problem}")
        chosen, names = {**wanted, "length": NONE}, self._like.names
        for column in self.texts:
            role = column.strip("{}")
            if wanted.get(role) is not None and (role, wanted[role]) != ("id", NONE):
                continue
            chosen[role] = column
            usual = _usual(role, names)
            if usual and role == "label" and self._guessed:
                raise ValueError(
                    f"{self._like.where}: the class may be the folder or column {usual[0]!r};"
                    f" data.source.pattern='{self._guessed}' takes the folder; for the column,"
                    f" {with_options({'label': usual[0]})}"
                )
            if usual and wanted.get("features") is None:
                self.notes.append(f"{self.where}: {role}={column}; not used: {listed(usual)}")
                names = [name for name in names if name not in usual]
                self._single += usual
        if "{label}" not in self.texts and not _usual("label", names):
            chosen["label"] = wanted.get("label") or NONE
        own = [column for column in self.texts if column in chosen.values()]
        return choose_roles(self.where, [*names, *own], chosen)

    def _read(self, numbers: Sequence[str], others: Sequence[str]) -> Any:
        """Reads columns of all files, one below the other."""
        inner = [name for name in others if name not in self.texts]
        check_memory(sum(map(os.path.getsize, self._files)), self.where, "its files")
        tables, unused, notes = list[Any](), set[str](), dict[str, None]()
        files = range(len(self._files))
        with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
            read = pool.map(lambda index: self._rows_of(index, numbers, inner), files)
            for index, (table, rows) in enumerate(read):
                tables.append(rows)
                unused |= {*table.names}.difference(self._like.names)
                notes |= dict.fromkeys(one.replace(table.where, self.where) for one in table.notes)
                if index % 256 == 0:  # packed files need more than their size
                    further = rows.nbytes * (len(files) - index)
                    check_memory(further, self.where, f"the rows of its {len(files):,} files")
        self.notes.extend(notes)
        self._ends = np.cumsum([len(table) for table in tables])
        self._empty |= {self._files[index] for index in files if not len(tables[index])}
        if self._empty:
            empty = [*map(str, sorted(self._empty))]
            self.notes.append(f"{listed(empty)}: without rows, so left out")
        if unused:
            known = f"not in {self._like.where}, so not used"
            self.notes.append(f"{self.where}: {known}: {listed(sorted(unused))}")
        return self._joined(tables, files).select([*numbers, *others])

    def _rows_of(
        self, index: int, numbers: Sequence[str], others: Sequence[str]
    ) -> tuple[Table, Any]:
        """Returns a file and its rows."""
        columns = [*numbers, *others]
        table = self._open(index)
        if lacking := [name for name in columns if name not in table.names]:
            hint = "data.source.pattern=... chooses files"
            if common := [name for name in numbers if name in table.names]:
                hint += f"; {with_options({'features': common})}"
            problem = f"has no column {listed(lacking)}, unlike {self._like.where}"
            raise ValueError(f"{table.where}: {problem}; {hint}")
        rows = table.read(numbers, [*others, *self._single])
        for name in self._single:
            if len(rows[name].unique()) > 1:
                raise ValueError(
                    f"{table.where}: column {name!r} has several values, but a file of a folder is"
                    " one sequence; data.source.features=[...] leaves the column out"
                )
        return table, rows.select(columns)

    def _joined(self, tables: Iterable[Any], files: Iterable[int]) -> Any:
        """Joins the rows of files, with the columns of their paths."""
        filled = [(len(table), table, n) for n, table in zip(files, tables, strict=True) if table]
        if not filled:
            raise ValueError(f"{self.where}: its files have no rows")
        sizes, tables, files = zip(*filled, strict=True)
        try:
            joined = pa.concat_tables(tables, promote_options="permissive")
        except pa.ArrowException as error:  # it names the column
            raise TypeError(f"{self.where}: the files differ: {error}") from None
        for column, texts in self.texts.items():
            codes: dict[str, int] = {}
            of_files = [codes.setdefault(texts[n], len(codes)) for n in files]
            of_rows = pa.array(np.repeat(np.array(of_files, np.int32), sizes))
            joined = joined.append_column(column, pa.DictionaryArray.from_arrays(of_rows, [*codes]))
        return joined

    def sample(self) -> Any:
        """Returns the first rows of a few files."""
        samples = {index: self._open(index) for index in self._some(20)}
        rows = {
            index: table.sample().rename_columns(table.names).select(self._like.names)
            for index, table in samples.items()
            if {*self._like.names} <= {*table.names}
        }
        return self._joined(rows.values(), rows).select(self.names)

    def counted(self, rows: int) -> Int64:
        """Returns the numbers of rows in their files."""
        return np.arange(rows) - np.repeat([0, *self._ends[:-1]], np.diff(self._ends, prepend=0))

    def place(self, row: int) -> str:
        """Returns the file of a row, and the row's place in it."""
        index = int(np.searchsorted(self._ends, row, side="right"))
        before = int(self._ends[index - 1]) if index else 0
        return self._open(index).place(row - before)


def _usual(role: str, names: Sequence[str]) -> list[str]:
    """Returns the names that are usual for a role."""
    # Acceleration has a channel y, which is the label of other tables.
    known = ROLES[role][0] if role == "label" else sum(ROLES[role], ())
    return [name for name in names if name.strip().lower() in known]
