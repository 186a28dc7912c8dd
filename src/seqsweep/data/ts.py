"""Reads text files of the UEA and UCR archives (.ts).

A case is a line with one sequence. Lines are counted from 1, channels from 0.
"""

import numpy as np

from seqsweep.data.checks import Array, check_short, label_names
from seqsweep.data.files import RawPart, Stored, existing_file
from seqsweep.data.padding import join_padded
from seqsweep.data.raw import make_splits
from seqsweep.data.sequences import Splits
from seqsweep.text import did_you_mean, listed, short

_LARGEST = float(np.finfo(np.float32).max)


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


def read(path: str, test_path: str | None = None) -> Stored:
    """Reads .ts files as `ts` does, but without the checks of `make_splits`."""
    stored = _read_cases(path)
    if test_path is None:
        return stored
    test = _read_cases(test_path)
    # Each file declares the classes that it may have.
    names = label_names(list(stored.class_names or ()), list(test.class_names or ()))
    both = stored.with_test(test._replace(class_names=None), path, test_path)
    return both._replace(class_names=names or None)


def _read_cases(path: str) -> Stored:
    """Reads the cases of a file as the split `train`."""
    file, tags, classes = existing_file(path), dict[str, list[str]](), list[str]()
    rows, labels = list[Array](), list[str]()
    with file.open(encoding="utf-8-sig", errors="surrogateescape") as lines:
        for number, line in enumerate(lines, start=1):
            text = line.strip()
            if not text or text[0] in "#%":
                continue
            try:
                shown = text.encode(errors="surrogateescape").decode(errors="backslashreplace")
                if shown != text:
                    raise ValueError(f"{short(shown)} is not UTF-8; save the file as UTF-8")
                if "data" not in tags:
                    _read_tag(text, tags)
                    classes = tags.get("classlabel", [])[1:]
                    continue
                values, label = _read_case(text, classes)
                if rows and len(values) != rows[0].shape[1]:
                    channels = f"{len(values)} channels, but the first case has"
                    raise ValueError(f"{channels} {rows[0].shape[1]}")
            except ValueError as error:
                raise ValueError(f"{file}:{number}: {error}") from None
            rows.append(np.array(values).T)
            labels.append(label)
    if not rows:
        raise ValueError(f"{file}: there is no case after @data; expected tags, @data and cases")
    check_short(classes, "class", str(file))
    lengths = np.array([len(row) for row in rows], dtype=np.int64)
    x = join_padded(np.concatenate(rows), lengths)
    part = RawPart(x, np.array(labels) if classes else None, lengths, str(file))
    return Stored({"train": part}, label_names(classes) if classes else None)


def _read_tag(text: str, tags: dict[str, list[str]]) -> None:
    """Adds the words of a tag by its name; refuses classes without names."""
    if not text.startswith("@"):
        raise ValueError(f"{short(text)}; expected a tag such as @classLabel, or @data")
    name, *words = text[1:].split() or [""]
    # Files of the archives may repeat a tag, or have tags of other programs; the first counts.
    words = tags.setdefault(name.lower(), words)
    if name.lower() == "targetlabel" and [word.lower() for word in words] != ["false"]:
        raise ValueError("@targetLabel means numbers to predict (regression); expected classes")
    if name.lower() == "data":
        flag, *classes = tags.setdefault("classlabel", ["false"]) or [""]
        if flag.lower() != ("true" if classes else "false"):
            raise ValueError("expected @classLabel true, then the class names, before @data")


def _read_case(text: str, classes: list[str]) -> tuple[list[list[float]], str]:
    """Returns the values of each channel, and the label, which is "" without classes."""
    parts = text.split(":") if classes else [*text.split(":"), ""]
    if len(parts) < 2:
        raise ValueError(f"{short(text)} is not a case: there is no ':' before a label")
    values: list[list[float]] = []
    for channel, tokens in enumerate(parts[:-1]):
        values.append([_number(channel, token.strip()) for token in tokens.split(",")])
        if len(values[-1]) != len(values[0]):
            steps = f"{len(values[-1])} steps, but channel 0 has {len(values[0])}"
            raise ValueError(f"channel {channel}: {steps}")
    label = parts[-1].strip()
    if classes and label not in classes:
        hint = did_you_mean(label, classes)
        raise ValueError(f"label {short(label)}: must be one of {listed(classes)}{hint}")
    return values, label


def _number(channel: int, token: str) -> float:
    try:
        value = float("nan" if token == "?" else token)
    except ValueError:
        value = float("inf")
    if abs(value) > _LARGEST or "_" in token:  # Python reads 1_0 as 10
        raise ValueError(f"channel {channel}: {short(token)} is not a number within float32")
    return value
