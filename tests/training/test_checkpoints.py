"""Any change of a checkpoint is noticed, and a run resumes from what is whole."""

import io
import os
import pickle
import random
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from run_files import plain
from torch import nn

from seqsweep.errors import Damaged
from seqsweep.training.checkpoint_files import load_sealed, newest_checkpoint, resume_point, seal
from seqsweep.training.checkpoints import SealedCheckpointIO

CONTENT: dict[str, Any] = {
    "epoch": 3,
    "state_dict": {"w": torch.arange(6.0).reshape(2, 3), "b": torch.tensor([0.1, -0.0])},
    "plain": [1, 0.5, None, True, "text", {"a": (1, 2)}],
}


def archive(content: Any) -> bytes:
    buffer = io.BytesIO()
    torch.save(content, buffer)
    return buffer.getvalue()


def write(path: Path, content: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(seal(archive(content)))
    return path


@pytest.fixture
def sealed(tmp_path: Path) -> Path:
    return write(tmp_path / "a.ckpt", CONTENT)


def exact(content: Any) -> tuple[Any, str]:
    """Returns what is equal only for the same order, types and bits."""
    return plain(content), repr(content)


def test_the_trainers_way_is_the_sealed_one(tmp_path):
    path = tmp_path / "new" / "a.ckpt"
    SealedCheckpointIO().save_checkpoint(CONTENT, path)
    assert exact(load_sealed(path)) == exact(CONTENT)
    assert exact(SealedCheckpointIO().load_checkpoint(path)) == exact(CONTENT)
    assert exact(torch.load(path, weights_only=True)) == exact(CONTENT)
    assert [file.name for file in path.parent.iterdir()] == ["a.ckpt"]


def test_every_flipped_bit_truncation_and_addition_is_noticed(sealed):
    whole = sealed.read_bytes()
    rng = random.Random(0)
    ends = {*range(100), *range(len(whole) - 100, len(whole))}
    changes = [whole[:length] for length in sorted(ends | {*range(100, len(whole), 13)})]
    for index in sorted(ends | {rng.randrange(len(whole)) for _ in range(200)}):
        changed = bytearray(whole)
        changed[index] ^= 1 << rng.randrange(8)
        changes.append(bytes(changed))
    changes += [archive(CONTENT), whole + b"more"]
    for content in changes:
        sealed.write_bytes(content)
        with pytest.raises(Damaged, match=r"a\.ckpt is damaged"):
            load_sealed(sealed)
    sealed.write_bytes(whole)
    assert exact(load_sealed(sealed)) == exact(CONTENT)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"best": [1.0, np.float32(2)]}, r"\['best'\]\[1\]: must be .* is a numpy.float32"),
        ({"net": nn.Linear(1, 1)}, r"\['net'\]: .* is a torch.nn.modules.linear.Linear"),
        ({Path("a"): 1}, r"a key of checkpoint\['added'\]: .* is a pathlib.PosixPath"),
    ],
)
def test_what_could_not_be_loaded_is_refused_by_its_key(tmp_path, value, message):
    with pytest.raises(TypeError, match=message):
        SealedCheckpointIO().save_checkpoint({"added": value}, tmp_path / "next.ckpt")
    assert not list(tmp_path.iterdir())


def test_all_that_is_accepted_can_be_loaded_and_arguments_are_left_out(tmp_path):
    state = nn.BatchNorm1d(2).state_dict(), Counter({3: 1}), {4}, torch.Size([2]), torch.float32
    values = {"a": state, "b": [nn.Parameter(torch.zeros(1), requires_grad=False), 1j], **CONTENT}
    arguments = {"hyper_parameters": {"optimizer": print}, "hparams_name": "kwargs"}
    SealedCheckpointIO().save_checkpoint({**values, **arguments}, tmp_path / "next.ckpt")
    assert exact(load_sealed(tmp_path / "next.ckpt")) == exact(values)


def test_torchs_way_around_weights_only_opens_no_checkpoint(tmp_path, monkeypatch):
    """The function is not called either; tests/test_hostile.py has worse contents."""
    monkeypatch.setenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "1")
    path = write(tmp_path / "a.ckpt", {"epoch": 0, "state_dict": {}, "evil": os.mkdir})
    with pytest.raises((ValueError, pickle.UnpicklingError)):
        load_sealed(path)


class Folder:
    """A run's folder after epoch 3 of a run whose best epoch is 1."""

    def __init__(self, path: Path, best_epoch: int = 1) -> None:
        self.path = path
        self.last, self.previous, self.best = (
            path / "checkpoints" / f"{name}.ckpt" for name in ("last", "previous", "best")
        )
        (path / "checkpoints").mkdir(parents=True)
        self.csv, self.events = path / "metrics.csv", path / "events.out.tfevents.1.host"
        self.csv.write_bytes(b"epoch\r\n2\r\n3\r\n4\r\n")
        self.events.write_bytes(b"event2" + b"event3")
        self.write(self.previous, 2, best_epoch, {self.csv.name: 1, self.events.name: 6})
        self.write(self.last, 3, best_epoch, {self.csv.name: 2, self.events.name: 12})
        self.write(self.best, best_epoch, best_epoch, {self.csv.name: 0, self.events.name: 0})

    def write(self, path: Path, epoch: int, best_epoch: int, files: dict[str, int]) -> None:
        callbacks = {"Other": {"best_epoch": 77}, "BestAndLast": {"best_epoch": best_epoch}}
        content = {"epoch": epoch, "state_dict": {}, "callbacks": callbacks, "files": files}
        write(path, content | {"state_dict": {"w": torch.tensor(float(epoch))}})

    def contents(self) -> dict[str, bytes]:
        paths = [path for path in self.path.rglob("*") if path.is_file()]
        return {str(path.relative_to(self.path)): path.read_bytes() for path in paths}


def damage(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 16
    path.write_bytes(content)


@pytest.fixture
def run(tmp_path: Path) -> Folder:
    return Folder(tmp_path / "0123456789abcdef")


def test_a_run_resumes_from_its_last_checkpoint_with_its_logs_cut(run, capsys):
    later = run.path / "events.out.tfevents.2.host"
    later.write_bytes(b"of an attempt after the checkpoint")
    other = run.path / "notes.txt"
    other.write_bytes(b"mine")
    assert resume_point(run.path, "autograd") == run.last
    assert run.csv.read_bytes() == b"epoch\r\n2\r\n3\r\n"
    assert run.events.read_bytes() == b"event2event3"
    assert not later.exists()
    assert other.read_bytes() == b"mine"
    before = run.contents()
    assert resume_point(run.path, "autograd") == run.last
    assert run.contents() == before
    assert capsys.readouterr().err == ""


def test_a_damaged_checkpoint_falls_back_to_the_one_before_and_then_to_the_start(run, capsys):
    damage(run.last)
    assert resume_point(run.path, "autograd") == newest_checkpoint(run.path) == run.previous
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert said.startswith(f"seqsweep: {run.last} is damaged")
    assert (run.csv.read_bytes(), run.events.read_bytes()) == (b"epoch\r\n2\r\n", b"event2")
    damage(run.previous)
    before = run.contents()
    assert resume_point(run.path, "autograd") is newest_checkpoint(run.path) is None
    assert f"seqsweep: {run.previous} is damaged" in capsys.readouterr().err
    assert run.contents() == before
    assert resume_point(run.path / "none", "autograd") is None
    assert capsys.readouterr().err == ""


def change(run: Folder, path: Path, how: str) -> None:
    """Damages or deletes a checkpoint, or replaces it by that of another epoch."""
    if how == "damaged":
        damage(path)
    elif how == "gone":
        path.unlink()
    else:
        run.write(path, int(how), int(how), {})


@pytest.mark.parametrize("how", ["damaged", "gone", "0"])
def test_a_lost_best_begins_at_the_start(run, capsys, how):
    change(run, run.best, how)
    assert resume_point(run.path, "autograd") is None
    assert "starts again" in capsys.readouterr().err


@pytest.mark.parametrize("how", ["damaged", "gone", "0", "3"])
def test_a_best_that_is_the_last_is_put_back(tmp_path, how):
    """A kill between the publishing of best and last, in either order, loses nothing."""
    run = Folder(tmp_path / "run", best_epoch=3)
    change(run, run.best, how)
    assert resume_point(run.path, "autograd") == run.last
    assert load_sealed(run.best)["epoch"] == 3
    assert [path for path in run.contents() if path.endswith(".tmp")] == []


def test_a_best_of_an_epoch_yet_to_come_does_not_matter(run):
    """Published just before the kill; its epoch is trained again, with the same result."""
    run.write(run.best, 4, 4, {})
    assert resume_point(run.path, "autograd") == run.last
