"""Defines the sweepers `seqsweep` for a grid, `halving` and `optuna` for searches.

Every Hydra app of the environment imports this module first, so its top imports only Hydra.
"""

from abc import abstractmethod
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

_HERE = "hydra_plugins.seqsweep_sweeper.seqsweep_sweeper"


@dataclass
class SeqsweepSweeperConf:
    """The config of SeqsweepSweeper, with `params` as in Hydra's basic sweeper."""

    _target_: str = f"{_HERE}.SeqsweepSweeper"
    # An empty dict, because with None Hydra raises an AttributeError for
    # `hydra.sweeper.params={seed:1}`.
    params: dict[str, Any] | None = field(default_factory=dict)


@dataclass
class ConfirmConf:
    """The end of a search: its best configs are trained again with fresh seeds."""

    top: int = 5  # the number of configs
    seeds: int = 5  # the number of fresh seeds for each


@dataclass
class HalvingSweeperConf(SeqsweepSweeperConf):
    """The config of HalvingSweeper; `seqsweep.extras.search.halving` explains the keys."""

    _target_: str = f"{_HERE}.HalvingSweeper"
    population: int = 256
    rungs: list[int] = field(default_factory=lambda: [1, 3, 9, 27])
    seed: int = 0
    confirm: ConfirmConf = field(default_factory=ConfirmConf)


@dataclass
class BudgetConf:
    """The limits of a search; the first one reached ends the search."""

    trials: int | None = 50
    epochs: int | None = None
    minutes: float | None = None


@dataclass
class SamplerOptionsConf:
    """The options of samplers. A set option must belong to the sampler."""

    n_startup_trials: int | None = None  # tpe
    n_ei_candidates: int | None = None  # tpe
    multivariate: bool | None = None  # tpe
    group: bool | None = None  # tpe
    constant_liar: bool | None = None  # tpe


@dataclass
class PrunerOptionsConf:
    """The options of pruners. A set option must belong to the pruner."""

    n_startup_trials: int | None = None  # median
    n_warmup_epochs: int | None = None  # median
    interval: int | None = None  # median
    min_epochs: int | None = None  # hyperband
    eta: int | None = None  # hyperband


@dataclass
class OptunaSweeperConf(SeqsweepSweeperConf):
    """The config of OptunaSweeper; `seqsweep.extras.search.settings` explains the keys."""

    _target_: str = f"{_HERE}.OptunaSweeper"
    sampler: str = "tpe"
    sampler_options: SamplerOptionsConf = field(default_factory=SamplerOptionsConf)
    seed: int = 0
    budget: BudgetConf = field(default_factory=BudgetConf)
    parallel: int = 16
    pruner: str = "none"
    pruner_options: PrunerOptionsConf = field(default_factory=PrunerOptionsConf)
    seeds: int = 1
    confirm: ConfirmConf = field(default_factory=ConfirmConf)


# conf/hydra/sweeper/optuna.yaml calls `seqsweep_optuna` just `optuna`, but only for seqsweep,
# because hydra-optuna-sweeper uses the name `optuna` for all Hydra apps of an environment.
for _name, _node in {
    "seqsweep": SeqsweepSweeperConf,
    "halving": HalvingSweeperConf,
    "seqsweep_optuna": OptunaSweeperConf,
}.items():
    ConfigStore.instance().store(group="hydra/sweeper", name=_name, node=_node, provider="seqsweep")


class RunsSweeper(Sweeper):
    """The base class of the sweepers that train runs of seqsweep.

    Args:
        params: overrides by key. Overrides on the command line take precedence.
        options: the other keys of `hydra.sweeper`, which only the searches have.
    """

    def __init__(self, params: dict[str, Any] | None = None, **options: Any) -> None:
        self.params = params or {}
        self.options = options

    def setup(
        self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig
    ) -> None:
        self.loader = hydra_context.config_loader
        self.master = config
        self.folder = Path(config.hydra.sweep.dir)
        self.launcher: Launcher | None = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config
        )

    def sweep(self, arguments: list[str]) -> None:
        from seqsweep.command import current, restore_subcommand
        from seqsweep.config.compose import MemberComposer
        from seqsweep.sweeping.sweep_end import describe_sweep

        restore_subcommand()
        current().answer = lambda: describe_sweep(self.folder)
        if code := self.run(arguments, MemberComposer(self.loader, self.master)):
            raise SystemExit(code)

    @abstractmethod
    def run(self, arguments: list[str], composer: Any) -> int:
        """Trains the runs, whose configs a `MemberComposer` composes; returns the exit code."""

    def search(self, policy: Any, arguments: list[str], composer: Any) -> int:
        """Searches with a policy; returns the exit code."""
        from seqsweep.extras.search.command import search

        overrides = [*(f"{key}={value}" for key, value in self.params.items()), *arguments]
        launcher = self.run_launcher()
        return search(policy, self.options, overrides, composer, launcher, self.folder)

    def run_launcher(self) -> Any:
        """Returns a RunLauncher, which says where the runs are trained.

        With a launcher of another package, or callbacks of Hydra, each run is a job of Hydra.
        """
        # Imported here, because Hydra loads plugins by name, and would load an imported one twice.
        from hydra_plugins.seqsweep_local.seqsweep_local import RunsLauncher
        from seqsweep.sweeping.launchers import AsJobs

        if isinstance(self.launcher, RunsLauncher) and self.launcher.launches_runs:
            return self.launcher.runs
        assert self.launcher is not None
        return AsJobs(self.launcher)


class SeqsweepSweeper(RunsSweeper):
    """Expands the grid and trains its runs, or prints the plan for `seqsweep plan`."""

    def run(self, arguments: list[str], composer: Any) -> int:
        from seqsweep.command import current
        from seqsweep.config.shape.expansion import expand
        from seqsweep.console import PlainConsole
        from seqsweep.sweeping.plan_command import show_plan
        from seqsweep.sweeping.sweep import run_sweep

        parser = OverridesParser.create(config_loader=self.loader)
        jobs = expand(self.params, arguments, parser, self.master)
        command = show_plan if current().name == "plan" else run_sweep
        return command(jobs, composer, self.run_launcher(), self.folder, PlainConsole())


class HalvingSweeper(RunsSweeper):
    """Draws configs at random and trains the better ones for more epochs."""

    def run(self, arguments: list[str], composer: Any) -> int:
        from seqsweep.extras.search.halving import Halving

        return self.search(Halving, arguments, composer)


class OptunaSweeper(RunsSweeper):
    """Searches the given values with Optuna, which chooses the next configs."""

    def run(self, arguments: list[str], composer: Any) -> int:
        from seqsweep.extras.search.findings import has_optuna

        if not has_optuna():
            raise ModuleNotFoundError(
                "hydra/sweeper=optuna: needs Optuna: pip install 'seqsweep[search]'"
            )
        from seqsweep.extras.search.study import Window

        return self.search(Window, arguments, composer)
