"""The bar of a single run moves with any loader."""

import io
from collections.abc import Iterator

import lightning as L
import torch
from rich.console import Console
from torch import Tensor, nn
from torch.utils.data import DataLoader, IterableDataset

from seqsweep.training.progress_bar import RunProgressBar
from seqsweep.training.trainer import quiet


class Endless(IterableDataset[Tensor]):
    """A data set that does not know how long it is."""

    def __iter__(self) -> Iterator[Tensor]:
        yield from torch.ones(3, 2)


class Small(L.LightningModule):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(2, 1)

    def training_step(self, batch: Tensor, batch_idx: int) -> Tensor:
        return self.layer(batch).sum()

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.1)


def test_a_loader_without_a_length_moves_the_bar_by_epochs():
    quiet()
    screen = io.StringIO()
    bar = RunProgressBar(Console(file=screen, force_terminal=True, width=100))
    trainer = L.Trainer(
        max_epochs=2,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_model_summary=False,
        callbacks=[bar],
    )
    trainer.fit(Small(), DataLoader(Endless()))
    assert trainer.global_step == 6
    assert "epoch 1/2" in screen.getvalue()
