"""Chooses the cases that stay fast of a test marked `sampled(n)`."""


def spread(cases: int, count: int) -> set[int]:
    """Spreads `count` numbers over range(cases): every n-th, and each time one further.

    A test of several parameters has its cases in order, so every n-th alone could give one value of
    a parameter again and again.
    """
    step = max(cases // count, 1)
    return {n for i in range(count) if (n := i * cases // count + i % step) < cases}
