"""The tests of a suite in several processes: long files first, each test once."""

from dataclasses import dataclass
from pathlib import Path

import pytest
from dealing import SECONDS, deal


@dataclass(frozen=True)
class Item:
    nodeid: str

    @property
    def path(self) -> str:
        return self.nodeid.partition("::")[0].removeprefix("tests/")


LONG = [Item(f"tests/{path}::test_{i}") for path in sorted(SECONDS) for i in range(3)]
SHORT = [Item(f"tests/other/test_{file}.py::test_{i}") for file in range(40) for i in range(5)]
ITEMS = [*SHORT[:90], *LONG, *SHORT[90:]]


def test_the_long_files_are_files_of_tests() -> None:
    tests = Path(__file__).parent
    assert [path for path in SECONDS if not (tests / path).is_file()] == []


@pytest.mark.parametrize("processes", [1, 2, 3, 4])
def test_each_part_begins_with_its_share_of_the_long_files(processes: int) -> None:
    dealt = deal(ITEMS, processes)
    assert sorted(item.nodeid for item in dealt) == sorted(item.nodeid for item in ITEMS)
    shares: list[int] = []
    rest = list(dealt)
    for index in range(processes):
        size = len(rest) // (processes - index)
        part, rest = rest[:size], rest[size:]
        is_long = [item.path in SECONDS for item in part]
        assert is_long == sorted(is_long, reverse=True)
        shares.append(sum(SECONDS[path] for path in {i.path for i in part} & SECONDS.keys()))
    assert max(shares) - min(shares) <= max(SECONDS.values())
    assert sum(shares) == sum(SECONDS.values())  # no long file is cut
