"""What a run leaves for pictures: true to its numbers, equal by both engines, off by a switch."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from seqsweep.config.schema import Config
from seqsweep.runs.run_folder import RunFolder
from seqsweep.training import diagnosis as module
from seqsweep.training.planned_run import plan
from seqsweep.training.train import train

BASE = (
    "data=random", "data.source.num_sequences=60", "data.source.length=6", "model.hidden_size=5",
    "data.source.num_classes=3", "data.batch_size=8", "trainer.max_epochs=2",
    "trainer.accelerator=cpu",
)  # fmt: skip

Run = Callable[..., RunFolder]


@pytest.fixture
def run(checked: Callable[..., Config], tmp_path: Path) -> Run:
    def call(*overrides: str, root: str = "runs") -> RunFolder:
        return train(plan(checked(*BASE, *overrides)), tmp_path / root).folder

    return call


def diagnosis(folder: RunFolder) -> dict[str, Any]:
    return json.loads((folder.path / "diagnostics.json").read_text())


def record(folder: RunFolder) -> dict[str, Any]:
    found = folder.record()
    assert found is not None
    return found


@pytest.mark.parametrize("engine", ["native", "autograd"])
@pytest.mark.parametrize("splits", [["val", "test"], ["test"]], ids=["true", "false"])
def test_the_confusion_is_that_of_the_recorded_metrics(run, engine, splits):
    """Without diagnostics there is none of the validation, which might be of another epoch."""
    switch = f"diagnostics={'val' in splits}"
    found = record(run(f"engine={engine}", switch, "optimizer.lr=0.1"))
    assert found["classes"] == ["0", "1", "2"]
    assert sorted(found["confusion"]) == sorted(splits)
    for split in splits:
        counts = np.array(found["confusion"][split])
        assert counts.trace() / counts.sum() == pytest.approx(found["metrics"][f"{split}/acc"])
        assert counts.sum() > 0 and counts.shape == (3, 3)


@pytest.mark.parametrize(
    "overrides",
    [
        ("model.num_layers=2", "model.bidirectional=true"),
        ("data.source.num_sequences=400", "model.hidden_size=1", "model.cell=lstm"),
    ],
)
def test_both_engines_diagnose_alike(run, overrides):
    """At most 64 sequences; tests of both traces compare them with torch's cells."""
    native, autograd = (
        diagnosis(run(*overrides, f"engine={engine}", "optimizer.lr=1e-4", root=engine))
        for engine in ("native", "autograd")
    )
    assert native["sequences"] == autograd["sequences"] == (64 if "400" in overrides[0] else 12)
    assert native["gradient"].keys() == autograd["gradient"].keys()
    for name, norms in native["gradient"].items():
        assert len(norms) == 6
        assert norms == pytest.approx(autograd["gradient"][name], rel=2e-3)
    for label, path in native["trajectories"]["classes"].items():
        other = autograd["trajectories"]["classes"][label]
        ours, theirs = ([each["mean"], *each["sequences"]] for each in (path, other))
        np.testing.assert_allclose(ours, theirs, atol=1e-3)


def test_a_diagnosis_can_be_switched_off_and_changes_no_number(run):
    on, off = run(root="on"), run("diagnostics=false", root="off")
    assert on.run_id == off.run_id
    assert not (off.path / "diagnostics.json").exists()
    assert "val" not in record(off).get("confusion", {})
    assert record(on)["metrics"] == record(off)["metrics"]
    assert (on.path / "metrics.csv").read_bytes() == (off.path / "metrics.csv").read_bytes()


def test_a_diagnosis_without_other_splits_uses_the_training_data(run):
    folder = run("data.val_fraction=0", "data.test_fraction=0")
    assert diagnosis(folder)["split"] == "train"
    assert "confusion" not in record(folder)


@pytest.mark.parametrize("engine", ["native", "autograd"])
def test_states_that_are_not_finite_end_no_run(run, engine):
    """The run has diverged, which is its end; a picture that failed would be tried for ever."""
    diverging = ("model.nonlinearity=relu", "optimizer=sgd", "optimizer.lr=1000")
    more = (
        "data.val_fraction=0",
        "trainer.max_epochs=1",
        "trainer.gradient_clip_val=null",
        "data.batch_size=48",
    )  # one step, after which all is infinite
    folder = run(*diverging, *more, f"engine={engine}", "data.source.length=60")
    assert record(folder)["status"] == "diverged"
    assert folder.failure() is None


@pytest.mark.parametrize("engine", ["native", "autograd"])
def test_without_diagnostics_no_confusion_is_that_of_another_epoch(run, engine):
    found = record(run("diagnostics=false", f"engine={engine}", "optimizer.lr=0.1"))
    counts = {split: np.array(table) for split, table in found["confusion"].items()}
    for split, table in counts.items():
        assert table.trace() / table.sum() == pytest.approx(found["metrics"][f"{split}/acc"])
    assert counts.keys() == {"test"}


def test_a_large_network_is_diagnosed_on_fewer_sequences(run, monkeypatch):
    whole = diagnosis(run("model.num_layers=2", root="whole"))
    monkeypatch.setattr(module, "_NUMBERS", 2 * 2 * 6 * 5)  # two sequences
    few = diagnosis(run("model.num_layers=2", root="few"))
    assert (whole["sequences"], few["sequences"]) == (12, 2)
    assert few["gradient"].keys() == whole["gradient"].keys()
