"""Trains the runs of a sweep in this process, in several, or as Hydra jobs."""

import functools
import signal
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from hydra.core.config_loader import ConfigLoader
from hydra.core.utils import JobReturn, JobStatus
from hydra.plugins.launcher import Launcher
from omegaconf import DictConfig

from seqsweep.command import current
from seqsweep.config.compose import MemberComposer
from seqsweep.config.shape.options import refuse_shape
from seqsweep.console import place, say_error
from seqsweep.errors import Interrupted
from seqsweep.importing import without_collections
from seqsweep.live.display import LOG
from seqsweep.runs.metrics import monitor_of_config
from seqsweep.runs.run_folder import RunFolder
from seqsweep.sweeping.processes import run_workers, worker_command
from seqsweep.sweeping.queue import Queue, SweepMember
from seqsweep.sweeping.sweep_end import describe_sweep
from seqsweep.text import count
from seqsweep.training.engine import engine_of
from seqsweep.training.limits import Judge
from seqsweep.training.outcome import STOP_FILE, interruptible, monitored
from seqsweep.training.planned_run import PlannedRun, plan


class RunLauncher:
    """Trains the runs of a sweep; each subclass trains them at another place.

    Attributes:
        processes: the processes that train the runs of autograd; 1 is this process alone, and 0 a
            launcher without this choice.
        prunes: whether runs can end early.
        has_workers: whether the workers of a cluster train the runs.
        detach: whether the command ends once the workers are started.
    """

    processes: int = 0
    prunes: bool = True
    has_workers: bool = False
    detach: bool = False

    def begin(self, runs: Sequence[SweepMember], folder: Path) -> None:
        """Starts workers if they train the runs; prints what happened."""

    def train_all(
        self, runs: Sequence[SweepMember], folder: Path, judge: Judge | None, idle: float
    ) -> None:
        """Trains runs until each is done or has failed too often.

        Args:
            judge: for a search, decides which runs continue after their limits.
            idle: the longest wait in seconds while other processes train the rest.
        """
        queue = Queue(runs, folder)
        while taken := queue.take(idle):
            queue.settle(taken, self.train(taken, folder, judge))

    def train(
        self, members: Sequence[SweepMember], folder: Path, judge: Judge | None
    ) -> Mapping[str, object]:
        """Trains members below a folder; returns known outcomes and errors by run_id."""
        raise NotImplementedError


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
        """Trains runs of native here, and the others here or in processes; waits for these.

        If this process is killed, the others train what is left, and the last one writes the
        report.

        Raises:
            Interrupted: a signal came, and all processes have ended.
        """
        if self.processes <= 1:
            return self.train_here(members, folder, judge)
        engines = {member.run_id: engine_of(member.config) for member in members}
        native = [member for member in members if engines[member.run_id] == "native"]
        outcomes = self.train_here(native, folder, judge)
        left = [member for member in members if engines[member.run_id] == "autograd"]
        if not left or (folder / STOP_FILE).exists():
            return outcomes
        # A worker ends when it finds no free run. The caller waits for other commands' runs, and
        # calls this method again if runs are left.
        command, log = worker_command(left, folder, ("--idle", "0")), folder / LOG
        codes, signum = run_workers(command, min(self.processes, len(left)), log=log)
        if signum is not None:
            raise Interrupted(signum)
        for code, number in Counter(filter(None, codes)).items():
            why = f"exit code {code}" if code < 128 else signal.Signals(code - 128).name
            total = f"{number} of {count(len(codes), 'worker')}"
            say_error(f"{total} ended by {why}; the workers' output is in {place(log)}")
        return outcomes

    @functools.cached_property
    def train_here(
        self,
    ) -> Callable[[Sequence[PlannedRun], Path, Judge | None], Mapping[str, object]]:
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
    runs = [plan(composer.checked(overrides)) for overrides in jobs]
    for monitor in filter(None, {monitor_of_config(run.config) for run in runs}):
        best, worst = "maximize", "minimize"
        if monitor.lower_is_better:
            best, worst = worst, best
        # hydra-optuna-sweeper has this option, as a text or an enum.
        if worst in str(master.hydra.sweeper.get("direction")):
            raise ValueError(f"hydra.sweeper.direction={worst}: must be {best} for {monitor}")
    root = Path(master.hydra.sweep.dir)
    current().swept, current().answer = root, functools.partial(describe_sweep, root)
    outcomes = here.train_here(runs, root, None)
    return [
        _job_return(job, composer(job), run, root, outcomes.get(run.run_id))
        for job, run in zip(jobs, runs, strict=True)
    ]


def _job_return(
    overrides: Sequence[str], config: DictConfig, run: PlannedRun, root: Path, outcome: object
) -> JobReturn:
    """Returns Hydra's result of a job, read from the run's folder."""
    result = JobReturn(overrides=overrides, cfg=config, working_dir=str(root))
    folder = RunFolder(root / run.run_id)
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
