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
def test_the_confusion_is_that_of_the_recorded_metrics(run: Run, engine: str) -> None:
    found = record(run(f"engine={engine}"))
    assert found["classes"] == ["0", "1", "2"]
    for split in ("val", "test"):
        counts = np.array(found["confusion"][split])
        assert counts.trace() / counts.sum() == pytest.approx(found["metrics"][f"{split}/acc"])
        assert counts.sum() > 0 and counts.shape == (3, 3)


@pytest.mark.sampled(2)
@pytest.mark.parametrize("model", ["cell=rnn", "cell=gru", "cell=lstm", "num_layers=2"])
def test_both_engines_diagnose_alike(run: Run, model: str) -> None:
    overrides = (f"model.{model}", "model.bidirectional=true", "optimizer.lr=1e-4")
    found = [
        diagnosis(run(*overrides, f"engine={engine}", root=engine))
        for engine in ("native", "autograd")
    ]
    native, autograd = (each["gradient"] for each in found)
    layers = 2 if "layers" in model else 1
    assert len(native) == 2 * layers and all(len(norms) == 6 for norms in native.values())
    for name, norms in native.items():
        assert norms == pytest.approx(autograd[name], rel=2e-3)
    paths = [each["trajectories"]["classes"] for each in found]
    assert paths[0].keys() == paths[1].keys() == {"0", "1", "2"}
    for label, path in paths[0].items():
        assert len(path["mean"]) == 6 and len(path["sequences"]) == 2
        assert np.array(path["mean"]) == pytest.approx(np.array(paths[1][label]["mean"]), abs=1e-3)


def test_a_diagnosis_can_be_switched_off_and_changes_no_number(run: Run) -> None:
    on, off = run(root="on"), run("diagnostics=false", root="off")
    assert on.run_id == off.run_id
    assert not (off.path / "diagnostics.json").exists()
    assert "val" not in record(off).get("confusion", {})
    assert record(on)["metrics"] == record(off)["metrics"]
    assert (on.path / "metrics.csv").read_bytes() == (off.path / "metrics.csv").read_bytes()


def test_a_diagnosis_without_other_splits_uses_the_training_data(run: Run) -> None:
    folder = run("data.val_fraction=0", "data.test_fraction=0")
    assert diagnosis(folder)["split"] == "train"
    assert "confusion" not in record(folder)


@pytest.mark.parametrize("engine", ["native", "autograd"])
def test_states_that_are_not_finite_end_no_run(run: Run, engine: str) -> None:
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
def test_without_diagnostics_no_confusion_is_that_of_another_epoch(run: Run, engine: str) -> None:
    found = record(run("diagnostics=false", f"engine={engine}", "optimizer.lr=0.1"))
    counts = {split: np.array(table) for split, table in found["confusion"].items()}
    for split, table in counts.items():
        assert table.trace() / table.sum() == pytest.approx(found["metrics"][f"{split}/acc"])
    assert counts.keys() == {"test"}


def test_a_large_network_is_diagnosed_on_fewer_sequences(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = diagnosis(run("model.num_layers=2", root="whole"))
    monkeypatch.setattr(module, "_NUMBERS", 2 * 2 * 6 * 5)  # two sequences
    few = diagnosis(run("model.num_layers=2", root="few"))
    assert (whole["sequences"], few["sequences"]) == (12, 2)
    assert few["gradient"].keys() == whole["gradient"].keys()
