"""A safetensors file holds the weights of any network, with all that their use needs."""

import json

import numpy as np
import pytest
import safetensors.torch
import torch
from safetensors import safe_open
from torch import nn

from seqsweep.data.fitted import Scaling
from seqsweep.data.transforms.shaping import Shaping
from seqsweep.models.classifier import RNNClassifier
from seqsweep.using.export import weights_file
from seqsweep.using.export.check import largest_difference, raw_sequences


class Shared(nn.Module):
    """A network of the user's own, with one tensor under two names and a buffer."""

    def __init__(self):
        super().__init__()
        self.first = nn.Linear(3, 3)
        self.second = nn.Linear(3, 3)
        self.second.weight = self.first.weight
        self.head = nn.Linear(3, 4)
        self.register_buffer("scale", torch.tensor(2.0))

    def forward(self, x, lengths):
        return self.head(self.second(self.first(x.sum(dim=1)))) * self.scale


def test_the_weights_of_a_file_are_those_of_the_network(made_run):
    run = made_run(cell="gru", num_layers=2, bidirectional=True)
    weights = safetensors.torch.load(weights_file.write(run))
    network = RNNClassifier(3, 5, 4, cell="gru", num_layers=2, bidirectional=True)
    network.load_state_dict(weights)
    assert all(torch.equal(w, run.network.state_dict()[name]) for name, w in weights.items())


def test_the_metadata_give_config_names_and_scaling(made_run, tmp_path, scaling):
    run = made_run(scaling)
    path = tmp_path / "mine.safetensors"
    path.write_bytes(weights_file.write(run))
    with safe_open(path, "pt") as file:
        names = file.metadata()
    assert json.loads(names["config"]) == run.config
    assert json.loads(names["class_names"]) == list(run.class_names)
    assert json.loads(names["channel_names"]) == list(run.source_channels)
    stored = json.loads(names["scaling"])
    if run.scaling is None:
        assert stored is None
        return
    # The scaling built again from the file gives the same bits.
    arrays = {name: np.array(stored[name]) for name in ("mean", "deviation") if name in stored}
    if "fill" in stored:
        arrays["fill"] = np.array(stored["fill"], dtype=stored["dtype"])
    shaping = Shaping.from_state(stored["shaping"]) if "shaping" in stored else None
    again = Scaling(stored["missing"], stored["dtype"], **arrays, shaping=shaping)
    x, lengths = raw_sequences(run, 4, 5, np.random.default_rng(1))
    results, expected = again.apply(x, lengths), run.scaling.apply(x, lengths)
    assert all(np.array_equal(*pair) for pair in zip(results, expected, strict=True))


@pytest.mark.parametrize("scaling", ["none", "mean"])
def test_a_network_of_your_own_can_be_written(made_run, scaling):
    run = made_run(scaling, network=Shared())
    content = weights_file.write(run)
    assert safetensors.torch.load(content).keys() == run.network.state_dict().keys()
    assert largest_difference(run, weights_file.read(content, run)) == 0
