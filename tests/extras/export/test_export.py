"""A file appears only when it computes what the network does; what cannot be written is named."""

import importlib
import sys

import pytest
import torch
from torch import nn

from seqsweep.extras.export import export, onnx_file
from seqsweep.models.cell import Cell
from seqsweep.models.classifier import RNNClassifier


class Own(RNNClassifier):
    def forward(self, x, lengths=None):
        return -super().forward(x, lengths)


def test_a_file_whose_outputs_differ_from_the_network_does_not_appear(made_run, tmp_path):
    """A network whose weights have grown without bounds cannot be compared."""
    path = tmp_path / "mine.onnx"
    path.write_bytes(b"older")
    run = made_run("standard")
    with torch.no_grad():
        run.network.fc.bias[0] = torch.inf
    words = r"mine.onnx: not written, because its outputs differ from the network's by nan"
    with pytest.raises(ValueError, match=words):
        export(run, path)
    assert path.read_bytes() == b"older"
    assert [found.name for found in tmp_path.iterdir()] == [path.name]


class Rolled(Cell):
    def step(self, x, state):
        return x + torch.roll(state, 1, dims=1)


def with_part(name, part):
    network = RNNClassifier(3, 5, 4)
    setattr(network, name, part)
    return network


@pytest.mark.parametrize(
    ("network", "named"),
    [
        (Own(3, 5, 4), r"the network .*test_export\.Own"),
        (with_part("fc", nn.Sequential(nn.Linear(5, 4))), "layers of type Sequential"),
        (with_part("rnn", nn.LSTM(3, 5, proj_size=2)), "layers of type LSTM with proj_size"),
    ],
)
def test_what_cannot_be_written_is_named(made_run, network, named):
    with pytest.raises(ValueError, match=rf"best\.ckpt: cannot write {named} as \.onnx$"):
        onnx_file.write(made_run(network=network))


def test_a_cell_without_a_program_is_refused_with_the_reason(made_run):
    line = r"best\.ckpt: cannot write model\.cell=.*test_export\.Rolled as \.onnx"
    why = r"because it has no program: test_export\.py:\d+: torch\.roll is not"
    with pytest.raises(ValueError, match=rf"{line}, {why}"):
        onnx_file.write(made_run(cell=Rolled))


@pytest.mark.parametrize("package", ["onnx", "onnxruntime"])
def test_a_missing_package_is_named_with_its_cure(made_run, tmp_path, monkeypatch, package):
    for name in list(sys.modules):
        if name.split(".")[0] == package or name.startswith("seqsweep.extras.export."):
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)
    module = importlib.import_module("seqsweep.extras.export")
    for name in ("onnx_file", "onnx_nodes"):
        monkeypatch.delattr(module, name, raising=False)
    path = tmp_path / "mine.onnx"
    line = rf"mine\.onnx needs the package {package}: pip install 'seqsweep\[export\]'"
    with pytest.raises(ImportError, match=line):
        export(made_run(), path)
    assert not path.exists()
