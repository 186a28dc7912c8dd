"""Makes readable names of runs from the keys that differ: `h016-L1-bi-s0`.

A name has a part for each key that differs, in the order of the config. The keys of replicates come
last: the fold, the split seed, the seed.

1. A part is a code and a value: `h` hidden_size, `L` num_layers, `b` batch_size, `d` dropout, `lr`,
   `f` fold, `ss` split seed, `s` seed. Other keys have the initials of their last part, or more
   letters if another key has these. Words have no code: `gru`, `digits`, and `bi` or `uni` for
   bidirectional.
2. All integers of a key get as many digits as its largest value, all fractions as many decimals
   as its most precise value. So the names sort like the numbers. true and false are 1 and 0.
3. Words are cut to 6 characters, or up to 15 if they would be equal. If a value of a key is
   negative, has more than 6 digits or 5 decimals, or is neither a number nor a plain word, all
   values of the key are numbered in their order: `r0`, `r1`, or `n0`, `n1` for a seed or a split.
   The code of the key is then left out, so that nobody takes the number for a value.
4. Runs whose names would be equal are numbered: `n0`, `n1`. Configs are numbered (`r0`, `r1`) if
   a name would be longer than 100 characters. A single run is named after its run_id.
"""

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from re import fullmatch, sub
from typing import Any, NamedTuple

from seqsweep.results.formatting import column_values
from seqsweep.results.rows import label_keys
from seqsweep.runs.eventfiles import write_names
from seqsweep.runs.identity import is_number
from seqsweep.runs.ledger import read_run, value_key
from seqsweep.runs.run_folder import RunFolder
from seqsweep.runs.sweepfile import SweepFile

LONGEST = 100
"""The maximum number of characters in a name, which is the name of a folder."""

_LONGEST_VALUE, _LONGEST_WORD = 6, 16
_CODES = {"hidden_size": "h", "num_layers": "L", "batch_size": "b", "dropout": "d", "lr": "lr"}
_REPLICATES = {"data.fold": "f", "data.split_seed": "ss", "seed": "s"}
"""The codes of the keys of replicates, in the order of a name's last parts."""

Configs = Mapping[str, Mapping[str, Any]]
"""Flat configs by run_id."""


class Name(NamedTuple):
    """The name of a run and the name of its config."""

    run: str
    config: str


def readable_names(configs: Configs) -> dict[str, str]:
    """Returns the unique name of each run_id, in the characters `A-Za-z0-9._-`."""
    return {run_id: name.run for run_id, name in names_of(configs).items()}


def names_of(configs: Configs) -> dict[str, Name]:
    """Returns the name of each run and of its config, by run_id."""
    if not configs:
        return {}
    if len(configs) == 1:
        run_id = next(iter(configs))
        # A single run has no differing key.
        name = f"run-{sub('[^A-Za-z0-9]', '', run_id)[:8]}".rstrip("-")
        return {run_id: Name(name, name)}
    ids = sorted(configs)
    keys = label_keys([configs[run_id] for run_id in ids])
    columns = {key: [configs[run_id].get(key) for run_id in ids] for key in keys}
    replicates = [
        _part(code, key, columns.pop(key)) for key, code in _REPLICATES.items() if key in columns
    ]
    codes = _codes(columns)
    parts = [_part(codes[key], key, values) for key, values in columns.items()]
    # A numbered part distinguishes runs with equal parts.
    parts += _counted([*parts, *replicates], len(ids))
    rows = zip(*replicates, strict=True) if replicates else [()] * len(ids)
    tails = ["".join(f"-{part}" for part in row) for row in rows]
    heads = _heads(parts or [["run"] * len(ids)], LONGEST - max(map(len, tails)))
    return {
        run_id: Name(head + tail, head)
        for run_id, head, tail in zip(ids, heads, tails, strict=True)
    }


def _heads(parts: Sequence[Sequence[str]], room: int) -> list[str]:
    """Names each run's config; by numbers such as `r03` if a name is too long."""
    rows = list(zip(*parts, strict=True))
    names = ["-".join(row) for row in rows]
    if max(map(len, names)) <= room:
        return names
    ranks = {row: rank for rank, row in enumerate(sorted(set(rows)))}
    width = len(str(len(ranks) - 1))
    return [f"r{ranks[row]:0{width}}" for row in rows]


def _counted(parts: Sequence[Sequence[str]], runs: int) -> list[list[str]]:
    """Returns a further part if some runs have equal parts; it numbers these runs."""
    rows = list(zip(*parts, strict=True)) or [()] * runs
    seen: dict[tuple[str, ...], int] = {}
    numbers: list[int] = []
    for row in rows:
        seen[row] = seen.get(row, -1) + 1
        numbers.append(seen[row])
    width = len(str(max(numbers, default=0)))
    return [[f"n{number:0{width}}" for number in numbers]] if any(numbers) else []


def _part(code: str, key: str, values: Sequence[Any]) -> list[str]:
    """Returns the part of each run's name for one key."""
    if _last(key) == "bidirectional" and all(isinstance(value, bool) for value in values):
        return ["bi" if value else "uni" for value in values]
    values = column_values(key, values)
    texts = _texts(values)
    if texts is None:
        counted = "n" if key in _REPLICATES else "r"
        distinct = {value_key(value): value for value in values}
        order = sorted(distinct, key=lambda text: _order(text, distinct[text]))
        width = len(str(len(order) - 1))
        texts = {text: f"{counted}{index:0{width}}" for index, text in enumerate(order)}
    elif not all(text[0].isalpha() for text in texts.values()):
        texts = {text: code + value for text, value in texts.items()}
    return [texts[value_key(value)] for value in values]


def _texts(values: Iterable[Any]) -> dict[str, str] | None:
    """Returns the short text of each value, by its `value_key`.

    The result is None if a value has no short text by rules 2 and 3 of the module.
    """
    distinct = {value_key(value): value for value in values}
    given = [value for value in distinct.values() if value is not None]
    if given and all(isinstance(value, bool) for value in given):
        given = [int(value) for value in given]
    for write in (_numbers, _words):
        texts = write(given)
        if len(given) < len(distinct):
            index = list(distinct.values()).index(None)
            texts = [*texts[:index], "none", *texts[index:]]
        if len({text.casefold() for text in texts}) == len(distinct):
            return dict(zip(distinct, texts, strict=True))
    return None


def _numbers(values: Sequence[Any]) -> list[str]:
    """Returns the texts of short numbers, padded to equally many digits and decimals.

    The list is empty if a value is not a short number.
    """
    if not all(_is_finite(value) and 0 <= value < 10**_LONGEST_VALUE for value in values):
        return []
    # The decimals of a float are counted in its shortest text, not in its binary digits.
    exact = [Decimal(repr(value)).normalize() for value in values]
    decimals = max([0, *(-int(value.as_tuple().exponent) for value in exact)])
    if decimals >= _LONGEST_VALUE:
        return []
    texts = [f"{abs(value):.{decimals}f}" for value in exact]  # without the sign of -0.0
    return [text.zfill(max(map(len, texts))) for text in texts]


def _words(values: Sequence[Any]) -> list[str]:
    """Cuts plain words to the shortest length at which they stay distinct.

    The list is empty if a value is not a plain word, or if no length is short enough.
    """
    plain = r"[A-Za-z0-9]([A-Za-z0-9_.]*[A-Za-z0-9_])?"
    if not all(isinstance(value, str) and fullmatch(plain, value) for value in values):
        return []
    for length in range(_LONGEST_VALUE, _LONGEST_WORD):
        cut = [word[:length].rstrip("_.") for word in values]
        if len({word.casefold() for word in cut}) == len(cut):
            return cut
    return []


def _order(text: str, value: Any) -> tuple[int, float | int, str]:
    """Returns the sort key of a value: null, booleans, numbers, texts, others."""
    if value is None or isinstance(value, bool):
        return 0, -1 if value is None else int(value), ""
    if _is_finite(value):
        return 1, value, text
    return (2, 0, value) if isinstance(value, str) else (3, 0, text)


def _is_finite(value: Any) -> bool:
    return is_number(value) and (isinstance(value, int) or math.isfinite(value))


def _codes(keys: Iterable[str]) -> dict[str, str]:
    """Assigns each key a unique code; keys with fixed codes come first."""
    keys = sorted(keys, key=lambda key: _last(key) not in _CODES)
    codes: dict[str, str] = {}
    for key in keys:
        # s is reserved for seeds, and r and n are reserved for numbered values, configs and runs.
        taken = {"s", "r", "n", *codes.values()}
        codes[key] = next(code for code in _candidates(key) if code not in taken)
    return codes


def _candidates(key: str) -> Iterable[str]:
    """Yields codes for a key: fixed, initials, beginnings, more initials, `kk`, `kkk`, ..."""
    name = _last(key)
    if name in _CODES:
        yield _CODES[name]
    words = [word.lower() for word in sub("[^A-Za-z0-9]+", " ", key).split() if word[0].isalpha()]
    last = words[-max(1, len(sub("[^A-Za-z0-9]+", " ", name).split())) :] or ["k"]
    yield "".join(word[0] for word in last)
    yield from (last[-1][:length] for length in range(2, 4))
    yield "".join(word[0] for word in words[-len(last) - 1 :]) or "k"
    yield from ("k" * length for length in itertools.count(2))


def _last(key: str) -> str:
    return key.rpartition(".")[2]


def name_runs(folder: Path) -> None:
    """Writes a sweep's names.json, and moves event files whose run has a new name."""
    sweep = SweepFile.read(folder)
    assert sweep is not None, "the sweep writes its own file first"
    configs = dict(sweep.configs)
    # Earlier sweeps of this folder may have trained other runs.
    for path in sorted(folder.glob("*/config.yaml")):
        if path.parent.name not in configs:
            configs[path.parent.name] = read_run(RunFolder(path.parent)).config
    write_names(folder, readable_names(configs))
