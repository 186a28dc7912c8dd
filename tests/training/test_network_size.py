"""The memory of a run is known from its config; parameters are counted as torch counts them."""

import pytest

from seqsweep.training import network_size
from seqsweep.training.build_run import build_data, build_module
from seqsweep.training.data_cache import prepared


@pytest.mark.parametrize(
    "overrides",
    [["model.cell=gru"], ["model.cell=lstm", "model.bidirectional=true", "model.num_layers=3"],
     ["model=simple"], ["model=multilayer"], ["model=bidirectional"],
     ["model.pooling=attention", "model.bidirectional=true"],
     ["model.layer_norm=true", "model.num_layers=3", "model.bidirectional=true"],
     ["model.layer_norm=true"], ["model.recurrent_init=orthogonal"],
     ["model.cell=lstm", "model.forget_bias=1"]],
)  # fmt: skip
def test_the_parameters_are_counted_as_torch_counts_them(checked, monkeypatch, overrides):
    config = checked("data=digits", *overrides)
    module = build_module(config, build_data(config))
    count = sum(parameter.numel() for parameter in module.network.parameters())
    monkeypatch.setattr(network_size, "_memory", lambda: 0)
    with pytest.raises(ValueError, match=f": {count:,} parameters take "):
        network_size.check_network_size(config, prepared(config))


def test_too_many_layers_are_refused(checked):
    config = checked("data=digits", "model.num_layers=100000")
    with pytest.raises(ValueError, match=r"model\.num_layers=100000: must be at most 1000"):
        network_size.check_network_size(config, prepared(config))


@pytest.mark.parametrize(("cell", "states"), [("rnn", 1), ("gru", 5), ("lstm", 7)])
def test_a_batch_whose_states_do_not_fit_is_refused(checked, monkeypatch, cell, states):
    config = checked(
        "data=digits", f"model.cell={cell}", "model.num_layers=2", "model.bidirectional=true",
        "model.hidden_size=1", "data.batch_size=1000",
    )  # fmt: skip
    needed = 1000 * 8 * 2 * 2 * states * 4  # 8 steps, layers, directions, bytes
    monkeypatch.setattr(network_size, "_memory", lambda: needed)
    network_size.check_network_size(config, prepared(config))
    monkeypatch.setattr(network_size, "_memory", lambda: needed - 1)
    with pytest.raises(
        ValueError, match=r"data\.batch_size=1000: the states of 1000 sequences of 8"
    ):
        network_size.check_network_size(config, prepared(config))
