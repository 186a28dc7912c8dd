"""`hydra/sweeper=seqsweep` checks the whole grid of a multirun before it trains the first run.

Every Hydra app of the environment imports this module at its start, so it imports only Hydra.
"""

from dataclasses import dataclass, field
from typing import Any

from hydra.core.config_store import ConfigStore

from hydra_plugins.seqsweep_sweeper._base import RunsSweeper


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


class SeqsweepSweeper(RunsSweeper):
    """Expands the grid and passes it to `seqsweep.sweeping.sweep.run_sweep`.

    Args:
        params: overrides with comma-separated values. Those on the command line take precedence.
    """

    def sweep(self, arguments: list[str]) -> None:
        # Imported here for the reason in the module's docstring.
        from seqsweep.command import subcommand
        from seqsweep.config.shape.expansion import expand
        from seqsweep.console import PlainConsole
        from seqsweep.runs.identity import REPLICATE_KEYS
        from seqsweep.sweeping.plan_command import show_plan
        from seqsweep.sweeping.sweep import run_sweep

        jobs = expand(self.params, arguments, self.parser(), self.master, REPLICATE_KEYS)
        composer, console = self.composer(), PlainConsole()
        if subcommand() == "plan":
            show_plan(jobs, composer, self.folder, console)
        elif code := run_sweep(jobs, composer, self.run_launcher(), self.folder, console):
            raise SystemExit(code)
