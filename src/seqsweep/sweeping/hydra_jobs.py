"""Trains runs as Hydra jobs, and the jobs of sweepers that are not seqsweep's."""

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from hydra.core.config_loader import ConfigLoader
from hydra.core.utils import JobReturn, JobStatus
from hydra.plugins.launcher import Launcher
from omegaconf import DictConfig

from seqsweep.command import current
from seqsweep.config.compose import MemberComposer
from seqsweep.config.shape.options import refuse_shape
from seqsweep.importing import without_collections
from seqsweep.runs.metrics import monitor_of_config
from seqsweep.runs.run_folder import RunFolder
from seqsweep.sweeping.processes import Train, train_beside_workers
from seqsweep.sweeping.queue import SweepMember
from seqsweep.sweeping.sweep_end import describe_sweep
from seqsweep.training.limits import Judge
from seqsweep.training.outcome import interruptible, monitored
from seqsweep.training.planned_run import PlannedRun, plan


class Workers(Protocol):
    """The workers of a cluster, which `seqsweep.extras.clusters` implements."""

    @property
    def detach(self) -> bool:
        """Tells whether the command ends once the workers are started."""
        ...

    def begin(self, runs: Sequence[SweepMember], folder: Path) -> None:
        """Starts the workers, unless another command has; prints what happened."""
        ...

    def train(
        self, runs: Sequence[SweepMember], folder: Path, until_one_ends: bool = False
    ) -> None:
        """Calls `begin`; unless `detach`, waits until all runs, or one run, have ended."""
        ...


class RunLauncher:
    """Says where runs train; each subclass trains them at another place.

    Attributes:
        workers: the workers of a cluster that train all runs, or None.
        processes: the processes that train the runs of autograd; 1 is this process alone, and 0 a
            launcher without this choice.
        prunes: whether runs can end early.
    """

    workers: Workers | None = None
    processes: int = 0
    prunes: bool = True

    def train(
        self, members: Sequence[SweepMember], folder: Path, judge: Judge | None
    ) -> Mapping[str, object]:
        """Trains members below a folder; returns known outcomes and errors by run_id."""
        raise NotImplementedError  # of workers, the sweep only waits for the runs

    @property
    def detach(self) -> bool:
        """Tells whether the command ends once the workers are started."""
        return self.workers is not None and self.workers.detach


@dataclass
class OnCluster(RunLauncher):
    """Leaves all runs to the workers of a cluster."""

    workers: Workers | None


@dataclass
class AsJobs(RunLauncher):
    """Trains every run as a job of a Hydra launcher."""

    hydra: Launcher
    prunes: bool = False

    def train(
        self, members: Sequence[SweepMember], folder: Path, judge: Judge | None
    ) -> Mapping[str, object]:
        # The folder is named after the swept keys, which a single job does not know. So each job
        # gets the folder as an override.
        jobs = [[*member.overrides, f"hydra.sweep.dir='{folder}'"] for member in members]
        self.hydra.launch(jobs, initial_job_idx=0)
        return {}


@dataclass
class Here(RunLauncher):
    """Trains runs in this process, and those of autograd perhaps in several."""

    threads: int
    processes: int = 1

    def train(
        self, members: Sequence[SweepMember], folder: Path, judge: Judge | None
    ) -> Mapping[str, object]:
        if self.processes > 1:
            return train_beside_workers(self.train_here, self.processes, members, folder, judge)
        return self.train_here(members, folder, judge)

    @functools.cached_property
    def train_here(self) -> Train:
        """The function that trains runs in this process, `threads` of a pool side by side."""
        # Imported here, because these modules need torch, which other launchers may not need.
        with without_collections():
            from seqsweep.sweeping.train_groups import train_groups
            from seqsweep.training.resume import forget_finished_runs

        forget_finished_runs()
        return functools.partial(train_groups, threads=self.threads)


@interruptible()
def launch_jobs(
    here: Here, jobs: Sequence[Sequence[str]], loader: ConfigLoader, master: DictConfig
) -> list[JobReturn]:
    """Trains the jobs of another sweeper of Hydra.

    Returns:
        Hydra's JobReturn of each job. Its return value is the monitored metric, or the error.

    Raises:
        ValueError, TypeError, OSError: a config or its data are refused; or the config has an
            option of the sweep's shape, such as `sweep.filter`, which other sweepers do not read;
            or the sweeper looks for the worst value of the monitored metric.
        Interrupted: a signal came.
    """
    refuse_shape(master.sweep)
    composer = MemberComposer(loader, master)
    # Another sweeper hands over unchecked jobs, so wrong values are found here.
    members = [plan(composer.checked(overrides)) for overrides in jobs]
    for monitor in filter(None, {monitor_of_config(member.config) for member in members}):
        best, worst = "maximize", "minimize"
        if monitor.lower_is_better:
            best, worst = worst, best
        # hydra-optuna-sweeper has this option, as a text or an enum.
        if worst in str(master.hydra.sweeper.get("direction")):
            raise ValueError(f"hydra.sweeper.direction={worst}: must be {best} for {monitor}")
    root = Path(master.hydra.sweep.dir)
    current().swept, current().answer = root, functools.partial(describe_sweep, root)
    outcomes = here.train(members, root, None)
    return [
        _job_return(job, composer(job), member, root, outcomes.get(member.run_id))
        for job, member in zip(jobs, members, strict=True)
    ]


def _job_return(
    overrides: Sequence[str], config: DictConfig, member: PlannedRun, root: Path, outcome: object
) -> JobReturn:
    """Returns Hydra's result of a job, read from the run's folder."""
    result = JobReturn(overrides=overrides, cfg=config, working_dir=str(root))
    folder = RunFolder(root / member.run_id)
    record = folder.record()
    # A run that diverged has a record too, but no metric: the sweeper gets None.
    if record is not None:
        result.status, result.return_value = JobStatus.COMPLETED, monitored(record)
        return result
    result.status = JobStatus.FAILED
    failure = folder.failure() or {"error": "it left neither a record nor failure.json"}
    error = RuntimeError(f"{folder.path}: {failure['error']}")
    result.return_value = outcome if isinstance(outcome, Exception) else error
    return result
