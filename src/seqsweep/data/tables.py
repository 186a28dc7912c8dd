"""Reads labelled sequences from csv and parquet files, and from DataFrames.

N sequences, T steps, F features (channels).
"""

import importlib.util
import inspect
from typing import Any, Literal

from seqsweep.data.files import Stored, check_options
from seqsweep.data.raw import make_splits
from seqsweep.data.sequences import Splits

Form = Literal["long", "wide"]
Decimal = Literal[".", ","]

CSV_OPTIONS = {"delimiter": None, "decimal": ".", "encoding": "utf-8", "header": True}
"""The options of csv files, and their defaults."""


def table(
    path: str,
    id: str | None = None,
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
    decimal: Decimal = ".",
    encoding: str = "utf-8",
    header: bool = True,
    test_path: str | None = None,
) -> Splits:
    """Reads a csv or parquet file; a csv file may be compressed (.gz).

    In long form each row is a step, in wide form each row is a sequence. A column that is not named
    is found by its name where only one has a usual one; `none` means that there is no such column.

    Args:
        id: the column that names the sequence of a row.
        step: the column of numbers or dates that orders the rows of a sequence. Without it the rows
            keep the order of the file, in which those of an id follow each other.
        label: the column of the class, one for each sequence.
        features: the columns of values, in the order of the channels; `x*` is each that begins with
            x. By default all that have no other purpose.
        split: a column of train, val and test.
        group: a column; sequences of one group never straddle a split, also where splits are cut.
        length: in wide form, a column with the number of valid steps of each row.
        form: by default `wide` where `frame`, `reshape` or a length column is given, `long` where
            there is a step column or an id repeats, else `wide`.
        frame: in wide form, so many columns in a row are the channels of one step.
        reshape: in wide form, [T, F]: the columns are T steps of F channels each.
        delimiter: by default the most frequent of `,` tab `;` and `|` in the first line of a csv
            file, or blanks where it has none of them.
        decimal, encoding: of a csv file.
        header: False: a csv file has no line with names; its columns are called 0, 1, 2, ...
        test_path: a second file with the same columns, which is the test split.

    Raises:
        FileNotFoundError: with the nearest names in that folder.
        ModuleNotFoundError: pyarrow is not installed.
        ValueError, TypeError: what is wrong, in which line of a csv file or row of another one.
    """
    return make_splits(*read(**locals()))


def read(path: str, labelled: bool = True, **options: Any) -> Stored:
    """Reads a csv or parquet file as `table` does, but checks only its own content.

    Args:
        labelled: False accepts a file without labels; a part then has none where any is missing.
        options: the other arguments of `table`.
    """
    require_pyarrow(path)
    from seqsweep.data.table_read import read_files

    return read_files(path, labelled, options)


def from_frame(dataframe: Any, **options: Any) -> Splits:
    """Returns the sequences of a pandas DataFrame, or of a pyarrow Table.

    Levels of an index that have names count as columns. Without a split column all sequences are in
    `train`.

    Args:
        options: the arguments of `table`, without those about files.
    """
    require_pyarrow("from_frame")
    from seqsweep.data.table_read import read_frame

    of_files = ("test_path", *CSV_OPTIONS)
    known = [name for name in inspect.signature(table).parameters if name not in of_files]
    check_options(options, known, "a DataFrame")
    try:
        return make_splits(*read_frame(dataframe, options))
    except (ValueError, TypeError) as error:
        # In Python the arguments have no config before their names.
        raise type(error)(str(error).replace("data.source.", "")) from None


def require_pyarrow(what: str) -> None:
    """Refuses what needs pyarrow where it is not installed."""
    if importlib.util.find_spec("pyarrow") is None:
        raise ModuleNotFoundError(f"{what}: needs pyarrow: pip install 'seqsweep[data]'")
