"""What a run does at the end of an epoch besides logging: its checkpoints."""

import math
import shutil
from pathlib import Path
from typing import Any

import lightning as L
from lightning.pytorch.callbacks import Checkpoint, EarlyStopping

from seqsweep.models.module import SequenceClassifier

_NO_SCORE = (-math.inf, -math.inf)


class BestAndLast(Checkpoint):
    """Keeps `checkpoints/best.ckpt` and `checkpoints/last.ckpt` of the run's folder.

    Args:
        monitor: the metric that decides which epoch is best: highest for accuracies and F1, lowest
            for losses. Equal ones are decided by `val/loss`, then by the earlier epoch. A run
            without this metric (no validation split) keeps its last epoch as its best.
    """

    def __init__(self, monitor: str = "val/acc") -> None:
        self.monitor = monitor
        self.best_epoch: int | None = None
        self.best_metrics: dict[str, float] = {}
        self._best_score = _NO_SCORE

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        folder = Path(trainer.default_root_dir, "checkpoints")
        assert isinstance(pl_module, SequenceClassifier)
        metrics = dict(pl_module.epoch_metrics)
        is_better = self._is_better(metrics)
        if is_better:
            self.best_epoch, self.best_metrics = trainer.current_epoch, metrics
        trainer.save_checkpoint(folder / "last.ckpt")
        if is_better and trainer.is_global_zero:
            _link(folder / "last.ckpt", folder / "best.ckpt")

    def state_dict(self) -> dict[str, Any]:
        return {
            "best_epoch": self.best_epoch,
            "best_metrics": self.best_metrics,
            "best_score": list(self._best_score),
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.best_epoch = state_dict["best_epoch"]
        self.best_metrics = state_dict["best_metrics"]
        self._best_score = tuple(state_dict["best_score"])

    def _is_better(self, metrics: dict[str, float]) -> bool:
        if self.monitor not in metrics:
            return self._best_score == _NO_SCORE
        sign = -1 if self.monitor.endswith("loss") else 1
        score = (sign * metrics[self.monitor], -metrics.get("val/loss", 0.0))
        if score <= self._best_score:
            return False
        self._best_score = score
        return True


def _link(source: Path, target: Path) -> None:
    """`target` becomes the file that `source` is now; a second link costs no second writing."""
    temporary = target.with_name(f".{target.name}.tmp")
    temporary.unlink(missing_ok=True)
    try:
        temporary.hardlink_to(source)
    except OSError:  # a filesystem without hard links
        shutil.copyfile(source, temporary)
    temporary.replace(target)


class EarlyStop(EarlyStopping):
    """`lightning.pytorch.callbacks.EarlyStopping` that knows which way `monitor` is better.

    Args:
        monitor: a logged metric; lower is better for losses, higher for the others.
        patience: epochs without an improvement before the run ends, at least 0.
        min_delta: the least change that counts as an improvement, at least 0.
    """

    def __init__(self, monitor: str, patience: int = 10, min_delta: float = 0.0) -> None:
        if patience < 0:
            raise ValueError(f"patience={patience}: must be at least 0 epochs")
        if min_delta < 0:
            raise ValueError(f"min_delta={min_delta}: must be at least 0")
        mode = "min" if monitor.endswith("loss") else "max"
        super().__init__(monitor, min_delta, patience, mode=mode)
