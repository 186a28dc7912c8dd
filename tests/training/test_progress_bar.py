"""The bar of a single run moves with any loader."""

import io
from collections.abc import Iterator

import lightning as L
import torch
from lightning.pytorch.demos.boring_classes import BoringModel
from rich.console import Console
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset

from seqsweep.training.progress_bar import RunProgressBar
from seqsweep.training.trainer import quiet


class Endless(IterableDataset[Tensor]):
    """A data set that does not know how long it is."""

    def __iter__(self) -> Iterator[Tensor]:
        yield from torch.ones(3, 32)


def test_a_loader_without_a_length_moves_the_bar_by_epochs() -> None:
    quiet()
    screen = io.StringIO()
    bar = RunProgressBar(Console(file=screen, force_terminal=True, width=100))
    trainer = L.Trainer(
        max_epochs=2, accelerator="cpu", logger=False, enable_checkpointing=False,
        enable_model_summary=False, limit_val_batches=0, callbacks=[bar],
    )  # fmt: skip
    trainer.fit(BoringModel(), DataLoader(Endless()))
    assert trainer.global_step == 6
    assert "epoch 1/2" in screen.getvalue()
