"""`seqsweep verify-stack` compares the engines with autograd on members of a sweep."""

import math
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from seqsweep.results.terminal_tables import print_table
from seqsweep.runs.run_folder import RunFolder
from seqsweep.sweeping.differences import differences_by_epoch, weight_difference
from seqsweep.sweeping.forming import Group, form
from seqsweep.training.data_cache import prepared
from seqsweep.training.planned_run import PlannedRun
from seqsweep.training.train import train, train_pool, train_stack
from seqsweep.training.trainer import takes_gpu

_ROUNDING = 1e-6
"""The rounding error of a loss in float32 that is always expected."""

_RATIO = 30.0
"""The largest ratio of the rounding errors of two engines that round in different orders."""

_STEPS, _LARGEST_BATCH = 3, 2048
"""The size of the comparison with float64.

Many steps would amplify rounding errors, in one engine sooner than in another, until the errors
look like a fault.
"""


@dataclass(frozen=True)
class Difference:
    """The largest differences between a member's training by its engine and by others."""

    first_loss: float
    """The largest difference of training and validation loss to autograd in the first epoch."""
    loss: float
    """The largest difference of these losses over all epochs."""
    exact: float
    """The largest difference of these losses to autograd in float64, after a few steps."""
    rounding: float
    """The largest difference between autograd in float32 and in float64, after a few steps."""
    weight: float
    """The largest difference of the weights at the end; NaN if the run has diverged."""
    accuracy: float
    """The difference of the test accuracy, or of the validation accuracy without a test split."""

    @property
    def is_fault(self) -> bool:
        """Tells if the engine is farther from float64 than rounding explains."""
        return self.exact > _RATIO * max(_ROUNDING, self.rounding)


def verify_stack(members: Sequence[PlannedRun], count: int, console: Console) -> int:
    """Trains `count` members of the sweep by their engine and by autograd, and compares.

    A few steps are trained in float64 as well. If an engine is correct, it is about as far from
    float64 as autograd in float32 is.

    Returns:
        The exit code: 0, or 1 if the engines do not compute the same.

    Raises:
        ValueError: autograd trains all members, or a member diverges in its first epoch.
    """
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch)
        able = [member for group in _groups(members, root) for member in group.members]
        if not able:
            raise ValueError(
                f"verify-stack: expected members of the engines native and stacked, got "
                f"{len(members)} that autograd trains; give a sweep without engine=autograd"
            )
        # Evenly spread over the grid, since neighbours differ in a value or two.
        every = max(1, len(able) / count)
        chosen = [able[int(index * every)] for index in range(min(count, len(able)))]
        differences = {group: _differences(group, root) for group in _groups(chosen, root)}
    print_table(console, _table(differences))
    every_difference = [each for group in differences.values() for each in group]
    exact, rounding = (
        max(getattr(d, name) for d in every_difference) for name in ("exact", "rounding")
    )
    is_fault = any(difference.is_fault for difference in every_difference)
    verdict = (
        "more than rounding explains: the engines do not compute the same"
        if is_fault
        else "the difference is rounding"
    )
    console.print(
        f"{len(chosen)} of {len(members)} members, by their engine and by autograd: after "
        f"{_STEPS} steps the losses differ from those in float64 by at most {exact:.1e}, those of "
        f"autograd by at most {rounding:.1e}; {verdict}",
        soft_wrap=True,
        highlight=False,
    )
    return int(is_fault)


def _groups(members: Sequence[PlannedRun], root: Path) -> list[Group]:
    """Returns the groups of the members that autograd does not train."""
    planned = form(members, root, takes_gpu)
    return [*planned.pools, *planned.stacks]


def _differences(group: Group, root: Path) -> list[Difference]:
    """Trains a group by its engine and by autograd. Returns the differences of each member."""
    # Trained together as in the sweep, because that is what is to be verified.
    short = [_for_few_steps(member, "32") for member in group.members]
    _train_group(group.engine, group.members, root / "engine")
    _train_group(group.engine, short, root / "short/engine")
    for member, few in zip(group.members, short, strict=True):
        train(member, root / "autograd", engine="autograd")
        train(few, root / "short/autograd", engine="autograd")
        # Lightning calls float64 `64-true`.
        train(_for_few_steps(member, "64-true"), root / "short/float64", engine="autograd")
    return [_compare(root, member.run_id) for member in group.members]


def _train_group(engine: str, members: Sequence[PlannedRun], root: Path) -> None:
    """Trains a group. Raises the error of a member that failed."""
    outcomes = train_pool(members, root, 1) if engine == "native" else train_stack(members, root)
    for outcome in outcomes:
        if isinstance(outcome, BaseException):
            raise outcome


def _for_few_steps(member: PlannedRun, precision: str) -> PlannedRun:
    """Returns the member with a config of one epoch of a few large batches."""
    config = member.config
    batch = -(-len(prepared(config).train) // _STEPS)
    data = config["data"] | {"batch_size": min(max(batch, 1), _LARGEST_BATCH)}
    trainer = config["trainer"] | {"precision": precision, "max_epochs": 1}
    return replace(member, config=config | {"data": data, "trainer": trainer, "diagnostics": False})


def _compare(root: Path, run_id: str) -> Difference:
    """Returns the differences of a member, read from the folders that it was trained in."""
    engine, autograd = (root / way / run_id for way in ("engine", "autograd"))
    short = [root / "short" / way / run_id for way in ("engine", "autograd", "float64")]
    losses = _losses(engine, autograd)
    weight = accuracy = math.nan
    records = [RunFolder(folder).record() or {} for folder in (engine, autograd)]
    # A run that diverged has no metrics, and no weights of a last epoch.
    if all(record.get("status") == "complete" for record in records):
        weight = weight_difference(engine, autograd, "last.ckpt")
        assert weight is not None, "both engines train the same network"
        one, other = (record["metrics"] for record in records)
        key = "test/acc" if "test/acc" in one else "val/acc"
        accuracy = abs(one.get(key, 0.0) - other.get(key, 0.0))
    return Difference(
        first_loss=losses[0],
        loss=max(losses),
        exact=_losses(short[0], short[2])[0],
        rounding=_losses(short[1], short[2])[0],
        weight=weight,
        accuracy=accuracy,
    )


def _losses(one: Path, other: Path) -> list[float]:
    """Returns the largest difference of a loss in each epoch that both runs have trained.

    Raises:
        ValueError: one of the runs has not trained an epoch.
    """
    losses = [
        max(row[name] for name in ("train/loss", "val/loss") if name in row)
        for row in differences_by_epoch(one, other)  # one of the runs may diverge earlier
    ]
    if not losses:
        raise ValueError(
            f"verify-stack: run {one.name} diverges in its first epoch; try a smaller "
            "optimizer.lr or trainer.gradient_clip_val=1.0"
        )
    return losses


def _table(by_group: Mapping[Group, Sequence[Difference]]) -> Table:
    table = Table(box=SIMPLE_HEAD, title="largest difference between an engine and autograd")
    table.add_column("engine")
    table.add_column("runs")
    columns = {
        "exact": "float64, few steps",
        "first_loss": "loss, first epoch",
        "loss": "loss, all epochs",
        "weight": "weights, last epoch",
        "accuracy": "accuracy",
    }
    for title in columns.values():
        table.add_column(title, justify="right")
    for group, differences in by_group.items():
        # The largest difference of the group: a mean would hide one wrong member.
        worst = (max(getattr(each, name) for each in differences) for name in columns)
        table.add_row(group.engine, group.text(), *(f"{value:.1e}" for value in worst))
    return table
