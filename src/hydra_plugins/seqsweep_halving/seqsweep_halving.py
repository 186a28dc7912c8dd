"""`hydra/sweeper=halving` searches a space of configs by successive halving.

Every Hydra app of the environment imports this module at its start, so it imports only Hydra.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hydra.core.config_store import ConfigStore
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.plugins import Plugins
from hydra.plugins.launcher import Launcher
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig


@dataclass
class ConfirmConf:
    """The number of best configs that are trained again, and their fresh seeds."""

    top: int = 5
    seeds: int = 5


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


class HalvingSweeper(Sweeper):
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
        self.params = params or {}
        self.numbers = population, list(rungs), seed, confirm["top"], confirm["seeds"]
        self.launcher: Launcher | None = None
        self.hydra_context: HydraContext | None = None
        self.config: DictConfig | None = None

    def setup(
        self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig
    ) -> None:
        self.hydra_context = hydra_context
        self.config = config
        self.launcher = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config
        )

    def sweep(self, arguments: list[str]) -> None:
        # Hydra loads the plugins by their names, and loads one again that another has imported.
        from hydra_plugins.seqsweep_local.seqsweep_local import RunsLauncher

        # Imported here for the reason in the module's docstring.
        from seqsweep.config.compose import MemberComposer
        from seqsweep.console import PlainConsole
        from seqsweep.sweeping.search.halving import Halving
        from seqsweep.sweeping.search.halving_command import search

        launcher, context, config = self.launcher, self.hydra_context, self.config
        assert launcher is not None and context is not None and config is not None
        loader = context.config_loader
        parser = OverridesParser.create(config_loader=loader)
        params = [f"{key}={value}" for key, value in self.params.items()]
        halving = Halving.of([*params, *arguments], parser, *self.numbers)
        runs = None
        if isinstance(launcher, RunsLauncher) and launcher.launches_runs:
            runs = launcher.run_launcher()
        composer, folder = MemberComposer(loader, config), Path(config.hydra.sweep.dir)
        code = search(halving, composer, runs, folder, PlainConsole())
        if code:
            raise SystemExit(code)
