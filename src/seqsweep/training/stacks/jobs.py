"""Hydra's jobs as stacks: between the launcher and the training."""

from collections.abc import Sequence
from pathlib import Path

from hydra.core.config_loader import ConfigLoader
from hydra.core.utils import JobReturn, JobStatus
from hydra.plugins.launcher import Launcher
from omegaconf import DictConfig

from seqsweep.config.compose import MemberComposer
from seqsweep.config.schema import check
from seqsweep.runs.record import RunFolder
from seqsweep.training.planning import Member, RunFailed, finished, monitored, plan
from seqsweep.training.stacks.forming import cores, form


def launch_jobs(
    jobs: Sequence[Sequence[str]],
    first: int,
    loader: ConfigLoader,
    master: DictConfig,
    basic: Launcher,
    processes: int | None,
) -> list[JobReturn]:
    """Trains the jobs' runs, those that can as stacks, the others by the basic launcher.

    Args:
        jobs: the overrides of each.
        first: the number of the first job.
        loader, master: Hydra's config loader and the sweep's config.
        basic: Hydra's basic launcher, set up.
        processes: that train stacks side by side; None for one a core where that pays.

    Returns:
        For each job what Hydra expects of it, with the monitored metric as its return value.
    """
    if processes is not None and processes < 1:
        raise ValueError(f"hydra.launcher.processes={processes}: must be at least 1, or null")
    composer = MemberComposer(loader, master)
    configs = [composer(overrides) for overrides in jobs]
    members = [plan(check(config)) for config in configs]
    root = Path(master.hydra.sweep.dir)
    root.mkdir(parents=True, exist_ok=True)
    # Imported here: what is done already needs no torch.
    from seqsweep.training.stacks.launch import launch_stacks
    from seqsweep.training.trainer import takes_gpu

    pending = [member for member in members if finished(member, root) is None]
    distinct = list({member.run_id: member for member in pending}.values())
    planned = form(distinct, root, processes or cores(), takes_gpu)
    launch_stacks(planned.stacks, root, planned.processes)
    alone = {member.run_id for member in planned.alone}
    singles = [job for job, member in zip(jobs, members, strict=True) if member.run_id in alone]
    returned = iter(basic.launch(singles, first) if singles else ())
    return [
        next(returned) if member.run_id in alone else _job_return(job, config, member, root)
        for job, config, member in zip(jobs, configs, members, strict=True)
    ]


def _job_return(
    overrides: Sequence[str], config: DictConfig, member: Member, root: Path
) -> JobReturn:
    result = JobReturn(overrides=overrides, cfg=config, working_dir=str(root))
    folder = RunFolder(root / member.run_id)
    record = folder.record()
    if record is not None:
        result.status, result.return_value = JobStatus.COMPLETED, monitored(record)
    else:
        failure = folder.failure() or {"error": "it did not end"}
        result.status = JobStatus.FAILED
        result.return_value = RunFailed(folder.path, failure["error"])
    return result
