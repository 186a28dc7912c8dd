"""What Hydra refuses, in one line that names the key and the nearest right name."""

import pytest
from hydra.errors import HydraException
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from seqsweep.config import CONF_DIR
from seqsweep.config.messages import explain, with_place


@pytest.mark.parametrize(
    ("override", "parts"),
    [
        ("modle.hidden_size=3", ["modle: no such key in the config", "did you mean 'model'"]),
        ("model=gru", ["model=gru: no such option of model", "bidirectional", "rnn", "simple"]),
        ("experiment=none", ["no experiment is chosen by default; leave experiment=none out"]),
        ("qqq=1", ["qqq: no such key in the config; known: callbacks, data, "]),
        ("model.hidden_size=1,2", ["model.hidden_size=1,2: several values", "add -m: "]),
        ("+seed=0", ["An item is already at 'seed'"]),
        ("output_dir=~/x", ["must be quoted: 'output_dir=\"~/x\"'"]),
        ("model.cell=rnn,", ["model.cell=rnn,: must not end with a comma", "model.cell=A,B"]),
    ],
)
def test_a_wrong_argument_is_explained_in_one_line(override, parts, composed):
    with pytest.raises((HydraException, OmegaConfBaseException)) as refused:
        composed(override)
    message = explain(refused.value)
    assert all(part in message for part in parts), message
    assert "\n" not in message
    assert "hydra" not in message  # as in `known: ..., hydra, ...`


def test_an_error_of_omegaconf_begins_with_its_key():
    config = OmegaConf.create({"a": {"b": "${nope}"}})
    with pytest.raises(OmegaConfBaseException) as refused:
        OmegaConf.to_container(config, resolve=True)
    assert explain(refused.value).startswith("a.b: ")


@pytest.mark.parametrize(
    ("overrides", "message", "place"),
    [
        ([], "seed=-1: must be", "train.yaml:22"),
        (["model=simple"], "model.hidden_size=0: must be", "model/simple.yaml:3"),
        (["data=npz"], "data.batch_size=0: must be", "data/_loading.yaml:3"),
        (["data=npz"], "data.source: no file x.npz", "data/npz.yaml:3"),
        (["data=npz", "data.source.path=x.npz"], "data.source: no file x.npz", None),
        ([], "something else", None),
    ],
)
def test_a_message_ends_with_the_place_that_set_its_key(overrides, message, place, composed):
    """The command line needs no place."""
    config = composed(*overrides, return_hydra_config=True)
    explained = with_place(ValueError(message), config.hydra)
    suffix = "" if place is None else f" (in {CONF_DIR / place})"
    assert str(explained) == f"{message}{suffix}"


def test_a_command_that_was_meant_stands_behind_the_place(composed):
    config = composed("data=text", return_hydra_config=True)
    error = ValueError("data.source.path=null: must be a file; did you mean: seqsweep train x")
    explained = str(with_place(error, config.hydra))
    assert explained.startswith("data.source.path=null: must be a file (in ")
    assert explained.endswith("); did you mean: seqsweep train x")
