"""A trained run, a sweep, and new data."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typed_commands import command

import seqsweep

__all__ = ["command"]

CLASSES = ("fall", "rise", "still")
CHANNELS = ("left", "right")


@dataclass(frozen=True)
class Trained:
    """A folder with a sweep of four runs, and the data that they were trained on."""

    folder: Path
    classes: tuple[str, ...] = CLASSES
    channels: tuple[str, ...] = CHANNELS

    @property
    def sweep(self) -> Path:
        return self.folder / "outputs" / "sweeps" / "small"

    @property
    def runs(self) -> list[Path]:
        return sorted(path.parent for path in self.sweep.glob("*/record.json"))

    @property
    def run(self) -> Path:
        return self.runs[0]

    def test_data(self):
        with np.load(self.folder / "train.npz") as stored:
            return tuple(stored[f"{key}_test"] for key in ("X", "y", "lengths"))

    @staticmethod
    def make_data(count: int, seed: int) -> dict[str, Any]:
        """Sequences of mixed lengths that fall, rise or stay, with values far from zero."""
        rng = np.random.default_rng(seed)
        y = np.arange(count) % 3
        slope = np.array([-1.0, 1.0, 0.0])[y]
        steps = np.arange(9)[None, :, None]
        x = 5e6 + slope[:, None, None] * steps + 2 * rng.normal(size=(count, 9, 2))
        return {"X": x, "y": np.array(CLASSES)[y], "lengths": rng.integers(3, 10, count)}


@pytest.fixture(scope="session")
def trained(tmp_path_factory) -> Trained:
    folder = tmp_path_factory.mktemp("trained")
    contents: dict[str, Any] = {"channel_names": CHANNELS}
    for split, count in (("train", 60), ("test", 45)):
        contents |= {f"{k}_{split}": v for k, v in Trained.make_data(count, count).items()}
    np.savez(folder / "train.npz", **contents)
    seqsweep.sweep(
        [
            "data=npz", f"data.source.path={folder}/train.npz", "model.hidden_size=4,8",
            "seed=0,1", "trainer.max_epochs=6", "optimizer.lr=0.03", "sweep.name=small",
            "sweep.report=false", "diagnostics=false", f"output_dir={folder}/outputs",
        ]
    )  # fmt: skip
    return Trained(folder)


@pytest.fixture
def new_data(tmp_path) -> Path:
    data = Trained.make_data(10, 1)
    path = tmp_path / "new.npz"
    np.savez(path, X=data["X"], lengths=data["lengths"], ids=[f"s{i}" for i in range(10)])
    return path
