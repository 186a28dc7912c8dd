"""A Pareto front has each point that no other beats, once."""

import pytest

from seqsweep.results.pareto_front import pareto_front


@pytest.mark.parametrize(
    ("points", "front"),
    [
        ([(3, -0.9), (1, -0.5), (2, -0.4)], [1, 0]),
        ([(3, 0.9), (1, 0.5), (2, 0.4)], [1, 2]),
        ([(1, -0.5), (1, -0.7), (2, -0.7)], [1]),
        ([(1, 2, 3), (1, 2, 3), (1, 3, 2), (2, 2, 3)], [0, 2]),
        ([], []),
    ],
)
def test_no_point_beats_one_of_the_front(points, front):
    assert pareto_front(points) == front
