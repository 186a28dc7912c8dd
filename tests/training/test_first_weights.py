"""All engines begin with the weights that the constructor of the network draws."""

import pytest
import torch

from seqsweep.training.build_run import build_data, build_module
from seqsweep.training.data_cache import prepared
from seqsweep.training.engines.native.template import template_of
from seqsweep.training.planned_run import plan


@pytest.mark.parametrize(
    "own",
    [
        [],
        ["model.recurrent_init=orthogonal", "model.num_layers=2", "model.bidirectional=true"],
        ["model.cell=gru", "model.recurrent_init=orthogonal"],
        ["model.cell=lstm", "model.recurrent_init=orthogonal", "model.forget_bias=1"],
    ],
    ids=" ".join,
)
@pytest.mark.parametrize("seed", [0, 1])
def test_a_member_begins_as_the_module_of_autograd(checked, own, seed):
    run = plan(checked("data=digits", "model.hidden_size=6", f"seed={seed}", *own))
    splits = prepared(run.config)
    template = template_of(run.config["model"], splits.input_size, splits.num_classes)
    module = build_module(run.config, build_data(run.config))
    expected = torch.cat([p.detach().flatten() for p in module.network.parameters()])
    assert torch.equal(template.first_weights(seed), expected)
    assert torch.equal(template.first_weights(seed), expected)
