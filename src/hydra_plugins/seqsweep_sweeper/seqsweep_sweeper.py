"""`hydra/sweeper=seqsweep` checks the whole grid of a multirun before it trains the first run.

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

from hydra_plugins.seqsweep_local.seqsweep_local import RunsLauncher


@dataclass
class SeqsweepSweeperConf:
    """The sweeper's config, with `params` as in Hydra's basic sweeper."""

    _target_: str = "hydra_plugins.seqsweep_sweeper.seqsweep_sweeper.SeqsweepSweeper"
    # An empty dict, because with None Hydra raises an AttributeError for
    # `hydra.sweeper.params={seed:1}`.
    params: dict[str, Any] | None = field(default_factory=dict)


ConfigStore.instance().store(
    group="hydra/sweeper", name="seqsweep", node=SeqsweepSweeperConf, provider="seqsweep"
)


class SeqsweepSweeper(Sweeper):
    """Expands the grid and passes it to `seqsweep.sweeping.sweep.run_sweep`.

    Args:
        params: overrides with comma-separated values. Those on the command line take precedence.
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

    def sweep(self, arguments: list[str]) -> None:
        # Imported here for the reason in the module's docstring.
        from seqsweep.command import subcommand
        from seqsweep.config.compose import MemberComposer
        from seqsweep.config.shape.expansion import expand
        from seqsweep.console import PlainConsole
        from seqsweep.runs.replicate_keys import REPLICATE_KEYS
        from seqsweep.sweeping.hydra_jobs import RunLauncher
        from seqsweep.sweeping.plan_command import show_plan, verify_members
        from seqsweep.sweeping.sweep import run_sweep

        launcher, context, config = self.launcher, self.hydra_context, self.config
        assert launcher is not None and context is not None and config is not None
        loader = context.config_loader
        parser = OverridesParser.create(config_loader=loader)
        jobs = expand(self.params, arguments, parser, config, REPLICATE_KEYS)
        composer, folder = MemberComposer(loader, config), Path(config.hydra.sweep.dir)
        if subcommand() == "plan":
            show_plan(jobs, composer, folder, PlainConsole())
            return
        if subcommand() == "verify-stack":
            if verify_members(jobs, composer, folder, PlainConsole()):
                raise SystemExit(1)
            return

        runs = RunLauncher(launcher)  # another launcher trains each run as a job of Hydra
        if isinstance(launcher, RunsLauncher) and launcher.launches_runs:
            runs = launcher.run_launcher()
        code = run_sweep(jobs, composer, runs, folder, PlainConsole())
        if code:
            raise SystemExit(code)
