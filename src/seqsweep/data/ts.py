"""Reads text files of the UEA and UCR archives (.ts). Each error names its line.

A line holds one case. F channels, t steps of a case. Lines are counted from 1, as editors count
them; channels from 0, as NumPy counts them.
"""

import codecs
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from seqsweep.data.checks import label_names
from seqsweep.data.files import Stored
from seqsweep.data.paths import existing_file
from seqsweep.data.raw import RawPart, join_padded, make_splits
from seqsweep.data.sequences import Splits
from seqsweep.suggest import did_you_mean, listed

_TAGS = (
    *("problemName", "timeStamps", "missing", "univariate", "dimensions", "dimension"),
    *("equalLength", "seriesLength", "classLabel", "targetLabel", "data"),
)
_LARGEST = float(np.finfo(np.float32).max)
_STAMPED = re.compile(r"\([^()]*,([^(),]*)\)")  # (time stamp, value)
_BETWEEN_CHANNELS = re.compile(r":(?![^(]*\))")  # a time stamp may itself hold colons


class _Line(NamedTuple):
    """A line of a file that is neither blank nor a comment."""

    file: Path
    number: int
    text: str

    def error(self, message: str) -> ValueError:
        """Returns an error that names the file and the line."""
        return ValueError(f"{self.file}:{self.number}: {message}")


class _Expected(NamedTuple):
    """The number of channels or steps of a case, and the line that says so."""

    number: int
    reason: str


_Tags = dict[str, _Line]  # by name in small letters; the text is the tag's value


def ts(path: str, test_path: str | None = None) -> Splits:
    """Reads a .ts file of the UEA and UCR time series archives.

    Channels stand between colons, steps between commas, the class last:

        @dimensions 2
        @classLabel true left right
        @data
        0.1,0.2,?:1.5,1.6,1.7:left

    Missing values, `?` or NaN, become NaN. Time stamps, `(time,value)`, are ignored: the values
    keep their order, also where the times are irregular.

    Args:
        path: the file; `~` is the home folder.
        test_path: a second file, which becomes the test split.

    Raises:
        FileNotFoundError: with the nearest names in that folder.
        ValueError: what is wrong, in which line.
    """
    train, classes = _read(path)
    if test_path is None:
        return make_splits({"train": train}, class_names=label_names(classes))
    test, more = _read(test_path)
    return make_splits({"train": train, "test": test}, class_names=label_names(classes, more))


def read(path: str, labelled: bool = True) -> Stored:
    """Reads the cases of a .ts file, for `read_file`.

    Args:
        path: see `ts`.
        labelled: False accepts a file without labels: `@classLabel false`, or no such tag.

    Raises:
        FileNotFoundError, ValueError: see `ts`.
    """
    part, classes = _read(path, labelled)
    return Stored({"train": part}, label_names(classes) if classes else None)


def _read(path: str, labelled: bool = True) -> tuple[RawPart, list[str]]:
    """Returns the cases of a file, and the classes that it declares."""
    opened = open_cases(path, labelled)
    rows: list[npt.NDArray[np.float64]] = []  # (t, F) each
    labels: list[str] = []
    for values, label in opened.cases:
        rows.append(values)
        labels.append(label)
    lengths = np.array([len(row) for row in rows], dtype=np.int64)
    x = join_padded(np.concatenate(rows), lengths)
    targets = np.array(labels) if opened.classes else None
    return RawPart(x, targets, lengths, str(opened.file)), opened.classes


class Cases(NamedTuple):
    """An open file, whose cases are read one at a time.

    Attributes:
        classes: the names that the file declares.
        cases: the values (t, F) and the label of each case.
    """

    file: Path
    classes: list[str]
    cases: Iterator[tuple[npt.NDArray[np.float64], str]]


def open_cases(path: str, labelled: bool = True) -> Cases:
    """Opens a .ts file and reads its tags.

    Raises:
        FileNotFoundError, ValueError: see `ts`; also while the cases are read.
    """
    file = existing_file(path)
    lines = _lines(file)
    tags = _read_header(file, lines)
    classes = _classes(file, tags, labelled)
    return Cases(file, classes, _cases(lines, tags, classes))


def _cases(
    lines: Iterator[_Line], tags: _Tags, classes: list[str]
) -> Iterator[tuple[npt.NDArray[np.float64], str]]:
    channels = _declared_channels(tags)
    steps, equal = _declared_steps(tags)
    stamped = _flag(tags, "timestamps")
    case = None
    for case in lines:
        values, label = _read_case(case, stamped, bool(classes))
        # The first case decides what no tag declares.
        channels = channels or _Expected(len(values), f"line {case.number} has")
        _check_shape(case, values, channels, steps)
        steps = steps or (_Expected(len(values[0]), f"line {case.number} has") if equal else None)
        if classes and label not in classes:
            hint = did_you_mean(label, classes)
            raise case.error(f"label {_short(label)}: must be one of {listed(classes)}{hint}")
        yield np.array(values).T, label
    if case is None:
        raise tags["data"].error("there is no case after @data")


def _lines(file: Path) -> Iterator[_Line]:
    """Yields the stripped lines of a file, without blank lines and comments.

    Comments are not decoded: those of older files have other encodings.
    """
    for number, line in enumerate(_raw_lines(file), start=1):
        line = line.strip()
        if not line or line[:1] in b"#%":
            continue
        try:
            yield _Line(file, number, line.decode("utf-8").strip())
        except UnicodeDecodeError:
            text = _short(line.decode("utf-8", "backslashreplace"))
            message = f"{file}:{number}: {text} is not UTF-8; save the file as UTF-8"
            raise ValueError(message) from None


def _raw_lines(file: Path) -> Iterator[bytes]:
    """Yields the lines of a file; they end with LF, CR LF, or CR alone."""
    with file.open("rb") as opened:
        for number, line in enumerate(opened):
            text = line if number else line.removeprefix(codecs.BOM_UTF8)
            yield from text.removesuffix(b"\n").removesuffix(b"\r").split(b"\r")


def _read_header(file: Path, lines: Iterator[_Line]) -> _Tags:
    """Reads the lines up to @data. Returns the tags, @data among them."""
    tags: _Tags = {}
    line = None
    for line in lines:
        if not line.text.startswith("@"):
            raise line.error(f"{_short(line.text)}; expected a tag such as @classLabel, or @data")
        name, *values = line.text[1:].split() or [""]
        if name.lower() == "data":
            return tags | {"data": line}
        _add_tag(tags, name, line._replace(text=" ".join(values)))
    if line is None:
        raise ValueError(f"{file} is empty; expected tags such as @classLabel, @data and cases")
    raise line.error("the file ends before @data")


def _add_tag(tags: _Tags, name: str, line: _Line) -> None:
    small = name.lower()
    if small not in [tag.lower() for tag in _TAGS]:
        hint = did_you_mean(name, _TAGS, cutoff=0.85)
        if hint:  # an unknown tag may be another program's own; only misspelt ones are refused
            raise line.error(f"unknown tag @{name}{hint}")
    small = "dimensions" if small == "dimension" else small
    before = tags.setdefault(small, line)
    # The name of the problem decides nothing, and some archive files have two.
    if before.text != line.text and small != "problemname":
        raise line.error(
            f"@{name} {_short(line.text)}, but line {before.number} says {_short(before.text)}"
        )


def _classes(file: Path, tags: _Tags, labelled: bool) -> list[str]:
    """Returns the class names that the tag @classLabel declares; none where labels may lack."""
    target = tags.get("targetlabel")
    if target is not None and target.text.lower() != "false":
        raise target.error("@targetLabel means numbers to predict (regression); expected classes")
    has_labels = "classlabel" in tags and tags["classlabel"].text.lower() != "false"
    if not has_labels and not labelled:
        return []
    if "classlabel" not in tags:
        raise ValueError(f"{file}: there is no @classLabel; expected @classLabel true, then names")
    flag, *classes = tags["classlabel"].text.split() or [""]
    if flag.lower() != "true" or not classes:
        got = f"@classLabel {tags['classlabel'].text}".strip()
        raise tags["classlabel"].error(f"{got}: expected @classLabel true, then the class names")
    return classes


def _declared_channels(tags: _Tags) -> _Expected | None:
    univariate = _flag(tags, "univariate")
    declared = _count(tags, "dimensions")
    if univariate and declared is not None and declared.number != 1:
        raise tags["dimensions"].error(f"{declared.number} dimensions, but @univariate true")
    if univariate:
        return _Expected(1, f"line {tags['univariate'].number} says @univariate true:")
    return declared


def _declared_steps(tags: _Tags) -> tuple[_Expected | None, bool]:
    """Returns the declared length, if any, and whether all lengths are equal."""
    equal = _flag(tags, "equallength")
    declared = _count(tags, "serieslength")
    return (None if equal is False else declared), bool(equal)


def _flag(tags: _Tags, name: str) -> bool | None:
    """Returns the value of a boolean tag; None where the tag is missing."""
    if name not in tags:
        return None
    if tags[name].text.lower() not in ("true", "false"):
        raise tags[name].error(f"@{name} {_short(tags[name].text)}; must be true or false")
    return tags[name].text.lower() == "true"


def _count(tags: _Tags, name: str) -> _Expected | None:
    """Returns the value of a numeric tag; None where the tag is missing."""
    if name not in tags:
        return None
    line = tags[name]
    if not re.fullmatch("[1-9][0-9]{0,8}", line.text):
        raise line.error(f"@{name} {_short(line.text)}; must be a whole number of at least 1")
    return _Expected(int(line.text), f"line {line.number} says")


def _read_case(case: _Line, stamped: bool | None, has_label: bool) -> tuple[list[list[float]], str]:
    """Returns the values of each channel, and the label, "" where the file has none."""
    stamps = "(" in case.text
    if stamped is not None and stamped != stamps:
        kinds = ("plain values", "values with time stamps")
        raise case.error(f"{kinds[stamps]}, but @timeStamps {str(stamped).lower()}")
    parts = _BETWEEN_CHANNELS.split(case.text) if stamps else case.text.split(":")
    if not has_label:
        parts.append("")
    if len(parts) < 2:
        raise case.error(f"{_short(case.text)} is not a case: there is no ':' before a label")
    split = _stamped_values if stamps else _plain_values
    channels = enumerate(parts[:-1])
    values = [[_number(case, f, token) for token in split(case, f, text)] for f, text in channels]
    return values, parts[-1].strip()


def _plain_values(_case: _Line, _channel: int, text: str) -> list[str]:
    return text.split(",")


def _stamped_values(case: _Line, channel: int, text: str) -> list[str]:
    left_over = _STAMPED.sub("", text).replace(",", "").strip()
    values = _STAMPED.findall(text)
    if left_over or not values:
        raise case.error(f"channel {channel}: {_short(left_over or text)} is not a (time,value)")
    return values


def _number(case: _Line, channel: int, token: str) -> float:
    token = token.strip()
    if token == "?":
        return float("nan")
    try:
        value = float(token)
    except ValueError:
        value = float("inf")
    if abs(value) > _LARGEST or "_" in token:  # Python reads 1_0 as 10
        raise case.error(f"channel {channel}: {_short(token)} is not a number within float32")
    return value


def _check_shape(
    case: _Line, values: list[list[float]], channels: _Expected, steps: _Expected | None
) -> None:
    if len(values) != channels.number:
        raise case.error(f"{len(values)} channels, but {channels.reason} {channels.number}")
    first = len(values[0])
    for channel, series in enumerate(values):
        if len(series) != first:
            raise case.error(
                f"channel {channel} has {len(series)} steps, but channel 0 has {first}"
            )
    if steps is not None and first != steps.number:
        raise case.error(f"{first} steps, but {steps.reason} {steps.number} and lengths are equal")


def _short(text: str) -> str:
    return repr(text if len(text) <= 40 else text[:37] + "...")
