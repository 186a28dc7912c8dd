import math

import lightning as L
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset, random_split
from torchmetrics import Metric


class Surprise(Metric):
    """The mean of -log2 p for the true class, in bits."""

    def __init__(self):
        super().__init__()
        self.add_state("bits", torch.tensor(0.0))
        self.add_state("count", torch.tensor(0))

    def update(self, logits, y):
        self.bits += nn.functional.cross_entropy(logits, y, reduction="sum") / math.log(2)
        self.count += len(y)

    def compute(self):
        return self.bits / self.count


class GRUNet(nn.Module):
    def __init__(self, hidden_size: int = 16):
        super().__init__()
        self.gru = nn.GRU(1, hidden_size, batch_first=True)
        self.fc = nn.Linear(hidden_size, 2)

    def forward(self, x):  # (B, T, F)
        return self.fc(self.gru(x)[1][-1])


class SinesModule(L.LightningModule):
    def __init__(self, net, optimizer):
        super().__init__()
        self.save_hyperparameters(logger=False, ignore=["net"])
        self.net = net
        self.val_bits, self.test_bits = Surprise(), Surprise()

    def forward(self, x):
        return self.net(x)

    def training_step(self, batch, batch_idx):
        loss = nn.functional.cross_entropy(self(batch[0]), batch[1])
        self.log("train/loss", loss, on_step=False, on_epoch=True)
        return loss

    def validation_step(self, batch, batch_idx):
        self.val_bits(self(batch[0]), batch[1])
        self.log("val/bits", self.val_bits)

    def test_step(self, batch, batch_idx):
        self.test_bits(self(batch[0]), batch[1])
        self.log("test/bits", self.test_bits)

    def configure_optimizers(self):
        return self.hparams.optimizer(self.parameters())


class Sines(L.LightningDataModule):
    def __init__(self, batch_size: int = 32):
        super().__init__()
        self.batch_size = batch_size

    def setup(self, stage):
        y = torch.arange(400) % 2  # slow or fast
        angle = torch.arange(40) * (1 + 0.2 * y[:, None]) + 6 * torch.rand(400, 1)
        x = angle.sin() + torch.randn(400, 40) / 2
        self.parts = random_split(TensorDataset(x[:, :, None], y), [0.6, 0.2, 0.2])

    def train_dataloader(self):
        return DataLoader(self.parts[0], self.batch_size, shuffle=True)

    def val_dataloader(self):
        return DataLoader(self.parts[1], self.batch_size)

    def test_dataloader(self):
        return DataLoader(self.parts[2], self.batch_size)
