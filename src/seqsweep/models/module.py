"""The LightningModule that trains a network from (x, lengths) to logits.

B batch, T time steps, F features, C classes.
"""

import math
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Literal, Self

import lightning as L
import torch
from lightning.pytorch.callbacks import Callback, LambdaCallback
from lightning.pytorch.trainer.states import TrainerFn
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils import clip_grad_value_, clip_grads_with_norm_, get_total_norm
from torch.optim import Optimizer

from seqsweep.data.batch import Batch, checked_batch
from seqsweep.errors import RunDiverged, integer
from seqsweep.models.cell_layers import parameter_groups
from seqsweep.models.classifier import described_network
from seqsweep.models.layers import logits_of
from seqsweep.models.metrics import EpochSums, check_loss
from seqsweep.seeding import stream_seed

Stage = Literal["train", "val", "test"]
ClipAlgorithm = Literal["norm", "value"]

_IN_PROGRESS_BAR = ("train/loss", "val/loss", "val/acc")


class SequenceClassifier(L.LightningModule):
    """Trains a network with cross-entropy, and logs metrics once an epoch.

    The metrics are `{train,val,test}/{loss,acc,f1}`, `lr` and `train/grad_norm`, the mean norm of
    the gradient before clipping. The training metrics are computed during the steps of the epoch,
    while the network changes. Accuracy and macro-F1 come from one confusion matrix an epoch.
    `train/loss` is the optimized loss, with class weights and label smoothing. `val/loss` and
    `test/loss` are the plain mean cross-entropy, so that runs with different losses can be
    compared.

    All metrics of an epoch are given to the loggers together. Callbacks can read metrics in
    `trainer.callback_metrics` in their hooks `on_train_epoch_end`, `on_validation_epoch_end` and
    `on_test_epoch_end`.

    Optimization is manual: for small networks, Lightning's automatic loop takes as long as the
    network itself (docs/benchmarks.md). Accumulation, clipping and loss scaling do the same as in
    the automatic loop.

    Attributes:
        epoch_metrics: the metrics of the last epoch, of its training and validation.
        confusions: the counts (C, C) of the last validation and test, with the true class in the
            rows.

    Args:
        network: maps x (B, T, F) and lengths (B,) to logits (B, C); a network whose `forward` has
            one argument gets x alone.
        num_classes: C.
        optimizer: makes the optimizer from the network's parameters; None for a module that is
            only evaluated.
        scheduler: makes the learning-rate scheduler from the optimizer; it steps after each epoch.
        class_weights: (C,) the weight of each class in the training loss.
        label_smoothing: the smoothing of the training loss, in [0, 1), as in
            `torch.nn.CrossEntropyLoss`.
        gradient_clip_val: the largest norm of the whole gradient; None does not clip.
        gradient_clip_algorithm: `norm` scales the gradient; `value` clamps each of its values.
        accumulate_grad_batches: the number of batches per optimizer step, at least 1.
        monitor: the metric that a plateau scheduler reads.
        seed: the seed of the run. The seed of its stream `dropout`, plus the number of a batch,
            gives the dropout masks of the batch.
    """

    def __init__(
        self,
        network: nn.Module,
        num_classes: int,
        optimizer: Callable[[Iterable[Any]], Optimizer] | None = None,
        scheduler: Callable[[Optimizer], Any] | None = None,
        class_weights: Tensor | None = None,
        label_smoothing: float = 0.0,
        gradient_clip_val: float | None = None,
        gradient_clip_algorithm: ClipAlgorithm = "norm",
        accumulate_grad_batches: int = 1,
        monitor: str = "val/loss",
        seed: int = 0,
    ) -> None:
        super().__init__()
        check_loss(label_smoothing, gradient_clip_val)
        integer("trainer.accumulate_grad_batches", accumulate_grad_batches, 1)
        self.automatic_optimization = False
        self.network = network
        self.make_optimizer = optimizer
        self.make_scheduler = scheduler
        self.class_weights: Tensor | None
        self.register_buffer("class_weights", class_weights, persistent=False)
        self.label_smoothing = label_smoothing
        self.gradient_clip_val = gradient_clip_val
        self.gradient_clip_algorithm: ClipAlgorithm = gradient_clip_algorithm
        self.accumulate_grad_batches = accumulate_grad_batches
        self.monitor = monitor
        self.dropout_seed = stream_seed(seed, "dropout")
        self.val_metrics: dict[str, float] = {}
        self.epoch_metrics: dict[str, float] = {}
        self.confusions: dict[Stage, Tensor] = {}
        self.sums: dict[Stage, EpochSums] = {
            "train": EpochSums(num_classes),
            "val": EpochSums(num_classes),
            "test": EpochSums(num_classes),
        }

    def forward(self, x: Tensor, lengths: Tensor | None = None) -> Tensor:
        return logits_of(self.network, x, lengths)

    def setup(self, stage: str) -> None:
        closes = ClosesEpochs(
            on_train_epoch_end=lambda *_: self.close_train_epoch(),
            on_validation_epoch_end=lambda *_: self.close_validation("val"),
            on_test_epoch_end=lambda *_: self.close_validation("test"),
        )
        callbacks: list[Callback] = self.trainer.callbacks  # pyright: ignore[reportAttributeAccessIssue]
        callbacks[:] = [closes, *(c for c in callbacks if not isinstance(c, ClosesEpochs))]

    def training_step(self, batch: Batch, batch_idx: int) -> None:
        position = batch_idx % self.accumulate_grad_batches
        self._seed_dropout(position)
        if position == 0:
            self.network.zero_grad()
        loss = self._loss(batch, "train")
        if self.accumulate_grad_batches > 1:
            loss = loss / self.accumulate_grad_batches
        self.manual_backward(loss)
        # The last batch of an epoch ends an accumulation early, as in Lightning's own loop.
        is_full = position + 1 == self.accumulate_grad_batches
        if is_full or self.trainer.is_last_batch:
            self._clip()
            self.optimizers().step()  # pyright: ignore[reportAttributeAccessIssue]

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        self._loss(batch, "val")

    def test_step(self, batch: Batch, batch_idx: int) -> None:
        self._loss(batch, "test")

    def predict_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Returns the logits (B, C), as `forward` does."""
        x, lengths, _ = checked_batch(batch)
        return self(x, lengths)

    def close_train_epoch(self) -> None:
        """Computes training metrics, adds lr and validation metrics; may raise RunDiverged."""
        lr = float(self.trainer.optimizers[0].param_groups[0]["lr"])
        metrics = {"lr": lr} | self._epoch_metrics("train")
        self._log(metrics)
        self.epoch_metrics = metrics | self.val_metrics
        self.val_metrics = {}
        for name in ("train/loss", "val/loss", "train/grad_norm"):
            if not math.isfinite(self.epoch_metrics.get(name, 0.0)):
                raise RunDiverged(name, self.epoch_metrics[name], self.current_epoch)

    def close_validation(self, stage: Stage) -> None:
        """Computes the metrics of a validation or a test; ignores Lightning's sanity check."""
        if self.trainer.sanity_checking:
            self.sums["val"].reset()
            return
        metrics = self._epoch_metrics(stage)
        self._log(metrics)
        if self._is_fitting:
            self.val_metrics = metrics
            if not self.trainer.is_last_batch:  # the others are given with their epoch
                self._give_loggers(metrics)

    def on_train_epoch_end(self) -> None:
        """Gives the metrics of the epoch to the loggers, then steps the scheduler."""
        self._give_loggers(self.epoch_metrics)
        self._step_scheduler(self.epoch_metrics)

    @classmethod
    def load_from_checkpoint(  # pyright: ignore[reportIncompatibleMethodOverride]
        cls, checkpoint_path: Path | str, map_location: Any = "cpu", **arguments: Any
    ) -> Self:
        """Returns the module with the network and the weights of a run's checkpoint.

        Args:
            map_location: the device, as in `torch.load`.
            arguments: arguments of the constructor, such as an optimizer to train further. A
                network of your own must be given here.

        Raises:
            ValueError: the checkpoint does not describe a network of `models.classifier`.
        """
        content = torch.load(checkpoint_path, map_location=map_location, weights_only=True)
        if "network" not in arguments:
            arguments["network"] = described_network(content, str(checkpoint_path))
        if "num_classes" not in arguments:
            arguments["num_classes"] = len(content["class_names"])
        module = cls(**arguments)
        device = next(iter(content["state_dict"].values())).device
        module.to(device).load_state_dict(content["state_dict"])
        return module

    def configure_optimizers(self) -> Any:
        if self.make_optimizer is None:
            raise ValueError("optimizer=None: must be given to train; evaluating needs none")
        optimizer = self.make_optimizer(self.network.parameters())
        if optimizer.defaults.get("weight_decay"):
            optimizer = self.make_optimizer(parameter_groups(self.network))
        if self.make_scheduler is None:
            return optimizer
        return [optimizer], [{"scheduler": self.make_scheduler(optimizer)}]

    def _loss(self, batch: Batch, stage: Stage) -> Tensor:
        """Returns the loss of a batch, and adds it to the sums."""
        x, lengths, labels = checked_batch(batch)
        logits = self(x, lengths)  # (B, C)
        # The plain loss makes runs with different training losses comparable.
        weights, smoothing = self.class_weights, self.label_smoothing
        if stage != "train":
            weights, smoothing = None, 0.0
        loss = functional.cross_entropy(logits, labels, weight=weights, label_smoothing=smoothing)
        self.sums[stage].add(loss, logits, labels, weights)
        return loss

    def _clip(self) -> None:
        """Clips the gradient of a step and records the norm before clipping.

        With a GradScaler (precision=16-mixed) gradients are scaled. The scaler skips a step whose
        gradient is not finite, and lowers the scale; such a step has no norm.
        """
        scaler = getattr(self.trainer.precision_plugin, "scaler", None)
        scale = 1.0 if scaler is None else scaler.get_scale()
        parameters = list(self.network.parameters())
        norm = get_total_norm(p.grad for p in parameters if p.grad is not None)
        if scaler is not None and not torch.isfinite(norm):
            return
        self.sums["train"].add_grad_norm(norm / scale)
        if self.gradient_clip_val is None:
            return
        limit = self.gradient_clip_val * scale
        if self.gradient_clip_algorithm == "value":
            clip_grad_value_(parameters, limit)
        else:
            clip_grads_with_norm_(parameters, limit, norm)

    def _seed_dropout(self, position: int) -> None:
        """Seeds a batch's dropout masks from (seed, number of the batch, process).

        A resumed run therefore draws the same masks. `position` is the index of the batch within
        its optimizer step.
        """
        step = self.global_step * self.accumulate_grad_batches + position
        step += self.global_rank << 40  # each process draws its own masks
        step_seed = (self.dropout_seed + step) % 2**63
        if self.device.type == "cuda":
            torch.cuda.manual_seed(step_seed)
        else:
            torch.default_generator.manual_seed(step_seed)

    def _epoch_metrics(self, stage: Stage) -> dict[str, float]:
        """Returns the metrics of a stage's epoch, and resets its sums."""
        sums = self.sums[stage]
        if self.trainer.world_size > 1:
            sums.reduce(self._sum_over_processes)
        metrics = sums.compute()
        if stage != "train":
            self.confusions[stage] = sums.confusion.view(sums.num_classes, -1)
        sums.reset()
        return {f"{stage}/{name}": value for name, value in metrics.items()}

    @property
    def _is_fitting(self) -> bool:
        return self.trainer.state.fn == TrainerFn.FITTING

    def _give_loggers(self, metrics: dict[str, float]) -> None:
        for logger in self.loggers:
            logger.log_metrics(metrics | {"epoch": self.current_epoch}, step=self.global_step)
            logger.save()

    def _log(self, metrics: dict[str, float]) -> None:
        """Logs metrics for callbacks and the progress bar; outside of training to the loggers."""
        values = {name: torch.tensor(v, dtype=torch.float64) for name, v in metrics.items()}
        if not self._is_fitting:
            self.log_dict(values)
            return
        # `self.log` does the same, but a call for each metric takes as long as a small epoch.
        self.trainer.callback_metrics.update(values)
        in_bar = {name: value for name, value in metrics.items() if name in _IN_PROGRESS_BAR}
        self.trainer.progress_bar_metrics.update(in_bar)

    def _sum_over_processes(self, value: Tensor) -> Tensor:
        return self.trainer.strategy.reduce(value.to(self.device), reduce_op="sum").cpu()

    def _step_scheduler(self, metrics: dict[str, float]) -> None:
        scheduler = self.lr_schedulers()
        if isinstance(scheduler, torch.optim.lr_scheduler.ReduceLROnPlateau):
            if self.monitor in metrics:  # an epoch without validation lacks it
                scheduler.step(metrics[self.monitor])
        elif scheduler is not None:
            scheduler.step()  # pyright: ignore[reportAttributeAccessIssue]


class ClosesEpochs(LambdaCallback):
    """A callback that lets a module compute its metrics before other callbacks.

    Lightning calls callbacks before the module's own hooks. So without this callback, the other
    callbacks would not see the metrics of the epoch.
    """
