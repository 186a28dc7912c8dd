"""The nearest right name, for error messages."""

import difflib
from collections.abc import Iterable


def did_you_mean(name: str, options: Iterable[str]) -> str:
    """The end of an error message: the nearest of `options`, or all of them when they are few.

    >>> did_you_mean("hiden_size", ["hidden_size", "num_layers"])
    '; did you mean hidden_size?'
    """
    names = sorted({str(option) for option in options})
    lowered = {option.lower(): option for option in reversed(names)}
    near = difflib.get_close_matches(name.lower(), lowered, n=1, cutoff=0.6)
    if near:
        return f"; did you mean {lowered[near[0]]}?"
    if not names:
        return ""
    shown = ", ".join(names[:12]) + (", ..." if len(names) > 12 else "")
    return f"; known: {shown}"
