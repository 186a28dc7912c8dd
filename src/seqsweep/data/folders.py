"""Finds the recordings of a folder, and what their paths say about them."""

import itertools
import os
import re
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, NoReturn

from seqsweep.data.conversions import conversion
from seqsweep.data.table_options import SPLITS
from seqsweep.text import count, listed, nearest_or_all

_USUAL = (".csv", ".parquet", ".csv.gz", ".tsv", ".tsv.gz")
_TYPED = (".jsonl", ".ndjson", ".npy")
_RARER = (".dat", ".log", *_TYPED)
TABLES = (*_USUAL, ".txt", ".txt.gz", *_RARER)
"""The endings of tables; in a folder without the usual ones the most frequent is read."""

_TABLE = re.compile(
    rf"(?:.*/)?(?!~\$)[^/.][^/]*?({'|'.join(map(re.escape, TABLES))})", re.IGNORECASE
)

_PARTS = ("split", "group", "label", "id")
"""The names that a pattern may give to a part of a path."""

_GLOB = {"**/": "(?:[^/]+/)*", "**": ".*", "*": "[^/]*", "?": "[^/]"}
_MOST_WILD = 4
"""The most wildcards in one part of a path."""

_SENSOR = "acc|gyro|magn|gravity|orient|baro|location|sensor"
_PIECES = re.compile(r"(\{[^{}]*\}|\*\*/|\*\*|\*|\?)")

State = tuple[tuple[str, int, int], ...]
_seen: dict[str, tuple[float, State]] = {}
"""The states of folders, and until when they are not looked at again."""

_ENOUGH = 10_000
"""The number of files that are looked at to describe a folder."""


class Recordings(NamedTuple):
    """The N files of a folder that hold its sequences."""

    parts: dict[str, list[str]]  # (N,) texts each, by the part of the path; `id` is all of it
    pattern: str
    notes: list[str]


def find_recordings(folder: Path, pattern: str | None, labels: str | None = None) -> Recordings:
    """Finds the recordings of a folder; without a pattern, the class is the file's folder.

    Args:
        labels: the path of a table of labels, which may be in the folder; then no folder is a
            class without a pattern.

    Raises:
        ValueError: no file is a recording, or it is not clear what the folders mean.
        OSError: a folder cannot be read.
    """
    twice: list[str] = []
    second = labels and os.path.realpath(os.path.expanduser(labels))
    root = os.path.realpath(folder)
    found = sorted(path for path in _files(folder, twice) if f"{root}/{path}" != second)
    tables = [*filter(_ending, found)]
    if pattern is None:
        tables = _of_main_kind(tables)
    elif not pattern.endswith(_RARER):
        tables = [path for path in tables if _ending(path) not in _RARER] or tables
    if pattern is None and (lines := conversion(str(folder), tables or found)):
        raise ValueError(lines)
    if not tables:
        expected = f"expected a recording in each file ({listed(TABLES)})"
        raise ValueError(f"{folder}: {expected}; {contents(folder)}")
    chosen = pattern
    if chosen is None:
        chosen = "**" if labels else _usual_pattern(folder, tables)
    form = _compiled(chosen)
    matches = {path: match for path in tables if (match := form.fullmatch(path))}
    if not matches:
        problem = f"matches no file of {folder}, such as {tables[0]}"
        raise ValueError(f"data.source.pattern={chosen}: {problem}")
    if "{label}" in chosen:
        _refuse_two_readings(chosen, matches)
    typed = {_ending(path) for path in matches} & {".parquet", *_TYPED}
    if typed and {*map(_ending, matches)} != typed:
        one_kind = "data.source.pattern='**/*.csv' reads one kind"
        kinds = listed([ending[1:] for ending in sorted(typed)])
        raise ValueError(f"{folder}: has csv and {kinds} files; {one_kind}")
    notes = [f"{folder}: {count(len(matches), 'file')} as {chosen}"]
    if others := [path for path in found if path not in matches]:
        notes.append(f"{folder}: not read: {listed(others)}")
    if twice:
        notes.append(f"{folder}: read once, under another path: {listed(twice)}")
    texts = [match.groupdict() for match in matches.values()]
    parts = {name: [text[name] for text in texts] for name in form.groupindex}
    return Recordings(parts | {"id": [*matches]}, chosen, notes)


def _of_main_kind(tables: Sequence[str]) -> list[str]:
    """Returns the tables with a usual ending, else those with the most frequent one."""
    kinds = Counter(_ending(path).removesuffix(".gz") for path in tables)
    most = max(kinds, key=lambda kind: kinds[kind], default="")
    usual = [path for path in tables if _ending(path) in _USUAL]
    # A text beside other tables, and a table beside folders, describe the recordings.
    tables = usual or [path for path in tables if _ending(path).startswith(most)]
    return [path for path in tables if "/" in path] or tables


def has_matches(path: str, pattern: str | None) -> bool:
    """Returns whether files of a folder match a pattern."""
    folder = Path(path).expanduser()
    form = _compiled(pattern) if pattern and folder.is_dir() else None
    return form is not None and any(map(form.fullmatch, filter(_ending, _files(folder))))


def first_table(folder: Path) -> str | None:
    """Returns the path of a folder's first table, if it has one."""
    # The tables of runs do not count.
    tables = filter(_ending, itertools.islice(_files(folder), _ENOUGH))
    of_runs = ("config.yaml", "sweep.json")
    others = [t for t in tables if not any((folder / t).with_name(n).exists() for n in of_runs)]
    return next(iter(_of_main_kind(others)), None)


def packed_twice(folder: Path) -> list[str]:
    """Returns the packed tables of a folder that it also has without .gz."""
    found = {*filter(_ending, _files(folder))}
    return sorted(path for path in found if path.endswith(".gz") and path[:-3] in found)


def contents(folder: Path) -> str:
    """Returns what is in a folder: `in it: 30 .csv, 1 .md, in the folders run, walk`."""
    found = [*itertools.islice(_files(folder), _ENOUGH)]
    kinds = Counter(Path(path).suffix or Path(path).name for path in found)
    words = [f"{number} {kind}" for kind, number in kinds.most_common()]
    below = sorted({path.partition("/")[0] for path in found if "/" in path})
    return f"in it: {listed(words) or 'no file'}{', in the folders ' * bool(below)}{listed(below)}"


def state(path: str) -> State:
    """Returns path, time and size of a file, or of each table in a folder."""
    if not os.path.isdir(path):
        return _stats([path])
    until, found = _seen.get(path, (0.0, ()))
    if time.monotonic() > until:
        found = _stats(sorted(f"{path}/{name}" for name in filter(_ending, _files(Path(path)))))
        # A sweep asks five times for each of its runs: with 10,000 files, it looks once a second.
        _seen[path] = time.monotonic() + 1e-4 * len(found), found
    return found


def _stats(paths: Iterable[str]) -> State:
    return tuple((path, s.st_mtime_ns, s.st_size) for path in paths for s in [os.stat(path)])


def _files(folder: Path, twice: list[str] | None = None) -> Iterator[str]:
    """Yields the paths of all files below a folder, with `/`; leaves out hidden folders.

    A folder to which several paths lead, by links, is read by the first of them; the others are
    added to `twice`.
    """

    def refuse(error: OSError) -> NoReturn:
        raise error

    seen: set[tuple[int, int]] = set()
    for root, folders, names in os.walk(folder, onerror=refuse, followlinks=True):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        below = Path(root).relative_to(folder).as_posix()
        status = os.stat(root)
        if (status.st_dev, status.st_ino) in seen:
            folders.clear()
            if twice is not None:
                twice.append(below)
            continue
        seen.add((status.st_dev, status.st_ino))
        yield from names if below == "." else (f"{below}/{name}" for name in names)


def _ending(path: str) -> str:
    """Returns the ending of a table's path; empty for other and hidden files."""
    match = _TABLE.fullmatch(path)
    return match[1].lower() if match else ""


def without_ending(path: str) -> str:
    """Returns the path of a file without the ending of a table."""
    return path[: len(path) - len(_ending(path))]


def _usual_pattern(folder: Path, paths: Sequence[str]) -> str:
    """Returns the pattern of a folder whose folders are classes, or splits and classes."""
    says = "data.source.pattern=... says what the folders are, as in"
    examples = {path.count("/"): path for path in paths}
    if len(examples) > 1:
        one, two, *_ = examples.values()
        raise ValueError(f"{folder}: {one} and {two}: the class is unclear; {says} '{{label}}/**'")
    (depth,) = examples
    first = {path.partition("/")[0] for path in paths if depth}
    splits = {name for name in first if name.lower() in SPLITS}
    if splits and splits != first:
        names, others = (listed(sorted(some)) for some in (splits, first - splits))
        raise ValueError(f"{folder}: {names} may be a split, {others} not; {says} '{{label}}/*'")
    folders = ["*"] * depth
    if depth > bool(splits):
        folders[-1] = "{label}"
    if splits:
        folders[0] = "{split}"
    return "/".join([*folders, "*"])


def class_in_names(folder: Path) -> str | None:
    """Returns the pattern of folders, such as subjects, whose files have equal names.

    Then the names are the classes, as in `S1/walk_1.csv` and `S2/walk_1.csv`. Names of sensors are
    not classes.
    """
    names: dict[str, set[str]] = {}
    for path in _files(folder):
        above, _, name = path.rpartition("/")
        if "/" not in above and _ending(path):
            names.setdefault(above, set()).add(name)
    if len(names) < 2 or {"", *SPLITS} & {*names}:
        return None
    shared = set.intersection(*names.values())
    if len(shared) < 2 or 2 * len(shared) < max(map(len, names.values())):
        return None
    stems, endings = {*map(without_ending, shared)}, {*map(_ending, shared)}
    numbered = [re.fullmatch(r".+_\d+", stem) is not None for stem in stems]
    # A name such as S01_1 says who was measured, and accelerometer.csv with what.
    are_others = any(re.search(rf"\d.*_|^\d|{_SENSOR}", stem, re.IGNORECASE) for stem in stems)
    if len(endings) > 1 or are_others or len({*numbered}) > 1:
        return None
    return "{group}/{label}" + "_{id}" * numbered[0] + endings.pop()


def _refuse_two_readings(pattern: str, matches: Mapping[str, re.Match[str]]) -> None:
    """Refuses `{label}_*` where a label may end at several places, as in `walk_up_1`."""
    longest = _compiled(pattern, label="+")
    longer = {path: other["label"] for path in matches if (other := longest.fullmatch(path))}
    if 2 * len({*longer.values()}) > len(matches):  # as of `walk-2026-01-12_18-26`: no classes
        return
    for path, label in longer.items():
        if label != (shorter := matches[path]["label"]):
            raise ValueError(
                f"data.source.pattern={pattern}: the label of {path} may be {shorter!r} or"
                f" {label!r}; {{label}}_{{id}} ends it at the last _, {{label}}_*_* before"
            )


def _compiled(pattern: str, label: str = "+?") -> re.Pattern[str]:
    """Returns a pattern as an expression, with a group for each part of the path.

    Args:
        label: how the signs of the label repeat; other parts match as little as they can.
    """
    # The time to match a name grows with its length to the power of the wildcards.
    wildcards = [len(re.findall(r"\*+|\{", part)) for part in pattern.split("/")]
    if pattern.count("**") > 2 or max(wildcards) > _MOST_WILD:
        most = f"at most {_MOST_WILD} of * and {{...}} in a part of the path, and 2 of **"
        raise ValueError(f"data.source.pattern={pattern}: must have {most}")
    expression, seen = "", set[str]()
    for piece in _PIECES.split(pattern):
        name = piece[1:-1] if piece.startswith("{") else ""
        if not name:
            expression += _GLOB.get(piece, re.escape(piece))
            continue
        if name not in _PARTS or name in seen:
            problem = "is given twice" if name in seen else "no such part of a path"
            hint = "" if name in seen else nearest_or_all(name, _PARTS)
            raise ValueError(f"data.source.pattern={pattern}: {piece}: {problem}{hint}")
        seen.add(name)
        # This label ends at the last `_`.
        but = "_" if name == "id" and "{label}_{id}" in pattern else ""
        expression += f"(?P<{name}>[^/{but}]{label if name == 'label' else '+?'})"
    return re.compile(expression, re.IGNORECASE)
