"""Which runs of a sweep train together. Imports no torch: `seqsweep plan` shows it at once."""

import functools
import json
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from seqsweep.data.sequences import Splits
from seqsweep.runs.record import RunFolder
from seqsweep.stacked.grouping import Grouped, Problem, form_stacks, halved
from seqsweep.training.engine import LSTM_MEMBERS, engine_of, network_of, stack_key
from seqsweep.training.planning import Member, prepared

_WORTH_A_PROCESS = 2.0
"""Seconds of training, by the cost model, from which on a second process is worth its start."""


@dataclass(frozen=True, eq=False)
class PlannedStack:
    """Runs that are to train together, padded to `hidden`; `seconds` is the cost model's guess."""

    members: tuple[Member, ...]
    hidden: int
    seconds: float

    def text(self) -> str:
        """What a person needs to know of it, in one line."""
        config = self.members[0].config
        network = network_of(config["model"])
        assert network is not None
        sizes = sorted({_hidden(member) for member in self.members})
        width = f"hidden {', '.join(map(str, sizes))}"
        padding = "" if sizes == [self.hidden] else f" padded to {self.hidden}"
        layers = f"{network.num_layers} layer{'s' if network.num_layers > 1 else ''}"
        both = ", both directions" if network.bidirectional else ""
        count = f"{len(self.members)} run{'s' if len(self.members) > 1 else ''}"
        return f"{count}: {network.cell}, {layers}{both}, {width}{padding}"


@dataclass(frozen=True)
class Plan:
    """The stacks, longest first, the runs that train one by one, and how many processes pay."""

    stacks: list[PlannedStack]
    alone: list[Member]
    processes: int


def form(
    members: Sequence[Member],
    root: Path,
    takes_gpu: Callable[[str], bool],
    processes: int | None = None,
) -> Plan:
    """Stacks of the members that can be stacked.

    Runs that began in one stack stay together, padded as they were: so they end as if they had
    never been stopped.

    Args:
        members: those to train.
        root: the folder of the runs.
        takes_gpu: whether an accelerator is a GPU here.
        processes: that train side by side; None for one a core where that pays.

    Raises:
        ValueError: engine=stacked for a config that the stacked engine cannot train.
    """
    groups: dict[tuple[str, str], list[int]] = {}
    alone: list[int] = []
    for index, member in enumerate(members):
        # Asked as for many: a stack that comes out too small for its cell is seen below.
        if engine_of(member.config, LSTM_MEMBERS, takes_gpu) == "autograd":
            alone.append(index)
        else:
            key = stack_key(member.config, member.data_fingerprint)
            groups.setdefault((key, _began_with(member, root)), []).append(index)
    fresh: list[Grouped] = []
    begun: list[Grouped] = []
    for (_, began), group in groups.items():
        problem = _problem(members[group[0]])
        if began:
            begun.append(Grouped(tuple(group), json.loads(began)["hidden"], problem))
            continue
        for stack in form_stacks(problem, [_hidden(members[index]) for index in group]):
            chosen = tuple(group[index] for index in stack.members)
            if engine_of(members[chosen[0]].config, len(chosen), takes_gpu) == "autograd":
                alone += chosen
            else:
                fresh.append(replace(stack, members=chosen))
    if processes is None:
        seconds = sum(stack.seconds for stack in (*fresh, *begun))
        processes = cores() if seconds > _WORTH_A_PROCESS else 1
    if processes > 1 and not begun:
        fresh = halved(fresh, processes)
    stacks = sorted([*fresh, *begun], key=lambda stack: -stack.seconds)
    return Plan(
        [
            PlannedStack(tuple(members[i] for i in stack.members), stack.hidden, stack.seconds)
            for stack in stacks
        ],
        [members[index] for index in sorted(alone)],
        min(processes, max(1, len(stacks))),
    )


def cores() -> int:
    """Those that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def may_take_gpu(accelerator: str) -> bool:
    """`training.trainer.takes_gpu`, which imports torch, where there may be a GPU at all."""
    if accelerator == "cpu" or (sys.platform == "linux" and not any(map(os.path.exists, _DRIVERS))):
        return accelerator == "gpu"
    from seqsweep.training.trainer import takes_gpu

    return takes_gpu(accelerator)


_DRIVERS = ("/dev/nvidiactl", "/dev/dxg", "/dev/kfd")


def _began_with(member: Member, root: Path) -> str:
    """The stack that a run began in, as text; empty for one that has not begun, or began alone."""
    folder = root / member.run_id
    if member.config["rerun"] or not folder.is_dir():
        return ""
    stack = RunFolder(folder).stack()
    return json.dumps(stack) if stack and stack["size"] > 1 else ""


def _hidden(member: Member) -> int:
    network = network_of(member.config["model"])
    assert network is not None
    return network.hidden_size


@functools.cache
def _sizes(splits: Splits) -> tuple[int, float, int]:
    """Of the training sequences: the longest, the mean length, their number."""
    lengths = splits.train.lengths
    return int(lengths.max()), float(lengths.mean()), len(lengths)


def _problem(member: Member) -> Problem:
    config, splits = member.config, prepared(member.config)
    network = network_of(config["model"])
    assert network is not None
    longest, mean, count = _sizes(splits)
    batch, epochs = config["data"]["batch_size"], config["trainer"]["max_epochs"]
    return Problem(
        network.cell,
        network.num_layers,
        2 if network.bidirectional else 1,
        splits.input_size,
        splits.num_classes,
        longest,
        mean,
        batch,
        updates=-(-count // batch) * epochs,
        epochs=epochs,
    )
