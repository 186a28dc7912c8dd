"""Compares a LightningModule of a user under seqsweep with a plain Trainer.

    python scripts/bench/own_module.py [--epochs 8] [--rounds 3]

Both sides train the same module on the same data, with one thread, and write a checkpoint after
each epoch. An epoch takes at least one CPU second. Each round trains both sides in turn, each in a
process of its own; printed are the CPU seconds of the fit, without imports, and their ratio.
"""

import logging
import tempfile
import time
import warnings
from pathlib import Path

import lightning as L
import torch
from frame import call_command, read_options, run
from lightning.pytorch.callbacks import ModelCheckpoint
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

import seqsweep
from seqsweep.config.from_overrides import check_again


class Module(L.LightningModule):
    def __init__(self, hidden_size: int = 64) -> None:
        super().__init__()
        self.gru, self.head = nn.GRU(8, hidden_size, batch_first=True), nn.Linear(hidden_size, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.gru(x)[1][-1])

    def training_step(self, batch: list[Tensor], batch_idx: int) -> Tensor:
        loss = F.cross_entropy(self(batch[0]), batch[1])
        self.log("train_loss", loss, on_step=False, on_epoch=True)
        return loss

    def validation_step(self, batch: list[Tensor], batch_idx: int) -> None:
        self.log("val_acc", (self(batch[0]).argmax(1) == batch[1]).float().mean())

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.Adam(self.parameters(), 1e-3)


class Data(L.LightningDataModule):
    def loader(self, count: int, shuffle: bool = False) -> DataLoader[tuple[Tensor, ...]]:
        draw = torch.Generator().manual_seed(count)
        x, y = torch.randn(count, 96, 8, generator=draw), torch.randint(4, (count,), generator=draw)
        return DataLoader(TensorDataset(x, y), 32, shuffle=shuffle)

    def train_dataloader(self) -> DataLoader[tuple[Tensor, ...]]:
        return self.loader(2048, shuffle=True)

    def val_dataloader(self) -> DataLoader[tuple[Tensor, ...]]:
        return self.loader(256)


def train_plain(epochs: int, folder: Path) -> None:
    trainer = L.Trainer(
        accelerator="cpu",
        max_epochs=epochs,
        default_root_dir=folder,
        enable_progress_bar=False,
        enable_model_summary=False,
        callbacks=[ModelCheckpoint(monitor="val_acc", mode="max", save_last=True)],
    )
    trainer.fit(Module(), datamodule=Data())


def train_ours(epochs: int, folder: Path) -> None:
    given = seqsweep.compose("trainer=cpu", f"trainer.max_epochs={epochs}", f"output_dir={folder}")
    given |= {"model": {"_target_": "own_module.Module"}, "data": {"_target_": "own_module.Data"}}
    given |= dict.fromkeys(("optimizer", "scheduler", "loss"))
    given |= {"monitor": "val_acc", "monitor_mode": "max", "diagnostics": False}
    seqsweep.train(check_again(given))


def cpu_of(side: str, epochs: int) -> float:
    """Returns the CPU seconds of the training of one side in a temporary folder."""
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    warnings.simplefilter("ignore")
    train = {"plain": train_plain, "seqsweep": train_ours}[side]
    with tempfile.TemporaryDirectory() as folder:
        train(1, Path(folder, "first"))  # imports, and what torch does once
        began = time.process_time()
        train(epochs, Path(folder, "timed"))
        return time.process_time() - began


def main() -> None:
    options = read_options(__doc__, epochs=8, rounds=3)
    costs: dict[str, list[float]] = {"plain": [], "seqsweep": []}
    for _ in range(options.rounds):
        for side, seconds in costs.items():
            seconds.append(run(call_command(cpu_of, side, options.epochs)).value)
    for side, seconds in costs.items():
        each = min(seconds) / options.epochs
        print(f"{side:9} {min(seconds):6.2f} CPU s, {each:.2f} an epoch")
    ratios = sorted(b / a for a, b in zip(costs["plain"], costs["seqsweep"], strict=True))
    print(f"seqsweep / plain: {min(costs['seqsweep']) / min(costs['plain']):.3f}", end="")
    print(f" (rounds: {', '.join(f'{ratio:.3f}' for ratio in ratios)})")


if __name__ == "__main__":
    main()
