"""The learning-rate schedulers of conf/scheduler, each stepped once after an epoch."""

from collections.abc import Callable

import numpy as np
from torch.optim import Optimizer
from torch.optim.lr_scheduler import (
    LambdaLR,
    LinearLR,
    LRScheduler,
    ReduceLROnPlateau,
    SequentialLR,
    StepLR,
)

from seqsweep.elementary import cos_of_turns
from seqsweep.errors import integer
from seqsweep.runs.metrics import as_metric


def cosine(
    optimizer: Optimizer, max_epochs: int, min_lr: float = 0.0, warmup_epochs: int = 0
) -> LRScheduler:
    """Lowers the optimizer's lr to `min_lr` along half a cosine.

    The schedule is SGDR without restarts (Loshchilov & Hutter 2017). With `warmup_epochs` the lr
    first rises linearly from a hundredth of its value.
    """
    if not 0 <= warmup_epochs < max_epochs:
        raise ValueError(
            f"scheduler.warmup_epochs={warmup_epochs}: must be at least 0 and below "
            f"trainer.max_epochs={max_epochs}"
        )
    _check_min_lr(optimizer, min_lr)
    epochs = max_epochs - warmup_epochs
    floors = [min_lr / float(group["lr"]) for group in optimizer.param_groups]
    decay = LambdaLR(optimizer, [_along_cosine(epochs, floor) for floor in floors])
    if warmup_epochs == 0:
        return decay
    # torch does not accept a start of 0, so the first epoch has a hundredth of lr.
    warmup = LinearLR(optimizer, start_factor=0.01, total_iters=warmup_epochs)
    return SequentialLR(optimizer, [warmup, decay], milestones=[warmup_epochs])


def step(optimizer: Optimizer, step_size: int, gamma: float = 0.1) -> LRScheduler:
    """Multiplies the lr by `gamma` in (0, 1] every `step_size` epochs."""
    integer("scheduler.step_size", step_size, 1, reason=" epoch")
    if not 0 < gamma <= 1:
        raise ValueError(f"scheduler.gamma={gamma}: must be above 0 and at most 1")
    return StepLR(optimizer, step_size, gamma)


def plateau(
    optimizer: Optimizer, monitor: str, factor: float = 0.1, patience: int = 5, min_lr: float = 0.0
) -> ReduceLROnPlateau:
    """Multiplies the lr by `factor` after over `patience` values of `monitor` without gain."""
    if not 0 < factor < 1:
        raise ValueError(f"scheduler.factor={factor}: must be above 0 and below 1")
    integer("scheduler.patience", patience, 0, reason=" epochs")
    _check_min_lr(optimizer, min_lr)
    # The mode follows from the metric, so that a config cannot set the wrong mode.
    mode = "min" if as_metric(monitor).lower_is_better else "max"
    return ReduceLROnPlateau(optimizer, mode, factor, patience, min_lr=min_lr)


def _along_cosine(epochs: int, floor: float) -> Callable[[int], float]:
    """Returns a function that gives an epoch's factor of lr, from 1 to `floor`."""

    def factor(epoch: int) -> float:
        # torch's own scheduler uses C's cosine function, whose last bit depends on the CPU.
        cosine = float(cos_of_turns(np.array(epoch / (2 * epochs))))
        return 1 - (1 - floor) * (1 - cosine) / 2

    return factor


def _check_min_lr(optimizer: Optimizer, min_lr: float) -> None:
    # With a larger `min_lr`, the cosine would raise the lr, and the plateau would never lower it.
    lr = min(float(group["lr"]) for group in optimizer.param_groups)
    if not 0 <= min_lr <= lr:
        raise ValueError(
            f"scheduler.min_lr={min_lr}: must be at least 0 and at most optimizer.lr={lr}"
        )
