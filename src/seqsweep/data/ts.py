"""Reads text files of the UEA and UCR archives (.ts).

A case is a line with one sequence. Lines are counted from 1, channels from 0.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from seqsweep.data.checks import Array, check_short, label_names
from seqsweep.data.files import RawPart, Stored, existing_file
from seqsweep.data.padding import join_padded
from seqsweep.data.raw import make_splits
from seqsweep.data.sequences import Splits
from seqsweep.text import did_you_mean, listed, short

_LARGEST = float(np.finfo(np.float32).max)


class _Line(NamedTuple):
    """A line of a file, or the value of a tag."""

    file: Path
    number: int
    text: str

    def error(self, message: str) -> ValueError:
        """Returns an error that names the file and the line."""
        return ValueError(f"{self.file}:{self.number}: {message}")


def ts(path: str, test_path: str | None = None) -> Splits:
    """Reads a .ts file of the UEA and UCR time series archives.

    Colons separate channels, commas separate steps, and the class is last:

        @classLabel true left right
        @data
        0.1,0.2,?:1.5,1.6,1.7:left

    Missing values, `?` or NaN, become NaN. Tags that declare sizes are ignored.

    Args:
        test_path: a second file, which becomes the test split.
    """
    return make_splits(*read(path, test_path))


def read(path: str, test_path: str | None = None, labelled: bool = True) -> Stored:
    """Reads .ts files as `ts` does, but without the checks of `make_splits`.

    Args:
        labelled: False accepts a file without labels: `@classLabel false`, or no such tag.
    """
    stored = _read_cases(path, labelled)
    if test_path is None:
        return stored
    test = _read_cases(test_path, labelled)
    names = label_names(list(stored.class_names or ()), list(test.class_names or ()))
    return Stored({**stored.parts, "test": test.parts["train"]}, names or None)


def _read_cases(path: str, labelled: bool) -> Stored:
    """Reads the cases of a file as the split `train`."""
    file = existing_file(path)
    lines = _lines(file)
    tags = _read_tags(file, lines)
    classes = _classes(file, tags, labelled)
    check_short(classes, "class", str(file))
    rows, labels = list[Array](), list[str]()
    for case in lines:
        values, label = _read_case(case, bool(classes))
        if rows and len(values) != rows[0].shape[1]:
            raise case.error(f"{len(values)} channels, but the first case has {rows[0].shape[1]}")
        if classes and label not in classes:
            hint = did_you_mean(label, classes)
            raise case.error(f"label {short(label)}: must be one of {listed(classes)}{hint}")
        rows.append(np.array(values).T)
        labels.append(label)
    if not rows:
        raise tags["data"].error("there is no case after @data")
    lengths = np.array([len(row) for row in rows], dtype=np.int64)
    x = join_padded(np.concatenate(rows), lengths)
    part = RawPart(x, np.array(labels) if classes else None, lengths, str(file))
    return Stored({"train": part}, label_names(classes) if classes else None)


def _lines(file: Path) -> Iterator[_Line]:
    """Yields the lines that are not comments; refuses a line that is not UTF-8."""
    with file.open(encoding="utf-8-sig", errors="surrogateescape") as opened:
        for number, line in enumerate(opened, start=1):
            text = line.strip()
            if not text or text[0] in "#%":
                continue
            found = _Line(file, number, text)
            shown = text.encode(errors="surrogateescape").decode(errors="backslashreplace")
            if shown != text:
                raise found.error(f"{short(shown)} is not UTF-8; save the file as UTF-8")
            yield found


def _read_tags(file: Path, lines: Iterator[_Line]) -> dict[str, _Line]:
    """Reads the tags up to @data; returns them by name in small letters."""
    tags: dict[str, _Line] = {}
    for line in lines:
        if not line.text.startswith("@"):
            raise line.error(f"{short(line.text)}; expected a tag such as @classLabel, or @data")
        name, *values = line.text[1:].split() or [""]
        # Files of the archives may repeat a tag, or have tags of other programs; the first counts.
        tags.setdefault(name.lower(), line._replace(text=" ".join(values)))
        if name.lower() == "data":
            return tags
    raise ValueError(
        f"{file}: there is no @data; expected tags such as @classLabel, @data and cases"
    )


def _classes(file: Path, tags: dict[str, _Line], labelled: bool) -> list[str]:
    """Returns the class names of @classLabel; an empty list for a file without labels."""
    target = tags.get("targetlabel")
    if target is not None and target.text.lower() != "false":
        raise target.error("@targetLabel means numbers to predict (regression); expected classes")
    tag = tags.get("classlabel")
    if not labelled and (tag is None or tag.text.lower() == "false"):
        return []
    flag, *classes = (tag.text.split() if tag else []) or [""]
    if flag.lower() != "true" or not classes:
        needed = "expected @classLabel true, then the class names"
        raise ValueError(f"{file}: {needed}") if tag is None else tag.error(needed)
    return classes


def _read_case(case: _Line, has_label: bool) -> tuple[list[list[float]], str]:
    """Returns the values of each channel, and the label, which is "" without `has_label`."""
    if "(" in case.text:
        raise case.error("time stamps, (time,value), are not read; expected the values alone")
    parts = case.text.split(":") if has_label else [*case.text.split(":"), ""]
    if len(parts) < 2:
        raise case.error(f"{short(case.text)} is not a case: there is no ':' before a label")
    values: list[list[float]] = []
    for channel, text in enumerate(parts[:-1]):
        values.append([_number(case, channel, token.strip()) for token in text.split(",")])
        if len(values[-1]) != len(values[0]):
            steps = f"{len(values[-1])} steps, but channel 0 has {len(values[0])}"
            raise case.error(f"channel {channel}: {steps}")
    return values, parts[-1].strip()


def _number(case: _Line, channel: int, token: str) -> float:
    try:
        value = float("nan" if token == "?" else token)
    except ValueError:
        value = float("inf")
    if abs(value) > _LARGEST or "_" in token:  # Python reads 1_0 as 10
        raise case.error(f"channel {channel}: {short(token)} is not a number within float32")
    return value
