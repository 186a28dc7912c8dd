"""Finds the label, split and group of each sequence.

N sequences.
"""

from dataclasses import replace
from typing import NamedTuple

import numpy as np

from seqsweep.data.checks import Array
from seqsweep.data.table_files import Columns, Table
from seqsweep.data.table_forms import Assembled, per_sequence
from seqsweep.data.table_names import NONE, Roles, Wanted, choose_roles
from seqsweep.data.table_values import Codes, Int64, encoded, labels, names, texts, without_missing
from seqsweep.suggest import did_you_mean, listed

_SPLITS = {
    "train": "train", "training": "train", "val": "val", "valid": "val", "validation": "val",
    "dev": "val", "test": "test", "testing": "test",
}  # fmt: skip
OF_A_SEQUENCE = ("label", "split", "group")


class Joined(NamedTuple):
    """A second file with a row for each sequence, found by its id."""

    table: Table
    roles: Roles
    data: Columns
    row_of: dict[str, int]

    def rows(self, ids: Array) -> Int64:
        """Returns the row of each sequence (N,); -1 where the file has none."""
        return np.array([self.row_of.get(one, -1) for one in ids], dtype=np.int64)


def open_joined(table: Table, wanted: Wanted, id_name: str | None) -> Joined:
    """Reads the second file.

    Args:
        id_name: its id column; None looks for the name that the first file has, or guesses.
    """
    given = {role: getattr(wanted, role) for role in OF_A_SEQUENCE}
    # A column that is not here may be in the first file, which reports unknown names.
    here = {r: name if name in (None, NONE, *table.names) else NONE for r, name in given.items()}
    if id_name is None and wanted.id in table.names:
        id_name = wanted.id
    roles = choose_roles(
        table.where,
        table.names,
        Wanted(id=id_name, step=NONE, length=NONE, **here),
        needs_features=False,
    )
    if roles.id is None:
        raise ValueError(
            f"{table.where}: data.source.labels_id=COLUMN names the id column; columns:"
            f" {listed(table.names)}"
        )
    data = table.read([], roles.others)
    codes, values = encoded(texts(table, roles.id, data.column(roles.id)))
    without_missing(table, "id", roles.id, codes)
    first = np.unique(codes, return_index=True)[1]
    if len(first) < len(codes):
        again = int(np.flatnonzero(~np.isin(np.arange(len(codes)), first))[0])
        raise ValueError(
            f"{table.place(again)}: id {str(values[codes[again]])!r} a second time; the first is at"
            f" {table.place(int(first[codes[again]]))}"
        )
    known = names(table, roles.id, values).tolist()
    row_of = {name: int(row) for name, row in zip(known, first, strict=True)}
    return Joined(table, roles, data, row_of)


def asked_of_first(wanted: Wanted, joined: Joined | None) -> Wanted:
    """Returns the names that the first file is asked for, beside a second one."""
    if joined is None:
        return wanted
    # Where the first file has such a column too, it is found by its usual name: not a feature.
    return replace(wanted, **dict.fromkeys(_roles_of(joined), None))


def without_joined(roles: Roles, joined: Joined | None, where: str) -> tuple[Roles, list[str]]:
    """Drops roles of the first file that the second one has; returns notes too."""
    if joined is None:
        return roles, []
    twice = [role for role in _roles_of(joined) if getattr(roles, role) is not None]
    notes = [
        f"{where}: column {getattr(roles, role)!r} is not used: {joined.table.where} has the {role}"
        for role in twice
    ]
    return roles._replace(**dict.fromkeys(twice, None)), notes


def _roles_of(joined: Joined) -> list[str]:
    return [role for role in OF_A_SEQUENCE if getattr(joined.roles, role) is not None]


class Attribute(NamedTuple):
    """The label, split or group of each sequence.

    Attributes:
        codes: (N,), -1 where it is missing; `values[codes]` are the values.
        rows: (N,) where it stands in its table; -1 where the table has no row for the sequence.
    """

    codes: Int64
    values: Array
    role: str
    name: str
    table: Table
    rows: Int64

    def place(self, sequence: int) -> str:
        row = int(self.rows[sequence])
        return self.table.where if row < 0 else self.table.place(row)

    @property
    def missing(self) -> Int64:
        """The sequences that lack it."""
        return np.flatnonzero(self.codes < 0)

    def check_present(self, ids: Array | None) -> None:
        """Refuses a sequence that lacks it."""
        if not len(self.missing):
            return
        first = int(self.missing[0])
        name_of = f"sequence {str(ids[first])!r}" if ids is not None else f"sequence {first}"
        others = f" ({len(self.missing)} such sequences)" if len(self.missing) > 1 else ""
        if self.rows[first] < 0:
            raise ValueError(f"{self.table.where}: has no row for {name_of}{others}")
        raise ValueError(
            f"{self.place(first)}: the {self.role} (column {self.name!r}) is missing, of"
            f" {name_of}{others}"
        )

    def as_labels(self) -> Array:
        return labels(self.table, self.name, self.values)[self.codes]

    def as_texts(self) -> Array:
        return names(self.table, self.name, self.values)[self.codes]

    def as_splits(self) -> Array:
        """Returns train, val or test for each sequence."""
        splits: list[str] = []
        for code, value in enumerate(self.values):
            split = _SPLITS.get(str(value).lower())
            if split is None:
                place = self.place(int((self.codes == code).argmax()))
                raise ValueError(
                    f"{place}: split {str(value)!r} (column {self.name!r}): must be train, val or"
                    f" test{did_you_mean(str(value), _SPLITS)}; data.source.split=none means no"
                    " such column"
                )
            splits.append(split)
        return np.array(splits, dtype=np.str_)[self.codes]


def attribute(
    role: str, table: Table, data: Columns, roles: Roles, made: Assembled, joined: Joined | None
) -> Attribute | None:
    """Returns an attribute of the sequences, from the second file where it has it."""
    name = getattr(joined.roles, role) if joined is not None else None
    if joined is not None and name is not None:
        assert made.ids is not None, "a second file is joined by ids"
        rows = joined.rows(made.ids)
        codes, values = encoded(texts(joined.table, name, joined.data.column(name)))
        codes = np.where(rows < 0, -1, codes[rows])
        return Attribute(codes, values, role, name, joined.table, rows)
    name = getattr(roles, role)
    if name is None:
        return None
    codes, values = Codes(*per_sequence(table, data, role, name, made))
    return Attribute(codes, values, role, name, table, made.rows)
