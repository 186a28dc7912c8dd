"""Reads labelled texts as sequences of symbols: characters or words.

N texts.
"""

import io
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from seqsweep.data.checks import check_short
from seqsweep.data.files import RawPart, Stored, existing_file, unpacked
from seqsweep.data.raw import make_splits
from seqsweep.data.sequences import Sequences, Splits, digests_of
from seqsweep.data.vocabulary import Tokens, Vocabulary
from seqsweep.errors import integer
from seqsweep.text import did_you_mean, listed, short

_FEW_LINES = 10
_ENDINGS = (".csv", ".csv.gz", ".parquet", ".tsv", ".tsv.gz", ".txt", ".txt.gz")


class Texts(NamedTuple):
    """The texts of a file."""

    file: Path
    texts: list[str]
    labels: list[Any] | None  # None for a file without labels
    place: Callable[[int], str]  # returns the file and line of a text, for messages


def text(
    path: str,
    text_column: str | None = None,
    label_column: str | None = None,
    tokens: Tokens = "characters",
    lower: bool = False,
    max_length: int | None = None,
    min_count: int = 1,
    max_symbols: int | None = None,
    test_path: str | None = None,
) -> Splits:
    """Reads texts as sequences of symbols.

    The vocabulary has all symbols of the files. Later `prepare` reduces it to the symbols of the
    training split, after the validation and test sequences have been taken from this split.

    Args:
        path: a .csv, .csv.gz or .parquet file with a text column and a label column, read with
            pyarrow; or a .txt or .tsv file (also .gz) without a header, with LABEL<TAB>TEXT in each
            line. Texts are in UTF-8.
        text_column, label_column: the columns, by default `text` and `label`; a .tsv file with
            these names, or names given here, has a header.
        tokens, lower, max_length, min_count, max_symbols: see `Vocabulary`; numbers are at least 1.
        test_path: a second file, which becomes the test split.
    """
    numbers = {"max_length": max_length, "min_count": min_count, "max_symbols": max_symbols}
    for name, value in numbers.items():
        if value is not None:
            integer(name, value, 1)
    paths = {"train": path} if test_path is None else {"train": path, "test": test_path}
    read = {split: read_texts(one, text_column, label_column) for split, one in paths.items()}
    vocabulary = Vocabulary((), tokens, lower, max_length, min_count, max_symbols)
    vocabulary = vocabulary.of(one for part in read.values() for one in part.texts)
    splits = make_splits(*_encoded(read, vocabulary))

    def with_digests(name: str, part: Sequences) -> Sequences:
        # The text itself is hashed, so that runs with other tokens have the same test set.
        contents = (one.encode("utf-8", "surrogatepass") for one in read[name].texts)
        return replace(part, digests=digests_of(contents))

    return replace(splits.map(with_digests), vocabulary=vocabulary)


def read(path: str, vocabulary: Vocabulary, **options: Any) -> Stored:
    """Reads texts as `read_texts` does, and encodes them with a run's vocabulary."""
    return _encoded({"train": read_texts(path, **options)}, vocabulary)


def _encoded(read: Mapping[str, Texts], vocabulary: Vocabulary) -> Stored:
    """Returns the texts of each split as symbol indices, with notes on cut texts."""
    parts, notes, most = dict[str, RawPart](), list[str](), vocabulary.max_length
    for split, (file, texts, labels, place) in read.items():
        x, lengths = vocabulary.encode(texts, place)
        given = None if labels is None else np.asarray(labels)
        parts[split] = RawPart(x, given, lengths, str(file))
        cut = 0 if most is None else sum(len(vocabulary.split(one)) > most for one in texts)
        if cut:
            of = f"{cut} of {len(texts)} texts are cut to {most} {vocabulary.tokens}"
            notes.append(f"{file}: {of}")
    return Stored(parts, channel_names=("symbol",), notes=tuple(notes))


def read_texts(
    path: str,
    text_column: str | None = None,
    label_column: str | None = None,
    labelled: bool = True,
) -> Texts:
    """Reads the texts of a file, and their labels.

    Args:
        path, text_column, label_column: see `text`.
        labelled: False accepts a file without labels: a table without a label column, or a .txt or
            .tsv file in which a line has no tab. Each line is then a whole text.
    """
    file = existing_file(path)
    if not file.name.lower().endswith(_ENDINGS):
        raise ValueError(f"{file}: must end with one of {', '.join(_ENDINGS)}")
    columns = {"text_column": text_column, "label_column": label_column}
    has_names = has_header(file, columns)
    new = {key: name for key, name in columns.items() if name is not None}
    for key, name in new.items() if not has_names else ():
        problem = "has no line of names with it; each line is LABEL<TAB>TEXT"
        raise ValueError(f"{key}={name}: {file} {problem}")
    try:
        read = _read_columns(file, columns, labelled) if has_names else _read_lines(file, labelled)
        if not read.texts:
            raise ValueError(f"{file}: has no texts")
        check_short(read.labels or (), "label", str(file))
        return read
    except ValueError as error:
        if not labelled or ".txt" in file.name.lower():
            raise
        from seqsweep.data.guesses import with_proposal

        raise with_proposal(
            error, path, columns, lambda more: read_texts(path, **new, **more)
        ) from error


def has_header(file: Path, columns: Mapping[str, str | None]) -> bool:
    """Returns whether a file of texts begins with names of columns."""
    name, most = file.name.lower(), 1 << 16
    if not name.endswith((".tsv", ".tsv.gz")):
        return not name.endswith((".txt", ".txt.gz"))
    first = unpacked(file, most)[:most].decode("utf-8", "replace").partition("\n")[0]
    cells = {*first.strip().split("\t")}
    return bool(cells & {*columns.values()}) or "text" in cells <= {"text", "label"}


def _read_lines(file: Path, labelled: bool) -> Texts:
    """Reads lines of LABEL<TAB>TEXT, or of texts; skips empty lines."""
    try:
        content = unpacked(file).decode()
    except UnicodeDecodeError as error:
        raise ValueError(f"{file}: is not UTF-8: {error.reason} (byte {error.start})") from None
    lines = enumerate(io.StringIO(content, newline=None), start=1)
    rows = {number: line.removesuffix("\n") for number, line in lines if line.strip()}
    numbers = list(rows)

    def place(index: int) -> str:
        return f"{file}:{numbers[index]}"

    for index, line in enumerate(rows.values()):
        if "\t" not in line:
            if labelled:
                raise ValueError(f"{place(index)}: expected LABEL<TAB>TEXT, got no tab")
            return Texts(file, list(rows.values()), None, place)
    pairs = [line.partition("\t") for line in rows.values()]
    labels = [label for label, *_ in pairs]
    if labelled and len({*labels}) == len(labels) > _FEW_LINES:
        raise ValueError(f"{file}: each label occurs once; expected LABEL<TAB>TEXT in each line")
    return Texts(file, [text for *_, text in pairs], labels, place)


def _read_columns(file: Path, columns: Mapping[str, str | None], labelled: bool) -> Texts:
    """Reads the columns of texts and labels of a csv or parquet file."""
    from seqsweep.data.table_rows import open_file

    table = open_file(str(file))
    chosen: list[str] = []
    for argument, given in columns.items():
        name = argument.removesuffix("_column") if given is None else given
        if name in table.names:
            chosen.append(name)
        elif argument == "text_column" or labelled:
            raise ValueError(
                f"{argument}={given or 'null'}: must be a column of {file}: {listed(table.names)}"
                f"{did_you_mean(name, table.names)}"
            )
    read = table.read([], chosen)
    values: list[list[Any]] = [read.column(name).to_pylist() for name in chosen]
    for name, column in zip(chosen, values, strict=True):
        if None in column:
            raise ValueError(f"{table.place(column.index(None))}: {name} is missing")
    texts, *labels = values
    if not all(isinstance(one, str) for one in texts):
        raise ValueError(f"{file}: {chosen[0]} must hold texts, not {short(texts[0])}")
    return Texts(file, texts, labels[0] if labels else None, table.place)
