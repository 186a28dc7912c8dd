"""A network's size is known from its config, as torch counts it."""

import pytest

from seqsweep.training import size
from seqsweep.training.parts import build_data, build_module
from seqsweep.training.planning import prepared


@pytest.mark.parametrize(
    "overrides",
    [["model.cell=gru"], ["model.cell=lstm", "model.bidirectional=true", "model.num_layers=3"],
     ["model=simple"], ["model=multilayer"], ["model=bidirectional"]],
)  # fmt: skip
def test_the_parameters_are_counted_as_torch_counts_them(checked, monkeypatch, overrides):
    config = checked("data=digits", *overrides)
    module = build_module(config, build_data(config))
    count = sum(parameter.numel() for parameter in module.network.parameters())
    monkeypatch.setattr(size, "_memory", lambda: 0)
    with pytest.raises(ValueError, match=f": {count:,} parameters take "):
        size.check_network_size(config, prepared(config))


def test_too_many_layers_are_refused(checked):
    config = checked("data=digits", "model.num_layers=100000")
    with pytest.raises(ValueError, match=r"model\.num_layers=100000: must be at most 1000"):
        size.check_network_size(config, prepared(config))
