"""`hydra/launcher=slurm` trains the runs of a multirun by workers that Slurm starts.

Every Hydra app of the environment imports this module at its start, so it imports only Hydra.
"""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from hydra.core.config_store import ConfigStore

from hydra_plugins.seqsweep_local.seqsweep_local import WorkersLauncher


@dataclass
class SlurmLauncherConf:
    """The launcher's config, with the arguments of `Workers` and of `SlurmJobs`."""

    _target_: str = "hydra_plugins.seqsweep_slurm.seqsweep_slurm.SlurmLauncher"
    count: int = 1
    detach: bool = False
    start: bool = False
    partition: str | None = None
    account: str | None = None
    qos: str | None = None
    time: Any = None  # minutes or a text
    cpus: int = 1
    memory: Any = None
    gpus: Any = None
    requeue: bool = True
    setup: list[str] = field(default_factory=list[str])
    options: Any = None  # not a dict, to which Hydra would add no keys of the command line


ConfigStore.instance().store(
    group="hydra/launcher", name="slurm", node=SlurmLauncherConf, provider="seqsweep"
)


class SlurmLauncher(WorkersLauncher):
    """Queues a job array of workers, which train the runs of the sweep's folder."""

    def __init__(self, count: int, detach: bool, start: bool, options: Any, **jobs: Any) -> None:
        # Imported here for the reason in the module's docstring.
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
