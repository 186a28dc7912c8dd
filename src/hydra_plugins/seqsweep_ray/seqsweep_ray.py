"""`hydra/launcher=ray` trains the runs of a multirun by workers in a Ray cluster.

Every Hydra app of the environment imports this module at its start, so it imports only Hydra.
"""

from dataclasses import dataclass

from hydra.core.config_store import ConfigStore

from hydra_plugins.seqsweep_local.seqsweep_local import WorkersLauncher


@dataclass
class RayLauncherConf:
    """The launcher's config, with the arguments of RayLauncher."""

    _target_: str = "hydra_plugins.seqsweep_ray.seqsweep_ray.RayLauncher"
    count: int = 1
    detach: bool = False
    address: str = "auto"
    cpus: float = 1
    gpus: float = 0
    restarts: int = 10


# conf/hydra/launcher/ray.yaml gives it the name `ray` for seqsweep alone: hydra-ray-launcher uses
# this name for all Hydra apps of an environment.
ConfigStore.instance().store(
    group="hydra/launcher", name="seqsweep_ray", node=RayLauncherConf, provider="seqsweep"
)


class RayLauncher(WorkersLauncher):
    """Starts workers in a Ray cluster, which train the runs of the sweep's folder.

    Args:
        count: the number of workers.
        detach: whether the command ends as soon as the workers are started.
        address: `HOST:PORT` of the cluster's head, or `auto` for the cluster of this machine.
        cpus: the CPUs of a worker, which trains as many members side by side.
        gpus: the GPUs of a worker; below 1, several workers share one.
        restarts: how often Ray starts a worker again whose node or actor has died.

    Raises:
        ValueError: a value cannot be right.
    """

    def __init__(
        self,
        count: int = 1,
        detach: bool = False,
        address: str = "auto",
        cpus: float = 1,
        gpus: float = 0,
        restarts: int = 10,
    ) -> None:
        # Imported here for the reason in the module's docstring.
        from seqsweep.sweeping.ray_workers import RayWorkers

        super().__init__(RayWorkers(count, detach, address, cpus, gpus, restarts), "ray")
