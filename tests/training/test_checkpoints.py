"""Any change of a checkpoint is noticed, and it loads without running code."""

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
from seqsweep.training.checkpoint_files import load_sealed, resume_point, save_sealed, seal
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


@pytest.mark.parametrize(("best", "known", "resumes"), [(0, 0, True), (3, 0, True), (0, 1, False)])
def test_a_run_resumes_if_best_ckpt_is_known_or_later(tmp_path, best, known, resumes):
    """A kill may come after best.ckpt is linked and before last.ckpt is replaced."""
    (tmp_path / "checkpoints").mkdir()
    last = tmp_path / "checkpoints/last.ckpt"
    states = {"BestAndLast": {"best_epoch": known}}
    save_sealed({"epoch": best}, last.with_name("best.ckpt"))
    save_sealed({"epoch": 2, "callbacks": states, "files": {}}, last)
    assert resume_point(tmp_path, "autograd") == (last if resumes else None)
