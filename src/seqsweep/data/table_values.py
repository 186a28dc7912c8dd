"""Turns columns of a table into arrays; an error names the line or row.

S rows of a table.
"""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute

from seqsweep.data.checks import Array
from seqsweep.data.memory import check_memory
from seqsweep.data.table_csv import short
from seqsweep.data.table_files import Column, DataType, Table

pc: Any = pyarrow.compute  # its functions are made when it is imported
_LONGEST_TEXT = 1000
"""Labels and ids are short: an array of texts takes the space of the longest for each."""

_ABSENT = ("", "nan", "NaN")
"""Texts that are never a label or an id: pandas writes the latter two for missing ones."""

Int64 = npt.NDArray[np.int64]


class Codes(NamedTuple):
    """A column as numbers: `values[codes]`, in the order of first appearance.

    Attributes:
        codes: (S,), -1 where the value is missing.
        values: the distinct values.
    """

    codes: Int64
    values: Array


def numbers(table: Table, name: str, column: Column) -> Array:
    """Returns a feature column (S,) as float32 or float64; NaN where it is missing."""
    kind = column.type
    if pa.types.is_null(kind):
        return np.full(len(column), np.nan, dtype=np.float32)
    if pa.types.is_dictionary(kind):
        return numbers(table, name, column.cast(kind.value_type))
    if pa.types.is_decimal(kind):
        return numbers(table, name, column.cast(pa.float64()))
    if not (_is_number(kind) or pa.types.is_boolean(kind)):
        raise TypeError(
            f"{table.where}: column {name!r} holds {kind}; expected numbers;"
            " data.source.features=[...] chooses the feature columns"
        )
    float32 = pa.types.is_floating(kind) and kind.bit_width <= 32
    float32 = float32 or pa.types.is_boolean(kind) or kind.bit_width <= 16
    values = column.cast(pa.int8()) if pa.types.is_boolean(kind) else column
    # Unlike a safe cast of whole numbers, NumPy's rounds those above 2**53, as X in an .npz is.
    present = values.fill_null(0).to_numpy().astype(np.float32 if float32 else np.float64)
    if column.null_count:
        present[column.is_null().to_numpy()] = np.nan
    with np.errstate(over="ignore"):
        too_large = np.isinf(present.astype(np.float32))
    if too_large.any():
        row = int(too_large.argmax())
        raise ValueError(
            f"{table.place(row)}: column {name!r} is {present[row]}; must be a number within"
            " float32, or empty where it is missing"
        )
    return present


def texts(table: Table, name: str, column: Column) -> Column:
    """Returns a column of labels or ids as strings, booleans or numbers; null where missing."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        return texts(table, name, column.cast(kind.value_type))
    if _is_number(kind):
        if pa.types.is_floating(kind):  # NaN is what pandas writes for a missing label
            return pc.if_else(pc.is_nan(column), pa.scalar(None, kind), column)
        return column
    if pa.types.is_boolean(kind) or pa.types.is_null(kind):
        return column
    if pa.types.is_nested(kind):
        raise TypeError(f"{table.where}: column {name!r} holds {kind}; expected texts or numbers")
    try:
        values = column.cast(pa.large_string())
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        raise TypeError(
            f"{table.where}: column {name!r} holds {kind}, which is not readable as text (UTF-8)"
        ) from None
    if table.has_text_cells:
        values = pc.utf8_trim_whitespace(values)
    missing = pc.is_in(values, pa.array(_ABSENT, pa.large_string()))
    return pc.if_else(missing, pa.scalar(None, pa.large_string()), values)


def encoded(column: Column) -> Codes:
    """Returns the codes of a column that `texts` has made."""
    joined = pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], column.type)
    if pa.types.is_null(joined.type):
        return Codes(np.full(len(joined), -1, dtype=np.int64), np.array([], dtype=np.str_))
    dictionary: Any = joined.dictionary_encode()
    codes = dictionary.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)
    return Codes(codes, dictionary.dictionary.to_numpy(zero_copy_only=False))


def without_missing(table: Table, role: str, name: str, codes: Int64) -> None:
    """Refuses a column in which a value is missing."""
    missing = codes < 0
    if missing.any():
        row = int(missing.argmax())
        raise ValueError(
            f"{table.place(row)}: the {role} (column {name!r}) is missing"
            f"{_count(int(missing.sum()))}"
        )


def labels(table: Table, name: str, values: Array) -> Array:
    """Returns distinct labels in a type that `make_sequences` takes.

    A csv file holds texts alone. Those of booleans and of whole numbers with a point, `1.0`, get
    the names that the same values have in other files.
    """
    if values.dtype.kind != "O":
        return values
    known = names(table, name, values).tolist()
    if table.has_text_cells and known:
        folded = [text.lower() for text in known]
        if set(folded) <= {"true", "false"}:
            known = [text.capitalize() for text in folded]
        elif all(_is_whole_float(text) for text in known):
            known = [text.partition(".")[0] for text in known]
    return np.array(known, dtype=np.str_)


def names(table: Table, name: str, values: Array) -> npt.NDArray[np.str_]:
    """Returns distinct ids, groups or labels as texts; whole numbers have no point."""
    known = [str(value).removesuffix(".0") for value in values.tolist()]
    if values.dtype.kind == "O":
        known = [str(value) for value in values]
    longest = max(map(len, known), default=0)
    if longest > _LONGEST_TEXT:
        raise ValueError(
            f"{table.where}: column {name!r} has a text of {longest:,} characters"
            f" ({short(max(known, key=len))}); expected at most {_LONGEST_TEXT:,}"
        )
    check_memory(4 * longest * len(known), table.where, f"the texts of column {name!r}")
    return np.array(known, dtype=np.str_)


def steps(table: Table, name: str, column: Column) -> Array:
    """Returns values (S,) that order the rows: numbers, or times in nanoseconds.

    Raises:
        ValueError: a value is missing, or is neither a number nor a date.
    """
    kind = column.type
    missing = column.is_null()
    if pa.types.is_floating(kind):
        missing = pc.or_(missing, pc.is_nan(column.fill_null(0)))
    if pa.types.is_dictionary(kind):
        return steps(table, name, column.cast(kind.value_type))
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        column = pc.utf8_trim_whitespace(column)
        missing = pc.or_(missing, pc.equal(column, "").fill_null(True))
    rows = missing.to_numpy()
    if rows.any():
        row = int(rows.argmax())
        raise ValueError(f"{table.place(row)}: the step (column {name!r}) is missing")
    for target in _step_types(kind):
        try:
            return column.cast(target).to_numpy()
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
            continue
    raise ValueError(f"{_wrong_step(table, name, column)} is neither a number nor a date")


def _step_types(kind: DataType) -> list[DataType]:
    if _is_number(kind):
        return [kind]
    if pa.types.is_boolean(kind):
        return []
    nanoseconds = pa.timestamp("ns")
    with_zone = pa.timestamp("ns", "UTC")
    # Whole numbers first: float64 would take neighbouring nanoseconds for one.
    return [pa.int64(), pa.float64(), nanoseconds, with_zone, pa.time64("ns"), pa.duration("ns")]


def _wrong_step(table: Table, name: str, column: Column) -> str:
    """Returns the first value that no type accepts which accepts the one before it."""
    kind = column.type
    for row in range(len(column)):
        one = column.slice(row, 1)
        if not any(_castable(one, target) for target in _step_types(kind)):
            return f"{table.place(row)}: the step (column {name!r}) {short(one[0].as_py())}"
    return f"{table.where}: column {name!r}: a mixture of numbers and dates"


def _castable(column: Column, target: DataType) -> bool:
    try:
        column.cast(target)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return False
    return True


def _is_number(kind: DataType) -> bool:
    return pa.types.is_integer(kind) or pa.types.is_floating(kind)


def _is_whole_float(text: str) -> bool:
    whole, point, rest = text.partition(".")
    return bool(point) and whole.lstrip("-").isdecimal() and set(rest) == {"0"}


def _count(missing: int) -> str:
    return f" ({missing} such rows)" if missing > 1 else ""
