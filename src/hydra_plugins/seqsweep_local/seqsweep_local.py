"""Defines the launchers `local` (one process), `slurm` and `ray` (workers of a cluster).

Every Hydra app of the environment imports this module first, so its top imports only Hydra.
"""

import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hydra._internal.core_plugins.basic_launcher import BasicLauncher
from hydra.core.config_store import ConfigStore
from hydra.core.utils import JobReturn
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

_HERE = "hydra_plugins.seqsweep_local.seqsweep_local"
_OUR_TASK = "seqsweep.sweeping.app"


@dataclass
class LocalLauncherConf:
    """The config of LocalLauncher."""

    _target_: str = f"{_HERE}.LocalLauncher"
    threads: int | None = None
    processes: Any = 1  # a number, or auto: one for each GPU


@dataclass
class SlurmLauncherConf:
    """The config of SlurmLauncher: the arguments of `Workers` and of `SlurmJobs`."""

    _target_: str = f"{_HERE}.SlurmLauncher"
    count: int = 1
    detach: bool = False
    start: bool = False
    partition: str | None = None
    account: str | None = None
    qos: str | None = None
    time: Any = None  # minutes, or a text for Slurm such as 2-12 (days-hours)
    cpus: int = 1
    memory: Any = None
    gpus: Any = None
    requeue: bool = True
    setup: list[str] = field(default_factory=list[str])
    options: Any = None  # not a dict, because Hydra could not add keys to it


@dataclass
class RayLauncherConf:
    """The config of RayLauncher: the arguments of `Workers` and of `RayActors`."""

    _target_: str = f"{_HERE}.RayLauncher"
    count: int = 1
    detach: bool = False
    start: bool = False
    address: str = "auto"
    cpus: float = 1
    gpus: float = 0
    restarts: int = 10


# conf/hydra/launcher/ray.yaml calls `seqsweep_ray` just `ray`, but only for seqsweep, because
# hydra-ray-launcher uses the name `ray` for all Hydra apps of an environment.
for _name, _node in {
    "local": LocalLauncherConf,
    "slurm": SlurmLauncherConf,
    "seqsweep_ray": RayLauncherConf,
}.items():
    ConfigStore.instance().store(
        group="hydra/launcher", name=_name, node=_node, provider="seqsweep"
    )


class RunsLauncher(Launcher):
    """The base class of launchers that train runs of seqsweep.

    Attributes:
        runs: the `seqsweep.sweeping.launchers.RunLauncher` that trains the runs.
        basic: Hydra's own launcher, with which LocalLauncher runs all other jobs.
    """

    def __init__(self, runs: Any) -> None:
        self.runs = runs
        self.basic = BasicLauncher()

    def setup(
        self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig
    ) -> None:
        self.loader = hydra_context.config_loader
        self.config = config
        self.is_ours = task_function.__module__ == _OUR_TASK
        self.basic.setup(hydra_context=hydra_context, task_function=task_function, config=config)

    @property
    def launches_runs(self) -> bool:
        """Tells if the jobs are runs of seqsweep without callbacks of Hydra.

        Hydra calls its callbacks for single jobs, so they exclude pools and workers.
        """
        return self.is_ours and not self.config.hydra.callbacks


class WorkersLauncher(RunsLauncher):
    """The base class of launchers whose workers train the runs on a cluster."""

    def __init__(self, workers: Any, name: str) -> None:
        super().__init__(workers)
        self.name = name

    def launch(
        self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int
    ) -> Sequence[JobReturn]:
        # Sweepers of seqsweep use `workers` instead. Others lack the sweep.json that workers need.
        if self.launches_runs:
            raise ValueError(f"hydra/launcher={self.name}: needs a sweeper of seqsweep")
        other = {"slurm": "submitit"}.get(self.name, self.name)
        raise ValueError(
            f"hydra/launcher={self.name}: trains runs of seqsweep, without hydra.callbacks; "
            f"hydra-{other}-launcher starts the jobs of other Hydra apps"
        )


class LocalLauncher(RunsLauncher):
    """Trains the runs here: native runs together in pools, others in one or more processes."""

    def __init__(self, threads: int | None = None, processes: Any = 1) -> None:
        most = max(4, 2 * (os.cpu_count() or 1))
        if threads is not None and not 1 <= threads <= most:
            allowed = "at least 1, or null" if threads < 1 else f"at most {most}, twice the cores"
            raise ValueError(f"hydra.launcher.threads={threads}: must be {allowed}")
        from seqsweep.sweeping.launchers import Here
        from seqsweep.sweeping.processes import cores, number_of_processes

        super().__init__(Here(threads or cores(), number_of_processes(processes)))

    def launch(
        self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int
    ) -> Sequence[JobReturn]:
        if self.runs.processes != 1:
            given = f"hydra.launcher.processes={self.runs.processes}"
            raise ValueError(f"{given}: needs a sweeper of seqsweep, without hydra.callbacks")
        if not self.launches_runs:
            return self.basic.launch(job_overrides, initial_job_idx)
        from seqsweep.sweeping.launchers import launch_jobs

        return launch_jobs(self.runs, job_overrides, self.loader, self.config)


class SlurmLauncher(WorkersLauncher):
    """Queues a job array of workers that train the sweep's folder."""

    def __init__(self, count: int, detach: bool, start: bool, options: Any, **jobs: Any) -> None:
        from seqsweep.extras.clusters.slurm import SlurmJobs
        from seqsweep.extras.clusters.workers import Workers

        if not isinstance(options, Mapping | None):
            raise ValueError(f"hydra.launcher.options={options}: must be a mapping")
        cluster = SlurmJobs(**jobs, more=dict(options or {}))
        super().__init__(Workers(cluster, count, detach, start), "slurm")
        if shutil.which("sbatch") is None:
            raise FileNotFoundError(
                "hydra/launcher=slurm: no `sbatch` in PATH; run the command on a machine that "
                "submits jobs to Slurm"
            )


class RayLauncher(WorkersLauncher):
    """Starts workers in a Ray cluster that train the sweep's folder."""

    def __init__(self, count: int, detach: bool, start: bool, **actors: Any) -> None:
        from seqsweep.extras.clusters.ray_workers import RayActors
        from seqsweep.extras.clusters.workers import Workers

        super().__init__(Workers(RayActors(**actors), count, detach, start), "ray")
