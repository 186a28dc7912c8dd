"""Groups the runs of a sweep by the engine that trains them.

Imports no torch, because `seqsweep plan` prints the groups.
"""

import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from seqsweep.data.sequences import Splits
from seqsweep.runs.run_folder import RunFolder
from seqsweep.stacked.grouping import equal_sizes, most_members, padded
from seqsweep.sweeping.time_estimate import seconds_of
from seqsweep.training.data_cache import prepared
from seqsweep.training.engine import Network, engine_of, network_of, pool_key, stack_key
from seqsweep.training.engines.stacked.company import begun_with
from seqsweep.training.planned_run import PlannedRun


@dataclass(frozen=True, eq=False)
class Group:
    """Runs that train together, as a pool or as a stack."""

    members: tuple[PlannedRun, ...]
    engine: str

    @property
    def seconds(self) -> float:
        """The estimated seconds of all runs of the group on one thread."""
        return sum(seconds_of(member, self.engine) for member in self.members)

    def text(self) -> str:
        """Describes the group in one line."""
        # Members of a pool may differ in all of these; those of a stack share them.
        networks = [_network(member) for member in self.members]
        cells = ", ".join(sorted({network.cell for network in networks}))
        layers = sorted({network.num_layers for network in networks})
        depth = f"{_listed(layers)} layer{'' if layers == [1] else 's'}"
        directions = {network.bidirectional for network in networks}
        both = ", one and both directions" if len(directions) > 1 else ", both directions"
        width = f"hidden {_listed(sorted({network.hidden_size for network in networks}))}"
        count = f"{len(self.members)} run{'s' if len(self.members) > 1 else ''}"
        return f"{count}: {cells}, {depth}{both if True in directions else ''}, {width}"


@dataclass(frozen=True)
class Plan:
    """The runs of a sweep by engine.

    Attributes:
        pools: the groups of the native engine, one for each prepared data set; each begins with its
            longest run.
        stacks: the groups of the stacked engine, the longest first.
        alone: the runs that autograd trains one by one.
    """

    pools: list[Group]
    stacks: list[Group]
    alone: list[PlannedRun]


def form(members: Sequence[PlannedRun], root: Path, takes_gpu: Callable[[str], bool]) -> Plan:
    """Groups runs by the engine that trains them.

    Runs that began in one stack stay together, also with runs of that stack that are not among the
    members. So their results are as if they had never been stopped.

    Args:
        members: the runs to train.
        root: the folder of the runs.
        takes_gpu: returns whether an accelerator is a GPU here.

    Raises:
        ValueError: a config asks for an engine that cannot train it.
    """
    # Pools and stacks are keyed differently: members of a pool share the data alone, those of a
    # stack the network and the batches as well, because one operation computes all of them.
    pools: dict[str, list[PlannedRun]] = {}
    stacked: dict[str, PlannedRun] = {}
    alone: list[PlannedRun] = []
    for member in members:
        engine = engine_of(member.config, takes_gpu, member.limits)
        if engine == "native":
            key = pool_key(member.config, member.data_fingerprint)
            pools.setdefault(key, []).append(member)
        elif engine == "stacked":
            stacked[member.run_id] = member
        else:
            alone.append(member)
    return Plan(
        [Group(tuple(sorted(pool, key=_by_length)), "native") for pool in pools.values()],
        sorted(_stacks(stacked, root), key=lambda stack: -stack.seconds),
        alone,
    )


def _by_length(member: PlannedRun) -> tuple[float, str]:
    """Returns a sort key that puts long runs first."""
    # The run_id makes the order unique, whatever the order of the arguments.
    return -seconds_of(member, "native"), member.run_id


def _stacks(members: dict[str, PlannedRun], root: Path) -> list[Group]:
    """Returns the stacks that have begun already, and new stacks of the other members."""
    groups: list[Sequence[PlannedRun]] = [*begun_with(members, root)]
    taken = {member.run_id for group in groups for member in group}
    fresh: dict[str, list[PlannedRun]] = {}
    # Sorted by run_id, because the index in a stack may change the last bit of a result, and the
    # order of the arguments must not.
    for name, member in sorted(members.items()):
        if name in taken:
            continue
        # A run that began alone goes on alone; in company its last bits could become others.
        if not member.config["rerun"] and _began_alone(root / name):
            groups.append([member])
        else:
            key = stack_key(member.config, member.data_fingerprint)
            fresh.setdefault(key, []).append(member)
    groups += [part for group in fresh.values() for part in _parts(group)]
    return [Group(tuple(group), "stacked") for group in groups]


def _began_alone(folder: Path) -> bool:
    """Returns whether a run has begun as the only member of its stack."""
    return folder.is_dir() and RunFolder(folder).company() == [folder.name]


def _parts(members: Sequence[PlannedRun]) -> list[Sequence[PlannedRun]]:
    """Splits members into as few stacks as fit into the cache, of nearly equal sizes."""
    first = members[0]
    network = _network(first)
    lanes = network.num_layers * (2 if network.bidirectional else 1)
    # The backward pass needs the states of all steps, so the longest sequence counts.
    rows = _longest(prepared(first.config)) * first.config["data"]["batch_size"]
    parts: list[Sequence[PlannedRun]] = []
    begin = 0
    for size in equal_sizes(len(members), most_members(lanes * rows * padded(network.hidden_size))):
        parts.append(members[begin : begin + size])
        begin += size
    return parts


def _longest(splits: Splits) -> int:
    """Returns the number of time steps of the longest training sequence."""
    return int(splits.train.lengths.max())


def cores() -> int:
    """Returns the number of cores that this process may use."""
    # A container or a batch system may allow fewer cores than the machine has.
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def gpu_available(accelerator: str) -> bool:
    """Returns whether an accelerator is a GPU on this machine.

    Imports torch only if there may be a GPU.
    """
    # Without a driver there is no GPU, and importing torch to ask for one takes a second.
    if accelerator == "cpu" or (sys.platform == "linux" and not any(map(os.path.exists, _DRIVERS))):
        return accelerator == "gpu"
    from seqsweep.training.trainer import takes_gpu

    return takes_gpu(accelerator)


_DRIVERS = ("/dev/nvidiactl", "/dev/dxg", "/dev/kfd")


def _network(member: PlannedRun) -> Network:
    """Returns the architecture of a run that is not trained by autograd."""
    network = network_of(member.config["model"])
    assert network is not None, "groups have only networks of seqsweep"
    return network


def _listed(numbers: Sequence[int]) -> str:
    return ", ".join(map(str, numbers))
