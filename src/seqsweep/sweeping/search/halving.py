"""The settings of a successive halving, and the population that they describe."""

import hashlib
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from seqsweep.config.grid import check_size
from seqsweep.runs.searchfile import SearchFile
from seqsweep.sweeping.search.space import Space, described, value_at

_SWEEPER = "hydra.sweeper"


@dataclass(frozen=True)
class Halving:
    """The settings of a successive halving: the keys of `hydra.sweeper`, checked.

    Attributes:
        population: the number of configs.
        rungs: the numbers of epochs after which the runs are judged; the last one is their end.
        seed: the seed of the draws.
        top: how many of the best configs are trained again at the end.
        seeds: with how many fresh seeds each.

    Raises:
        ValueError: a value is out of its range.
    """

    population: int
    rungs: Sequence[int]
    seed: int
    top: int
    seeds: int

    def __post_init__(self) -> None:
        least = {"population": (self.population, 2), "seed": (self.seed, 0)}
        least |= {"confirm.top": (self.top, 0), "confirm.seeds": (self.seeds, 0)}
        for name, (value, lowest) in least.items():
            if value < lowest:
                raise ValueError(f"{_SWEEPER}.{name}={value}: must be at least {lowest}")
        check_size(f"{_SWEEPER}.population={self.population}", self.population)
        is_increasing = all(a < b for a, b in itertools.pairwise(self.rungs))
        if len(self.rungs) < 2 or self.rungs[0] < 1 or not is_increasing:
            listed = ",".join(map(str, self.rungs))
            raise ValueError(
                f"{_SWEEPER}.rungs=[{listed}]: must be at least two increasing numbers of epochs,"
                " as in [1,3,9,27]"
            )

    def drawn(self, space: Space) -> list[dict[str, Any]]:
        """Returns the params of each config."""
        return [draw(space, self.seed, number) for number in range(self.population)]

    def sizes(self, configs: int) -> list[int]:
        """Returns the number of runs that train to each rung, if none fails."""
        sizes = [configs]
        for rung, following in itertools.pairwise(self.rungs):
            sizes.append(-(-sizes[-1] * rung // following))
        return sizes

    def epochs(self, configs: int) -> int:
        """Returns the number of epochs that the search trains in all."""
        steps = [self.rungs[0], *(b - a for a, b in itertools.pairwise(self.rungs))]
        return sum(n * step for n, step in zip(self.sizes(configs), steps, strict=True))

    def search_file(self, space: Space, monitor: str) -> SearchFile:
        """Returns the search.json of a search without its trials."""
        return SearchFile(
            "halving",
            "halving",
            monitor,
            described(space),
            {"population": self.population, "seed": self.seed},
            {"trials": self.population},
            rungs=list(self.rungs),
        )


def draw(space: Space, seed: int, number: int) -> dict[str, Any]:
    """Returns a value of each key.

    Each value depends on the seed of the search, the number of the config and the key alone. So a
    larger population begins with the configs of a smaller one.

    >>> from seqsweep.sweeping.search.space import Numbers
    >>> draw({"optimizer.lr": Numbers(0.001, 0.1, log=True)}, seed=0, number=3)
    {'optimizer.lr': 0.069148}
    """
    return {key: value_at(values, _share(seed, number, key)) for key, values in space.items()}


def _share(seed: int, number: int, key: str) -> float:
    """Returns a random number in [0, 1)."""
    # Unlike a generator of NumPy, a digest gives the same number in any version.
    digest = hashlib.sha256(f"{seed}/{number}/{key}".encode()).digest()
    return (int.from_bytes(digest[:8], "big") >> 11) / 2**53
