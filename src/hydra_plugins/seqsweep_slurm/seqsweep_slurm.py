"""`hydra/launcher=slurm` trains the runs of a multirun by workers that Slurm starts.

Every Hydra app of the environment imports this module at its start, so it imports only Hydra.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hydra.core.config_store import ConfigStore

from hydra_plugins.seqsweep_local.seqsweep_local import WorkersLauncher


@dataclass
class SlurmLauncherConf:
    """The launcher's config, with the arguments of SlurmLauncher."""

    _target_: str = "hydra_plugins.seqsweep_slurm.seqsweep_slurm.SlurmLauncher"
    count: int = 1
    detach: bool = False
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
    """Queues a job array of workers, which train the runs of the sweep's folder.

    None leaves a value to the cluster.

    Args:
        count: the number of workers.
        detach: whether the command ends as soon as the workers are queued.
        partition: the partition.
        account: the account.
        qos: the quality of service.
        time: the time limit of a worker, in minutes or as text: "1:30:00".
        cpus: the CPUs of a worker, which trains as many members side by side.
        memory: the memory of a worker: "4G".
        gpus: the GPUs of a worker: a number, or a type and a number such as "a100:1".
        requeue: whether Slurm starts a worker again after a time limit, preemption or node failure.
        setup: shell lines that run before the worker.
        options: further options of sbatch, as in `constraint: avx512`.

    Raises:
        ValueError: a value cannot be right.
        FileNotFoundError: this machine has no sbatch.
    """

    def __init__(
        self,
        count: int = 1,
        detach: bool = False,
        partition: str | None = None,
        account: str | None = None,
        qos: str | None = None,
        time: int | str | None = None,
        cpus: int = 1,
        memory: int | str | None = None,
        gpus: int | str | None = None,
        requeue: bool = True,
        setup: Sequence[str] = (),
        options: Any = None,
    ) -> None:
        # Imported here for the reason in the module's docstring.
        from seqsweep.sweeping.slurm import SlurmWorkers, program
        from seqsweep.sweeping.slurm_script import Request

        if not isinstance(options, Mapping | None):
            raise ValueError(f"hydra.launcher.options={options}: must be a mapping")
        asked = (partition, account, qos, time, cpus, memory, gpus, requeue)
        request = Request(*asked, setup=list(setup), options=dict(options or {}))
        super().__init__(SlurmWorkers(count, detach, request), "slurm")
        program("sbatch")
