"""A data set whose batches are read from a memory map.

`python scripts/example_mapped.py` writes x.npy and y.npy, on which docs/data.md trains by
`data=mapped`.
"""

from typing import Any

import lightning as L
import numpy as np
import torch
from torch.utils.data import DataLoader

from seqsweep import SequenceDataModule, Sequences, Splits
from seqsweep.data.batch import Batch, EpochBatches
from seqsweep.data.scaling import Scaling


class Mapped(L.LightningDataModule):
    """The splits of x.npy (N, T, F) with the labels y.npy (N,)."""

    def __init__(self, folder: str, batch_size: int = 32, seed: int = 0) -> None:
        super().__init__()
        self.batch_size, self.seed = batch_size, seed
        x, y = np.load(f"{folder}/x.npy", mmap_mode="r"), np.load(f"{folder}/y.npy")
        classes = tuple(str(label) for label in range(y.max() + 1))
        channels = tuple(f"channel_{f}" for f in range(x.shape[2]))
        parts = []
        for rows in np.split(np.arange(len(x)), [len(x) * 8 // 10, len(x) * 9 // 10]):
            first, last = rows[0], rows[-1] + 1  # a slice of a map is a map
            lengths = np.full(len(rows), x.shape[1])
            parts.append(Sequences(x[first:last], lengths, y[rows], classes, channels))
        sample = parts[0].x[:10_000].astype(np.float64)
        scaling = Scaling(
            "error", "float32", mean=sample.mean(axis=(0, 1)), deviation=sample.std(axis=(0, 1))
        )
        self.parts, self.scaling = parts, scaling
        self.splits = Splits(*parts, scaling=scaling)

    def _loader(self, part: Sequences, seed: int | None) -> DataLoader[Batch]:
        def read(rows: list[int]) -> Batch:
            x, lengths = self.scaling.apply(part.x[rows], part.lengths[rows])
            return Batch(*map(torch.from_numpy, (x, lengths, part.labels[rows])))

        batches = EpochBatches(len(part), self.batch_size, seed)  # seed None keeps the order
        rows: Any = range(len(part))
        return DataLoader(rows, batch_sampler=batches, collate_fn=read)

    def train_dataloader(self):
        return self._loader(self.parts[0], self.seed)

    def val_dataloader(self):
        return self._loader(self.parts[1], None)

    def test_dataloader(self):
        return self._loader(self.parts[2], None)

    transfer_batch_to_device = SequenceDataModule.transfer_batch_to_device


def write(count: int = 2_000, part: int = 500) -> None:
    """Writes sequences into one array, of which only a part is in memory."""
    rng = np.random.default_rng(0)
    y = rng.integers(3, size=count)
    x: Any = np.lib.format.open_memmap("x.npy", "w+", np.float32, (count, 50, 4))
    for start in range(0, count, part):
        rows = slice(start, start + part)
        x[rows] = rng.normal(size=(part, 50, 4)) + 0.3 * y[rows, None, None]
    x.flush()
    np.save("y.npy", y)


if __name__ == "__main__":
    write()
