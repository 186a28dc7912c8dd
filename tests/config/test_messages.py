"""A refusal by Hydra, a flag or a constructor is one line that names the key and the fix."""

import functools
import re
from fractions import Fraction

import pytest
from hydra.errors import HydraException
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from seqsweep.config import CONF_DIR
from seqsweep.config.from_overrides import flags_first
from seqsweep.config.instantiate import build
from seqsweep.config.messages import explain, with_place
from seqsweep.data.sequences import Splits


@pytest.mark.parametrize(
    ("override", "parts"),
    [
        ("modle.hidden_size=3", ["modle: no such key in the config", "did you mean 'model'"]),
        ("model=gru", ["model=gru: no such option of model", "bidirectional", "rnn", "simple"]),
        ("model.hidden_size=1,2", ["model.hidden_size=1,2: several values", "seqsweep.sweep"]),
        ("+seed=0", ["+seed: is a key already; write seed=VALUE without a plus sign"]),
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
    # An error of OmegaConf begins with its key.
    config = OmegaConf.create({"a": {"b": "${nope}"}})
    with pytest.raises(OmegaConfBaseException) as unresolved:
        OmegaConf.to_container(config, resolve=True)
    assert explain(unresolved.value).startswith("a.b: ")


@pytest.mark.parametrize(
    ("overrides", "message", "place"),
    [
        (["model=simple"], "model.hidden_size=0: must be", "model/simple.yaml:3"),
        (["data=npz"], "data.batch_size=0: must be", "data/_loading.yaml:3"),
        (["data=npz"], "data.source: no file x.npz", "data/npz.yaml:3"),
        (["data=npz", "data.source.path=x.npz"], "data.source: no file x.npz", None),
    ],
)
def test_a_message_ends_with_the_place_that_set_its_key(overrides, message, place, composed):
    """A key that the command line sets needs no place."""
    config = composed(*overrides, return_hydra_config=True)
    explained = with_place(ValueError(message), config.hydra)
    suffix = "" if place is None else f" (in {CONF_DIR / place})"
    assert str(explained) == f"{message}{suffix}"
    # A command that was meant stands behind the place.
    meant = "; did you mean: seqsweep train x"
    explained = with_place(ValueError(message + meant), config.hydra)
    assert str(explained) == f"{message}{suffix}{meant}"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("--multirn seed=0,1", "--multirn: no such option of seqsweep train; did you mean '--mul"),
        ("--cfg jbo", "argument --cfg/-c: invalid choice: 'jbo' (choose from "),
        ("-cp x", "-cp: the folder of the configs is fixed"),
        ("--experimental-rerun x", "--experimental-rerun: loads a pickle"),
        ("=", "'=': must be KEY=VALUE"),
    ],
)
def test_a_wrong_flag_is_refused(arguments, message):
    with pytest.raises(ValueError, match=r".") as refused:
        flags_first(arguments.split(), "train", ["--members"])
    assert str(refused.value).startswith(message)
    # A flag with an optional value takes the next word.
    assert flags_first(["a=1", "-i", "config", "b=1"], "train") == ["-i", "config", "a=1", "b=1"]


IMPORT = {"_target_": "importlib.import_module", "name": "no_such_package"}
RNN = {"_target_": "seqsweep.models.classifier.RNNClassifier", "input_size": 2, "num_classes": 2}


def test_targets_are_built_nested_partial_and_with_injected_arguments():
    half = {"_target_": "fractions.Fraction", "numerator": 1, "denominator": 2}
    nested = {"_target_": "fractions.Fraction", "numerator": half, "denominator": 3}
    assert build({"a": nested, "b": [half]}, "k") == {"a": Fraction(1, 6), "b": [Fraction(1, 2)]}
    made = build({"_target_": "fractions.Fraction", "_partial_": True, "numerator": 3}, "key")
    assert isinstance(made, functools.partial)
    assert made(denominator=4) == Fraction(3, 4)
    # Hydra's instantiate would make a config of a dataclass such as `Splits`.
    sizes = {"num_sequences": 4, "length": 2, "input_size": 1, "num_classes": 2}
    source = build({"_target_": "seqsweep.data.tasks.random_sequences", **sizes}, "data.source")
    assert isinstance(source, Splits)
    made = build({"_target_": "builtins.dict", "source": 1, "b": 2}, "data", source=source)
    assert made["source"] is source and made["b"] == 2


@pytest.mark.parametrize(
    ("node", "kind", "message"),
    [
        (RNN | {"hidden_size": 0}, ValueError, "model.hidden_size=0: must be at least 1"),
        (RNN, TypeError, "model: "),
        ({"_target_": "nowhere.Net"}, ValueError, "model._target_=nowhere.Net: "),
        ([{"_target_": "fractions.Fraction", "numerator": "x"}], ValueError, "model[0]: "),
        # of other people's code, as a logger whose package is not installed
        (IMPORT, ValueError, "model: importlib.import_module lacks a package: No module named"),
        # whose class takes more than a message
        ({"_target_": "json.loads", "s": "{"}, ValueError, "model: Expecting property name"),
    ],
)
def test_an_error_begins_with_the_key(node, kind, message):
    with pytest.raises(kind, match=f"^{re.escape(message)}"):
        build(node, "model")
