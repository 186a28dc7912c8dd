"""The checkpoints that Lightning's Trainer writes and reads."""

import time
from pathlib import Path
from typing import Any

import lightning as L
from lightning.pytorch.callbacks import Checkpoint
from lightning.pytorch.plugins.io import TorchCheckpointIO
from torch import nn
from torch.nn.parameter import is_lazy

from seqsweep.training.callbacks import StopAtLimit
from seqsweep.training.checkpoint_files import (
    NEXT,
    CheckpointContent,
    load_sealed,
    plain,
    publish,
    save_in_run,
    sizes_of_logs,
    weights_digest,
)
from seqsweep.training.limits import BestEpoch
from seqsweep.training.logged import logged_in
from seqsweep.training.loggers import RunTensorBoardLogger


class SealedCheckpointIO(TorchCheckpointIO):
    """Writes and reads sealed checkpoints for Lightning's Trainer.

    Lightning's own class writes to the system's temporary folder first: if this folder is on
    another file system, a kill leaves half a file under the final name. It ignores failed saves.
    """

    def save_checkpoint(
        self, checkpoint: CheckpointContent, path: str | Path, storage_options: object = None
    ) -> None:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        if Path(path).name == NEXT:  # not a checkpoint of the user's own callback
            # config.yaml has the arguments, which may be networks and partial optimizers.
            hparams = ("hyper_parameters", "hparams_name", "hparams_type")
            checkpoint = {key: value for key, value in checkpoint.items() if key not in hparams}
            checkpoint = plain(checkpoint, "checkpoint")
        save_in_run(checkpoint, Path(path))

    def load_checkpoint(
        self, path: str | Path, *args: object, **options: object
    ) -> CheckpointContent:
        return load_sealed(Path(path))


class BestAndLast(Checkpoint):
    """Keeps `checkpoints/best.ckpt` and `checkpoints/last.ckpt` of the run's folder.

    While the run trains, `previous.ckpt` is the checkpoint before the last. Checkpoints are written
    only at the end of an epoch. The order of the next epoch follows from (seed, epoch) and its
    dropout from (seed, step), so a resumed run equals an uninterrupted run to the last bit.
    """

    def __init__(self, dirpath: str, monitor: str | None = "val/acc") -> None:
        self.folder = Path(dirpath).parent  # a run gives each callback of checkpoints a path
        self.best = BestEpoch(monitor)
        self.first_weights: str | None = None
        self.best_weights: str | None = None  # their digest, once a test has read them
        self._clock = time.perf_counter()
        self._logged_later: dict[str, float] = {}

    def setup(self, trainer: Any, pl_module: L.LightningModule, stage: str) -> None:
        # The saved states of the module's callbacks must count the epoch; a limit comes after it.
        kinds = (StopAtLimit, BestAndLast)
        trainer.callbacks = sorted(
            trainer.callbacks, key=lambda c: [isinstance(c, k) for k in kinds]
        )

    def on_fit_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        step = self._logged_later.pop("step", 0)
        for logger in trainer.loggers if self._logged_later else ():
            if isinstance(logger, RunTensorBoardLogger):
                logger.log_metrics(self._logged_later, int(step))

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        if self.first_weights is None:
            self.first_weights = digest_of(pl_module)
        self._clock = time.perf_counter()

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        now = time.perf_counter()
        seconds, self._clock = now - self._clock, now
        metrics = logged_in(trainer).epoch_metrics
        is_better = self.best.see(trainer.current_epoch, metrics, seconds)
        # All processes take part in the saving, but only the first process writes a file.
        trainer.save_checkpoint(self.folder / NEXT)
        if trainer.is_global_zero:
            publish(self.folder, is_better)

    def on_save_checkpoint(self, trainer: Any, pl_module: Any, checkpoint: Any) -> None:
        """Adds the sizes of the logs; a resumed run cuts its logs to these sizes."""
        checkpoint["first_weights"] = self.first_weights
        checkpoint["files"] = sizes_of_logs(self.folder.parent, self.best.epochs)
        # Lightning logs the end of an epoch later, under the index of its last batch.
        step = trainer.fit_loop.epoch_loop._batches_that_stepped - 1
        logged = trainer._logger_connector.metrics["log"]
        checkpoint["logged_later"] = {"step": step} | {n: float(v) for n, v in logged.items()}

    def state_dict(self) -> dict[str, Any]:
        return self.best.state_dict()

    def on_load_checkpoint(self, trainer: Any, pl_module: Any, checkpoint: Any) -> None:
        if trainer.testing:
            # A callback may have loaded other weights, as Lightning's WeightAveraging does.
            self.load_best(pl_module, checkpoint["state_dict"])
        else:
            self.best.load_state_dict(checkpoint["callbacks"][self.state_key])
            self.first_weights = checkpoint.get("first_weights", "")
            self._logged_later = checkpoint["logged_later"]

    def load_best(self, module: L.LightningModule, weights: dict[str, Any]) -> None:
        """Gives a module the weights of best.ckpt, and keeps their digest."""
        module.load_state_dict(weights, strict=module.strict_loading)
        self.best_weights = weights_digest(weights)


def digest_of(module: nn.Module) -> str:
    """Returns a digest of the trained weights; "" if a lazy layer has none yet."""
    weights = dict(module.named_parameters())
    if any(map(is_lazy, weights.values())):
        return ""
    return weights_digest({name: w for name, w in weights.items() if w.requires_grad})
