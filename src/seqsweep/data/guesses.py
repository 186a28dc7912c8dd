"""Guesses what a person meant with a table, from its first S rows.

Each guess looks at a table with the options of the guesses before it, and says what it would set.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import date, datetime
from itertools import chain, combinations, product
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute

from seqsweep.command import quoted_value, with_options
from seqsweep.data.checks import Array, Int64
from seqsweep.data.csv_files import YES_OR_NO, parsed, plain_words, yes_or_no
from seqsweep.data.files import existing_file, unpacked
from seqsweep.data.folders import class_in_names, find_recordings, first_table, without_ending
from seqsweep.data.table_options import (
    CSV_OPTIONS,
    FEW_ROWS,
    ROLES,
    Roles,
    as_list,
    usual_columns,
)
from seqsweep.data.table_rows import open_table
from seqsweep.errors import Proposal
from seqsweep.text import listed

pc: Any = pyarrow.compute  # the import creates its functions

_MOST_CLASSES = 20
"""A column of whole numbers with more distinct values is not proposed as the label."""

_MOST_COLUMNS = 10_000
"""The most columns of a table for which roles are proposed; each takes 0.1 ms."""

_MOST_BYTES = 1 << 20
"""The bytes of a csv file that are looked at."""

_LONG = 20
"""The fewest rows, on average, of a label that changes within a recording."""

_MOST_IDS = 8
"""The most columns of which pairs are tried as the id."""


class Guess(NamedTuple):
    """Options that a table seems to need."""

    options: dict[str, Any]
    sure: Literal["certain", "likely", "doubtful"] = "likely"
    why: str = ""


class _Column(NamedTuple):
    """A column of the first rows."""

    name: Any  # a list for an id of several columns
    codes: Int64  # (S,) equal for equal cells
    values: list[Any]  # the different cells, without missing ones
    order: Array | None  # (S,) the ranks of numbers and dates; None for words

    @property
    def is_flag(self) -> bool:
        return all(str(value).strip().lower() in YES_OR_NO for value in self.values)

    @property
    def is_feature(self) -> bool:
        is_date = any(isinstance(value, date) for value in self.values[:1])
        return self.is_flag or (self.order is not None and not is_date)

    def counts_rows(self) -> bool:
        """Returns whether the cells are 0, 1, 2 ... or 1, 2, 3 ..."""
        rows = len(self.codes)
        return rows >= FEW_ROWS and any(self.values == [*range(n, n + rows)] for n in (0, 1))

    @property
    def is_whole(self) -> bool:
        return all(isinstance(value, (int, float)) and value % 1 == 0 for value in self.values)

    def is_label(self) -> bool:
        """Returns whether cells look like classes: repeated words, or few whole numbers."""
        if self.order is None:
            return 2 <= len(self.values) <= len(self.codes) // 2
        return self.is_whole and 2 <= len(self.values) <= _MOST_CLASSES

    def names_sequences(
        self, label: "_Column", others: Sequence["_Column"], step: "_Column | None"
    ) -> bool:
        """Returns whether cells look like names of sequences with one label, and steps once."""
        size, rows = len(self.values), len(self.codes)
        if size <= len(label.values) or len(_beside(self, label).values) > size:
            return False
        if step and len(_beside(self, step).values) < rows:
            return False
        if isinstance(self.name, list) and (label.name in self.name or size > rows // 2):
            return False
        is_word, in_blocks = self.order is None, (np.diff(self.codes) != 0).sum() < size
        if is_word:
            return in_blocks or any(other.orders(self) for other in others)
        return in_blocks and self.is_whole and size <= rows // 2

    def groups(self, ids: "_Column") -> bool:
        """Returns whether each cell has several ids, as a subject has."""
        several = 2 < len(self.values) <= len(ids.values) // 2
        return several and len(_beside(self, ids).values) == len(ids.values)

    def orders(self, ids: "_Column", least: float = 1.0) -> bool:
        """Returns whether the cells increase within each id, in all steps or most of them."""
        if self.order is None or self.name == ids.name:
            return False
        rows = np.argsort(ids.codes, kind="stable")
        increases = np.diff(self.order[rows])[np.diff(ids.codes[rows]) == 0] > 0
        if increases.all() or not len(increases):
            return True
        return increases.mean() >= least and len(_beside(ids, self).values) == len(rows)


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
        self.start = unpacked(file := existing_file(self.file))[:_MOST_BYTES]
        is_typed = self.start.startswith((b"PAR1", b"\x93NUMPY"))
        self.is_csv = not is_typed and file.suffix not in (".jsonl", ".ndjson")
        self._read: dict[str, list[_Column]] = {}

    def is_given(self, *keys: str) -> bool:
        """Returns whether one of these options has a value."""
        return any(self.given.get(key) is not None for key in keys)

    def options(self, **further: Any) -> dict[str, Any]:
        """Returns the options with which the table is opened."""
        keys = ("pattern", "labels", *(CSV_OPTIONS if self.is_csv else ()))
        options = {key: self.given[key] for key in keys if key in self.given} | further
        return {**options, "totals": "drop"} if self.is_csv and not self.is_text else options

    def columns(self) -> list[_Column]:
        """Returns the columns of the first rows."""
        return self._columns(self.path, self.options())

    def columns_of_file(self, **further: Any) -> list[_Column]:
        """Returns the columns of the first file, read with further options."""
        options = self.options(**further)
        return self._columns(self.file, {k: v for k, v in options.items() if k in CSV_OPTIONS})

    def _columns(self, path: str, options: Mapping[str, Any]) -> list[_Column]:
        key = f"{path} {sorted(options.items())}"
        if key not in self._read:
            self._read[key] = _columns(path, options)
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
        if _lacks_label(failed or error) and not {"label", "pattern", "labels"} & {*kept}:
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
            table = open_table(look.path, labels=str(file), most=_MOST_BYTES)
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
    best = max(signs, key=lambda sign: len(_numbers(look.columns_of_file(decimal=sign))))
    return Guess({"decimal": best})


def _header(look: Look) -> Guess | None:
    """Guesses that the first line has no names if it looks like the other lines."""
    if not look.is_csv or not look.given.get("header", True):
        return None
    decimal = look.given.get("decimal", ".")
    return Guess({"header": False}) if _has_no_header(look.columns_of_file(), decimal) else None


def _texts(look: Look) -> Guess | None:
    """Guesses that a file holds texts to classify instead of numbers."""
    columns = look.columns_of_file()
    numbers = _numbers(columns)
    texts = [column for column in columns if any(" " in str(value) for value in column.values)]
    # If there are two columns, texts and numbers, the numbers are probably the labels.
    if numbers and not (len(columns) == 2 and len(texts) == 1 and numbers[0].is_label()):
        return None
    is_set = any(value != CSV_OPTIONS.get(key) for key, value in look.given.items())
    return None if look.is_folder or is_set else Guess({"data": "text", **_of_texts(columns)})


def _text_columns(look: Look) -> Guess | None:
    """Guesses the columns of texts and labels."""
    return Guess(_of_texts(look.columns()))


def _of_texts(columns: Sequence[_Column]) -> dict[str, Any]:
    """Returns options: the label has the fewest values, the text (words) has the most."""
    label, *others = sorted(columns, key=lambda column: len(column.values))
    texts = [column.name for column in others if column.order is None and len(label.values) > 1]
    return {"text_column": texts[-1], "label_column": label.name} if texts else {}


def _columns_with_a_role(look: Look) -> Guess | None:
    """Guesses the roles of columns without usual names; leaves out columns of words."""
    # Users who set features or a form know the columns, so no roles are proposed.
    if look.is_given("features", "form", "frame", "reshape", "target"):
        return None
    roles = open_table(look.path, most=_MOST_BYTES, **look.options()).choose_roles(look.given)
    fixed = [role for role in ROLES if look.given.get(role) is not None]
    options, dropped = _roles(look.columns(), roles, fixed)
    return Guess(options, why=f"left out: {listed(dropped)}" if dropped else "")


def _folder_is_group(look: Look) -> Guess | None:
    """Guesses that a label column that changes within a file is the class."""
    if not look.is_folder or look.is_given("pattern", "label", "labels"):
        return None
    columns = {column.name: column for column in look.columns_of_file()}
    usual = usual_columns([*columns], "label", is_folder=True)
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
    roles = open_table(look.path, most=_MOST_BYTES, **look.options()).choose_roles(look.given)
    if not {"step", "label"} <= {*roles.columns} or len(roles.columns.get("id", ())) > 1:
        return None
    columns = {column.name: column for column in look.columns()}
    step, label = (columns[roles.columns[role][0]] for role in ("step", "label"))
    codes = columns[roles.columns["id"][0]].codes if "id" in roles.columns else 0 * step.codes
    times = np.array([t.timestamp() if isinstance(t, datetime) else float(t) for t in step.values])
    rows = np.lexsort((times[step.codes], codes))
    within = np.diff(codes[rows]) == 0
    sizes = np.diff(times[step.codes][rows])[within]
    usual = float(np.median(sizes))
    changes = (np.diff(label.codes[rows])[within] != 0).any()
    if not changes or not 0 < 20 * usual < sizes.max():
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


def _numbers(columns: Sequence[_Column]) -> list[_Column]:
    return [column for column in columns if column.order is not None]


def _has_no_header(columns: Sequence[_Column], decimal: str) -> bool:
    """Returns whether the first line looks like the other lines."""
    names = [column.name for column in columns]
    if names in ([str(index + first) for index in range(len(names))] for first in (0, 1)):
        return False
    heads = [column.name.replace(decimal, ".") for column in _numbers(columns)]
    if any(_is_word(head) for head in heads if head.lower() != "nan"):
        return False
    words = [column for column in columns if column.order is None]
    return not words or any(word.name in word.values for word in words)


def _columns(path: str, options: Mapping[str, Any]) -> list[_Column]:
    """Returns the columns of the first rows of a table, opened with these options."""
    table = open_table(path, most=_MOST_BYTES, **options)
    names, columns = [*dict.fromkeys(table.names)], list[_Column]()
    if len(names) > _MOST_COLUMNS:
        raise ValueError("too many columns")
    plain = {*table.texts, *table.further}
    for name, column in zip(names, table.read([], names).columns, strict=True):
        if table.like.decimal and name not in plain:
            texts = pc.utf8_trim_whitespace(column)
            column = pc.if_else(pc.equal(texts, ""), pa.scalar(None, texts.type), texts)
            column = plain_words(column, ".") if yes_or_no(column) is not None else column
            with suppress(pa.ArrowInvalid):
                column = parsed(column, table.like.decimal)
        coded = column.combine_chunks().dictionary_encode()
        values = [value for value in coded.dictionary.to_pylist() if value is not None]
        codes = coded.indices.fill_null(-1).to_numpy(zero_copy_only=False)
        # A column of numbers with a few wrong cells still counts as numbers.
        is_word = sum(map(_is_word, values)) > len(values) // 2
        # NumPy would give each text the space of the longest.
        kind = object if any(isinstance(value, str) for value in values[:1]) else None
        # Missing cells have the code -1, which selects the last rank.
        ranks = [*np.argsort(np.argsort(np.array(values, dtype=kind))), -1]
        columns.append(_Column(name, codes, values, None if is_word else np.array(ranks)[codes]))
    return columns


def _is_word(value: Any) -> bool:
    if isinstance(value, str):
        return re.fullmatch(r"\s*[+-]?[\d.]+(e[+-]?\d+)?\s*", value, re.IGNORECASE) is None
    return isinstance(value, bool)


def _beside(*columns: _Column) -> _Column:
    """Returns columns as one, with their rows of cells as its cells."""
    rows, codes = np.unique(np.stack([c.codes for c in columns]), axis=1, return_inverse=True)
    return _Column([c.name for c in columns], codes, [*rows.T], None)


def _names(found: Mapping[str, _Column]) -> set[str]:
    return {name for column in found.values() for name in as_list(column.name)}


def _recordings(
    labels: Sequence[_Column], ids: Sequence[_Column], steps: Sequence[_Column]
) -> dict[str, _Column]:
    """Returns a label that seldom changes within recordings, their id and step; or nothing."""
    rows = len(labels[0].codes) if labels else 0
    whole = _Column("", np.zeros(rows, np.int64), [0], None)  # the only recording
    for label, column in product(labels, [*ids, whole]):
        changes = np.diff(label.codes[np.argsort(column.codes, kind="stable")]) != 0
        few = column is whole or 2 <= len(column.values) <= rows // _LONG
        if not few or column.name == label.name or changes.sum() * _LONG > rows:
            continue
        recording = {"label": label} | ({} if column is whole else {"id": column})
        for step in steps:
            if step.orders(column, least=0.95):
                return recording | {"step": step}
        if column.name == "{id}":  # the rows of a file are in order
            return recording
    return {}


def _roles(
    columns: Sequence[_Column], roles: Roles, fixed: Sequence[str]
) -> tuple[dict[str, Any], list[str]]:
    """Returns options with roles for columns without usual names, and columns to leave out."""
    by_name = {column.name: column for column in columns}
    found = {role: by_name[of[0]] for role, of in roles.columns.items() if not of[1:]}
    # Acceleration has a channel y, which is the label of other tables.
    if "label" not in fixed and "label" in found and not found["label"].is_label():
        del found["label"]
    counters = [by_name[name] for name in roles.features if by_name[name].counts_rows()]
    free = [by_name[name] for name in roles.features if not by_name[name].counts_rows()]
    words = [column for column in free if column.order is None]
    wholes = [column for column in _numbers(free) if column.is_whole]
    by_size = sorted(words or wholes, key=lambda column: (column.is_flag, len(column.values)))
    labels = [found["label"]] if "label" in found else [c for c in by_size if c.is_label()]
    ids = [found["id"]] if "id" in found else [*words, *wholes]
    # A column such as `subject` usually groups whole recordings. But if the steps increase within
    # each subject, a subject is a single recording.
    steps = [found["step"]] if "step" in found else _numbers(free)
    group = None if "id" in found else found.get("group")
    if group and len(group.values) < len(group.codes) and any(s.orders(group) for s in steps):
        ids = [group, *ids]
    of_ids = {c.name for c in (found.get("group"), *ids, *words, *wholes) if c}
    few = [column for column in columns if column.name in of_ids][:_MOST_IDS]
    several = [_beside(*pair) for pair in combinations(few, 2)]
    pairs = (
        {"label": label, "id": column}
        for label, column in chain(product(labels, ids), product(labels, several))
        if column.names_sequences(label, [*free, *steps], found.get("step"))
    )
    # Without an id, the label must have words, or be the only column of whole numbers.
    is_clear = labels and free[1:] and (words or not labels[1:])
    by_row = _recordings(labels, [group, *ids] if group else ids, steps)
    found |= next(pairs, by_row or ({"label": labels[0]} if is_clear else {}))
    if "id" in found and "step" not in found and len(found["id"].values) < len(found["id"].codes):
        steps = [c for c in free if c not in found.values() and c.orders(found["id"])]
        found |= {"step": steps[0]} if steps else {}
    if counters and not {"id", "step"} & {*found}:
        found["id"] = counters[0]
    if "id" in found and "group" not in found:
        free_words = [column for column in words if column.name not in _names(found)]
        groups = [column for column in free_words if column.groups(found["id"])]
        found |= {"group": groups[0]} if groups else {}
    left = [column for column in free if column.name not in _names(found)]
    features = [column.name for column in left if column.is_feature]
    new = {role: c.name for role, c in found.items() if as_list(c.name) != roles.columns.get(role)}
    # A column such as `id` is not read beside a path, but it must have one value in each file.
    of_path = [by_name[name] for names in roles.unused.values() for name in names]
    left += [column for column in of_path if len(column.values) > len(by_name["{id}"].values)]
    if not 0 < len(features) < len(left):
        return new, []
    # The remaining columns of words cannot be features, so they are left out.
    return new | {"features": features}, [c.name for c in left if c.name not in features]
