"""What cannot train in the free memory is refused before anything starts."""

import pytest

from seqsweep.training import checks
from seqsweep.training.run_data import data_of


def test_a_network_whose_weights_do_not_fit_is_refused(checked, monkeypatch):
    config = checked("data=digits", "model.cell=gru", "model.hidden_size=10", "data.batch_size=8")
    weights = 3 * 10 * (8 + 10)  # gates, units, features and units
    monkeypatch.setattr(checks, "_memory", lambda: weights * 4 * 4 - 1)
    with pytest.raises(ValueError, match=rf"model\.hidden_size=10: {weights} weights with their"):
        checks.check_network_size(config, data_of(config["data"]).prepared)


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
