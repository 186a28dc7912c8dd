"""The settings of a successive halving, and the population that they describe."""

import hashlib
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException

from seqsweep.config.grid import check_size
from seqsweep.runs.searchfile import SearchFile
from seqsweep.sweeping.search.space import Space, described, parse, value_at

_EPOCHS = "trainer.max_epochs"
_SWEEPER = "hydra.sweeper"


@dataclass(frozen=True)
class Halving:
    """A search by successive halving.

    Attributes:
        fixed: the overrides that all configs share.
        space: the values of each searched key.
        population: the number of configs.
        rungs: the numbers of epochs after which the runs are judged; the last one is their end.
        seed: the seed of the draws.
        top: how many of the best configs are trained again at the end.
        seeds: with how many fresh seeds each.
    """

    fixed: Sequence[str]
    space: Space
    population: int
    rungs: Sequence[int]
    seed: int
    top: int
    seeds: int

    @classmethod
    def of(
        cls,
        arguments: Sequence[str],
        parser: OverridesParser,
        population: int,
        rungs: Sequence[int],
        seed: int,
        top: int,
        seeds: int,
    ) -> "Halving":
        """Returns the search that overrides and the sweeper's config describe.

        Raises:
            HydraException: a value is out of its range, or no key is searched.
        """
        least = {"population": (population, 2), "seed": (seed, 0)}
        least |= {"confirm.top": (top, 0), "confirm.seeds": (seeds, 0)}
        for name, (value, lowest) in least.items():
            if value < lowest:
                raise HydraException(f"{_SWEEPER}.{name}={value}: must be at least {lowest}")
        check_size(f"{_SWEEPER}.population={population}", population)
        _check_rungs(rungs)
        fixed, space = parse(arguments, parser)
        if not space:
            raise HydraException(
                f"{_SWEEPER}.params: must give several values for at least one key, as in"
                " optimizer.lr=tag(log,interval(0.001,0.1))"
            )
        last = f"{_EPOCHS}={rungs[-1]}"
        given = [text for text in (*fixed, *space) if text.lstrip("+").partition("=")[0] == _EPOCHS]
        if given and given != [last]:
            raise HydraException(
                f"{given[0]}: must be {rungs[-1]}, the last of {_SWEEPER}.rungs, or left out"
            )
        fixed = [*(text for text in fixed if text not in given), last]
        return cls(fixed, space, population, rungs, seed, top, seeds)

    def drawn(self) -> list[dict[str, Any]]:
        """Returns the params of each config."""
        return [draw(self.space, self.seed, number) for number in range(self.population)]

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

    def search_file(self, monitor: str) -> SearchFile:
        """Returns the search.json of a search without its trials."""
        return SearchFile(
            "halving",
            "halving",
            monitor,
            described(self.space),
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


def _check_rungs(rungs: Sequence[int]) -> None:
    is_increasing = all(a < b for a, b in itertools.pairwise(rungs))
    if len(rungs) < 2 or rungs[0] < 1 or not is_increasing:
        listed = ",".join(map(str, rungs))
        raise HydraException(
            f"{_SWEEPER}.rungs=[{listed}]: must be at least two increasing numbers of epochs, as in"
            " [1,3,9,27]"
        )
