"""A data module, a network and callbacks of a user's own, which draw random numbers everywhere."""

import random
from typing import Any

import lightning as L
import numpy as np
import torch
from lightning.pytorch.callbacks import Callback
from their_modules import SplitData
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, Subset, random_split


class Noisy(Dataset[Any]):
    """Sequences of two channels whose class is in their mean, with noise from three generators."""

    def __init__(self, size: int) -> None:
        draw = torch.Generator().manual_seed(0)
        self.y = torch.randint(3, (size,), generator=draw)
        self.x = torch.randn(size, 6, 2, generator=draw) + self.y[:, None, None]

    def __len__(self) -> int:
        return len(self.y)

    def __getitem__(self, index: int) -> tuple[Tensor, int, Tensor]:
        noise = np.random.normal() + random.random() + torch.rand(()).item()
        return self.x[index] + 0.1 * noise, 6, self.y[index]


class Data(SplitData):
    num_classes, input_size = 3, 2

    def __init__(self, num_workers: int = 0, persistent: bool = False) -> None:
        super().__init__(num_workers=num_workers)
        self.persistent = persistent

    def setup(self, stage: str) -> None:
        self.parts = random_split(Noisy(48), [24, 12, 12])

    def loader(self, part: Any, shuffle: bool = False) -> DataLoader[Any]:
        workers = {"num_workers": self.num_workers, "persistent_workers": self.persistent}
        return DataLoader(part, 8, shuffle=shuffle, **workers)  # pyright: ignore[reportArgumentType]

    def train_dataloader(self) -> DataLoader[Any]:
        part = Subset(self.parts[0], np.random.permutation(24)[:20].tolist())
        return self.loader(part, shuffle=True)


class Net(nn.Module):
    def __init__(self, input_size: int, num_classes: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(input_size)
        self.fc = nn.Linear(input_size, num_classes)
        self.fc.bias.data += np.random.normal()

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        x = self.norm(x.mean(dim=1))
        if self.training:
            x = nn.functional.dropout(x, 0.2) + 0.1 * np.random.normal() + 0.1 * random.random()
        return self.fc(x)


class Draws(Callback):
    """Draws in its constructor, and in a hook that comes after those of our callbacks."""

    def __init__(self) -> None:
        np.random.rand()

    def on_train_epoch_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        torch.rand(3)
        np.random.rand()


class Stops(Callback):
    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        trainer.should_stop = trainer.current_epoch == 2
