"""A command deletes only what is asked for, only files of ours, and no run in training."""

from pathlib import Path
from typing import Any

import pytest

from seqsweep.runs.clean import (
    FAILED,
    INCOMPLETE,
    PRUNED,
    Removal,
    delete_all,
    find_removals,
)
from seqsweep.runs.identity import flatten
from seqsweep.runs.ledger import read_folder, read_run
from seqsweep.runs.lock import RunLock
from seqsweep.runs.run_folder import RunFolder, State


def make(root: Path, name: str, state: str = "complete", **model: object) -> RunFolder:
    """A run as it is left by the training, with both checkpoints."""
    folder = RunFolder(root / name)
    config = {
        "seed": 0,
        "model": {"hidden_size": 4, **model},
        "optimizer": {"_target_": "seqsweep.training.optimizers.adam", "lr": 0.01},
    }
    folder.start(config, {})
    for checkpoint in ("best.ckpt", "last.ckpt"):
        (folder.path / "checkpoints" / checkpoint).write_bytes(b"0" * 5000)
    for file in ("metrics.csv", "loggers.json", "fit-profile.txt", "test-profile.txt"):
        (folder.path / file).write_text("epoch\n")
    (folder.path / "events.out.tfevents.1.a.rows").write_text("1")
    content = {"run_id": name, "config": dict(flatten(config)), "metrics": {"val/acc": 0.1}}
    if state == "complete":
        folder.finish(content)
    elif state == "pruned":
        ends = {"epoch": 1, "value": 0.1, "threshold": None}
        folder.finish({"status": "pruned", **content, "pruned": ends})
    elif state == "failed":
        folder.fail(ValueError("no"))
    elif state == "interrupted":
        folder.interrupt(KeyboardInterrupt())
    return folder


def chosen(root: Path, *states: State, checkpoints: bool = False, **wanted: str) -> list[Removal]:
    keys = {key.replace("__", "."): value for key, value in wanted.items()}
    return find_removals(read_folder(root), states, checkpoints, keys)


def names(removals: list[Removal]) -> list[str]:
    return [removal.entry.folder.run_id for removal in removals]


def test_states_choose_whole_runs_and_checkpoints_the_last_ones_of_complete_runs(tmp_path):
    for state in ("complete", "failed", "incomplete", "interrupted", "pruned"):
        make(tmp_path, state, state)
    assert names(chosen(tmp_path, *FAILED)) == ["failed"]
    assert names(chosen(tmp_path, *INCOMPLETE)) == ["incomplete", "interrupted"]
    assert names(chosen(tmp_path, *PRUNED)) == ["pruned"]
    # Pruned and incomplete runs keep the checkpoint that they are resumed from.
    (removal,) = chosen(tmp_path, checkpoints=True)
    assert (names([removal]), removal.is_whole) == (["complete"], False)
    assert delete_all([removal]) == []
    assert read_run(RunFolder(tmp_path / "complete")).state == "complete"
    left = [path.name for path in (tmp_path / "complete/checkpoints").iterdir()]
    assert left == ["best.ckpt"]
    assert (tmp_path / "incomplete/checkpoints/last.ckpt").is_file()
    for removal in chosen(tmp_path, *FAILED, *INCOMPLETE, *PRUNED):
        assert delete_all([removal]) == []
    assert [path.name for path in tmp_path.iterdir()] == ["complete"]


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("model.hidden_size", "8"), ("model.hidden_size", "8.0"), ("model.cell", "'gru'"),
        ("model.rate", "1e-2"), ("model.flag", "true"), ("model.nothing", "null"),
        ("model.sizes", "[1, 2]"), ("model.precision", "32"),
    ],
)  # fmt: skip
def test_values_are_compared_as_those_of_a_config(tmp_path, key, text):
    this = dict[str, Any](cell="gru", rate=0.01, flag=True, nothing=None, sizes=[1, 2])
    other = dict[str, Any](cell="lstm", rate=0.1, flag=1, nothing="null ", sizes=[2, 1])
    make(tmp_path, "this", hidden_size=8, precision="32", **this)
    make(tmp_path, "other", hidden_size=80, precision="16", **other)
    assert names(find_removals(read_folder(tmp_path), (), False, {key: text})) == ["this"]


def test_all_given_values_and_states_must_match(tmp_path):
    make(tmp_path, "a", hidden_size=8, cell="gru")
    make(tmp_path, "b", hidden_size=8, cell="rnn")
    make(tmp_path, "c", "failed", hidden_size=8, cell="gru")
    both: dict[str, Any] = {"model__hidden_size": "8", "model__cell": "gru"}
    assert names(chosen(tmp_path, **both)) == ["a", "c"]
    assert names(chosen(tmp_path, *FAILED, **both)) == ["c"]
    assert names(chosen(tmp_path, checkpoints=True, model__cell="rnn")) == ["b"]
    assert names(chosen(tmp_path, optimizer="adam")) == ["a", "b", "c"]
    assert names(chosen(tmp_path, optimizer="sgd")) == []


def test_a_run_that_is_taken_or_ends_meanwhile_is_not_deleted(tmp_path):
    folder = make(tmp_path, "a", "failed")
    (removal,) = chosen(tmp_path, *FAILED)
    before = {path: path.read_bytes() for path in folder.path.rglob("*") if path.is_file()}
    with RunLock(folder.path):  # it was taken after we looked
        assert chosen(tmp_path, seed="0") == []
        (said,) = delete_all([removal])
        assert "is being trained" in said
    assert {path: path.read_bytes() for path in before} == before
    folder.finish({"run_id": "a", "config": {"seed": 0}, "metrics": {}})
    assert delete_all([removal]) == [f"{removal.entry.folder.path} has changed meanwhile"]
    assert folder.record() is not None


def test_files_of_other_programs_stay(tmp_path):
    elsewhere = make(tmp_path / "elsewhere", "linked")
    root = tmp_path / "sweep"
    folder = make(root, "a")
    (root / "linked").symlink_to(elsewhere.path)
    (root / "notes").mkdir()
    (root / "notes/mine.md").touch()
    (folder.path / "mine.txt").touch()
    (removal,) = chosen(root, seed="0")
    (said,) = delete_all([removal])
    assert "did not write" in said
    assert [path.name for path in folder.path.iterdir()] == ["mine.txt"]
    assert elsewhere.record() is not None
    assert (root / "notes/mine.md").exists()
