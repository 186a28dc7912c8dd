"""`hydra/sweeper=halving` searches a space of configs by successive halving.

Every Hydra app of the environment imports this module at its start, so it imports only Hydra.
"""

from dataclasses import dataclass, field
from typing import Any

from hydra.core.config_store import ConfigStore

from hydra_plugins.seqsweep_sweeper._base import ConfirmConf, RunsSweeper


@dataclass
class HalvingSweeperConf:
    """The sweeper's config, with the arguments of HalvingSweeper."""

    _target_: str = "hydra_plugins.seqsweep_halving.seqsweep_halving.HalvingSweeper"
    params: dict[str, Any] | None = field(default_factory=dict)
    population: int = 256
    rungs: list[int] = field(default_factory=lambda: [1, 3, 9, 27])
    seed: int = 0
    confirm: ConfirmConf = field(default_factory=ConfirmConf)


ConfigStore.instance().store(
    group="hydra/sweeper", name="halving", node=HalvingSweeperConf, provider="seqsweep"
)


class HalvingSweeper(RunsSweeper):
    """Draws configs at random and trains the better ones for longer.

    Args:
        params: overrides that span the space, in Hydra's syntax: `choice(a,b)`, `interval(a,b)`,
            `tag(log,interval(a,b))`, `int(interval(a,b))`, `range(a,b)`. Those on the command line
            take precedence.
        population: the number of configs, at least 2.
        rungs: the increasing numbers of epochs after which the runs are judged. The best ones train
            to the last number.
        seed: the seed of the draws, at least 0.
        confirm: `top` configs are trained again at the end, each with `seeds` fresh seeds.
    """

    def __init__(
        self,
        params: dict[str, Any] | None,
        population: int,
        rungs: list[int],
        seed: int,
        confirm: Any,
    ) -> None:
        super().__init__(params)
        self.numbers = population, list(rungs), seed, confirm["top"], confirm["seeds"]

    def sweep(self, arguments: list[str]) -> None:
        # Imported here for the reason in the module's docstring.
        from seqsweep.console import PlainConsole
        from seqsweep.extras.search.halving import Halving
        from seqsweep.extras.search.halving_command import search

        halving, overrides = Halving(*self.numbers), self.overrides(arguments)
        launcher, console = self.run_launcher(), PlainConsole()
        code = search(halving, overrides, self.composer(), launcher, self.folder, console)
        if code:
            raise SystemExit(code)
