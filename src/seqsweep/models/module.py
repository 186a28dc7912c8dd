"""The LightningModule around a network that maps (x, lengths) to logits.

B batch, T time steps, F features, C classes.
"""

import math
from collections.abc import Callable, Iterable
from typing import Any, Literal

import lightning as L
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.optim import Optimizer

from seqsweep.data.batch import Batch
from seqsweep.models.gradients import FlatGradients
from seqsweep.models.metrics import EpochSums
from seqsweep.seeding import stream_seed

Stage = Literal["train", "val", "test"]


class Diverged(FloatingPointError):
    """A loss of an epoch is NaN or infinite."""

    def __init__(self, name: str, loss: float, epoch: int) -> None:
        super().__init__(
            f"{name} is {loss} in epoch {epoch}; try a smaller optimizer.lr or "
            "trainer.gradient_clip_val=1.0"
        )
        self.epoch = epoch


class SequenceClassifier(L.LightningModule):
    """Trains a network by cross-entropy and logs once per epoch.

    Logged: `{train,val,test}/{loss,acc,f1}`, `lr` and `train/grad_norm` (the mean over the epoch's
    steps of the norm before clipping). The training metrics of an epoch are those of its steps, so
    of a network that changes; accuracy and macro-F1 come from one confusion matrix per epoch.
    `train/loss` is what is optimised, with class weights and label smoothing. `val/loss` and
    `test/loss` are the plain mean cross-entropy, so that they rank runs of different losses.

    `epoch_metrics` holds the last epoch's row of them, `test_metrics` those of the last test,
    `confusions` the counts (C, C) of the last validation and the last test, rows the true class.

    Optimisation is manual: for small networks Lightning's automatic loop costs as much as the
    network itself (docs/benchmarks.md).

    Args:
        network: maps x (B, T, F) and lengths (B,) to logits (B, C).
        num_classes: C.
        optimizer: makes the optimizer from the network's parameters.
        scheduler: makes the learning-rate scheduler from the optimizer; stepped after each epoch.
        class_weights: (C,) weight of each class in the training loss.
        label_smoothing: of the training loss, in [0, 1), as in `torch.nn.CrossEntropyLoss`.
        gradient_clip_val: largest norm of the whole gradient; None leaves it as it is.
        monitor: the metric that a plateau scheduler looks at.
        seed: the run's; dropout draws from its stream `dropout/<step>`.
    """

    def __init__(
        self,
        network: nn.Module,
        num_classes: int,
        optimizer: Callable[[Iterable[nn.Parameter]], Optimizer],
        scheduler: Callable[[Optimizer], Any] | None = None,
        class_weights: Tensor | None = None,
        label_smoothing: float = 0.0,
        gradient_clip_val: float | None = None,
        monitor: str = "val/loss",
        seed: int = 0,
    ) -> None:
        super().__init__()
        check_loss(label_smoothing, gradient_clip_val)
        self.automatic_optimization = False
        self.network = network
        self.make_optimizer = optimizer
        self.make_scheduler = scheduler
        self.class_weights: Tensor | None
        self.register_buffer("class_weights", class_weights, persistent=False)
        self.label_smoothing = label_smoothing
        self.gradient_clip_val = gradient_clip_val
        self.monitor = monitor
        self.dropout_seed = stream_seed(seed, "dropout")
        self.gradients: FlatGradients | None = None
        self.val_metrics: dict[str, float] = {}
        self.test_metrics: dict[str, float] = {}
        self.epoch_metrics: dict[str, float] = {}
        self.confusions: dict[Stage, Tensor] = {}
        self.sums: dict[Stage, EpochSums] = {
            "train": EpochSums(num_classes),
            "val": EpochSums(num_classes),
            "test": EpochSums(num_classes),
        }

    def forward(self, x: Tensor, lengths: Tensor | None = None) -> Tensor:
        return self.network(x, lengths)

    def training_step(self, batch: Batch, batch_idx: int) -> None:
        assert self.gradients is not None
        self._seed_dropout()
        self.gradients.zero()
        self.manual_backward(self._loss(batch, "train"))
        self.sums["train"].add_grad_norm(self.gradients.clip(self.gradient_clip_val))
        self.optimizers().step()  # pyright: ignore[reportAttributeAccessIssue]

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        self._loss(batch, "val")

    def test_step(self, batch: Batch, batch_idx: int) -> None:
        self._loss(batch, "test")

    def on_validation_epoch_end(self) -> None:
        self.val_metrics = self._epoch_metrics("val")
        self._publish(self.val_metrics)

    def on_test_epoch_end(self) -> None:
        self.test_metrics = self._epoch_metrics("test")

    def on_train_epoch_end(self) -> None:
        """The epoch's one row: train and validation metrics together, then the scheduler's step."""
        lr = float(self.trainer.optimizers[0].param_groups[0]["lr"])
        metrics = self._epoch_metrics("train") | {"lr": lr}
        self._publish(metrics)
        self.epoch_metrics = metrics | self.val_metrics
        for name in ("train/loss", "val/loss", "train/grad_norm"):
            if not math.isfinite(self.epoch_metrics.get(name, 0.0)):
                raise Diverged(name, self.epoch_metrics[name], self.current_epoch)
        row = self.epoch_metrics | {"epoch": self.current_epoch}
        for logger in self.loggers:
            logger.log_metrics(row, step=self.global_step)
        self._step_scheduler(self.epoch_metrics)
        self.val_metrics = {}

    def configure_optimizers(self) -> Any:
        self.gradients = FlatGradients(self.network.parameters())  # they are on the device by now
        optimizer = self.make_optimizer(self.network.parameters())
        if self.make_scheduler is None:
            return optimizer
        return [optimizer], [{"scheduler": self.make_scheduler(optimizer)}]

    def _loss(self, batch: Batch, stage: Stage) -> Tensor:
        logits = self.network(batch.x, batch.lengths)  # (B, C)
        weights, smoothing = self.class_weights, self.label_smoothing
        if stage != "train":
            weights, smoothing = None, 0.0
        loss = functional.cross_entropy(
            logits, batch.labels, weight=weights, label_smoothing=smoothing
        )
        self.sums[stage].add(loss, logits, batch.labels, weights)
        return loss

    def _seed_dropout(self) -> None:
        """Masks are a function of (seed, step) alone: equal after a resume and in any company."""
        step = self.global_step + (self.global_rank << 40)  # other masks in each process
        step_seed = (self.dropout_seed + step) % 2**63
        if self.device.type == "cuda":
            torch.cuda.manual_seed(step_seed)
        else:
            torch.default_generator.manual_seed(step_seed)

    def _epoch_metrics(self, stage: Stage) -> dict[str, float]:
        sums = self.sums[stage]
        if self.trainer.world_size > 1:
            sums.reduce(self._sum_over_processes)
        metrics = sums.compute()
        if stage != "train":
            self.confusions[stage] = sums.confusion.view(sums.num_classes, -1)
        sums.reset()
        return {f"{stage}/{name}": value for name, value in metrics.items()}

    def _publish(self, metrics: dict[str, float]) -> None:
        """For callbacks such as EarlyStopping: what `self.log` does, at a hundredth of its cost."""
        self.trainer.callback_metrics.update(
            {name: torch.tensor(value) for name, value in metrics.items()}
        )

    def _sum_over_processes(self, value: Tensor) -> Tensor:
        return self.trainer.strategy.reduce(value.to(self.device), reduce_op="sum").cpu()

    def _step_scheduler(self, metrics: dict[str, float]) -> None:
        scheduler = self.lr_schedulers()
        if isinstance(scheduler, torch.optim.lr_scheduler.ReduceLROnPlateau):
            if self.monitor not in metrics:
                raise ValueError(
                    f"scheduler=plateau looks at {self.monitor}, which this run does not log; "
                    f"logged: {', '.join(sorted(metrics))}"
                )
            scheduler.step(metrics[self.monitor])
        elif scheduler is not None:
            scheduler.step()  # pyright: ignore[reportAttributeAccessIssue]


def check_loss(label_smoothing: float, gradient_clip_val: float | None) -> None:
    """Raises ValueError for a value outside its range."""
    if not 0 <= label_smoothing < 1:
        raise ValueError(f"loss.label_smoothing={label_smoothing}: must be at least 0 and below 1")
    if gradient_clip_val is not None and gradient_clip_val <= 0:
        raise ValueError(f"trainer.gradient_clip_val={gradient_clip_val}: must be above 0, or null")
