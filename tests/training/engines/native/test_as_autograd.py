"""A run comes to the same by native and by autograd, within rounding."""

import json
from pathlib import Path

import pytest
from run_files import rows

from seqsweep.runs.files import read_object
from seqsweep.training.checkpoint_files import load_sealed
from seqsweep.training.outcome import Outcome
from seqsweep.training.train import train, train_pool

EQUAL = ("status", "run_id", "best_epoch", "epochs", "steps", "params", "num_train")


def assert_close(native: Path, autograd: Path, tolerance: float = 2e-5) -> None:
    """Asserts that rows, records, weights and diagnoses are equal but for rounding."""
    one, other = rows(native), rows(autograd)
    assert [row["epoch"] for row in one] == [row["epoch"] for row in other]
    for a, b in zip(one, other, strict=True):
        assert list(a) == list(b)
        for name in ("train/loss", "val/loss", "train/grad_norm", "lr"):
            assert bool(a.get(name)) == bool(b.get(name)), name
            if a.get(name):
                assert float(a[name]) == pytest.approx(float(b[name]), abs=tolerance), name
    first, second = (read_object(folder / "record.json") for folder in (native, autograd))
    assert first.keys() == second.keys()
    assert {name: first.get(name) for name in EQUAL} == {name: second.get(name) for name in EQUAL}
    for name in ("best.ckpt", "last.ckpt"):
        a, b = (load_sealed(folder / "checkpoints" / name) for folder in (native, autograd))
        assert a["epoch"] == b["epoch"]
        for key, value in b["state_dict"].items():
            assert a["state_dict"][key].allclose(value, atol=tolerance * 10), key
    shown = [json.loads((each / "diagnostics.json").read_text()) for each in (native, autograd)]
    assert shown[0]["gradient"].keys() == shown[1]["gradient"].keys()
    for name, norms in shown[1]["gradient"].items():
        assert shown[0]["gradient"][name] == pytest.approx(norms, rel=1e-2, abs=1e-6)


OTHERS = [
    ("data.val_fraction=0", "monitor=train/loss", "data.test_fraction=0"),
    ("data.transform={frame:2,jitter:0.3,time_mask:1}",),
    ("data.transform={crop:[0,5],downsample:2}", "model.bidirectional=true"),
    ("model.recurrent_init=orthogonal", "model.num_layers=2", "model.bidirectional=true"),
    ("model.recurrent_init=orthogonal", "model.cell=lstm", "model.forget_bias=1"),
    ("seed=1", "+data.seed=0", "loss.class_weights=[0.5,3,1]", "loss.label_smoothing=0.1"),
]
"""A pool without validation, with transforms, other first weights, and a weighted loss."""


@pytest.mark.sampled(3, 9)
@pytest.mark.parametrize("own", [*range(7), *OTHERS], ids=str)
def test_a_member_of_a_pool_is_what_autograd_makes_of_it(mixed_members, members_of, tmp_path, own):
    """Cells, pooling, dropout, losses, optimizers, schedules, clipping and early stopping."""
    if isinstance(own, int):
        run = mixed_members[own]
    else:
        (run,) = members_of(*own, members=[("model.hidden_size=12",)])
    (native,) = train_pool([run], tmp_path / "native", 1)
    assert isinstance(native, Outcome), native
    autograd = train(run, tmp_path / "autograd", engine="autograd")
    assert_close(native.folder.path, autograd.folder.path)
