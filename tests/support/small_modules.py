"""Small modules of a user's own, which take batches of our data, and a callback that fails."""

import lightning as L
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset


class Sequence(L.LightningModule):
    """Takes what our data give: (x, y) if all sequences have one length."""

    def __init__(
        self, input_size: int, num_classes: int, scale: float = 1.0, late: int = 1
    ) -> None:
        super().__init__()
        self.fc, self.scale, self.late = nn.Linear(input_size, num_classes), scale, late

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
        if self.current_epoch >= self.late:
            self.log("late, too", self.current_epoch + 0.5)

    test_step = validation_step

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)


class NoForward(Sequence):
    forward = L.LightningModule.forward

    def training_step(self, batch, batch_idx):
        x, y = batch
        return F.cross_entropy(self.fc(x.mean(1)), y)

    def validation_step(self, batch, batch_idx):
        self.training_step(batch, batch_idx)

    test_step = None


class ReturnsNone(Sequence):
    def training_step(self, batch, batch_idx):  # pyright: ignore[reportIncompatibleMethodOverride]
        super().training_step(batch, batch_idx)


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


class Raise(L.Callback):
    """Fails once in the middle of an epoch."""

    armed = False

    def __init__(self, epoch: int) -> None:
        self.epoch = epoch

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        if Raise.armed and trainer.current_epoch == self.epoch:
            Raise.armed = False
            raise RuntimeError("cut")


class Loads(Sequence):
    """A module with its own data, which `setup` draws from the global generators."""

    def __init__(self, late: int = 1) -> None:
        super().__init__(2, 2, late=late)

    def setup(self, stage):
        y = torch.arange(64) % 2
        self.data = TensorDataset(torch.randn(64, 5, 2) + y[:, None, None], y)

    def train_dataloader(self):
        return DataLoader(self.data, 8, shuffle=True)

    def val_dataloader(self):
        return DataLoader(self.data, 8)

    test_dataloader = val_dataloader


class LoadsTrain(Loads):
    val_dataloader, test_dataloader = Sequence.val_dataloader, Sequence.test_dataloader


class AsksForSeed(L.LightningDataModule):
    """Data of images, whose classes are known after `setup`."""

    input_size = (3, 32, 32)
    num_classes = property(lambda self: len(None))  # pyright: ignore

    def __init__(self, seed: int) -> None:
        super().__init__()
        self.seed = seed


def has_seed(seed: int = 42) -> AsksForSeed:
    return AsksForSeed(seed)
