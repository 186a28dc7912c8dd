"""A full disk ends a command with exit code 1 and names the file; earlier files stay."""

import errno
import os

import numpy as np
import pytest

COMMANDS = {
    "figures": ("RUN", "--out", "OUT"),
    "export": ("RUN", "--out", "OUT/net.onnx"),
    "bundle": ("RUN", "--out", "OUT/net.zip"),
    "predict": ("RUN", "DATA", "--out", "OUT/new.csv"),
    "evaluate": ("RUN", "--out", "OUT/scores.json"),
}


@pytest.mark.parametrize("name", COMMANDS)
def test_a_full_disk_ends_with_exit_code_1(trained, command, name, tmp_path, monkeypatch):
    def no_space(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    (tmp_path / "out").mkdir()
    np.savez(tmp_path / "new.npz", X=trained.make_data(3, 1)["X"])
    places = {"RUN": trained.run, "OUT": tmp_path / "out", "DATA": tmp_path / "new.npz"}
    words = [
        str(places[word]) if word in places else word.replace("OUT", f"{tmp_path}/out")
        for word in COMMANDS[name]
    ]
    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", no_space)
        done = command(name, *words)
    assert done.code == 1, done
    last = done.err.splitlines()[-1]
    assert last.startswith("seqsweep: [Errno 28] No space left on device: '" + f"{tmp_path}/out/")
    assert last.endswith("; the files that were written before stay") and "->" not in last
    assert not list((tmp_path / "out").iterdir())
