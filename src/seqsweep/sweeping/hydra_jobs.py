"""Trains the jobs of a Hydra sweep, in groups if possible, else one by one."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol

from hydra.core.config_loader import ConfigLoader
from hydra.core.utils import JobReturn, JobStatus
from hydra.plugins.launcher import Launcher
from omegaconf import DictConfig

from seqsweep.config.compose import MemberComposer
from seqsweep.config.shape.options import refuse_shape
from seqsweep.console import say_error
from seqsweep.importing import without_collections
from seqsweep.runs.metric_names import lower_is_better
from seqsweep.runs.run_folder import RunFolder
from seqsweep.sweeping.queue import QueuedRun
from seqsweep.training.limits import Judge
from seqsweep.training.outcome import RunFailed, monitored
from seqsweep.training.planned_run import PlannedRun, plan

Jobs = Sequence[Sequence[str]]
"""The overrides of each job."""

launched: dict[Path, None] = {}
"""The folders in which another sweeper has trained jobs, for the leaderboard at its end."""


class Launched(NamedTuple):
    """The results of a launch besides the folders of the runs.

    Attributes:
        returned: what Hydra's launcher returned for the runs that it trained, by run_id.
        locked: the run_ids of runs that another process trains.
    """

    returned: Mapping[str, JobReturn]
    locked: Collection[str]


class Workers(Protocol):
    """The workers of a cluster, which train the runs of a sweep's folder.

    Attributes:
        detach: whether the command ends once the workers are started.
    """

    detach: bool

    def begin(self, runs: Sequence[QueuedRun], folder: Path) -> None:
        """Starts the workers unless that has been done."""
        ...

    def train(self, runs: Sequence[QueuedRun], folder: Path, is_one_enough: bool = False) -> None:
        """Begins, and waits until all runs or one of them are over, unless it detaches."""
        ...


@dataclass(frozen=True)
class RunLauncher:
    """Trains the runs of any sweeper, with pools or any launcher of Hydra.

    Attributes:
        hydra: a launcher of Hydra, for the runs that need a job of their own.
        threads: the number of members of a pool that train side by side; None if every run trains
            as a job of its own.
        workers: the workers of a cluster that train all runs; None for this process.
    """

    hydra: Launcher
    threads: int | None = None
    workers: Workers | None = None

    def launch(
        self,
        jobs: Jobs,
        members: Sequence[PlannedRun],
        root: Path,
        first: int = 0,
        judge: Judge | None = None,
        queued: Sequence[QueuedRun] = (),
    ) -> Launched:
        """Trains runs. The result of a run is its folder.

        Args:
            jobs: the overrides of each run, for Hydra.
            members: the runs, checked and identified.
            root: the folder of the runs.
            first: the number of the first job.
            judge: decides about the runs of a search at their limits; without it they pause.
            queued: the same runs, with the failures and tries that count for workers.

        Raises:
            ValueError, TypeError, OSError: nothing could be launched.
            Interrupted: a signal came.
        """
        if self.workers is not None:
            self.workers.train(queued, root)
            return Launched({}, ())
        alone, locked = list(members), set[str]()
        if self.threads is not None:
            # Imported here, because this module needs torch, and other launchers may not need it.
            with without_collections():
                from seqsweep.sweeping.train_groups import train_groups
                from seqsweep.training.resume import forget_finished_runs

            forget_finished_runs()
            alone, locked = train_groups(members, root, self.threads, judge)
        # Hydra knows the overrides of a run alone, and not the limits of a search.
        if any(run.limits is not None for run in alone):
            _train_one_by_one(alone, root)
            return Launched({}, locked)
        # Runs are matched by their ids, because pools have taken some of the jobs.
        names = {member.run_id for member in alone}
        singles = {m.run_id: job for m, job in zip(members, jobs, strict=True) if m.run_id in names}
        if not singles:
            return Launched({}, locked)
        returned = self.hydra.launch(list(singles.values()), initial_job_idx=first)
        # seqsweep's sweeper does not use the results, so a launcher may return fewer than it got
        # jobs.
        return Launched(dict(zip(singles, returned, strict=False)), locked)


def _train_one_by_one(runs: Sequence[PlannedRun], root: Path) -> None:
    """Trains runs with limits by autograd; errors are in failure.json.

    Raises:
        Interrupted: a signal came.
    """
    # Imported here, because the module of Hydra's jobs is not needed for pools.
    from seqsweep.sweeping.app import train_member

    for run in runs:
        try:
            train_member(run, root)
        except (RunFailed, ValueError, TypeError, OSError) as error:
            say_error(str(error))


def launch_jobs(
    launcher: RunLauncher, jobs: Jobs, first: int, loader: ConfigLoader, master: DictConfig
) -> list[JobReturn]:
    """Trains the jobs of another sweeper of Hydra, which knows only their overrides.

    Args:
        launcher: trains the runs.
        jobs: the overrides of each job.
        first: the number of the first job.
        loader: Hydra's config loader.
        master: the sweep's config.

    Returns:
        Hydra's JobReturn of each job, with the monitored metric as its return value.

    Raises:
        ValueError: the config gives the sweep a shape, which other sweepers do not read, or the
            sweeper looks for the worst value of the monitored metric.
    """
    refuse_shape(master.sweep)
    composer = MemberComposer(loader, master)
    # Another sweeper hands over unchecked jobs, so wrong values are found here.
    members = [plan(composer.checked(overrides)) for overrides in jobs]
    for monitor in {member.config["monitor"] for member in members}:
        best, worst = "maximize", "minimize"
        if lower_is_better(monitor):
            best, worst = worst, best
        # hydra-optuna-sweeper has this option, a name or an enum.
        if worst in str(master.hydra.sweeper.get("direction")):
            raise ValueError(f"hydra.sweeper.direction={worst}: must be {best} for {monitor}")
    root = Path(master.hydra.sweep.dir)
    launched[root] = None
    returned, _ = launcher.launch(jobs, members, root, first)
    return [
        returned.get(member.run_id) or _job_return(job, composer(job), member, root)
        for job, member in zip(jobs, members, strict=True)
    ]


def _job_return(
    overrides: Sequence[str], config: DictConfig, member: PlannedRun, root: Path
) -> JobReturn:
    """Returns a job's result as Hydra would, read from the folder of the run."""
    result = JobReturn(overrides=overrides, cfg=config, working_dir=str(root))
    folder = RunFolder(root / member.run_id)
    record = folder.record()
    # A run that diverged has a record too, but no metric: the sweeper gets None.
    if record is not None:
        result.status, result.return_value = JobStatus.COMPLETED, monitored(record)
    else:
        failure = folder.failure() or {"error": "it left neither a record nor failure.json"}
        result.status = JobStatus.FAILED
        result.return_value = RunFailed(folder.path, failure["error"])
    return result
