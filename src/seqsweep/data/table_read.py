"""Reads tables into splits: opens them, decides on columns and form, divides, joins.

N sequences, T steps, F features (channels).
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from seqsweep.data.files import Stored
from seqsweep.data.raw import RawPart
from seqsweep.data.table_attributes import (
    Attribute,
    Joined,
    asked_of_first,
    attribute,
    open_joined,
    without_joined,
)
from seqsweep.data.table_files import ArrowTable, Columns, Table, open_table
from seqsweep.data.table_forms import (
    Assembled,
    Form,
    assemble_lists,
    assemble_long,
    assemble_wide,
    form_of,
)
from seqsweep.data.table_names import NONE, Roles, Wanted, choose_roles
from seqsweep.suggest import listed


@dataclass(frozen=True)
class Shape:
    """The arguments that say what a row is."""

    form: Form | None = None
    frame: int | None = None
    reshape: list[int] | None = None

    @property
    def is_wide(self) -> bool:
        return self.frame is not None or self.reshape is not None


class _Read(NamedTuple):
    """The splits of one table, and how its columns were understood."""

    parts: dict[str, RawPart]
    roles: Roles
    form: Form
    notes: list[str]

    @property
    def channel_names(self) -> tuple[str, ...] | None:
        # A column of a wide table is a step, or one step of one channel.
        return None if self.form == "wide" else self.roles.features


def read_files(
    path: str,
    wanted: Wanted,
    shape: Shape,
    delimiter: str | None,
    test_path: str | None,
    labels_path: str | None,
    labels_id: str | None,
    labelled: bool,
) -> Stored:
    """Reads a file, and those that belong to it; see `tables.table`."""
    opened = open_table(path, delimiter)
    joined = None
    if labels_path is not None:
        joined = open_joined(open_table(labels_path, delimiter), wanted, labels_id)
    elif labels_id is not None:
        raise ValueError(f"data.source.labels_id={labels_id}: needs data.source.labels_path")
    main = _read(opened, asked_of_first(wanted, joined), shape, joined, labelled)
    parts, notes = main.parts, main.notes
    if test_path is not None:
        if "test" in parts:
            raise ValueError(
                f"data.source.test_path={test_path}, but {path} has a test split; give only one"
            )
        second = open_table(test_path, delimiter)
        same = replace(shape, form=main.form)
        test = _read(second, _as_in(main, second), same, joined, labelled)
        parts, notes = {**parts, "test": test.parts["train"]}, [*notes, *test.notes]
    _check_groups(parts)
    return Stored(parts, None, main.channel_names, tuple(notes))


def read_frame(dataframe: Any, wanted: Wanted, shape: Shape) -> Stored:
    """Reads a DataFrame or an Arrow table; see `tables.from_frame`."""
    opened = ArrowTable("the DataFrame", _as_arrow(dataframe))
    read = _read(opened, wanted, shape, None, labelled=True)
    _check_groups(read.parts)
    return Stored(read.parts, None, read.channel_names, tuple(read.notes))


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


def _as_in(main: _Read, second: Table) -> Wanted:
    """Returns the roles of the first file for one that is a whole split."""
    named = {"id": main.roles.id, "step": main.roles.step, "length": main.roles.length}
    optional = {"group": main.roles.group}
    if main.form != "long":
        optional["id"] = named.pop("id")
    here = {role: name if name in second.names else NONE for role, name in optional.items()}
    given = {role: name or NONE for role, name in named.items()}
    label = main.roles.label or NONE
    return Wanted(**given, **here, label=label, split=NONE, features=main.roles.features)


def _read(
    opened: Table, wanted: Wanted, shape: Shape, joined: Joined | None, labelled: bool
) -> _Read:
    """Reads one table and divides it by its split column."""
    roles = choose_roles(opened.where, opened.names, wanted)
    roles, unused = without_joined(roles, joined, opened.where)
    data = opened.read(roles.features, roles.others)
    if len(data) == 0:
        raise ValueError(f"{opened.where}: has no rows")
    form = form_of(opened, data, roles, shape.form, shape.is_wide)
    if shape.is_wide and form != "wide":
        argument = "frame" if shape.frame is not None else "reshape"
        raise ValueError(f"{opened.where}: data.source.{argument} is for form=wide, not {form}")
    made = _assembled(opened, data, roles, form, shape)
    notes = [*roles.note(opened.where, form), *unused]
    if joined is not None:
        if made.ids is None:
            raise ValueError(
                f"{opened.where}: data.source.id=COLUMN names the id column, by which to find a"
                f" sequence in {joined.table.where}; columns: {listed(opened.names)}"
            )
        notes += [*joined.roles.note(joined.table.where, None), *_unused(joined, made)]
    whole = _labelled(opened, data, roles, made, joined, labelled, notes)
    split = attribute("split", opened, data, roles, made, joined)
    return _Read(_divided(whole, split), roles, form, notes)


def _assembled(opened: Table, data: Columns, roles: Roles, form: Form, shape: Shape) -> Assembled:
    if form == "long":
        return assemble_long(opened, data, roles)
    if form == "lists":
        return assemble_lists(opened, data, roles)
    return assemble_wide(opened, data, roles, _steps_and_channels(opened, roles, shape))


def _steps_and_channels(opened: Table, roles: Roles, shape: Shape) -> tuple[int, int] | None:
    """Returns the steps and channels of a wide row; None for one channel."""
    width = len(roles.features)
    columns = f"{opened.where} has {width} feature columns ({','.join(roles.features[:3])},...)"
    if shape.frame is not None and shape.reshape is not None:
        raise ValueError("data.source.frame and data.source.reshape: give only one")
    if shape.frame is not None:
        if shape.frame < 1 or width % shape.frame:
            raise ValueError(
                f"data.source.frame={shape.frame}: must divide the number of columns; {columns}"
            )
        return width // shape.frame, shape.frame
    if shape.reshape is not None:
        if len(shape.reshape) != 2 or min(shape.reshape) < 1:
            raise ValueError(f"data.source.reshape={shape.reshape}: must be [steps, channels]")
        steps, channels = shape.reshape
        if steps * channels != width:
            raise ValueError(
                f"data.source.reshape={shape.reshape}: expected {steps * channels} columns;"
                f" {columns}"
            )
        return steps, channels
    return None


def _unused(joined: Joined, made: Assembled) -> list[str]:
    assert made.ids is not None
    unused = len(set(joined.row_of) - set(made.ids.tolist()))
    if not unused:
        return []
    ids = "1 id is" if unused == 1 else f"{unused} ids are"
    return [f"{joined.table.where}: {ids} not used"]


def _labelled(
    opened: Table,
    data: Columns,
    roles: Roles,
    made: Assembled,
    joined: Joined | None,
    labelled: bool,
    notes: list[str],
) -> RawPart:
    """Returns all sequences of a table as one part, with labels and groups."""
    label = attribute("label", opened, data, roles, made, joined)
    if label is None and labelled:
        raise ValueError(
            f"{opened.where}: data.source.label=COLUMN names the label column; columns:"
            f" {listed(opened.names)}; data.source.labels_path=FILE is a file that has it"
        )
    if label is not None and labelled:
        label.check_present(made.ids)
    elif label is not None and len(label.missing):
        notes.append(f"{opened.where}: {len(label.missing)} labels are missing; none is used")
        label = None
    group = attribute("group", opened, data, roles, made, joined)
    if group is not None:
        group.check_present(made.ids)
    return RawPart(
        made.x,
        None if label is None else label.as_labels(),
        made.lengths,
        opened.where,
        made.ids,
        None if group is None else group.as_texts(),
    )


def _divided(whole: RawPart, split: Attribute | None) -> dict[str, RawPart]:
    """Divides a part by the split of each sequence; without one all are in train."""
    if split is None:
        return {"train": whole}
    split.check_present(whole.ids)
    of = split.as_splits()
    parts: dict[str, RawPart] = {}
    for name in ("train", "val", "test"):
        index = np.flatnonzero(of == name)
        if len(index):
            fields = {
                field: value[index]
                for field, value in whole._asdict().items()
                if isinstance(value, np.ndarray)
            }
            parts[name] = whole._replace(where=f"{whole.where} ({name})", **fields)
    return parts


def _check_groups(parts: Mapping[str, RawPart]) -> None:
    """Refuses a group that is in two splits."""
    split_of: dict[str, str] = {}
    for split, part in parts.items():
        for group in [] if part.groups is None else dict.fromkeys(part.groups.tolist()):
            if group in split_of:
                raise ValueError(
                    f"{part.where}: group {group!r} is in {split_of[group]} and in {split}; a group"
                    " must be in one split; data.source.group=none means no such column"
                )
            split_of[group] = split
