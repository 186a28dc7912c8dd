"""`seqsweep plan` lists exactly the runs that a sweep then trains."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytestmark = pytest.mark.slow

Command = Callable[..., Any]
SWEEP = ("data=digits", "trainer.max_epochs=1", "model.hidden_size=4,8")
LONGER = (*SWEEP[:-1], "model.hidden_size=4,8,12,16")


@pytest.fixture
def without_torch(seqsweep: Command, tmp_path: Path) -> Command:
    folder = tmp_path / "no_torch"
    folder.mkdir()
    (folder / "torch.py").write_text("raise ImportError('torch was imported')")
    path = os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")])
    return lambda *arguments: seqsweep(*arguments, PYTHONPATH=path)


def _states(out: str) -> dict[str, str]:
    rows = [line.split(maxsplit=1)[1] for line in out.splitlines() if "hidden_size=" in line]
    return {row.rpartition("=")[2].strip(): row.partition("  ")[0].strip() for row in rows}


def _records(folder: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in folder.rglob("record.json")}


def test_a_note_on_the_data_names_the_set_in_a_sweep_over_several(seqsweep, tmp_path):
    rng = np.random.default_rng(0)
    for name, shared in (("one", 1), ("two", 3)):
        x, y = rng.normal(size=(40, 6, 2)), np.arange(40) % 2
        x_test = np.concatenate([x[:shared], rng.normal(size=(20 - shared, 6, 2))])
        np.savez(tmp_path / f"{name}.npz", X_train=x, y_train=y, X_test=x_test, y_test=y[:20])
    sweep = ("train", "-m", "--plan-only", "data=npz", "trainer.max_epochs=1")
    told = "of 20 test sequences are also in train"
    both = seqsweep(*sweep, "data.source.path=one.npz,two.npz", "sweep.name=both").out.splitlines()
    assert [line for line in both if told in line] == [f"one: 1 {told}", f"two: 3 {told}"]
    alone = seqsweep(*sweep, "data.source.path=two.npz", "seed=0,1", "sweep.name=alone").out
    assert f"3 {told}" in alone.splitlines()


def test_plan_lists_the_members_before_and_after_the_training(seqsweep, without_torch, tmp_path):
    before = without_torch("plan", *SWEEP)
    assert before.code == 0, before.err
    assert _states(before.out) == {"4": "to train", "8": "to train"}
    assert "sweep of 2 runs" in before.out
    assert not (tmp_path / "outputs").exists()

    assert seqsweep("train", "-m", *SWEEP).code == 0
    trained = _records(tmp_path)
    assert len(trained) == 2
    done = seqsweep("plan", *SWEEP)
    assert _states(done.out) == {"4": "complete", "8": "complete"}
    assert done.out.splitlines()[-1] == "nothing to train"

    longer = without_torch("plan", "-m", *LONGER)
    new = {"12": "to train", "16": "to train"}
    assert _states(longer.out) == {"4": "complete", "8": "complete", **new}
    estimate = longer.out.splitlines()[-1]
    assert estimate.startswith("2 to train, about 0:0")
    assert estimate.endswith(" (by floating-point operations)")
    assert _records(tmp_path) == trained

    # A killed run leaves a folder with a config but without a record.
    (killed,) = [line.split()[0] for line in longer.out.splitlines() if "hidden_size=16" in line]
    folder = next(iter(trained)).parents[1] / killed
    folder.mkdir()
    (folder / "config.yaml").write_text("model: {hidden_size: 16}\n")
    assert _states(seqsweep("plan", *LONGER).out)["16"] == "incomplete, to resume"
