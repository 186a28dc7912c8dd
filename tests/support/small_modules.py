"""Small modules of a user's own, which take batches of our data."""

import math
from typing import Any

import lightning as L
import numpy as np
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.loggers import TensorBoardLogger
from torch import nn
from torch.nn import functional as F
from torch.optim.lr_scheduler import LambdaLR
from torch.utils.data import DataLoader, TensorDataset
from torchmetrics import MeanMetric


class Sequence(L.LightningModule):
    """Takes what our data give: (x, y) if all sequences have one length."""

    def __init__(self, input_size: int, num_classes: int, scale: float = 1.0) -> None:
        super().__init__()
        self.fc, self.scale = nn.Linear(input_size, num_classes), scale

    def forward(self, x):
        return self.fc(x.mean(1))

    def training_step(self, batch, batch_idx):
        x, y = batch
        loss = self.scale * F.cross_entropy(self(x), y)
        self.log("fit", loss)
        self.log("epoch", self.current_epoch + 1.0)
        return loss

    def validation_step(self, batch, batch_idx):
        x, y = batch
        self.log("quality", (self(x).argmax(1) == y).float().mean())
        if self.current_epoch >= 1:
            self.log("late, too", self.current_epoch + 0.5)

    test_step = validation_step

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)


class Finds(Sequence):
    """Counts its predictions of the test split with its best weights."""

    def findings(self, trainer, data, splits):
        part = splits.test
        predicted = self(torch.from_numpy(part.x)).argmax(1).numpy()
        counts = np.zeros((splits.num_classes, splits.num_classes), int)
        np.add.at(counts, (part.labels, predicted), 1)
        hits = float((part.labels == predicted).mean())
        found = {"classes": list(splits.class_names), "confusion": {"test": counts.tolist()}}
        return found | {"metrics": {"test_hits": hits}}


class NoForward(Sequence):
    forward = L.LightningModule.forward

    def training_step(self, batch, batch_idx):
        x, y = batch
        return F.cross_entropy(self.fc(x.mean(1)), y)

    def validation_step(self, batch, batch_idx):
        self.training_step(batch, batch_idx)

    test_step = None


class HoldsNothing(Sequence):
    """A module whose optimizer has a copy of the weights."""

    def configure_optimizers(self):
        return torch.optim.SGD([nn.Parameter(self.fc.weight.detach().clone())], lr=0.1)


class Lengths(Sequence):
    def forward(self, x, lengths):  # pyright: ignore[reportIncompatibleMethodOverride]
        return self.fc(x.sum(1) / lengths[:, None])

    def training_step(self, batch, batch_idx):
        x, lengths, y = batch
        return F.cross_entropy(self(x, lengths), y)

    def validation_step(self, batch, batch_idx):
        self.log("val_loss", self.training_step(batch, batch_idx))

    test_step = None


def sequence(input_size: int, num_classes: int) -> L.LightningModule:
    return Sequence(input_size, num_classes)


class Mean(nn.Module):
    def __init__(self, input_size: int, num_classes: int) -> None:
        super().__init__()
        self.fc = nn.Linear(input_size, num_classes)

    def forward(self, x, state=None):
        assert state is None
        return self.fc(x.mean(1))


class Told(Sequence):
    """Logs a value for each epoch, as text, and nothing for an empty one."""

    def __init__(self, input_size, num_classes, values: list[str], name="val_acc", higher=None):
        super().__init__(input_size, num_classes)
        kind = type("Metric", (MeanMetric,), {"higher_is_better": higher})
        self.name, self.values, self.metric = name, values, kind(nan_strategy=math.nan)

    def validation_step(self, batch, batch_idx):
        if value := self.values[self.current_epoch]:
            self.metric.update(float(value))
            self.log(self.name, self.metric, add_dataloader_idx=False)

    test_step = None


class Loads(Sequence):
    """A module with its own data, which `setup` draws from the global generators."""

    def __init__(self, late: int = 1) -> None:
        super().__init__(2, 2)

    def setup(self, stage):
        y = torch.arange(64) % 2
        self.data = TensorDataset(torch.randn(64, 5, 2) + y[:, None, None], y)

    def train_dataloader(self):
        return DataLoader(self.data, 8, shuffle=True)

    def val_dataloader(self):
        return DataLoader(self.data, 8)


class AsksForSeed(L.LightningDataModule):
    """Data of images, whose classes are known after `setup`."""

    input_size = (3, 32, 32)
    num_classes = property(lambda self: len(None))  # pyright: ignore

    def __init__(self, seed: int) -> None:
        super().__init__()
        self.seed = seed


def has_seed(seed: int = 42) -> AsksForSeed:
    return AsksForSeed(seed)


class Habits(Sequence):
    """Has habits of public modules: pictures, files, numpy, frozen parts, weights kept by hooks."""

    def __init__(self, input_size: int, num_classes: int) -> None:
        super().__init__(input_size, num_classes)
        self.frozen, self.strict_loading = nn.Linear(3, 3).requires_grad_(False), False

    def state_dict(self, **kwargs):  # pyright: ignore[reportIncompatibleMethodOverride]
        return {k: v for k, v in super().state_dict(**kwargs).items() if "frozen" not in k}

    def configure_callbacks(self):
        self.kept: Any = ModelCheckpoint(monitor="peak", mode="max", save_top_k=-1)
        return self.kept

    def configure_optimizers(self) -> Any:
        adam = torch.optim.Adam(self.parameters(), lr=0.1)
        return [adam], [LambdaLR(adam, lambda epoch: 1 + np.cos(epoch / 3))]

    def on_train_epoch_start(self):
        if isinstance(self.logger, TensorBoardLogger):
            self.logger.experiment.add_image("start", self.fc.weight[None], self.global_step - 1)
            self.logger.experiment.add_hparams({"scale": self.scale}, {"fit": 1.0})

    def validation_step(self, batch, batch_idx):
        self.log("val", F.cross_entropy(self(batch[0]), batch[1]), on_step=True)

    def on_train_epoch_end(self):
        self.log("peak", -abs(self.current_epoch - 1.0))
        for logger in self.loggers:
            drawn: Any = logger
            drawn.experiment.add_scalars("bias", {"first": self.fc.bias[0]})
        with open(f"{self.trainer.log_dir}/epochs.txt", "a") as file:
            print(self.current_epoch, file=file)

    def on_save_checkpoint(self, checkpoint):
        checkpoint["shadow"] = self.fc.weight.detach().clone()
        checkpoint["own"] = {"at": ([np.float64(0.1)], np.int64(3))}

    def on_load_checkpoint(self, checkpoint):
        self.shadow = checkpoint["shadow"]

    def test_step(self, batch, batch_idx):
        self.log("shadowed", float(torch.equal(self.shadow, self.fc.weight)))
        self.log("kept", float(len(self.kept.best_k_models)))


class Late(Sequence):
    """Makes its layer in `setup`; `how=trainer`: only with a trainer, `seeded`: always alike."""

    def __init__(self, input_size: int, num_classes: int, how: str) -> None:
        super().__init__(input_size, num_classes)
        self.sizes, self.how = (input_size, num_classes), how
        self.fc = None

    def setup(self, stage):
        if self.how == "seeded":
            torch.manual_seed(1)
        if self.how != "trainer" or self.trainer:
            self.fc = nn.Linear(*self.sizes)


class Probabilities(Lengths):
    """Predicts a dict, and has no optimizer of its own unless a class adds one."""

    def validation_step(self, batch, batch_idx):
        x, lengths, y = batch
        stage = "test" if self.trainer.testing else "val"
        self.log(f"{stage}_acc", (self(x, lengths).argmax(1) == y).float().mean())

    test_step = validation_step

    def predict_step(self, batch, batch_idx):
        p = self(batch[0], batch[1]).softmax(1)
        return {"p": p, "best": p.argmax(1)}


class ReturnsText(Sequence):
    def __init__(self) -> None:
        super().__init__(2, 3)

    def predict_step(self, batch, batch_idx):
        return "a text"


class NoOptimizer(Sequence):
    configure_optimizers: Any = L.LightningModule.configure_optimizers
