"""Small modules of a user's own, which take batches of our data."""

import lightning as L
import torch
from torch import nn
from torch.nn import functional as F


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
