"""The base of the sweepers, which imports only Hydra.

Hydra loads every module of its plugins itself, apart from those whose names begin with `_`.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.plugins import Plugins
from hydra.plugins.launcher import Launcher
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig


@dataclass
class ConfirmConf:
    """The number of best configs that a search trains again, and their fresh seeds."""

    top: int = 5
    seeds: int = 5


class RunsSweeper(Sweeper):
    """A sweeper that checks the configs of its runs before it launches them.

    Args:
        params: overrides by key. Those on the command line take precedence.
    """

    def __init__(self, params: dict[str, Any] | None = None) -> None:
        self.params = params or {}
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

    @property
    def master(self) -> DictConfig:
        """The config of the sweep."""
        assert self.config is not None
        return self.config

    @property
    def folder(self) -> Path:
        """The folder of the sweep."""
        return Path(self.master.hydra.sweep.dir)

    def overrides(self, arguments: list[str]) -> list[str]:
        """Returns `params` and then the arguments of the command line."""
        return [*(f"{key}={value}" for key, value in self.params.items()), *arguments]

    def parser(self) -> OverridesParser:
        """Returns a parser that knows the config groups."""
        assert self.hydra_context is not None
        return OverridesParser.create(config_loader=self.hydra_context.config_loader)

    def composer(self) -> Any:
        """Returns the MemberComposer of the runs."""
        # Imported here for the reason in the module's docstring.
        from seqsweep.config.compose import MemberComposer

        assert self.hydra_context is not None
        return MemberComposer(self.hydra_context.config_loader, self.master)

    def run_launcher(self) -> Any:
        """Returns the RunLauncher of the runs.

        A launcher of another package trains each run as a job of Hydra.
        """
        # Hydra loads the plugins by their names, and loads one again that another has imported.
        from hydra_plugins.seqsweep_local.seqsweep_local import RunsLauncher
        from seqsweep.sweeping.hydra_jobs import RunLauncher

        if isinstance(self.launcher, RunsLauncher) and self.launcher.launches_runs:
            return RunLauncher(threads=self.launcher.threads, workers=self.launcher.workers)
        return RunLauncher(self.launcher)
