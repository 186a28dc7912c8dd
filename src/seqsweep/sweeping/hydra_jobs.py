"""Hydra's jobs as pools and stacks: between the launcher and the training."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hydra.core.config_loader import ConfigLoader
from hydra.core.utils import JobReturn, JobStatus
from hydra.plugins.launcher import Launcher
from omegaconf import DictConfig

from seqsweep.config.compose import MemberComposer
from seqsweep.importing import without_collections
from seqsweep.runs.run_folder import RunFolder
from seqsweep.sweeping.forming import form
from seqsweep.training.outcome import RunFailed, finished, monitored
from seqsweep.training.planned_run import PlannedRun, plan

Jobs = Sequence[Sequence[str]]
"""The overrides of each job."""


def launch_members(
    jobs: Jobs, members: Sequence[PlannedRun], root: Path, basic: Launcher, threads: int | None
) -> None:
    """Trains the jobs' runs in pools and stacks, the others by Hydra's basic launcher.

    Args:
        jobs, members: the overrides and the member of each run; the result is its folder.
        root: the folder of the runs.
        basic: set up.
        threads: how many members of a pool train side by side; None for one a core.
    """
    _train(jobs, members, root, basic, 0, threads)


def launch_jobs(
    jobs: Jobs,
    first: int,
    loader: ConfigLoader,
    master: DictConfig,
    basic: Launcher,
    threads: int | None,
) -> list[JobReturn]:
    """Trains the jobs of any other sweeper of Hydra, which knows only their overrides.

    Args:
        first: the number of the first job.
        loader, master: Hydra's config loader and the sweep's config.

    Returns:
        Hydra's JobReturn of each job, with the monitored metric as its return value.
    """
    composer = MemberComposer(loader, master)
    members = [plan(composer.checked(overrides)) for overrides in jobs]
    root = Path(master.hydra.sweep.dir)
    singles = _train(jobs, members, root, basic, first, threads)
    return [
        singles.get(member.run_id) or _job_return(job, composer(job), member, root)
        for job, member in zip(jobs, members, strict=True)
    ]


def _train(
    jobs: Jobs,
    members: Sequence[PlannedRun],
    root: Path,
    basic: Launcher,
    first: int,
    threads: int | None,
) -> dict[str, Any]:
    """Trains the runs. Returns what the basic launcher returned for its runs, by run_id."""
    root.mkdir(parents=True, exist_ok=True)
    # Imported here: what is done already needs no torch.
    with without_collections():
        from seqsweep.sweeping.train_groups import launch
        from seqsweep.training.trainer import takes_gpu

    pending = {member.run_id: member for member in members if finished(member, root) is None}
    planned = form(list(pending.values()), root, takes_gpu)
    launch(planned, root, threads)
    alone = {member.run_id for member in planned.alone}
    own = {m.run_id: job for job, m in zip(jobs, members, strict=True) if m.run_id in alone}
    returned = basic.launch(list(own.values()), first) if own else ()
    return dict(zip(own, returned, strict=True))


def _job_return(
    overrides: Sequence[str], config: DictConfig, member: PlannedRun, root: Path
) -> JobReturn:
    result = JobReturn(overrides=overrides, cfg=config, working_dir=str(root))
    folder = RunFolder(root / member.run_id)
    record = folder.record()
    if record is not None:
        result.status, result.return_value = JobStatus.COMPLETED, monitored(record)
    else:
        failure = folder.failure() or {"error": "it left neither a record nor failure.json"}
        result.status = JobStatus.FAILED
        result.return_value = RunFailed(folder.path, failure["error"])
    return result
