"""A user's configs, data and network train from the user's own folder."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

Command = Callable[..., Any]

NETWORK = '''
from torch import nn


class Mean(nn.Module):
    """A network without recurrence: its logits come from the mean over time."""

    def __init__(self, input_size: int, num_classes: int, scale: float = 1.0) -> None:
        super().__init__()
        self.head = nn.Linear(input_size, num_classes)
        self.scale = scale

    def forward(self, x, lengths):
        mean = x.sum(1) / lengths.to(x).unsqueeze(1)
        return self.head(self.scale * mean)
'''

SOURCE = '''
import numpy as np

from seqsweep import make_sequences


def sines(num_sequences: int, length: int = 12):
    """A data source of slow and fast sines."""
    rng = np.random.default_rng(0)
    labels = np.arange(num_sequences) % 2
    phase = rng.uniform(0, 6, (num_sequences, 1))
    x = np.sin(np.arange(length) * (1 + labels[:, None]) / 2 + phase)
    return make_sequences(x, labels, class_names=["slow", "fast"], where="sines")
'''


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """A folder with one option for each of four groups."""
    files = {
        "mine.py": NETWORK + SOURCE,
        "conf/model/mean.yaml": "_target_: mine.Mean\nscale: 2.0\n",
        "conf/data/sines.yaml": "defaults: [_loading]\nsource:\n  _target_: mine.sines\n"
        "  num_sequences: 60\nbatch_size: 8\n",
        "conf/experiment/mine.yaml": "# @package _global_\ndefaults:\n"
        "  - override /data: sines\n  - override /model: mean\nname: mine\n"
        "trainer:\n  max_epochs: 2\n",
        "conf/sweep/scales.yaml": "# @package _global_\nsweep:\n  name: scales\n"
        "hydra:\n  sweeper:\n    params:\n      model.scale: 1.0,2.0\n",
    }
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path


@pytest.mark.slow
def test_a_users_network_data_experiment_and_sweep_train(seqsweep: Command, own: Path) -> None:
    options = ("--config-dir", "conf", "experiment=mine")
    result = seqsweep("train", *options)
    assert result.code == 0, result.err
    (record,) = own.glob("outputs/runs/mine/*/record.json")
    assert json.loads(record.read_text())["params"] == 4
    swept = seqsweep("train", "-m", *options, "sweep=scales")
    assert swept.code == 0, swept.err
    assert len(list(own.glob("outputs/sweeps/scales/*/record.json"))) == 2


def test_a_users_network_is_checked_like_those_of_seqsweep(
    own: Path, refused: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(own))
    message = refused("train", "--config-dir", "conf", "experiment=mine", "model.scale=big")
    assert message == "model.scale='big': must be a number"


@pytest.mark.slow
def test_a_users_arrays_train(seqsweep: Command, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(6, 40, 3))  # time first: the notebook's trap
    np.savez(tmp_path / "mine.npz", X=x, y=np.array(["a", "b"] * 20))
    options = ("data=npz", "data.source.path=mine.npz", "data.batch_size=8")
    wrong = seqsweep("train", *options)
    assert wrong.code == 2
    assert "data.source.layout=time_first" in wrong.err
    right = seqsweep("train", *options, "data.source.layout=time_first", "trainer.max_epochs=1")
    assert right.code == 0, right.err
