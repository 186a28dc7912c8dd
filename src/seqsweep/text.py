"""Formats numbers, names, values and paths as plain texts, for tables and messages."""

import difflib
import math
import re
from collections.abc import Iterable, Sequence
from pathlib import PurePosixPath
from typing import Any

NBSP = "\N{NO-BREAK SPACE}"
_ABSOLUTE = re.compile(
    # In quotes a path may contain spaces.
    r"""(?<=")/[^"/\n]+/[^"\n]+(?=")|(?<=')/[^'/\n]+/[^'\n]+(?=')"""
    r"""|(?<![\w./:~<>-])/(?:[^\s/'":,;()<>]+/)+[^\s/'":,;()<>]+"""
)
_FORMULA = ("=", "+", "-", "@", "\t", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""The characters that begin a formula; the last four are wide forms."""
_INSTALLED = re.compile(r".*/(?:site-packages|python3\.\d+|src)/")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")
"""Control characters, except tab and line break, and characters that turn a text's direction."""


def did_you_mean(name: str, known: Iterable[str], cutoff: float = 0.6) -> str:
    """Returns the nearest names as the end of a message.

    >>> did_you_mean("hiden_size", ["hidden_size", "num_layers"])
    "; did you mean 'hidden_size'?"
    """
    folded = {other.casefold(): other for other in known}
    near = difflib.get_close_matches(name.casefold(), folded, n=3, cutoff=cutoff)
    return f"; did you mean {' or '.join(repr(folded[n]) for n in near)}?" if near else ""


def nearest_or_all(name: str, known: Iterable[str]) -> str:
    """Returns the nearest names, or all, as the end of a message."""
    names = sorted(known)
    return did_you_mean(name, names) or (f"; known: {listed(names)}" if names else "")


def listed(names: Sequence[str]) -> str:
    """Returns the first twenty names, separated by commas; long ones without their ends."""
    shown = [
        name if len(name) <= 200 else f"{name[:197]}..." for name in map(printable, names[:20])
    ]
    return ", ".join(shown) + (", ..." if len(names) > 20 else "")


def printable(name: str) -> str:
    """Returns a name from a file on one line, with escapes if necessary.

    >>> printable("a\\nb")
    'a\\\\nb'
    """
    return name if name.isprintable() else name.encode("unicode_escape").decode("ascii")


def short(value: object) -> str:
    """Returns the start of a value, quoted, for messages."""
    text = str(value)
    return repr(text if len(text) <= 40 else text[:37] + "...")


def count(number: int, one: str, many: str | None = None) -> str:
    """Returns a number with its noun: `1 run`, `1,200 runs`."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def number(value: float, sign: str = "", beside: float | None = None) -> str:
    """Formats a score with four decimals, or four significant digits if huge or tiny.

    Args:
        beside: The number beside it, whose size decides the format.
    """
    size = abs(value if beside is None else beside)
    return f"{value:{sign}.4f}" if not size or 0.001 <= size < 10_000 else f"{value:{sign}.4g}"


def cost(name: str, value: float, sign: str = "") -> str:
    """Formats a record's count or time; `sign="+"` also shows plus signs.

    >>> cost("params", 1200.0), cost("train_seconds", 2.04), cost("train_seconds", 0.0412)
    ('1,200', '2.0', '0.041')
    """
    # Short times need significant digits, and long times no decimals.
    if name.endswith("seconds") and 0.0005 <= abs(value) < 0.995:
        return f"{value:{sign}#.2g}"
    digits = int(name.endswith("seconds") and abs(value) < 1000)
    return f"{value:{sign},.{digits}f}"


def interval_texts(*values: float, sign: str = "") -> list[str]:
    """Formats an interval's ends, and values in it, to two digits of its width.

    >>> interval_texts(0.002044, -0.0, 0.006254), interval_texts(0.5, 0.4, 1.0, sign="+")
    (['0.0020', '0.0000', '0.0063'], ['+0.50', '+0.40', '+1.00'])
    """
    width = max(values) - min(values)
    decimals = max(0, 1 - math.floor(math.log10(width))) if width else 4
    # Python 3.11's option z writes a negative number that rounds to zero without its sign.
    return [f"{value:{sign}z.{decimals}f}" for value in values]


def duration(seconds: float) -> str:
    """Returns a duration as text, such as `0:58` or `1:02:03`."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def cut(text: str, most: int) -> str:
    """Returns the first characters of a text, with `…` for the rest."""
    return text if len(text) <= most else f"{text[: most - 1]}…"


def upper_first(text: str) -> str:
    """Returns the text with a capital first letter."""
    return text[:1].upper() + text[1:]


def visible(text: str) -> str:
    r"""Returns the text with control characters as escapes.

    Class names, override values and error messages may come from files with such characters.

    >>> visible("a\x1b[2Jb\tc")
    'a\\x1b[2Jb\tc'
    """
    return _CONTROL.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def one_line(text: str) -> str:
    """Returns a text in one line, with control characters as escapes."""
    return visible(" ".join(text.split()))


def plain_text(value: Any) -> str:
    """Returns the text of a config value as on Hydra's command line.

    >>> plain_text([0.9, None]), plain_text(True), plain_text("a b")
    ('[0.9,null]', 'true', 'a b')
    """
    if isinstance(value, (list, tuple)):
        return f"[{','.join(map(plain_text, value))}]"
    if isinstance(value, dict):
        return f"{{{','.join(f'{key}:{plain_text(part)}' for key, part in value.items())}}}"
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return str(value)


def quoted_formula(cell: Any) -> Any:
    """Returns a csv cell that no spreadsheet runs as a formula.

    >>> quoted_formula("=1+1"), quoted_formula("-1"), quoted_formula(-1)
    ("'=1+1", '-1', -1)
    """
    if not isinstance(cell, str):
        return cell
    cell = cell.replace("\r", "\\r")  # csv does not quote "\r", which ends a row
    if not cell.startswith(_FORMULA):
        return cell
    try:
        float(cell)
    except ValueError:
        return f"'{cell}"
    return cell


def without_machine(text: str, folder: str) -> str:
    """Shortens the absolute paths in an error or a traceback.

    A file in the folder is shown relative to the folder, an installed module from its package on,
    any other file by its name.

    >>> without_machine('File "/opt/lib/python3.11/site-packages/torch/nn.py"', "/data/sweep")
    'File "…/torch/nn.py"'
    >>> without_machine("no file /home/me/a.npz; see /data/sweep/1f/train.log", "/data/sweep")
    'no file …/a.npz; see 1f/train.log'
    """

    def shorten(match: re.Match[str]) -> str:
        installed = _INSTALLED.match(match[0])
        return f"…/{match[0][installed.end() :] if installed else PurePosixPath(match[0]).name}"

    return _ABSOLUTE.sub(shorten, text.replace(f"{folder}/", ""))
