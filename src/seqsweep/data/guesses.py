"""Guesses what a person meant with a table, from its first S rows.

Each guess looks at a table with the options of the guesses before it, and says what it would set.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import pyarrow as pa

from seqsweep.command import quoted_value, with_options
from seqsweep.data.column_roles import (
    MOST_BYTES,
    SeenColumn,
    has_no_header,
    numbers_of,
    roles_by_cells,
    seen_columns,
)
from seqsweep.data.files import existing_file, unpacked
from seqsweep.data.folders import class_in_names, find_recordings, first_table, without_ending
from seqsweep.data.table_options import (
    CSV_OPTIONS,
    ROLES,
    usual_columns,
)
from seqsweep.data.table_rows import open_table
from seqsweep.errors import Proposal
from seqsweep.text import listed


class Guess(NamedTuple):
    """Options that a table seems to need."""

    options: dict[str, Any]
    sure: Literal["certain", "likely", "doubtful"] = "likely"
    why: str = ""


class Look:
    """A file or a folder as the guesses see it.

    Args:
        path: the file or folder.
        is_text: whether its reader is that of texts, which has no options of tables.

    Attributes:
        given: the options of the user and of the guesses so far.
    """

    def __init__(self, path: str, given: Mapping[str, Any], is_text: bool = False) -> None:
        self.path, self.given, self.is_text = path, {**given}, is_text
        root = Path(path).expanduser()
        self.is_folder = root.is_dir()
        self.file = str(root / (first_table(root) or "") if self.is_folder else root)
        self.start = unpacked(file := existing_file(self.file), MOST_BYTES)[:MOST_BYTES]
        is_typed = self.start.startswith((b"PAR1", b"\x93NUMPY"))
        self.is_csv = not is_typed and file.suffix not in (".jsonl", ".ndjson")
        self._read: dict[str, list[SeenColumn]] = {}

    def is_given(self, *keys: str) -> bool:
        """Returns whether one of these options has a value."""
        return any(self.given.get(key) is not None for key in keys)

    def options(self, **further: Any) -> dict[str, Any]:
        """Returns the options with which the table is opened."""
        keys = ("pattern", "labels", *(CSV_OPTIONS if self.is_csv else ()))
        options = {key: self.given[key] for key in keys if key in self.given} | further
        return {**options, "totals": "drop"} if self.is_csv and not self.is_text else options

    def columns(self) -> list[SeenColumn]:
        """Returns the columns of the first rows."""
        return self._columns(self.path, self.options())

    def columns_of_file(self, **further: Any) -> list[SeenColumn]:
        """Returns the columns of the first file, read with further options."""
        options = self.options(**further)
        return self._columns(self.file, {k: v for k, v in options.items() if k in CSV_OPTIONS})

    def _columns(self, path: str, options: Mapping[str, Any]) -> list[SeenColumn]:
        key = f"{path} {sorted(options.items())}"
        if key not in self._read:
            self._read[key] = seen_columns(open_table(path, most=MOST_BYTES, **options))
        return self._read[key]


def guesses(path: str, given: Mapping[str, Any], is_text: bool = False) -> list[Guess]:
    """Returns what the table seems to need, beyond the options that are `given`."""
    made = list[Guess]()
    expected = (ValueError, TypeError, OSError, LookupError, pa.ArrowException)
    with suppress(*expected):
        look = Look(path, given, is_text)
        for guess in (_text_columns,) if is_text else _GUESSES:
            found = None
            with suppress(*expected):
                found = guess(look)
            # Options that the user has set are not replaced.
            options = {
                key: value
                for key, value in (found.options if found else {}).items()
                if key == "path"
                or look.given.get(key, CSV_OPTIONS.get(key)) == CSV_OPTIONS.get(key) != value
            }
            if not found or not options:
                continue
            made.append(found._replace(options=options))
            if "data" in options:
                break
            if found.sure != "doubtful":
                look.given |= options
            if "path" in options:
                look = Look(options["path"], look.given)
    return made


def with_proposal(
    error: Exception,
    path: str,
    given: Mapping[str, Any],
    read: Callable[[Mapping[str, Any]], object],
) -> Exception:
    """Returns the error, extended by options that read the file.

    Args:
        given: the options of the reader; only a reader of texts has `text_column`.
        read: reads the file with further options, unless these say that it holds texts.
    """
    kind = TypeError if isinstance(error, TypeError) else ValueError
    if "\n" in str(error):  # it has lines that convert the file
        return kind(str(error))
    made = [one for one in guesses(path, given, "text_column" in given) if one.sure != "doubtful"]
    kept = {key: value for one in made for key, value in one.options.items()}
    fact, failed = str(error).partition("; data.source.")[0], None
    attempts = [kept] if kept else []
    if given.get("totals", "error") == "error":
        attempts.append(kept | {"totals": "drop"})
    for proposed in attempts:
        if _lacks_label(failed or error) and not {"data", "label", "labels", "pattern"} & {*kept}:
            break  # a large file would be read in vain
        try:
            if "data" not in proposed:
                read(proposed)
        except (ValueError, TypeError) as another:
            failed = failed or another
        else:
            said = "; ".join([fact, *(one.why for one in made if one.why)])
            is_certain = proposed is kept and all(one.sure == "certain" for one in made)
            return Proposal(said, proposed, with_options(proposed), is_certain)
    if failed and {*kept} & {*CSV_OPTIONS}:  # these are needed in any case
        words = " ".join(f"{key}={quoted_value(value)}" for key, value in kept.items())
        return kind(f"{fact}; with {words}: {failed}")
    return kind(str(error))


def _lacks_label(error: Exception) -> bool:
    return "data.source.label=COLUMN" in str(error)


def _parts_of_an_archive(look: Look) -> Guess | None:
    """Guesses that NAME_TRAIN.tsv and NAME_TEST.tsv are the two splits of a data set."""
    if not look.is_folder:
        return None
    names = sorted(file.name for file in Path(look.path).expanduser().iterdir())
    for train in names:
        test = re.sub("train", lambda m: "TEST" if m[0].isupper() else "test", train, flags=re.I)
        if test != train and test in names and without_ending(train) != train:
            paths = {"path": f"{look.path}/{train}", "test_path": f"{look.path}/{test}"}
            return Guess(paths, "certain", "its files are the splits train and test")
    return None


def _labels_beside(look: Look) -> Guess | None:
    """Guesses that a table beside the recordings, or in their folder, has their labels."""
    path = Path(look.path).expanduser()
    if look.is_given("labels", "pattern"):
        return None
    beside = sorted((path if look.is_folder else path.parent).glob("*.[ct]sv"))
    known = re.compile("label|meta|target|annotation|^y_", re.IGNORECASE)
    for file in (file for file in beside if file != path and known.search(file.stem)):
        with suppress(ValueError):
            table = open_table(look.path, labels=str(file), most=MOST_BYTES)
            if table.labels and table.labels.columns:
                return Guess({"labels": str(file)}, why=f"{file.name} has a row for each recording")
    return None


def _class_in_file_names(look: Look) -> Guess | None:
    """Guesses that files of equal names in all folders say the class by their names."""
    if not look.is_folder or look.is_given("labels", "pattern"):
        return None
    pattern = class_in_names(Path(look.path).expanduser())
    if pattern is None:
        return None
    return Guess({"pattern": pattern}, why="files of all folders have equal names")


def _encoding(look: Look) -> Guess | None:
    """Guesses UTF-16 by its mark, and Latin-1 for what is not UTF-8."""
    if not look.is_csv:
        return None
    try:
        look.start[:-4].decode(look.given.get("encoding", "utf-8"))  # the last may be cut
    except UnicodeError:
        if look.start[:2] in (b"\xff\xfe", b"\xfe\xff"):
            return Guess({"encoding": "utf-16"}, "certain")
        return Guess({"encoding": "latin-1"})
    return None


def _decimal(look: Look) -> Guess | None:
    """Guesses a decimal comma where more columns are numbers with it."""
    if not look.is_csv:
        return None
    signs = (look.given.get("decimal", "."), *[","] * (b"," in look.start))
    best = max(signs, key=lambda sign: len(numbers_of(look.columns_of_file(decimal=sign))))
    return Guess({"decimal": best})


def _header(look: Look) -> Guess | None:
    """Guesses that the first line has no names if it looks like the other lines."""
    if not look.is_csv or not look.given.get("header", True):
        return None
    decimal = look.given.get("decimal", ".")
    return Guess({"header": False}) if has_no_header(look.columns_of_file(), decimal) else None


def _texts(look: Look) -> Guess | None:
    """Guesses that a file holds texts to classify instead of numbers."""
    columns = look.columns_of_file()
    numbers = numbers_of(columns)
    texts = [column for column in columns if any(" " in str(value) for value in column.values)]
    # If there are two columns, texts and numbers, the numbers are probably the labels.
    if numbers and not (len(columns) == 2 and len(texts) == 1 and numbers[0].is_label()):
        return None
    is_set = any(value != CSV_OPTIONS.get(key) for key, value in look.given.items())
    return None if look.is_folder or is_set else Guess({"data": "text", **_of_texts(columns)})


def _text_columns(look: Look) -> Guess | None:
    """Guesses the columns of texts and labels."""
    return Guess(_of_texts(look.columns()))


def _of_texts(columns: Sequence[SeenColumn]) -> dict[str, Any]:
    """Returns options: the label has the fewest values, the text (words) has the most."""
    label, *others = sorted(columns, key=lambda column: len(column.values))
    texts = [column.name for column in others if column.order is None and len(label.values) > 1]
    return {"text_column": texts[-1], "label_column": label.name} if texts else {}


def _columns_with_a_role(look: Look) -> Guess | None:
    """Guesses the roles of columns without usual names; leaves out columns of words."""
    # Users who set features or a form know the columns, so no roles are proposed.
    if look.is_given("features", "form", "frame", "reshape", "target"):
        return None
    roles = open_table(look.path, most=MOST_BYTES, **look.options()).choose_roles(look.given)
    fixed = [role for role in ROLES if look.given.get(role) is not None]
    options, dropped = roles_by_cells(look.columns(), roles, fixed)
    return Guess(options, why=f"left out: {listed(dropped)}" if dropped else "")


def _folder_is_group(look: Look) -> Guess | None:
    """Guesses that a label column that changes within a file is the class."""
    if not look.is_folder or look.is_given("pattern", "label", "labels"):
        return None
    columns = {column.name: column for column in look.columns_of_file()}
    usual = usual_columns([*columns], "label")
    if len(usual) != 1 or len(columns[usual[0]].values) < 2:
        return None
    options = {"pattern": "{group}/*", "label": usual[0]}
    return Guess(options, why=f"column {usual[0]!r} changes within a file")


def _folders_are_groups(look: Look) -> Guess | None:
    """Guesses that folders above those of the classes are groups, such as persons."""
    if not look.is_folder or look.is_given("pattern", "labels"):
        return None
    pattern = find_recordings(Path(look.path).expanduser(), None).pattern
    if not pattern.startswith("*/{label}"):
        return None
    why = "the folders above the classes may be groups, such as persons"
    return Guess({"pattern": f"{{group}}{pattern[1:]}"}, "doubtful", why)


def _gap(look: Look) -> Guess | None:
    """Guesses that a recording whose label changes ends at each long break."""
    roles = open_table(look.path, most=MOST_BYTES, **look.options()).choose_roles(look.given)
    if not {"step", "label"} <= {*roles.columns} or len(roles.columns.get("id", ())) > 1:
        return None
    columns = {column.name: column for column in look.columns()}
    step, label = (columns[roles.columns[role][0]] for role in ("step", "label"))
    codes = columns[roles.columns["id"][0]].codes if "id" in roles.columns else 0 * step.codes
    times = np.array([t.timestamp() if isinstance(t, datetime) else float(t) for t in step.values])
    if not (np.abs(times) < 1e300).all():  # their differences are not numbers
        return None
    rows = np.lexsort((times[step.codes], codes))
    within = np.diff(codes[rows]) == 0
    sizes = np.diff(times[step.codes][rows])[within]
    usual = float(np.median(sizes)) if len(sizes) else 0.0
    changes = (np.diff(label.codes[rows])[within] != 0).any()
    if not changes or not usual or sizes.max() <= 20 * usual:
        return None
    return Guess({"gap": float(f"{10 * usual:g}")}, why=f"breaks of up to {sizes.max():g}")


def _no_class(look: Look) -> Guess | None:
    """Guesses that the label 0 means that a row has none."""
    columns = {column.name: column for column in look.columns()}
    label = columns.get(str(look.given.get("label")))
    if label is None or not label.is_whole or 0 not in label.values:
        return None
    return Guess({"unlabelled": 0}, "doubtful", "label 0 may mean that a row has none")


_GUESSES = (
    _parts_of_an_archive,
    _labels_beside,
    _class_in_file_names,
    _encoding,
    _decimal,
    _header,
    _texts,
    _folder_is_group,
    _columns_with_a_role,
    _gap,
    _folders_are_groups,
    _no_class,
)
"""The guesses, in the order in which they are made."""
