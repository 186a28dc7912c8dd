"""Finds the points that no other point beats in all of their costs."""

from collections.abc import Sequence


def pareto_front(points: Sequence[Sequence[float]]) -> list[int]:
    """Returns the indices of the points that no other beats, by the first cost.

    Of equal points, the first one is in the front.

    Args:
        points: The costs of each point; lower is better.

    >>> pareto_front([(3, -0.9), (1, -0.5), (2, -0.4)])
    [1, 0]
    """
    front: list[int] = []
    # A point can only be beaten by one that is before it in this order.
    for index in sorted(range(len(points)), key=lambda i: tuple(points[i])):
        beaten = (
            all(a <= b for a, b in zip(points[other], points[index], strict=True))
            for other in front
        )
        if not any(beaten):
            front.append(index)
    return front
