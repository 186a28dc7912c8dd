"""Finds the known names nearest to a wrong one, for error messages."""

import difflib
from collections.abc import Iterable, Sequence


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
    """Returns the first twenty names, separated by commas."""
    return ", ".join(map(printable, names[:20])) + (", ..." if len(names) > 20 else "")


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
