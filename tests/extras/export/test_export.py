"""A file appears only when it computes what the network does; what cannot be written is named."""

import builtins
import importlib
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from torch import nn

from seqsweep.extras.export import check, export, onnx_file
from seqsweep.models.classifier import RNNClassifier


class Own(RNNClassifier):
    """A subclass, whose forward may be anything."""

    def forward(self, x, lengths=None):
        return -super().forward(x, lengths)


class Normed(nn.GRU):
    """Layers that may compute anything."""


def with_part(name, part):
    network = RNNClassifier(3, 5, 4)
    setattr(network, name, part)
    return network


def test_a_file_replaces_an_older_one_and_its_difference_is_returned(made_run, tmp_path):
    path = tmp_path / "mine.onnx"
    path.write_bytes(b"older")
    assert 0 <= export(made_run(cell="lstm"), path) < 1e-6
    assert len(path.read_bytes()) > 1000
    assert [found.name for found in tmp_path.iterdir()] == [path.name]


def test_a_file_that_computes_something_else_does_not_appear(made_run, tmp_path, monkeypatch):
    path = tmp_path / "mine.onnx"
    path.write_bytes(b"older")
    write = onnx_file.write

    def with_another_weight(run):
        content = onnx.load_from_string(write(run))
        for tensor in content.graph.initializer:
            if tensor.name == "fc.bias":
                value = onnx.numpy_helper.to_array(tensor) + np.float32(1e-3)
                tensor.CopyFrom(onnx.numpy_helper.from_array(value, tensor.name))
        return content.SerializeToString()

    monkeypatch.setattr(onnx_file, "write", with_another_weight)
    with pytest.raises(
        ValueError, match=r"mine.onnx: not written, because its outputs differ .* by"
    ):
        export(made_run(), path)
    assert path.read_bytes() == b"older"
    assert [found.name for found in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize(
    ("network", "part"),
    [
        (Own(3, 5, 4), "the network test_export.Own"),
        (with_part("rnn", Normed(3, 5)), "layers of type Normed"),
    ],
)
def test_what_cannot_be_written_is_named(made_run, network, part):
    with pytest.raises(ValueError, match="cannot write") as raised:
        onnx_file.write(made_run(network=network))
    message = str(raised.value).replace("tests.extras.export.", "")
    assert message.endswith(f"best.ckpt: cannot write {part} as .onnx")


@pytest.mark.parametrize("package", ["onnx", "onnxruntime"])
def test_a_missing_package_is_named_with_the_line_that_installs_it(
    made_run, tmp_path, monkeypatch, package
):
    for name in list(sys.modules):
        if name.split(".")[0] == package or name.startswith("seqsweep.extras.export."):
            monkeypatch.delitem(sys.modules, name)
    real = builtins.__import__

    def without(name, *rest, **options):
        if name.split(".")[0] == package:
            raise ModuleNotFoundError(f"No module named {package!r}", name=package)
        return real(name, *rest, **options)

    module = importlib.import_module("seqsweep.extras.export")
    for name in ("onnx_file", "onnx_nodes"):
        monkeypatch.delattr(module, name, raising=False)
    monkeypatch.setattr(builtins, "__import__", without)
    path = tmp_path / "mine.onnx"
    line = rf"mine\.onnx needs the package {package}: pip install 'seqsweep\[export\]'"
    with pytest.raises(ImportError, match=line):
        export(made_run(), path)
    assert not path.exists()


def test_an_infinite_logit_is_not_taken_for_an_equal_one(made_run):
    """A network whose weights have grown without bounds cannot be compared."""
    run = made_run("standard")
    with torch.no_grad():
        run.network.fc.bias[0] = torch.inf
    with pytest.raises(ValueError, match="differ from the network's by nan"):
        check.checked(run, onnx_file.read(onnx_file.write(run)), "mine.onnx")


def test_a_full_disk_leaves_the_older_file(made_run, tmp_path, monkeypatch):
    path = tmp_path / "mine.onnx"
    path.write_bytes(b"older")

    def full(_file):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space left"):
        export(made_run(), path)
    assert path.read_bytes() == b"older"
    assert [Path(found).name for found in tmp_path.iterdir()] == ["mine.onnx"]
