"""Expands a sweep into its members: the grid, reduced by a filter and a sample."""

import hashlib
import itertools
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from seqsweep.config.compose import MemberComposer
from seqsweep.config.messages import explain, with_place
from seqsweep.config.schema import Config, check_shape
from seqsweep.config.shape.axes import Grid, Point, check_size, grid_of
from seqsweep.config.shape.grammar import Rule
from seqsweep.config.shape.options import ShapeOptions
from seqsweep.runs.identity import REPLICATE_KEYS, is_below

MOST_FILTERED = 500_000
"""The largest number of runs that a filter is tried on; each run takes some 0.1 ms."""

_ROUNDS = 6  # of the network in `permuted`


class Job(NamedTuple):
    """The checked config of a member; `place` is its line in `sweep.list`, if any."""

    overrides: Sequence[str]
    config: Config
    place: str = ""


@dataclass
class Expansion:
    """The members of a sweep, which `jobs` composes one by one.

    Attributes:
        runs: the number of members that `jobs` has yielded so far.
        tried: the number of configs that `jobs` has composed for a sample.
        taken: the number of tried configs of which the filter has kept a replicate.
    """

    grid: Grid
    options: ShapeOptions = field(default_factory=ShapeOptions)
    runs: int = 0
    tried: int = 0
    taken: int = 0

    def jobs(self, compose: MemberComposer) -> Iterator[Job]:
        """Yields the checked members of the sweep, in the grid's order.

        Raises:
            HydraException: there are no members or too many.
            ValueError, TypeError, OSError: an override, a config or the filter is refused.
        """
        rule = Rule(self.options.filter, compose.master)
        sample = self.options.sample
        if sample is not None:
            found = self._sampled(sample, rule, compose)
        else:
            self._check_size()
            every = (self._job(point, compose) for point in self.grid.points())
            found = (job for job in every if rule.keeps(job.overrides, job.config))
        for job in found:
            self.runs += 1
            check_size("the sweep", self.runs)
            yield job
        rule.check_result(self.runs)

    def _check_size(self) -> None:
        """Refuses a grid that is empty, or too large to compose all its members."""
        if self.options.filter is None:
            sizes = [len(axis.choices) for axis in self.grid.axes]
            check_size(f"a grid of {' x '.join(str(n) for n in sizes if n > 1)}", self.grid.size)
        elif self.grid.size > MOST_FILTERED:
            raise HydraException(
                f"sweep.filter: a grid of {self.grid.size:,} runs; a filter is tried on at most "
                f"{MOST_FILTERED:,}: give fewer values, or sweep.sample=N"
            )

    def _sampled(self, sample: int, rule: Rule, compose: MemberComposer) -> list[Job]:
        """Returns the members of the sample, in the grid's order.

        A sample has all replicates of its configs, except those that the filter drops. Configs are
        composed in a random order until enough of them pass the filter.
        """
        replicates = self.grid.size // self.configs
        check_size(f"sweep.sample={sample}", min(sample, self.configs) * replicates)
        kept: list[tuple[Point, Job]] = []
        for points in sampled_configs(self.grid, self.options.sample_seed):
            if self.taken == sample:
                break
            if self.tried * replicates >= MOST_FILTERED:
                raise HydraException(
                    f"sweep.sample={sample}: sweep.filter keeps {self.taken:,} of the first "
                    f"{self.tried:,} configs; give other values, or another filter"
                )
            jobs = [(point, self._job(point, compose)) for point in points]
            passing = [(at, job) for at, job in jobs if rule.keeps(job.overrides, job.config)]
            self.tried += 1
            self.taken += bool(passing)
            kept += passing
        return [job for _, job in sorted(kept, key=lambda pair: pair[0])]

    @property
    def configs(self) -> int:
        """The number of configs in the grid; the replicates of a config count once."""
        return self.grid.without(REPLICATE_KEYS).size

    def _job(self, point: Point, compose: MemberComposer) -> Job:
        overrides, place = self.grid.overrides(point), self.grid.place(point)
        try:
            return Job(overrides, compose.checked(overrides), place)
        except (HydraException, OmegaConfBaseException, ValueError, TypeError, OSError) as error:
            raise self.placed(error, overrides, place, compose) from error

    def placed(
        self, error: Exception, overrides: Sequence[str], place: str, compose: MemberComposer
    ) -> Exception:
        """Returns the error with the place that set its key; Hydra's as ValueError."""
        message = explain(error)
        key = re.match(r"\w+(\.\w+)*", message)
        listed = [each.lstrip("+") for each in self.grid.axes[0].keys] if place else []
        if key and any(is_below(each, (key[0],)) for each in listed):
            return ValueError(f"{message} (in {place})")
        if isinstance(error, (HydraException, OmegaConfBaseException)):
            return ValueError(message)  # an error that is raised from itself loses its cause
        return with_place(error, compose.full(overrides).hydra)

    def described(self) -> list[str]:
        """Describes the grid and the kept runs in lines; returns none for a plain grid."""
        options, size = self.options, self.grid.size
        given = (options.zip, options.filter, options.sample, options.list)
        if all(option is None for option in given):
            return []
        lines = [f"grid of {size:,} runs: {self.grid.described()}"]
        if options.sample is not None:
            dropped = self.tried - self.taken
            without = f", {dropped:,} more dropped by sweep.filter" if dropped else ""
            of_all = f"{self.taken:,} of {self.configs:,} configs{without}"
            lines.append(f"sweep.sample={options.sample}: {of_all}; {self.runs:,} of {size:,} runs")
        elif options.filter is not None:
            lines.append(f"sweep.filter keeps {self.runs:,} of {size:,} runs")
        return lines


def expand(
    params: Mapping[str, Any],
    arguments: Sequence[str],
    parser: OverridesParser,
    master: DictConfig,
) -> Expansion:
    """Returns the expansion of a command's sweep; raises the errors of `grid_of`."""
    try:
        options = check_shape(master)
        grid = grid_of(params, arguments, parser, options)
    except (ValueError, OSError) as error:
        raise with_place(error, master.hydra) from error
    return Expansion(grid, options)


def sampled_configs(grid: Grid, seed: int) -> Iterator[list[Point]]:
    """Yields for each config, in a random order, the points of all of its replicates.

    The first n configs are a sample of size n. The order of the configs depends on the values of
    the grid and on the seed, not on the order in which keys and values are given.
    """
    repeats = [set(axis.keys) <= set(REPLICATE_KEYS) for axis in grid.axes]
    ways: list[list[int]] = []
    for axis, repeated in zip(grid.axes, repeats, strict=True):
        texts = {tuple(sorted(choice)): index for index, choice in enumerate(axis.choices)}
        ways.append(
            list(range(len(axis.choices))) if repeated else [texts[t] for t in sorted(texts)]
        )
    order = [i for i, repeated in enumerate(repeats) if not repeated]
    order.sort(key=lambda i: sorted(grid.axes[i].keys))
    for number in permuted(math.prod(len(ways[i]) for i in order), seed):
        chosen = list(ways)
        for i in order:
            number, digit = divmod(number, len(ways[i]))
            chosen[i] = [ways[i][digit]]
        yield list(itertools.product(*chosen))


def permuted(size: int, seed: int) -> Iterator[int]:
    """Yields every number below `size` once, in an order that the seed decides.

    The first n numbers are a sample of size n, and are part of every larger sample. A number takes
    the same time for any `size`. A Feistel network permutes the numbers below the next square
    number, and results that are too large are left out (Black & Rogaway 2002, Ciphers with
    Arbitrary Finite Domains, CT-RSA).
    """
    side = math.isqrt(size - 1) + 1
    for number in range(side * side):
        left, right = divmod(number, side)
        for step in range(_ROUNDS):
            left, right = right, (left + _hash(seed, step, right)) % side
        if (mixed := left * side + right) < size:
            yield mixed


def _hash(seed: int, step: int, value: int) -> int:
    # hashlib is used, because `hash` and `random` may change with the version of Python.
    text = f"{seed}/{step}/{value}".encode()
    return int.from_bytes(hashlib.blake2b(text, digest_size=16).digest(), "big")
