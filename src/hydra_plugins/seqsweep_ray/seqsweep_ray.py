"""`hydra/launcher=ray` trains the runs of a multirun by workers in a Ray cluster.

Every Hydra app of the environment imports this module at its start, so it imports only Hydra.
"""

from dataclasses import dataclass
from typing import Any

from hydra.core.config_store import ConfigStore

from hydra_plugins.seqsweep_local.seqsweep_local import WorkersLauncher


@dataclass
class RayLauncherConf:
    """The launcher's config, with the arguments of `Workers` and of `RayActors`."""

    _target_: str = "hydra_plugins.seqsweep_ray.seqsweep_ray.RayLauncher"
    count: int = 1
    detach: bool = False
    start: bool = False
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
    """Starts workers in a Ray cluster, which train the runs of the sweep's folder."""

    def __init__(self, count: int, detach: bool, start: bool, **actors: Any) -> None:
        # Imported here for the reason in the module's docstring.
        from seqsweep.extras.clusters.ray_workers import RayActors
        from seqsweep.extras.clusters.workers import Workers

        super().__init__(Workers(RayActors(**actors), count, detach, start), "ray")
