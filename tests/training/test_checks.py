"""The memory of a run is known from its config; parameters are counted as torch counts them."""

import numpy as np
import pytest

from seqsweep.training import checks
from seqsweep.training.build_run import build_module
from seqsweep.training.run_data import build_data, data_of


def assert_counted(config, monkeypatch):
    """Asserts that a run without memory is refused with its parameters; returns the network."""
    network = build_module(config, build_data(config).splits).network
    count = sum(parameter.numel() for parameter in network.parameters())
    monkeypatch.setattr(checks, "_memory", lambda: 0)
    with pytest.raises(ValueError, match=f": {count:,} parameters take "):
        checks.check_network_size(config, data_of(config["data"]).prepared)
    return network


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
    assert_counted(checked("data=digits", *overrides), monkeypatch)


@pytest.mark.parametrize("data", ["text", "npz"])
def test_an_embedding_has_a_row_for_each_symbol(checked, monkeypatch, tmp_path, data):
    """Of texts the vocabulary of train counts, and otherwise what the config says."""
    (tmp_path / "a.tsv").write_text("yes\tone\nno\ttwo\n" * 60)
    np.savez(tmp_path / "a.npz", X=np.arange(240).reshape(60, 4) % 9, y=np.arange(60) % 2)
    path = tmp_path / ("a.tsv" if data == "text" else "a.npz")
    own = [] if data == "text" else ["model.num_embeddings=9", "data.standardize=false"]
    config = checked(
        f"data={data}", f"data.source.path={path}", "model.embedding_dim=7", "model.cell=gru",
        "model.layer_norm=true", "model.num_layers=2", "model.pooling=attention", *own,
    )  # fmt: skip
    network = assert_counted(config, monkeypatch)
    assert network.get_parameter("embedding.weight").shape == (7 if data == "text" else 9, 7)


def test_too_many_layers_are_refused(checked):
    config = checked("data=digits", "model.num_layers=100000")
    with pytest.raises(ValueError, match=r"model\.num_layers=100000: must be at most 1000"):
        checks.check_network_size(config, data_of(config["data"]).prepared)


@pytest.mark.parametrize(("cell", "states"), [("rnn", 1), ("gru", 5), ("lstm", 7)])
def test_a_batch_whose_states_do_not_fit_is_refused(checked, monkeypatch, cell, states):
    config = checked(
        "data=digits", f"model.cell={cell}", "model.num_layers=2", "model.bidirectional=true",
        "model.hidden_size=1", "data.batch_size=1000",
    )  # fmt: skip
    needed = 1000 * 8 * 2 * 2 * states * 4  # 8 steps, layers, directions, bytes
    monkeypatch.setattr(checks, "_memory", lambda: needed)
    checks.check_network_size(config, data_of(config["data"]).prepared)
    monkeypatch.setattr(checks, "_memory", lambda: needed - 1)
    with pytest.raises(
        ValueError, match=r"data\.batch_size=1000: the states of 1000 sequences of 8"
    ):
        checks.check_network_size(config, data_of(config["data"]).prepared)
