"""A run comes to the same by native and by autograd, within rounding."""

import csv
from collections.abc import Callable
from pathlib import Path

import pytest

from seqsweep.runs.run_folder import RunFolder
from seqsweep.training.checkpoints import load_sealed
from seqsweep.training.outcome import Outcome
from seqsweep.training.planned_run import PlannedRun
from seqsweep.training.train import train, train_pool

Plan = Callable[..., list[PlannedRun]]

EQUAL = ("status", "run_id", "best_epoch", "epochs", "steps", "params", "num_train")


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "metrics.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def assert_close(native: Path, autograd: Path, tolerance: float = 2e-5) -> None:
    """Asserts that rows, records and weights are equal but for rounding."""
    one, other = rows(native), rows(autograd)
    assert [row["epoch"] for row in one] == [row["epoch"] for row in other]
    for a, b in zip(one, other, strict=True):
        for name in ("train/loss", "val/loss", "train/grad_norm", "lr"):
            assert bool(a[name]) == bool(b[name]), name
            if a[name]:
                assert float(a[name]) == pytest.approx(float(b[name]), abs=tolerance), name
    first, second = (RunFolder(folder).record() or {} for folder in (native, autograd))
    assert first.keys() == second.keys()
    assert {name: first.get(name) for name in EQUAL} == {name: second.get(name) for name in EQUAL}
    for name in ("best.ckpt", "last.ckpt"):
        a, b = (load_sealed(folder / "checkpoints" / name) for folder in (native, autograd))
        assert a["epoch"] == b["epoch"]
        for key, value in b["state_dict"].items():
            assert a["state_dict"][key].allclose(value, atol=tolerance * 10), key


@pytest.mark.sampled(3)
@pytest.mark.parametrize("index", range(7))
def test_a_member_of_a_pool_is_what_autograd_makes_of_it(
    mixed_members: list[PlannedRun], tmp_path: Path, index: int
) -> None:
    """Cells, pooling, dropout, losses, optimizers, schedules, clipping and early stopping."""
    run = mixed_members[index]
    (native,) = train_pool([run], tmp_path / "native", 1)
    assert isinstance(native, Outcome), native
    autograd = train(run, tmp_path / "autograd", engine="autograd")
    assert_close(native.folder.path, autograd.folder.path)


@pytest.mark.sampled(2)
@pytest.mark.parametrize(
    "own",
    [
        ("data.val_fraction=0", "monitor=train/loss", "data.test_fraction=0"),
        ("data.transform={frame:2,jitter:0.3,time_mask:1}",),
        ("data.transform={crop:[0,5],downsample:2}", "model.bidirectional=true"),
    ],
    ids=" ".join,
)
def test_other_data_train_as_by_autograd(
    members_of: Plan, tmp_path: Path, own: tuple[str, ...]
) -> None:
    """Without validation, and with transformed sequences."""
    members = members_of(*own)
    for run, outcome in zip(members, train_pool(members, tmp_path / "pool", 2), strict=True):
        assert isinstance(outcome, Outcome), outcome
        autograd = train(run, tmp_path / "autograd", engine="autograd")
        assert_close(outcome.folder.path, autograd.folder.path)
