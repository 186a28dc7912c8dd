"""Assembles sequences from the rows of a table, and divides them into splits.

S rows, N sequences, T steps, F features (channels).
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from seqsweep.command import quoted_value
from seqsweep.data.checks import Array, Int64, Mask
from seqsweep.data.files import RawPart, Stored
from seqsweep.data.guesses import with_proposal
from seqsweep.data.padding import join_padded
from seqsweep.data.table_options import CSV_OPTIONS, NONE, ROLES, SPLITS, Form, Roles
from seqsweep.data.table_rows import Table, frame_table, open_table
from seqsweep.data.table_values import Rows
from seqsweep.errors import Proposal
from seqsweep.text import count, listed


class _Read(NamedTuple):
    """The splits of one table, and how its columns were interpreted."""

    stored: Stored
    roles: Roles
    form: Form


class _Assembled(NamedTuple):
    """The sequences of a table, in the order of their first rows."""

    whole: RawPart
    rows: Int64  # (N,) the first row of each sequence
    of_row: Int64  # (S,) the sequence of each row
    order: Int64 | None = None  # (S,) the rows, sequence by sequence; None where a row is one


def read_files(path: str, labelled: bool, options: Mapping[str, Any]) -> Stored:
    """Reads a file, and `test_path` as the test split if the options name one."""

    def opened(path: str, given: Mapping[str, Any]) -> Table:
        csv_options = {key: given.get(key, value) for key, value in CSV_OPTIONS.items()}
        return open_table(path, given.get("pattern"), given.get("labels"), **csv_options)

    def read_with(more: Mapping[str, Any]) -> _Read:
        given = {**options, **more}
        return _read(opened(more.get("path", path), given), given, labelled)

    try:
        stored, roles, form = read_with({})
    except (ValueError, TypeError) as error:
        better = with_proposal(error, path, options, read_with) if labelled else error
        if not isinstance(better, Proposal) or not better.is_certain:
            raise better from error
        more = better.options
        stored = read_files(more.get("path", path), labelled, {**options, **more})
        said = " ".join(f"{key}={quoted_value(value)}" for key, value in more.items())
        return stored._replace(notes=(f"{better.fact}; read with {said}", *stored.notes))
    if (test_path := options.get("test_path")) is not None:
        if "test" in stored.parts:
            given = f"data.source.test_path={test_path}"
            raise ValueError(f"{given}, but {path} has a test split; give only one")
        table = opened(test_path, options)
        second = _read(table, {**options, **_as_in(roles, form, table)}, labelled).stored
        stored.parts["test"] = second.parts["train"]
        stored = stored._replace(notes=(*stored.notes, *second.notes))
    pa.default_memory_pool().release_unused()
    return stored


def read_frame(dataframe: Any, options: Mapping[str, Any]) -> Stored:
    """Reads a DataFrame or an Arrow table; see `tables.from_frame`."""
    return _read(frame_table(dataframe), options, labelled=True).stored


def _as_in(roles: Roles, form: Form, second: Table) -> dict[str, Any]:
    """Returns options that read the second file like the first, but as one split."""
    columns: dict[str, Any] = dict.fromkeys(ROLES, NONE) | roles.columns | {"split": NONE}
    # The second file needs no groups. It needs ids only if its rows are steps.
    for role in ("group",) if form == "long" else ("group", "id"):
        if not {*columns[role]} <= {*second.names}:
            columns[role] = NONE
    return {**columns, "features": roles.features, "target": roles.targets or None, "form": form}


def _read(table: Table, options: Mapping[str, Any], labelled: bool) -> _Read:
    """Reads one table and divides it by its split column, if it has one."""
    roles = table.choose_roles(options)
    if labelled and "label" not in roles.columns and not roles.targets:
        known = listed([name for name in table.names if name and name not in table.texts])
        path = ", or data.source.pattern={label}_* a part of the path" if table.texts else ""
        given = f"data.source.label=COLUMN names the label column{path}"
        raise ValueError(f"{table.where}: {given}; columns: {known}")
    rows = Rows(table, roles, options.get("unlabelled"), options.get("dayfirst"))
    form = _form_of(rows, options)
    if options.get("features") is None:
        _leave_out_counters(rows, form)
    for key, other in (("frame", "wide"), ("reshape", "wide"), ("gap", "long")):
        if options.get(key) is not None and form != other:
            raise ValueError(f"{table.where}: data.source.{key} is for form={other}")
    if form == "long":
        made = _assemble_long(rows, options.get("gap"))
    else:
        made = _assemble_wide(rows, options.get("frame"), options.get("reshape"))
    if rows.roles.guessed:
        table.notes.append(f"{table.where}: {form} form, {rows.roles.words()}")
    if form == "long" and not rows.has("id"):
        one = f"one sequence of {count(len(rows), 'row')}, because no column names sequences"
        table.notes.append(f"{table.where}: {one}; data.source.id=COLUMN, or form=wide")
    unlabelled = np.zeros(len(made.rows), np.bool_)
    if not rows.roles.targets:
        whole, unlabelled = _with_labels(rows, made, labelled)
    else:
        whole = _with_targets(rows, made) if labelled else made.whole
    if rows.has("group"):
        whole = whole._replace(groups=_per_sequence(rows, "group", made))
    split_of = np.full(len(made.rows), "train")
    if rows.has("split"):
        named = _per_sequence(rows, "split", made).tolist()
        split_of = np.array([SPLITS.get(name.lower(), "") for name in named], dtype=np.str_)
        rows.check("split", (split_of == "")[made.of_row], "train, val or test")
    split_of[unlabelled] = ""
    parts: dict[str, RawPart] = {}
    for name in [name for name in ("train", "val", "test") if name in split_of]:
        where = f"{whole.where} ({name})" if rows.has("split") else whole.where
        parts[name] = _selected(whole, split_of == name)._replace(where=where)
    # The columns of a wide table are steps, so their names are not names of channels.
    channels = None if form == "wide" else rows.roles.features
    return _Read(Stored(parts, None, channels, (*dict.fromkeys(table.notes),)), rows.roles, form)


def _selected(part: RawPart, index: Mask) -> RawPart:
    """Returns some sequences of a part; itself if these are all."""
    if index.all():
        return part
    arrays = (one[index] if isinstance(one, np.ndarray) else one for one in part)
    return RawPart._make(arrays)


def _leave_out_counters(rows: Rows, form: Form) -> None:
    """Leaves out features that count the rows; refuses them in wide form."""
    names = rows.counters()
    if not names:
        return
    fact = f"{rows.table.where}: {listed(names)} counts the rows, so it is not a feature"
    if len(names) == len(rows.roles.features):
        raise ValueError(f"{fact}, and there is no other")
    if form == "wide":
        # A few new rows do not show which column counts them, so a run must know its name.
        ids = [*rows.roles.columns.get("id", ()), *names]
        given = f"[{','.join(ids)}]" if ids[1:] else ids[0]
        raise ValueError(
            f"{fact}; data.source.id={given} makes it the name of a sequence, and"
            f" data.source.step={names[0]} the step of one long recording"
        )
    kept = tuple(name for name in rows.roles.features if name not in names)
    rows.roles = rows.roles._replace(features=kept)
    rows.table.notes.append(fact)


def _form_of(rows: Rows, options: Mapping[str, Any]) -> Form:
    """Returns `long` for steps or repeated ids if no column has lengths; else `wide`."""
    if form := options.get("form"):
        return form
    has_shape = any(options.get(key) is not None for key in ("frame", "reshape"))
    if has_shape or rows.has("length") or not (rows.has("step") or rows.has("id")):
        return "wide"
    if rows.has("step") or rows.table.texts:
        return "long"
    ids = rows.codes("id", may_lack=True)
    return "long" if len(ids.values) < len(ids.codes) else "wide"


def _assemble_long(rows: Rows, gap: float | None) -> _Assembled:
    """Assembles the sequences of a table with a row for each step."""
    if rows.has("id"):
        codes, names = rows.codes("id")
    else:
        codes, names = np.zeros(len(rows), dtype=np.int64), None
    x = rows.numbers(rows.roles.features)
    groups, first = None, np.unique(codes, return_index=True)[1]
    order, sizes, unit = _order(rows, codes, first)
    step = _usual_step(rows, sizes, unit, gap)
    if gap is not None:
        codes = _cut_at_gaps(rows, codes, order, sizes, gap)
        first = np.unique(codes, return_index=True)[1]
        if names is not None:
            # The parts of a recording are not independent, so no split divides them.
            groups = np.array([str(rows.cell(row, "id")) for row in first])
            names = np.array([f"{name}#{part}" for part, name in enumerate(groups.tolist())])
    del sizes  # memory for the padded features
    lengths = np.bincount(codes).astype(np.int64)
    if (np.diff(order) < 0).any():
        x = x[order]
    x, where = join_padded(x, lengths), rows.table.where
    whole = RawPart(x, None, lengths, where, names, groups, step=step)
    return _Assembled(whole, first, codes, order)


def _cut_at_gaps(rows: Rows, codes: Int64, order: Int64, sizes: Array, gap: float) -> Int64:
    """Returns the sequence of each row (S,), cut at steps above `gap`."""
    where = f"{rows.table.where}: data.source.gap={gap}"
    if not rows.has("step") or gap <= 0:
        must = "must be above 0" if gap <= 0 else "needs data.source.step=COLUMN"
        raise ValueError(f"{where}: {must}")
    is_long = sizes > gap
    rows.table.notes.append(f"{where} cuts at {count(int(is_long.sum()), 'longer step')}")
    cut = np.empty_like(codes)
    # The codes of an id increase, so a part follows the parts before it.
    cut[order] = codes[order] + np.append(0, np.cumsum(is_long))
    return cut


def _order(rows: Rows, codes: Int64, first: Int64) -> tuple[Int64, Array, str]:
    """Returns the order (S,) by sequence, then step; the sizes of steps, and their unit.

    Sizes (S-1,) are in this order, and NaN from one sequence to the next; without steps (0,).
    """
    place = rows.table.place
    if rows.has("step"):
        steps = rows.steps()
        if steps.dtype.kind == "f":
            # The difference of two such steps is a number, too.
            farthest = np.finfo(steps.dtype).max / 4
            rows.check("step", ~(np.abs(steps) < farthest), "a finite number or a date")
        order = np.lexsort((steps, codes))
        is_other = np.diff(codes[order]) != 0
        sizes, unit = np.diff(steps[order]), ""
        if sizes.dtype.kind == "m":
            sizes, unit = sizes / np.timedelta64(1, "s"), " s"
        sizes = sizes.astype(np.float64, copy=False)
        sizes[is_other] = np.nan  # from one sequence to the next
        same = sizes == 0
        if same.any() and not rows.has("id"):
            raise ValueError(
                f"{rows.table.where}: step={rows.roles.name('step')} repeats, but no column"
                " names the sequence; data.source.id=COLUMN does, or data.source.form=wide"
            )
        if same.any():
            one, two = sorted(order[same.argmax() :][:2].tolist())
            raise ValueError(
                f"{place(two)}: sequence {rows.cell(two, 'id')!r} has step"
                f" {rows.cell(two, 'step')} a second time; the first is at {place(one)}"
            )
        return order, sizes, unit
    # Rows of one id that are not adjacent may belong to two sequences.
    begins = np.flatnonzero(np.diff(codes, prepend=-1))
    if len(begins) > len(first):
        row = int(np.setdiff1d(begins, first)[0])
        raise ValueError(
            f"{place(row)}: sequence {rows.cell(row, 'id')!r} begins a second time; its first rows"
            f" are at {place(int(first[codes[row]]))}; give each sequence an id of its own, or"
            " data.source.step=COLUMN, which orders its rows"
        )
    return np.argsort(codes, kind="stable"), np.zeros(0), ""


def _usual_step(rows: Rows, sizes: Array, unit: str, gap: float | None) -> float | None:
    """Returns the length of equal steps, else None, and notes gaps."""
    sizes = sizes[~np.isnan(sizes)]
    usual = float(np.median(sizes)) if len(sizes) else 0.0
    gaps = sizes[sizes > 1.5 * usual]
    if not usual or (np.abs(sizes - usual) > 0.1 * usual).mean() > 0.25:
        return None
    if len(gaps) and gap is None:
        told = f"{count(len(gaps), 'gap')} in {rows.roles.name('step')!r} of up to"
        size = f"{gaps.max():g}{unit}, where a step is {usual:g}{unit}"
        # Where there are longer gaps, only these are breaks.
        longer = (10 if gaps.max() > 20 * usual else 2) * usual
        cut = f"data.source.gap={longer:g} cuts recordings there"
        rows.table.notes.append(f"{rows.table.where}: {told} {size}; {cut}")
    return usual


def _assemble_wide(rows: Rows, frame: int | None, reshape: Sequence[int] | None) -> _Assembled:
    """Assembles a table with a row for each sequence."""
    names = rows.roles.features
    if frame is not None and reshape is not None:
        raise ValueError("data.source.frame and data.source.reshape: give only one")
    width = 1 if frame is None else frame
    shape = [len(names) // max(width, 1), width] if reshape is None else reshape
    if len(shape) != 2 or min(shape) < 1 or shape[0] * shape[1] != len(names):
        reshaped = f"reshape={reshape}: must be [steps, channels], whose product is"
        wanted = reshaped if frame is None else f"frame={frame}: must divide"
        raise ValueError(
            f"data.source.{wanted} the number of feature columns; {rows.table.where} has"
            f" {len(names)} ({','.join(names[:3])},...)"
        )
    x = rows.numbers(names)
    x = x.reshape(len(x), *shape)
    lengths = _lengths(rows, x.shape[1]) if rows.has("length") else None
    index = np.arange(len(x), dtype=np.int64)
    codes, names = rows.codes("id") if rows.has("id") else (index, None)
    ids = None if names is None else names[codes]
    return _Assembled(RawPart(x, None, lengths, rows.table.where, ids), index, index)


def _lengths(rows: Rows, longest: int) -> Int64:
    """Returns the number of valid steps of each row in wide form, (N,)."""
    codes, values = rows.codes("length")
    known = {str(steps): steps for steps in range(1, longest + 1)}
    # Any other value gets the length 0, which is refused below.
    lengths = [known.get(value.removesuffix(".0"), 0) for value in values.tolist()]
    steps = np.array(lengths, dtype=np.int64)[codes]
    rows.check("length", steps == 0, f"a whole number from 1 to {longest}")
    return steps


def _per_sequence(rows: Rows, role: str, made: _Assembled) -> Array:
    """Returns a role's value for each sequence, (N,); refuses two values in one sequence."""
    codes, values = rows.codes(role)
    differs = codes != codes[made.rows][made.of_row]
    if differs.any():
        row = int(differs.argmax())
        first = int(made.rows[made.of_row[row]])
        before, value = (repr(str(values[code])) for code in codes[[first, row]])
        place, column = rows.table.place, rows.roles.name(role)
        name = f"sequence {rows.cell(row, 'id')!r}" if rows.has("id") else "the only sequence"
        raise ValueError(
            f"{place(row)}: {name} has {role} {value} (column {column!r}), but {before} at"
            f" {place(first)}; must be one for a sequence"
        )
    return values[codes[made.rows]]


def _with_labels(rows: Rows, made: _Assembled, labelled: bool) -> tuple[RawPart, Mask]:
    """Returns the sequences with their labels, or those of their rows if these change.

    Also returns which sequences to leave out, (N,), because all their rows are unlabelled.
    """
    whole, table, none = made.whole, rows.table, np.zeros(len(made.rows), np.bool_)
    if not rows.has("label"):
        return whole, none
    codes, values = rows.codes("label", may_lack=True)
    missing, problem = int((codes < 0).sum()), None
    try:
        if labelled or not missing:
            return whole._replace(labels=_per_sequence(rows, "label", made)), none
    except ValueError as error:
        problem = error
    # A table of sequences by labels could be large, so only pairs that occur are counted.
    of_pairs = (made.of_row * len(values) + codes)[codes >= 0]
    pairs, counts = np.unique(of_pairs, return_counts=True)
    pairs = pairs[np.lexsort((-counts, pairs // len(values)))]
    sequences, first = np.unique(pairs // len(values), return_index=True)
    without = len(made.rows) - len(sequences)
    if (made.order is None or without) and not (rows.unlabelled and len(sequences)):
        if problem is not None:
            raise problem
        table.notes.append(f"{table.where}: {missing} labels are missing; none is used")
        return whole, none
    labels = np.full(len(made.rows), -1)
    labels[sequences] = pairs[first] % len(values)
    whole, unlabelled = whole._replace(labels=values[labels]), labels < 0
    if without:
        table.notes.append(
            f"{table.where}: {count(without, 'sequence')} without a label, so left out"
        )
    if (codes == labels[made.of_row]).all():
        return whole, unlabelled
    lacking = f"; {count(missing, 'row')} without one" if missing else ""
    table.notes.append(f"{table.where}: labels by row, as they change within a sequence{lacking}")
    assert made.order is not None, "a row of wide form is a sequence"
    whole = whole._replace(
        row_labels=join_padded(codes[made.order], np.bincount(made.of_row)),
        row_names=tuple(values.tolist()),
        label_change="" if problem is None else str(problem),
    )
    return whole, unlabelled


def _with_targets(rows: Rows, made: _Assembled) -> RawPart:
    """Returns the sequences with a target each; with those of their rows if these change."""
    names, place = rows.roles.targets, rows.table.place
    values, first = rows.numbers(names), made.rows[made.of_row]
    whole = made.whole._replace(target_names=names, labels=np.zeros(len(made.rows), np.int64))
    differs = values != values[first]  # NaN, a missing target, differs from all
    if not differs.any():
        return whole._replace(targets=values[made.rows])
    row, k = np.argwhere(differs)[0].tolist()
    value, before = values[row, k], values[first[row], k]
    other = f"{value:g}, but {before:g} at {place(int(first[row]))}; must be one for a sequence"
    fact = "missing; must be a number" if np.isnan(value) else other
    problem = f"{place(row)}: the target (column {names[k]!r}) is {fact}"
    if made.order is None:
        raise ValueError(problem)
    of_rows = join_padded(values[made.order], np.bincount(made.of_row))
    return whole._replace(targets=of_rows, label_change=problem)
