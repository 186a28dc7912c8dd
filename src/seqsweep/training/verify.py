"""`seqsweep verify-stack`: members of a sweep in stacks and one by one, and how they differ."""

import math
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from seqsweep.results.fitting import print_table
from seqsweep.runs.record import RunFolder
from seqsweep.training.autograd import train_by_autograd
from seqsweep.training.checkpoints import load_sealed
from seqsweep.training.planning import Member
from seqsweep.training.reproduce import rows_of
from seqsweep.training.stacks.forming import PlannedStack, form
from seqsweep.training.stacks.run import train_stack
from seqsweep.training.trainer import takes_gpu

EXACT = 1e-9
"""Differences of the loss in float64 up to here are rounding."""

ROUNDING_RATIO = 1e-3
"""Rounding in float64 is less than this part of that in float32, which is 5e8 times coarser.

Training amplifies both alike, where it does. A fault is as large in float64 as in float32."""


@dataclass(frozen=True)
class Difference:
    """Between a member's stacked training and its separate one, the largest of each kind."""

    first_loss: float
    """The largest difference of training and validation loss in the first epoch."""
    exact: float
    """The largest difference in the first epoch of a training in float64."""
    loss: float
    """Of training and validation loss, over all epochs."""
    weight: float
    """The largest difference of the weights at the end; NaN if the run has diverged."""
    accuracy: float
    """Of the test accuracy; of the validation accuracy, where there is no test split."""

    @property
    def is_fault(self) -> bool:
        """True if the engines differ by more than rounding explains."""
        return self.exact > max(EXACT, ROUNDING_RATIO * self.first_loss)


def verify_stack(members: Sequence[Member], count: int, console: Console) -> int:
    """Trains `count` members, spread over the sweep, both ways, and prints the differences.

    The first epoch is trained in float64 as well. Differences that are as large there as in float32
    are no rounding.

    Returns:
        0, or 1 where the two engines do not compute the same.

    Raises:
        ValueError: no two members can train in a stack, or one diverges in its first epoch.
    """
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch)
        able = [m for stack in form(members, root, takes_gpu, 1).stacks for m in stack.members]
        if len(able) < 2:
            raise ValueError(
                f"verify-stack: {len(able)} of {len(members)} members can train in a stack; give "
                "a sweep of at least two, such as seed=0,1"
            )
        every = max(1, len(able) / count)
        chosen = [able[int(index * every)] for index in range(min(count, len(able)))]
        stacks = form(chosen, root, takes_gpu, 1).stacks
        found = {stack: _differences(stack, root) for stack in stacks}
    print_table(console, _table(found))
    every_difference = [d for differences in found.values() for d in differences]
    exact, single = (
        max(getattr(d, name) for d in every_difference) for name in ("exact", "first_loss")
    )
    is_fault = any(difference.is_fault for difference in every_difference)
    verdict = (
        "more than rounding explains: the engines do not compute the same"
        if is_fault
        else f"so the difference in float32, up to {single:.1e} there, is rounding"
    )
    console.print(
        f"{len(chosen)} of {len(members)} members, stacked and by autograd one by one: in float64 "
        f"the losses of the first epoch differ by at most {exact:.1e}, {verdict}",
        soft_wrap=True,
        highlight=False,
    )
    return int(is_fault)


def _differences(stack: PlannedStack, root: Path) -> list[Difference]:
    single = _trained(stack.members, stack.hidden, root / "float32")
    exactly = _trained([_in_float64(m) for m in stack.members], stack.hidden, root / "float64")
    return [_compare(*pair, *exact) for pair, exact in zip(single, exactly, strict=True)]


def _in_float64(member: Member) -> Member:
    """Returns the member for one epoch in float64, which Lightning calls `64-true`."""
    config = member.config
    trainer = config["trainer"] | {"precision": "64-true", "max_epochs": 1}
    return replace(member, config=config | {"trainer": trainer, "diagnostics": False})


def _trained(members: Sequence[Member], hidden: int, root: Path) -> list[tuple[Path, Path]]:
    """The folders of each member, stacked and separate."""
    for outcome in train_stack(members, root / "stacked", hidden=hidden):
        if isinstance(outcome, BaseException):
            raise outcome
    for member in members:
        train_by_autograd(member, root / "separate")
    names = [member.run_id for member in members]
    return [(root / "stacked" / name, root / "separate" / name) for name in names]


def _compare(
    stacked: Path, separate: Path, exactly_stacked: Path, exactly_separate: Path
) -> Difference:
    losses = _losses(stacked, separate)
    records = [RunFolder(folder).record() or {} for folder in (stacked, separate)]
    weight = accuracy = math.nan
    if all(record.get("status") == "complete" for record in records):
        one, other = (
            load_sealed(folder / "checkpoints" / "last.ckpt")["state_dict"]
            for folder in (stacked, separate)
        )
        weight = max(float((one[name] - other[name]).abs().max()) for name in one)
        key = "test/acc" if "test/acc" in records[0]["metrics"] else "val/acc"
        accuracies = [record["metrics"].get(key, 0.0) for record in records]
        accuracy = abs(accuracies[0] - accuracies[1])
    return Difference(
        first_loss=losses[0],
        exact=_losses(exactly_stacked, exactly_separate)[0],
        loss=max(losses),
        weight=weight,
        accuracy=accuracy,
    )


def _losses(stacked: Path, separate: Path) -> list[float]:
    """The largest difference of a loss in each epoch that both have trained.

    Raises:
        ValueError: there is none.
    """
    rows = [rows_of(folder / "metrics.csv") for folder in (stacked, separate)]
    found = [
        max(abs(float(a[key]) - float(b[key])) for key in ("train/loss", "val/loss") if a[key])
        for a, b in zip(*rows, strict=False)  # one of them may diverge earlier
    ]
    if not found:
        raise ValueError(
            f"verify-stack: run {stacked.name} diverges in its first epoch; try a smaller "
            "optimizer.lr or trainer.gradient_clip_val=1.0"
        )
    return found


def _table(found: dict[PlannedStack, list[Difference]]) -> Table:
    table = Table(box=SIMPLE_HEAD, title="largest difference, stacked against separate")
    table.add_column("stack")
    columns = {
        "first_loss": "loss, first epoch",
        "exact": "the same in float64",
        "loss": "loss, all epochs",
        "weight": "weights, last epoch",
        "accuracy": "accuracy",
    }
    for title in columns.values():
        table.add_column(title, justify="right")
    for stack, differences in found.items():
        worst = (max(getattr(each, name) for each in differences) for name in columns)
        table.add_row(stack.text(), *(f"{value:.1e}" for value in worst))
    return table
