"""`seqsweep verify-stack`: members of a sweep in stacks and one by one, and how they differ."""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
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

BOUND = 1e-4
"""Of the loss in the first epoch: float32 rounding stays far below. Later on training amplifies it,
the more the longer, as it would any other rounding."""


@dataclass(frozen=True)
class Difference:
    """Between a member's stacked training and its separate one, the largest of each kind."""

    first_loss: float
    """Of the training loss, in the first epoch."""
    loss: float
    """Of training and validation loss, over all epochs."""
    weight: float
    """Of the weights at the end."""
    accuracy: float
    """Of the test accuracy; of the validation accuracy, where there is no test split."""


def verify_stack(members: Sequence[Member], count: int, console: Console) -> int:
    """Trains `count` members, spread over the sweep, both ways, and prints the differences.

    Returns:
        0, or 1 where a loss of the first epoch differs by more than rounding explains.

    Raises:
        ValueError: no two members can train in a stack.
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
    worst = max(d.first_loss for differences in found.values() for d in differences)
    verdict = "as rounding explains" if worst <= BOUND else "more than rounding explains"
    console.print(
        f"{len(chosen)} of {len(members)} members, stacked and by autograd one by one: losses of "
        f"the first epoch differ by at most {worst:.1e}, {verdict}",
        soft_wrap=True,
        highlight=False,
    )
    return int(worst > BOUND)


def _differences(stack: PlannedStack, root: Path) -> list[Difference]:
    for outcome in train_stack(stack.members, root / "stacked", hidden=stack.hidden):
        if isinstance(outcome, BaseException):
            raise outcome
    for member in stack.members:
        train_by_autograd(member, root / "separate")
    names = [member.run_id for member in stack.members]
    return [_compare(root / "stacked" / name, root / "separate" / name) for name in names]


def _compare(stacked: Path, separate: Path) -> Difference:
    rows = (rows_of(folder / "metrics.csv") for folder in (stacked, separate))
    pairs = list(zip(*rows, strict=True))
    losses = [
        [abs(float(a[key]) - float(b[key])) for key in ("train/loss", "val/loss") if a[key]]
        for a, b in pairs
    ]
    one, other = (
        load_sealed(folder / "checkpoints" / "last.ckpt")["state_dict"]
        for folder in (stacked, separate)
    )
    records = [RunFolder(folder).record() or {} for folder in (stacked, separate)]
    key = "test/acc" if "test/acc" in records[0]["metrics"] else "val/acc"
    accuracies = [record["metrics"].get(key, 0.0) for record in records]
    return Difference(
        first_loss=losses[0][0],
        loss=max(map(max, losses)),
        weight=max(float((one[name] - other[name]).abs().max()) for name in one),
        accuracy=abs(accuracies[0] - accuracies[1]),
    )


def _table(found: dict[PlannedStack, list[Difference]]) -> Table:
    table = Table(box=SIMPLE_HEAD, title="largest difference, stacked against separate")
    table.add_column("stack")
    for name in ("loss, first epoch", "loss, all epochs", "weights, last epoch", "accuracy"):
        table.add_column(name, justify="right")
    for stack, differences in found.items():
        worst = (
            max(getattr(difference, name) for difference in differences)
            for name in ("first_loss", "loss", "weight", "accuracy")
        )
        table.add_row(stack.text(), *(f"{value:.1e}" for value in worst))
    return table
