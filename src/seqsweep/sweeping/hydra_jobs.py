"""Trains runs as Hydra jobs, and the jobs of sweepers that are not seqsweep's."""

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from hydra.core.config_loader import ConfigLoader
from hydra.core.utils import JobReturn, JobStatus
from hydra.plugins.launcher import Launcher
from omegaconf import DictConfig

from seqsweep.config.compose import MemberComposer
from seqsweep.config.shape.options import refuse_shape
from seqsweep.importing import without_collections
from seqsweep.runs.metrics import monitor_of_config
from seqsweep.runs.run_folder import RunFolder
from seqsweep.sweeping.processes import train_beside_workers
from seqsweep.sweeping.queue import SweepMember
from seqsweep.sweeping.sweep_end import folders_to_print
from seqsweep.sweeping.train_answer import answers, describe_sweep
from seqsweep.training.limits import Judge
from seqsweep.training.outcome import interruptible, monitored
from seqsweep.training.planned_run import PlannedRun, plan

Train = Callable[[Sequence[SweepMember], Path, Judge | None], Mapping[str, object]]
"""A function that trains members below a folder. It returns known outcomes and errors by run_id."""


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


@dataclass(frozen=True)
class RunLauncher:
    """Says where runs train: in this process, as Hydra jobs or on a cluster.

    Attributes:
        hydra: a Hydra launcher. It trains every run as a job if `threads` and `workers` are None.
        threads: the number of members of a pool that train side by side in this process.
        workers: the workers of a cluster that train all runs.
        processes: the processes that train the runs of autograd; 1 is this process alone, and 0 a
            launcher without this choice.
    """

    hydra: Launcher | None = None
    threads: int | None = None
    workers: Workers | None = None
    processes: int = 0

    def trainer(self) -> Train:
        """Returns a function that trains members here or as Hydra jobs."""
        if self.threads is None:
            return self._launch
        train = _trainer(self.threads)
        if self.processes <= 1:
            return train
        return functools.partial(train_beside_workers, train, self.processes)

    def _launch(
        self, members: Sequence[SweepMember], folder: Path, judge: Judge | None
    ) -> Mapping[str, object]:
        """Trains each member as a job of Hydra."""
        assert self.hydra is not None
        # The folder is named after the swept keys, which a single job does not know. So each job
        # gets the folder as an override.
        jobs = [[*member.overrides, f"hydra.sweep.dir='{folder}'"] for member in members]
        self.hydra.launch(jobs, initial_job_idx=0)
        return {}


def _trainer(
    threads: int,
) -> Callable[[Sequence[PlannedRun], Path, Judge | None], Mapping[str, object]]:
    # Imported here, because these modules need torch, which other launchers may not need.
    with without_collections():
        from seqsweep.sweeping.train_groups import train_groups
        from seqsweep.training.resume import forget_finished_runs

    forget_finished_runs()
    return functools.partial(train_groups, threads=threads)


@interruptible()
def launch_jobs(
    threads: int, jobs: Sequence[Sequence[str]], loader: ConfigLoader, master: DictConfig
) -> list[JobReturn]:
    """Trains the jobs of another sweeper of Hydra.

    Args:
        threads: the number of members of a pool that train side by side.

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
    folders_to_print[root] = None
    answers[:] = [functools.partial(describe_sweep, root)]
    outcomes = _trainer(threads)(members, root, None)
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
