"""Reads labelled sequences from csv and parquet files and DataFrames.

T steps, F features (channels). The role of a column is its purpose, such as `label` or `id`.
"""

import fnmatch
import inspect
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

from seqsweep.data.files import Stored, check_options
from seqsweep.data.raw import make_splits
from seqsweep.data.sequences import Splits
from seqsweep.text import did_you_mean, listed, printable

Form = Literal["long", "wide"]
Totals = Literal["error", "drop", "keep"]

CSV_OPTIONS = {
    "delimiter": None, "decimal": ".", "encoding": "utf-8", "header": True, "skip_rows": None,
    "totals": "error",
}  # fmt: skip
"""The options of csv files, and their defaults."""


NONE = "none"
"""The value of a role's argument if no column has the role; then none is guessed."""

ROLES: dict[str, tuple[tuple[str, ...], ...]] = {
    "id": (
        ("id", "case", "case_id", "sequence", "sequence_id", "seq", "seq_id", "series"),
        ("series_id", "sample_id", "recording", "recording_id", "trial", "trial_id"),
    ),
    "step": (("step", "time", "timestep", "time_step", "timestamp", "date", "datetime"), ("t",)),
    "label": (("label", "labels", "class", "class_label", "target", "category"), ("y",)),
    "split": (("split", "subset"),),
    "group": (("group", "group_id", "subject", "subject_id", "patient", "patient_id"),),
    "length": (("lengths", "seq_len"),),
}
"""The usual column names for each role; the second tuple is for tables without any of the first."""


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
) -> Splits:
    """Reads a parquet or csv file, or a folder of them.

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

    Raises:
        ValueError, TypeError: the file is wrong; the message names the line (csv) or the row.
    """
    return make_splits(*read(**locals()))


def read(path: str, labelled: bool = True, **options: Any) -> Stored:
    """Reads a file as `table` does, but without the checks of `make_splits`.

    Args:
        labelled: False accepts a file without labels; if any label is missing, no label is used.
    """
    from seqsweep.data.table_sequences import read_files

    return read_files(path, labelled, options)


def from_frame(dataframe: Any, **options: Any) -> Splits:
    """Returns the sequences of a pandas DataFrame, or of a pyarrow Table.

    Named levels of an index count as columns. The options are the arguments of `table` that do not
    concern files.
    """
    from seqsweep.data.table_sequences import read_frame

    of_files = ("test_path", "pattern", *CSV_OPTIONS)
    known = [name for name in inspect.signature(table).parameters if name not in of_files]
    check_options(options, known, "a DataFrame")
    try:
        return make_splits(*read_frame(dataframe, options))
    except (ValueError, TypeError) as error:
        # In Python the arguments are not keys of a config, so the message must not say data.source.
        raise type(error)(str(error).replace("data.source.", "")) from None


class Roles(NamedTuple):
    """The columns of a table that are read: features, and columns with a role."""

    columns: dict[str, str]  # by role; a role without a column is left out
    features: tuple[str, ...]  # in the order of the channels
    guessed: bool  # whether the features or a role were found without an argument
    ids: tuple[str, ...] = ()  # the columns that name a sequence together, if there are several

    def words(self) -> str:
        """Returns the roles and features as text: `id=case, label=y, features=a,b`."""
        words = [f"{role}={printable(name)}" for role, name in self.columns.items()]
        features = [*map(printable, self.features)]
        if len(features) > 6:
            features = [*features[:2], "...", f"{features[-1]} ({len(features)} columns)"]
        return ", ".join([*words, f"features={','.join(features)}"])


def choose_roles(where: str, names: Sequence[str], wanted: Mapping[str, Any]) -> Roles:
    """Returns the roles that `wanted` gives to columns; guesses the others by usual names."""
    # pandas writes its index without a name, or with one of these prefixes.
    real = [name for name in names if name and not name.startswith(("Unnamed: ", "__index_level_"))]
    _refuse_repeated(where, real, "has two columns {}; give them different names")
    columns = {role: wanted[role] for role in ROLES if wanted.get(role) not in (None, NONE)}
    if not (ids := as_list(columns.pop("id", ()))) and wanted.get("id") == []:
        raise ValueError(f"{where}: data.source.id=[]: must name at least one column")
    for role, name in [*columns.items(), *(("id", name) for name in ids)]:
        _check_column(where, real, role, name)
    features = _given_features(where, real, wanted.get("features"))
    taken = [*columns.values(), *(features or ())]
    taken += [name for name in ids if not ids[1:] or name != columns.get("group")]
    _refuse_repeated(where, taken, "column {} is given for two purposes; give each once")
    guessed = features is None
    for role in [role for role in ROLES if wanted.get(role) is None]:
        free = set(real).difference(
            features or (), columns.values(), ids if role != "group" else ()
        )
        if (name := _guess(where, [name for name in real if name in free], role)) is not None:
            columns[role], guessed = name, True
    used = {*columns.values(), *ids}
    if ids:
        columns["id"] = f"[{','.join(ids)}]" if ids[1:] else ids[0]
    columns = {role: columns[role] for role in ROLES if role in columns}
    features = features or tuple(name for name in real if name not in used)
    if not features:
        raise ValueError(
            f"{where}: has no feature column beside {listed(sorted(used))};"
            " data.source.features=[...] names them"
        )
    return Roles(columns, features, guessed, tuple(ids) if ids[1:] else ())


def as_list(given: str | Sequence[str]) -> list[str]:
    """Returns the names of one or of several columns."""
    return [given] if isinstance(given, str) else [*given]


def _refuse_repeated(where: str, names: Sequence[str], problem: str) -> None:
    for name, number in Counter(names).items():
        if number > 1:
            raise ValueError(f"{where}: {problem.format(repr(name))}")


def _check_column(where: str, names: Sequence[str], argument: str, name: str) -> None:
    """Refuses a name, given as an argument, that no column has."""
    if name not in names:
        raise ValueError(
            f"{where}: data.source.{argument}={name}: has no such column; columns:"
            f" {listed(names)}{did_you_mean(name, names)}"
        )


def _given_features(where: str, names: Sequence[str], given: Any) -> tuple[str, ...] | None:
    """Returns the feature columns of names or patterns, such as `x*`; None if not given."""
    if given is None:
        return None
    known, features = set(names), list[str]()
    for pattern in as_list(given):
        matching = fnmatch.filter(names, pattern) if "*" in pattern and pattern not in known else ()
        if not matching and pattern not in known:
            _check_column(where, names, "features", pattern)
        features += matching or [pattern]
    if not features:
        raise ValueError(f"{where}: data.source.features=[]: must name at least one column")
    return tuple(dict.fromkeys(features))


def _guess(where: str, names: Sequence[str], role: str) -> str | None:
    """Returns the only column with a usual name for a role, or None."""
    for known in ROLES[role]:
        matching = [name for name in names if name.strip().lower() in known]
        if len(matching) > 1:
            raise ValueError(
                f"{where}: {' and '.join(map(repr, matching))} may each be the {role} column;"
                f" data.source.{role}={matching[0]} chooses one, {role}={NONE} neither"
            )
        if matching:
            return matching[0]
    return None
