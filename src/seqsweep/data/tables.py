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

    docs/data.md has the meaning of each argument (csv and parquet: your tables).

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
