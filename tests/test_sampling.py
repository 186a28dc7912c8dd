"""The cases of a sampled test that `make check` runs are spread over its parameters."""

import itertools

from sampling import spread


def test_so_many_cases_stay_fast() -> None:
    for cases, count in itertools.product(range(1, 60), range(1, 65)):
        kept = spread(cases, count)
        assert len(kept) == min(cases, count)
        assert kept <= set(range(cases))


def test_every_value_of_every_parameter_is_among_them() -> None:
    grid = list(itertools.product(range(3), range(15)))
    kept = [grid[n] for n in spread(len(grid), 15)]
    assert {one for one, _ in kept} == set(range(3))
    assert {other for _, other in kept} == set(range(15))
