"""Reads labelled sequences from csv and parquet files and DataFrames.

T steps, F features (channels). The role of a column is its purpose, such as `label` or `id`.
"""

import inspect
from typing import Any, Literal

from seqsweep.data.files import Stored, check_options
from seqsweep.data.raw import make_splits
from seqsweep.data.sequences import Splits
from seqsweep.data.table_options import CSV_OPTIONS, Form, Totals


def table(
    path: str,
    id: str | list[str] | None = None,
    step: str | None = None,
    label: str | None = None,
    features: str | list[str] | None = None,
    split: str | None = None,
    group: str | None = None,
    length: str | None = None,
    form: Form | None = None,
    frame: int | None = None,
    reshape: list[int] | None = None,
    delimiter: str | None = None,
    decimal: Literal[".", ","] = ".",
    encoding: str = "utf-8",
    header: bool = True,
    skip_rows: int | None = None,
    totals: Totals = "error",
    test_path: str | None = None,
    pattern: str | None = None,
    labels: str | None = None,
    unlabelled: str | int | None = None,
    gap: float | None = None,
    dayfirst: bool | None = None,
    target: str | list[str] | None = None,
) -> Splits:
    """Reads a csv, parquet, JSON lines or npy file, or a folder of them.

    In long form each row is a step, in wide form each row is a sequence. A role without an argument
    takes the only column with a usual name (see `ROLES`); `none` means that no column has the role.

    Args:
        id: the column that names the sequence of a row, or several that do so together.
        step: the column of numbers or dates that orders the rows of a sequence. Without it the rows
            keep the order of the file, and the rows of one id must be adjacent.
        label: the column of the class; a sequence has one class.
        features: the columns of values, in the order of the channels; `x*` means all columns that
            begin with x. By default all columns without a role.
        split: the column with the values train, val and test.
        group: the column with the group of a sequence, such as a patient; a group is in one split.
        length: in wide form, a column with the number of valid steps of each row.
        form: by default `wide` with `frame`, `reshape` or a length column; else `long` with a step
            column or repeated ids; otherwise `wide`.
        frame: in wide form, the number of adjacent columns that are the channels of one step.
        reshape: in wide form, [T, F]: the columns are T steps of F channels each.
        delimiter: by default the most frequent of `,` tab `;` and `|` in the first line of a csv
            file, or blanks if the line has none of them.
        decimal, encoding: the decimal sign and the encoding of a csv file.
        header: whether a csv file has a line of names; if not, its columns are called 0, 1, 2, ...
        skip_rows: the number of lines above a csv table; by default those with fewer cells.
        totals: last rows of a csv file that say sum, total or mean, or lack the numbers of the
            rows above, are an error, dropped or kept.
        test_path: a second file with the same columns, which is the test split.
        pattern: for a folder with a sequence in each file, what the parts of a path below it are:
            `{group}/{label}/*.csv`. By default the class is the file's folder, and the first
            folder is the split if it is called train, val or test.
        labels: a second table, with a row for each file or sequence: its name, and its label,
            group or split.
        unlabelled: the label of rows that have none, such as 0.
        gap: in long form, a larger step from row to row cuts a sequence; in seconds for dates.
        dayfirst: whether 2/3/2026 is in March; null asks the other dates of the column.
        target: the column of numbers to predict in place of a class, or several; then no column is
            the label.

    Raises:
        ValueError, TypeError: the file is wrong; the message names the line (csv) or the row.
    """
    return make_splits(*read(**locals()))


def read(path: str, labelled: bool = True, **options: Any) -> Stored:
    """Reads a file as `table` does, but without the checks of `make_splits`."""
    from seqsweep.data.table_sequences import read_files

    return read_files(path, labelled, options)


def from_frame(dataframe: Any, **options: Any) -> Splits:
    """Returns the sequences of a pandas DataFrame, or of a pyarrow Table.

    Named levels of an index count as columns. The options are the arguments of `table` that do not
    concern files.
    """
    from seqsweep.data.table_sequences import read_frame

    of_files = ("test_path", "pattern", "labels", *CSV_OPTIONS)
    known = [name for name in inspect.signature(table).parameters if name not in of_files]
    check_options(options, known, "a DataFrame")
    try:
        return make_splits(*read_frame(dataframe, options))
    except (ValueError, TypeError) as error:
        # In Python the arguments are not keys of a config, so the message must not say data.source.
        raise type(error)(str(error).replace("data.source.", "")) from None
