"""A run on a folder is the run on its source, to the bit, in memory or on disk."""

from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from seqsweep import load_run

pytestmark = pytest.mark.slow

OPTIONS = (
    "engine=autograd", "trainer=cpu", "trainer.max_epochs=3", "data.missing=forward",
    "model.hidden_size=6", "data.batch_size=16", "logger=csv",
)  # fmt: skip


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """An npz file of unequal lengths, with missing values and a channel in units."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(120, 15, 3))
    x[:, :, 1] += 1e9
    x[rng.random(x.shape) < 0.05] = np.nan
    labels = np.arange(120) % 3
    x[:, :, 2] += labels[:, None]
    np.savez(tmp_path / "a.npz", X=x, y=labels, lengths=rng.integers(4, 16, 120))
    return tmp_path / "a.npz"


def only_run(root: Path) -> Path:
    (folder,) = (root / "runs" / "default").iterdir()
    return folder


def without_times(folder: Path) -> list[str]:
    """Returns the rows of metrics.csv without the columns of times."""
    header, *rows = (folder / "metrics.csv").read_text().splitlines()
    names = header.split(",")
    kept = [i for i, name in enumerate(names) if "/" in name and "time" not in name]
    assert len(kept) >= 4
    return [",".join(row.split(",")[i] for i in kept) for row in rows]


def test_a_folder_trains_to_the_bits_of_its_source(seqsweep, file, tmp_path):
    assert seqsweep("data", "convert", "a.npz", "folder").code == 0
    sources = {
        "npz": ["data=npz", "data.source.path=a.npz"],
        "memory": ["data=folder", "data.source.path=folder"],
        "disk": ["data=folder", "data.source.path=folder", "data.source.in_memory_mb=0"],
        "workers": [
            *("data=folder", "data.source.path=folder"),
            *("data.source.in_memory_mb=0", "data.num_workers=2"),
        ],
    }
    for name, source in sources.items():
        done = seqsweep("train", *source, *OPTIONS, f"output_dir={name}")
        assert done.code == 0, done.err
        assert ("stay on disk" in done.out) == (name in ("disk", "workers"))
    runs = {name: only_run(tmp_path / name) for name in sources}
    expected = load_run(runs.pop("npz"))
    rows = without_times(only_run(tmp_path / "npz"))
    assert len(rows) == 3
    for folder in runs.values():
        assert without_times(folder) == rows
        weights = load_run(folder).network.state_dict()
        for name, tensor in expected.network.state_dict().items():
            assert torch.equal(tensor, weights[name])
    # Where the values lie does not change a result, so it is not part of a run's name.
    assert len({folder.name for folder in runs.values()}) == 1


def test_data_on_disk_train_by_autograd_and_plan_says_so(seqsweep, file):
    assert seqsweep("data", "convert", "a.npz", "folder").code == 0
    on_disk = ("data=folder", "data.source.path=folder", "data.source.in_memory_mb=0")
    planned = seqsweep("plan", *on_disk, "data.missing=mean", "seed=0,1")
    assert planned.code == 0
    assert "stay on disk (data.source.in_memory_mb=0)" in planned.out
    assert "autograd: 2 runs, one by one" in planned.out
    refused = seqsweep("train", *on_disk, "data.missing=mean", "engine=native")
    assert refused.code == 2
    assert "engine=native: cannot train data.source.path=folder, whose values" in refused.err


def test_a_run_on_a_folder_can_be_reproduced_from_elsewhere(seqsweep, file, tmp_path):
    """The recorded absolute path of the folder is found where the relative one is not."""
    assert seqsweep("data", "convert", "a.npz", "folder").code == 0
    source = ("data=folder", "data.source.path=folder", "data.missing=mean")
    done = seqsweep("train", *source, "trainer.max_epochs=1", "output_dir=out")
    assert done.code == 0, done.err
    run = only_run(tmp_path / "out")
    recorded = yaml.safe_load((run / "provenance.json").read_text())["data_files"]
    assert recorded == {"path": str(tmp_path / "folder")}
    (tmp_path / "sub").mkdir()
    again = seqsweep("reproduce", str(run))
    assert again.code == 0, again.err


def test_the_command_that_info_prints_trains(seqsweep, file):
    printed = seqsweep("data", "info", "a.npz")
    assert printed.code == 0
    command = printed.out.rstrip().splitlines()[-1].split()
    assert command[0] == "seqsweep"
    done = seqsweep(*command[1:], "trainer.max_epochs=1")
    assert done.code == 0, done.err
    assert "best epoch 0" in done.out
