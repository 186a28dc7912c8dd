"""A cell or network of a user's own computes each sequence by itself, or that is said."""

import random

import odd_cells
import own_network
import pytest
import torch

from seqsweep.models.cell import Cell
from seqsweep.seeding import global_stream
from seqsweep.training.build_run import build_module
from seqsweep.training.run_data import build_data, outline

BATCH, CALL = "the other sequences of a batch", "each call"


@pytest.fixture
def built(checked):
    def call(**model: object):
        config = checked("data=japanese_vowels", "model.cell=gru", "model.bidirectional=true")
        splits = outline(build_data(config), config["data"]["_target_"], config["model"])
        if "_target_" not in model:
            model = config["model"] | model
        return build_module({**config, "model": model}, splits)

    return call


STEPS = [
    (BATCH, lambda _, x, state: torch.tanh(x.cumsum(0) + state)),
    (BATCH, lambda _, x, state: torch.tanh(x + state * (0.5 if len(state) > 6 else 1))),
    (CALL, lambda _, x, state: torch.tanh(x + torch.rand_like(state) * state)),
]


@pytest.mark.parametrize(("cause", "step"), STEPS)
def test_a_cell_that_does_not_compute_each_sequence_by_itself_is_refused(built, cause, step):
    own = type("Own", (Cell,), {"step": step})
    with pytest.raises(ValueError, match=rf"^model.cell=.*: .* change with {cause}; "):
        built(cell=own)
    built(cell=odd_cells.Spiking)


@pytest.mark.parametrize(("name", "cause"), [("Normed", BATCH), ("Noisy", CALL), ("Mean", "")])
def test_such_a_network_gets_one_line_and_stays_as_it_is(built, capsys, name, cause):
    before = torch.get_rng_state(), random.getstate()
    built(_target_=f"own_network.{name}")
    network = built(_target_=f"own_network.{name}").network
    expected = f"seqsweep: model._target_=own_network.{name}: predictions change with {cause}\n"
    assert capsys.readouterr().err == (expected if cause else "")
    assert torch.equal(torch.get_rng_state(), before[0]) and random.getstate() == before[1]
    with global_stream(0, "init"):
        same = own_network.Mean(network.fc.in_features, network.fc.out_features)
    assert network.training and torch.equal(network.fc.weight, same.fc.weight)
