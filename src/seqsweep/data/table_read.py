"""Reads tables into splits: opens them, decides on columns and form, divides.

N sequences.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from seqsweep.data.checks import Array
from seqsweep.data.files import Stored
from seqsweep.data.raw import RawPart
from seqsweep.data.table_files import Columns, Table, open_table
from seqsweep.data.table_forms import (
    Assembled,
    assemble_long,
    assemble_wide,
    form_of,
    per_sequence,
)
from seqsweep.data.table_roles import NONE, ROLES, Roles, choose_roles
from seqsweep.data.table_values import Rows
from seqsweep.data.tables import Form
from seqsweep.suggest import did_you_mean, listed

_SPLITS = {
    "train": "train", "training": "train", "val": "val", "valid": "val", "validation": "val",
    "dev": "val", "test": "test", "testing": "test",
}  # fmt: skip


class _Read(NamedTuple):
    """The splits of one table, and how its columns were understood."""

    parts: dict[str, RawPart]
    roles: Roles
    form: Form
    notes: list[str]


def read_files(
    path: str, delimiter: str | None, test_path: str | None, labelled: bool, **options: Any
) -> Stored:
    """Reads a file, and a second one that is its test split; see `tables.table`."""
    read = _read(open_table(path, delimiter), options, labelled)
    if test_path is not None:
        if "test" in read.parts:
            given = f"data.source.test_path={test_path}"
            raise ValueError(f"{given}, but {path} has a test split; give only one")
        second = open_table(test_path, delimiter)
        test = _read(second, {**options, **_as_in(read, second)}, labelled)
        read.parts["test"] = test.parts["train"]
        read.notes.extend(test.notes)
    return _stored(read)


def read_frame(dataframe: Any, **options: Any) -> Stored:
    """Reads a DataFrame or an Arrow table; see `tables.from_frame`."""
    data = _as_arrow(dataframe)
    table = Table("the DataFrame", data.column_names, lambda a, b: data.select([*a, *b]))
    return _stored(_read(table, options, labelled=True))


def _as_arrow(dataframe: Any) -> Columns:
    if isinstance(dataframe, pa.Table):
        return dataframe
    if not hasattr(dataframe, "reset_index"):
        raise TypeError(f"expected a pandas DataFrame, got {type(dataframe).__name__}")
    if any(name is not None for name in dataframe.index.names):
        dataframe = dataframe.reset_index()
    try:
        return pa.Table.from_pandas(dataframe, preserve_index=False)
    except (pa.ArrowException, ValueError, TypeError) as error:
        reason = " ".join(map(str, error.args))
        raise TypeError(f"the DataFrame: a column mixes types: {reason}") from None


def _as_in(main: _Read, second: Table) -> dict[str, Any]:
    """Returns the options for a second file, which is a whole split."""
    # The second file needs no groups, and ids only if its rows are steps.
    optional = ("group",) if main.form == "long" else ("group", "id")
    columns = {
        role: name
        for role, name in main.roles.columns.items()
        if role not in optional or name in second.names
    }
    columns = dict.fromkeys(ROLES, NONE) | columns | {"split": NONE}
    return {**columns, "features": main.roles.features, "form": main.form}


def _read(table: Table, options: Mapping[str, Any], labelled: bool) -> _Read:
    """Reads one table and divides it by its split column."""
    roles = choose_roles(table.where, table.names, options)
    rows = Rows(table, roles, table.read(roles.features, list(roles.columns.values())))
    if len(rows) == 0:
        raise ValueError(f"{table.where}: has no rows")
    shape = _steps_and_channels(rows, options.get("frame"), options.get("reshape"))
    form: Form = options.get("form") or ("wide" if shape else form_of(rows))
    if shape and form != "wide":
        raise ValueError(f"{table.where}: data.source.frame and reshape are for form=wide")
    made = assemble_long(rows) if form == "long" else assemble_wide(rows, shape)
    notes = [f"{table.where}: {form} form, {roles.words()}"] if roles.guessed else []
    labels = _labels(rows, made, labelled, notes)
    groups = per_sequence(rows, "group", made).texts() if rows.has("group") else None
    whole = RawPart(made.x, labels, made.lengths, table.where, made.ids, groups)
    parts = _divided(whole, rows, made) if rows.has("split") else {"train": whole}
    return _Read(parts, roles, form, notes)


def _steps_and_channels(
    rows: Rows, frame: int | None, reshape: list[int] | None
) -> tuple[int, int] | None:
    """Returns the steps and channels of a wide row; None for one channel."""
    names = rows.roles.features
    if frame is None and reshape is None:
        return None
    if frame is not None and reshape is not None:
        raise ValueError("data.source.frame and data.source.reshape: give only one")
    given = f"frame={frame}" if frame is not None else f"reshape={reshape}"
    sizes = reshape or [len(names) // (frame or 1), frame or 0]
    if len(sizes) != 2 or min(sizes) < 1 or sizes[0] * sizes[1] != len(names):
        expected = "divide" if frame is not None else "be [steps, channels], whose product is"
        raise ValueError(
            f"data.source.{given}: must {expected} the number of feature columns;"
            f" {rows.table.where} has {len(names)} ({','.join(names[:3])},...)"
        )
    return sizes[0], sizes[1]


def _labels(rows: Rows, made: Assembled, labelled: bool, notes: list[str]) -> Array | None:
    """Returns the label of each sequence; None where they may lack and one does."""
    where, columns = rows.table.where, listed(rows.table.names)
    if rows.has("label"):
        missing = (rows.codes("label", may_lack=not labelled).codes < 0).sum()
        if not missing:
            codes, values = per_sequence(rows, "label", made)
            return rows.class_names(values)[codes]
        notes.append(f"{where}: {missing} labels are missing; none is used")
    elif labelled:
        raise ValueError(
            f"{where}: data.source.label=COLUMN names the label column; columns: {columns}"
        )
    return None


def _divided(whole: RawPart, rows: Rows, made: Assembled) -> dict[str, RawPart]:
    """Divides a part by the split of each sequence."""
    codes, values = per_sequence(rows, "split", made)
    splits = [_SPLITS.get(value.lower(), "") for value in values.tolist()]
    split_of = np.array(splits, dtype=np.str_)[codes]
    if (unknown := split_of == "").any():
        row = int(made.rows[unknown.argmax()])
        value = rows.cell(row, "split")
        text = f"is {value!r}; must be train, val or test{did_you_mean(str(value), _SPLITS)}"
        raise rows.error(row, "split", f"{text}; data.source.split=none means no such column")
    parts: dict[str, RawPart] = {}
    for name in ("train", "val", "test"):
        index = np.flatnonzero(split_of == name)
        if len(index):
            arrays = {
                field: value[index]
                for field, value in whole._asdict().items()
                if isinstance(value, np.ndarray)
            }
            parts[name] = whole._replace(where=f"{whole.where} ({name})", **arrays)
    return parts


def _stored(read: _Read) -> Stored:
    """Returns the splits of a table; refuses a group that is in two of them."""
    split_of: dict[str, str] = {}
    for split, part in read.parts.items():
        for group in [] if part.groups is None else dict.fromkeys(part.groups.tolist()):
            if split_of.setdefault(group, split) != split:
                raise ValueError(
                    f"{part.where}: group {group!r} is in {split_of[group]} and in {split}; a group"
                    " must be in one split; data.source.group=none means no such column"
                )
    # A column of a wide table is a step, or one step of one channel.
    channels = None if read.form == "wide" else read.roles.features
    return Stored(read.parts, None, channels, tuple(read.notes))
