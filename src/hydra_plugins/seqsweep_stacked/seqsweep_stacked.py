"""`hydra/launcher=stacked`: the jobs of a multirun, trained together in one process.

This module is imported at every start of every Hydra app of the environment: it imports Hydra only.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra._internal.core_plugins.basic_launcher import BasicLauncher
from hydra.core.config_store import ConfigStore
from hydra.core.utils import JobReturn
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

_OUR_TASK = "seqsweep.sweeping.app"


@dataclass
class StackedLauncherConf:
    """The launcher's config: members that train side by side, null for one a core."""

    _target_: str = "hydra_plugins.seqsweep_stacked.seqsweep_stacked.StackedLauncher"
    threads: int | None = None


ConfigStore.instance().store(
    group="hydra/launcher", name="stacked", node=StackedLauncherConf, provider="seqsweep"
)


class StackedLauncher(Launcher):
    """Trains runs of the engines `native` and `stacked` together, as pools and stacks.

    Hydra's basic launcher trains the others, one after another, and the jobs of any other Hydra
    app.

    Args:
        threads: the number of members that the native engine trains side by side; None for one a
            core.
    """

    def __init__(self, threads: int | None = None) -> None:
        most = max(4, 2 * (os.cpu_count() or 1))
        if threads is not None and not 1 <= threads <= most:
            allowed = "at least 1, or null" if threads < 1 else f"at most {most}, twice the cores"
            raise ValueError(f"hydra.launcher.threads={threads}: must be {allowed}")
        self.threads = threads
        self.basic: Launcher | None = None
        self.hydra_context: HydraContext | None = None
        self.config: DictConfig | None = None
        self.is_ours = False

    def setup(
        self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig
    ) -> None:
        self.hydra_context = hydra_context
        self.config = config
        self.is_ours = task_function.__module__ == _OUR_TASK
        self.basic = BasicLauncher()
        self.basic.setup(hydra_context=hydra_context, task_function=task_function, config=config)

    def launch_members(
        self, job_overrides: Sequence[Sequence[str]], members: Sequence[Any]
    ) -> bool:
        """For our own sweeper, which has composed the jobs' configs already.

        Returns:
            False where the jobs have to be launched as any others.
        """
        config, basic = self.config, self.basic
        assert config is not None and basic is not None
        if not self.is_ours or config.hydra.callbacks:
            return False
        from seqsweep.sweeping.hydra_jobs import launch_members

        launch_members(job_overrides, members, Path(config.hydra.sweep.dir), basic, self.threads)
        return True

    def launch(
        self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int
    ) -> Sequence[JobReturn]:
        context, config, basic = self.hydra_context, self.config, self.basic
        assert context is not None and config is not None and basic is not None
        if not self.is_ours or config.hydra.callbacks:  # their hooks belong to single jobs
            return basic.launch(job_overrides, initial_job_idx)
        # Here and not above: see the module's docstring.
        from seqsweep.sweeping.hydra_jobs import launch_jobs

        return launch_jobs(
            job_overrides, initial_job_idx, context.config_loader, config, basic, self.threads
        )
