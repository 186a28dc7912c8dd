"""The metrics that a run's LightningModule logs."""

import contextlib
import inspect
import math
import re
from typing import Any

import lightning as L
import torch
from lightning.pytorch.callbacks import Checkpoint

from seqsweep.errors import RunDiverged
from seqsweep.runs.files import say_once
from seqsweep.runs.identity import Config
from seqsweep.runs.metrics import Metric, as_metric, monitor_of_config
from seqsweep.runs.record import Direction
from seqsweep.text import did_you_mean
from seqsweep.training.callbacks import EarlyStop, StopAtLimit
from seqsweep.training.limits import BestEpoch
from seqsweep.training.loggers import MemberLog

_NOTHING = "the model logs nothing by which runs are compared; see self.log"
_LOSS = re.compile(r"loss(_epoch|_step)?(/dataloader_idx_\d+)?", re.IGNORECASE)


class LoggedMetrics(Checkpoint):
    """Makes a row of each epoch from what the LightningModule logs, and writes it.

    It is a `Checkpoint`, because Lightning calls these after the hooks of the module and of all
    other callbacks, which may log too.

    Attributes:
        epoch_metrics: what was logged in the last epoch.

    Args:
        config: the config of the run, with the metric that decides which epoch is best.
        description: plain values and tensors that every checkpoint holds besides the weights.
        log: takes the rows.
    """

    def __init__(self, config: Config, description: dict[str, Any], log: MemberLog) -> None:
        self.monitor = monitor_of_config(config)
        self._guess = self.monitor if config.get("monitor_mode_guessed") else None
        self.description, self.member_log = description, log
        self.epoch_metrics: dict[str, float] = {}
        self._before: dict[str, torch.Tensor] = {}
        self._outputs: Any = None

    def begin_epoch(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Notes what was logged before the epoch; it must be called before other callbacks."""
        self._before = dict(trainer.callback_metrics)

    def on_train_batch_end(self, *args: Any, **kwargs: Any) -> None:
        self._outputs = args[2]

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        # Lightning keeps the value of an earlier epoch, but makes a new tensor for a new value.
        logged = trainer.callback_metrics
        # What is logged on steps and on epochs is there as X and as X_epoch.
        twice = {
            n for n in logged if "_epoch" in n and logged.get(n.replace("_epoch", "")) is logged[n]
        }
        names = [
            name
            for name, value in logged.items()
            if value is not self._before.get(name) and name not in ("epoch", "step")
            if name == self.monitor or name not in twice
        ]
        # Those of the validation are logged first, but belong behind those of the training.
        names.sort(key=lambda name: Metric(name, None).split_name == "val")
        self.epoch_metrics = {name: logged[name].item() for name in names}
        self._check_losses(trainer.current_epoch)
        self._check_directions(trainer)
        self._check_names(trainer)
        if trainer.is_global_zero:
            epoch, step = trainer.current_epoch, trainer.global_step
            self.member_log.add({"epoch": epoch, "step": step, **self.epoch_metrics})
            self.member_log.flush()
            self.member_log.write_lines()

    def on_save_checkpoint(
        self, trainer: L.Trainer, pl_module: L.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        checkpoint.update(self.description)

    def _check_losses(self, epoch: int) -> None:
        """Ends a run if a logged loss, or the last, is NaN."""
        losses = {n: v for n, v in self.epoch_metrics.items() if _LOSS.fullmatch(as_metric(n).kind)}
        if isinstance(last := (self._outputs or {}).get("loss"), torch.Tensor):
            losses["the loss of training_step"] = last.sum().item()
        for name, value in losses.items():
            if math.isnan(value):
                raise RunDiverged(name, value, epoch, "learning rate")

    def _check_directions(self, trainer: L.Trainer) -> None:
        """Keeps the directions of logged objects; refuses a wrong guess from a name."""
        loop: Any = trainer.fit_loop.epoch_loop
        logged: dict[str, Direction] = {
            name: "max" if each.value.higher_is_better else "min"
            for results in (loop._results, loop.val_loop._results)
            for each in results.result_metrics
            if getattr(each.value, "higher_is_better", None) is not None
            for name in results._forked_name(each, on_step=False)
        }
        for each in trainer.checkpoint_callbacks:
            if isinstance(best := getattr(each, "best", None), BestEpoch):
                best.directions |= logged
        if (guess := self._guess) and logged.get(guess, guess.direction) != guess.direction:
            mode = f"monitor_mode={logged[guess]}, as the logged object says"
            raise ValueError(f"monitor={guess}: give {mode}; the name says {guess.direction}")

    def _check_names(self, trainer: L.Trainer) -> None:
        """Refuses a missing metric where a run ends or is judged."""
        epochs, names = trainer.current_epoch + 1, sorted(trainer.callback_metrics)
        is_over = trainer.should_stop or epochs == trainer.max_epochs
        is_over |= 0 <= trainer.max_steps <= trainer.global_step
        if not is_over and epochs < (trainer.check_val_every_n_epoch or 1):
            return
        if not names:
            raise ValueError(_NOTHING)
        limits = [e.limits for e in trainer.checkpoint_callbacks if isinstance(e, StopAtLimit)]
        is_due = is_over or any(epochs in (*x.thresholds, x.until, x.ends_at) for x in limits)
        stops = [e.monitor for e in trainer.early_stopping_callbacks if isinstance(e, EarlyStop)]
        # Our networks may lack a validation split; the last epoch then counts as the best.
        chooses = [] if self.monitor is None or self.monitor.is_ours else [self.monitor]
        for name in (x for x in (*chooses, *stops) if x not in names):
            first = f"{name}/dataloader_idx_0"
            hint = did_you_mean(first, names, 1.0) or did_you_mean(name, names)
            text = f"monitor={name}: the model logs {', '.join(names)}{hint}"
            if is_due or first in names:
                raise ValueError(text)
            say_once(f"{text}; a run that never logs it fails")


def check_logs(model: L.LightningModule, config: Config) -> None:
    """Refuses a model whose source logs nothing, where no callback may log for it."""
    helpers = [each["_target_"] for each in (config["callbacks"] or {}).values() if each]
    if config["monitor"] or not all(name.startswith("seqsweep.") for name in helpers):
        return
    own = [each for each in type(model).__mro__ if each not in L.LightningModule.__mro__]
    with contextlib.suppress(OSError):  # a class without a file
        if not re.search("log(?!it|_?soft|sig)", "".join(map(inspect.getsource, own))):
            raise ValueError(f"{_NOTHING}, or give monitor=NAME if other code logs it")


def logged_in(trainer: L.Trainer) -> LoggedMetrics:
    """Returns the object that has the metrics of the epoch that has just ended."""
    (logged,) = [one for one in trainer.checkpoint_callbacks if isinstance(one, LoggedMetrics)]
    return logged
