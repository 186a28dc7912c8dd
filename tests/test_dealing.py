"""The suite in several processes: long files first, each test once; a sample is spread."""

import itertools
from dataclasses import dataclass
from pathlib import Path

from dealing import SECONDS, deal, spread


@dataclass(frozen=True)
class Item:
    nodeid: str


def test_every_test_is_dealt_once_and_the_long_files_exist() -> None:
    tests = Path(__file__).parent
    assert [path for path in SECONDS if not (tests / path).is_file()] == []
    paths = [*sorted(SECONDS), *(f"other/test_{n}.py" for n in range(40))]
    items = [Item(f"tests/{path}::test_{i}") for path in paths for i in range(3)]
    for processes in (1, 2, 3):
        dealt = deal(items, processes)
        assert sorted(item.nodeid for item in dealt) == sorted(item.nodeid for item in items)


def test_every_value_of_every_parameter_is_in_a_sample() -> None:
    grid = list(itertools.product(range(3), range(15)))
    kept = [grid[n] for n in spread(len(grid), 15)]
    assert len(kept) == 15
    assert {one for one, _ in kept} == set(range(3))
    assert {other for _, other in kept} == set(range(15))
