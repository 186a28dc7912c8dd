"""An explanation shows the tensors that the network really has."""

import re
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn.utils.rnn import pad_packed_sequence

from seqsweep.cli import main
from seqsweep.data.batch import Batch
from seqsweep.models.cell import Cell
from seqsweep.models.classifier import RNNClassifier
from seqsweep.using.explain import explain


def batch() -> Batch:
    generator = torch.Generator().manual_seed(0)
    lengths = torch.tensor([7, 2, 5])
    x = torch.randn(3, 7, 4, generator=generator)
    x[torch.arange(7) >= lengths[:, None]] = 0
    return Batch(x, lengths, torch.tensor([0, 1, 4]))


def rows(explanation):
    return [row for block in explanation.blocks for row in block.rows]


OPTIONS: dict[str, dict[str, Any]] = {
    "layer norm": {"layer_norm": True, "cell": "gru", "num_layers": 3, "bidirectional": True},
    "attention": {"pooling": "attention", "cell": "lstm", "num_layers": 2},
    "embedding": {"embedding_dim": 3, "num_embeddings": 8},
    "indrnn": {"cell": "indrnn", "nonlinearity": "relu"},
    "their own": {"cell": "example_cells.SRU", "bidirectional": True},
    "lru": {"cell": "lru", "num_layers": 2, "bidirectional": True, "layer_norm": True},
}


@pytest.mark.parametrize("option", OPTIONS)
def test_every_weight_is_shown_with_its_shape(option):
    size = 1 if option == "embedding" else 4
    network = RNNClassifier(size, 6, 5, **OPTIONS[option])
    layers = OPTIONS[option].get("num_layers", 1)
    bidirectional = OPTIONS[option].get("bidirectional", False)
    given = batch()
    if option == "embedding":
        given = given._replace(x=given.x[:, :, :1].abs().round())
    explanation = explain(network, given, tuple("abcde"))
    shown = {r.name: r.shape for r in rows(explanation) if "." in r.name}
    assert shown == {name: tuple(weight.shape) for name, weight in network.state_dict().items()}
    tensors = [(row.name, row.shape) for row in rows(explanation)]
    norms = [entry for entry in tensors if re.fullmatch(r"n\d", entry[0])]
    features, outputs = real_shapes(network, given)
    assert ("features", features) in tensors and ("logits", (3, 5)) in tensors
    assert ("x", (3, 7, size)) in tensors and outputs == (3, 7, 6 * (1 + bidirectional))
    assert tensors.count(("h", (3, 7, 6))) == layers * (1 + bidirectional)
    sides = [shape for name, shape in tensors if name[0] == "y"]
    assert sides == [outputs] * layers * bidirectional
    assert norms == [
        (f"n{n}", outputs) for n in range(1, layers) if "layer_norm" in OPTIONS[option]
    ]
    assert (("e", (3, 7, 3)) in tensors) == (option == "embedding")
    assert (("a", (3, 7)) in tensors) == (option == "attention")
    assert f"{layers} layer" in explanation.title


class Rolled(Cell):
    def step(self, x, state):
        return x + torch.roll(state, 1, dims=1)


EXACT = r"native gradient: differs from float64 by at most \de-0[678] of the largest"


WITHOUT = r"autograd, because the cell has no program: test_explain\.py:\d+: torch\.roll .*"


@pytest.mark.parametrize(("cell", "expected"), [("gru", EXACT), (Rolled, WITHOUT)])
def test_the_cell_has_an_exact_native_gradient_or_the_reason_why_none(cell, expected):
    explanation = explain(RNNClassifier(4, 6, 5, cell), batch(), tuple("abcde"))
    (block,) = [b for b in explanation.blocks if b.title == "Training of the cell"]
    assert re.fullmatch(expected, block.equations[0])


def real_shapes(network, given):
    seen = []
    network.rnn.register_forward_hook(lambda _, __, result: seen.append(result[0]))
    network.fc.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    network(given.x, given.lengths)
    outputs, features = seen
    return tuple(features.shape), tuple(pad_packed_sequence(outputs, batch_first=True)[0].shape)


def test_a_network_of_the_users_own_is_followed_module_by_module():
    class Mean(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.gru = nn.GRU(4, 6, batch_first=True)
            self.head = nn.Sequential(nn.Linear(6, 8), nn.Linear(8, 5))

        def forward(self, x: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
            return self.head(self.gru(x)[0].mean(dim=1))

    explanation = explain(Mean(), batch(), tuple("abcde"))
    titles = [block.title for block in explanation.blocks]
    assert titles[1:-1] == ["gru: GRU", "head.0: Linear", "head.1: Linear"]
    assert ("output", (3, 7, 6), "") in explanation.blocks[1].rows


def test_the_loss_is_that_of_the_batch():
    network, given = RNNClassifier(4, 6, 5), batch()
    shown = next(
        row.text for row in rows(explain(network, given, tuple("abcde"))) if row.name == "loss"
    )
    loss = nn.functional.cross_entropy(network(given.x, given.lengths), given.labels)
    assert float(re.findall(r"\d\.\d+", shown)[0]) == pytest.approx(loss.item(), abs=5e-5)


def test_the_command_prints_and_writes_nothing(tmp_path, capsys):
    with pytest.raises(SystemExit) as ended:
        main(["explain", "experiment=notebook_multilayer"])
    assert ended.value.code == 0
    printed = capsys.readouterr().out
    assert printed.startswith("MultiLayerRNN: rnn, 4 layers, one direction, hidden size 10, 852")
    assert "rnn.weight_ih_l3" in printed and "loss" in printed
    assert printed.count("reads ") == 5 and not list(tmp_path.iterdir())
