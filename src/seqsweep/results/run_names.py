"""Makes readable names of runs from the keys that differ: `h016-L1-bi-gru-s0`.

1. A name has a part for each key that differs, in the order of the config; the fold, the split seed
   and the seed come last.
2. A text stands alone (`gru`), and `bi` or `uni` for bidirectional. Any other value follows its
   key: `noise=0.5`, or a code: h hidden_size, L num_layers, b batch_size, d dropout, lr, s seed,
   f fold, ss split seed.
3. All numbers of a key have equally many digits and decimals, so names sort like numbers from 0 on.
4. In a text, characters other than letters, digits, `.` and `_` become `_`.
5. Names are numbered if two would be equal, or if one would be longer than 100 characters.
"""

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any, NamedTuple

from seqsweep.results.formatting import KeyNames, key_names
from seqsweep.results.keys import label_keys, text_columns
from seqsweep.runs.identity import is_number

LONGEST = 100
"""The maximum number of characters in a name, which is the name of a folder."""

_CODES = {
    "hidden_size": "h", "num_layers": "L", "batch_size": "b", "dropout": "d", "lr": "lr",
    "fold": "f", "split_seed": "ss", "seed": "s",
}  # fmt: skip
_TAIL_KEYS = ("data.fold", "data.split_seed", "seed")
"""The keys of replicates, in the order of a name's last parts."""
_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)
"""The names that no folder can have on Windows."""


_Point = tuple[str, ...]
"""The values of a run as texts."""


class Name(NamedTuple):
    """The name of a run and the name of its config."""

    run: str
    config: str


def readable_names(configs: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """Returns the unique name of each run_id, in the characters `A-Za-z0-9._=-`."""
    return {run_id: name.run for run_id, name in names_of(configs).items()}


def names_of(configs: Mapping[str, Mapping[str, Any]]) -> dict[str, Name]:
    """Returns the name of each run and of its config, by run_id."""
    if len(configs) == 1:
        run_id = next(iter(configs))
        # A single run has no differing key.
        name = f"run-{re.sub('[^A-Za-z0-9]', '', run_id)[:8]}".rstrip("-")
        return {run_id: Name(name, name)}
    ids = sorted(configs)
    ordered = [configs[run_id] for run_id in ids]
    keys = label_keys(ordered) if ordered else []
    tail_keys = [key for key in _TAIL_KEYS if key in keys]
    names = key_names(keys, ordered)
    columns = text_columns(keys, ordered)
    tails, points = _joined(tail_keys, names, ordered, columns)
    tails = _distinct(tails, points, LONGEST // 2)
    head_keys = [key for key in keys if key not in tail_keys]
    heads, points = _joined(head_keys, names, ordered, columns)
    # Further runs of one config and replicate are numbered.
    seen = Counter[tuple[_Point, str]]()
    for index, run in enumerate(zip(points, tails, strict=True)):
        if seen[run]:
            tails[index] = f"{tails[index]}-n{seen[run]}".lstrip("-")
        seen[run] += 1
    room = LONGEST - 1 - max(map(len, tails), default=0)
    heads = _distinct([head or "run" for head in heads], points, room)
    return {
        run_id: Name(f"{head}-{tail}".rstrip("-"), head)
        for run_id, head, tail in zip(ids, heads, tails, strict=True)
    }


def _joined(
    keys: Sequence[str],
    names: KeyNames,
    configs: Sequence[Mapping[str, Any]],
    columns: Mapping[str, Sequence[str]],
) -> tuple[list[str], list[_Point]]:
    """Returns each config's part of a name, and the values as texts."""
    parts: list[list[str]] = []
    for key in keys:
        values = dict(zip(columns[key], (config.get(key) for config in configs), strict=True))
        of_value = _parts(key, names, values)
        parts.append([of_value[text] for text in columns[key]])
    if not keys:
        return [""] * len(configs), [()] * len(configs)
    points = zip(*(columns[key] for key in keys), strict=True)
    return list(map("-".join, zip(*parts, strict=True))), list(points)


def _parts(key: str, names: KeyNames, values: Mapping[str, Any]) -> dict[str, str]:
    """Returns the part of a name for each value of a key."""
    name = _plain(names[key])
    numbers = {text: v for text, v in values.items() if is_number(v) and abs(v) < math.inf}
    digits = dict(zip(numbers, _padded(numbers.values()), strict=True))
    parts = {text: _CODES.get(name, f"{name}=") + number for text, number in digits.items()}
    for text in values.keys() - parts.keys():
        value = values[text]
        if name == "bidirectional" and isinstance(value, bool):
            parts[text] = "bi" if value else "uni"
        else:
            words = _plain(names.text(key, value))
            parts[text] = words if isinstance(value, str) else f"{name}={words}"
    return parts


def _plain(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9.]+", "_", text).strip("._") or "_"


def _padded(values: Iterable[Any]) -> list[str]:
    """Returns the texts of numbers with equally many digits and decimals."""
    # The decimals of a float are counted in its shortest text, not in its binary digits.
    exact = [Decimal(repr(value)).normalize() for value in values]
    decimals = max([0, *(-int(value.as_tuple().exponent) for value in exact)])
    texts = [f"{value or abs(value):.{decimals}f}" for value in exact]  # without the sign of -0.0
    width = max(map(len, texts), default=0)
    return [text.zfill(width) for text in texts]


def _distinct(names: Sequence[str], points: Sequence[_Point], longest: int) -> list[str]:
    """Returns the names, numbered where rule 5 demands it.

    Args:
        points: the values behind each name; names of equal points stay equal.
    """
    by_point = dict(zip(points, names, strict=True))
    # Some file systems do not distinguish small and capital letters.
    is_clear = len({name.casefold() for name in by_point.values()}) == len(by_point)
    if is_clear and not any(len(n) > longest or _RESERVED.fullmatch(n) for n in names):
        return list(names)
    order = sorted(by_point, key=lambda point: (by_point[point], f"[{', '.join(point)}]"))
    numbers = {point: number for number, point in enumerate(order)}
    width = len(str(len(numbers) - 1))
    is_short = max(map(len, names)) + 2 + width <= longest
    return [
        f"{name + '-' if is_short else ''}n{numbers[point]:0{width}}"
        for name, point in zip(names, points, strict=True)
    ]
