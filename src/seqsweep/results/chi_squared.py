"""The chi-squared distribution (Pearson 1900, Philosophical Magazine 50).

Importing scipy for it would take longer than printing a table.
"""

import math


def upper_tail(value: float, freedom: int) -> float:
    """Returns the probability of a value of at least this size.

    A whole number of degrees of freedom has a closed form (Abramowitz and Stegun, 26.4.4 and
    26.4.5): a sum of freedom / 2 terms, and the tail of the normal distribution if the number is
    odd.

    >>> round(upper_tail(5.991, 2), 4), upper_tail(0.0, 3)
    (0.05, 1.0)
    """
    if value <= 0:
        return 1.0
    half = value / 2
    is_odd = freedom % 2
    # The first term of each sum; the next ones follow from it.
    term = math.exp(-half) * (2 * math.sqrt(half / math.pi) if is_odd else 1.0)
    terms = [math.erfc(math.sqrt(half))] if is_odd else []
    for step in range(freedom // 2):
        terms.append(term)
        term *= half / (step + (1.5 if is_odd else 1))
    return min(1.0, math.fsum(terms))
