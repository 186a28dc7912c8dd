"""An object from a section; what its constructor refuses is said with the key in front."""

import functools
import re
from fractions import Fraction

import pytest

from seqsweep.config.instantiate import build
from seqsweep.data.sequences import Splits

RNN = {"_target_": "seqsweep.models.classifier.RNNClassifier", "input_size": 2, "num_classes": 2}


def test_targets_are_built_nested_in_groups_and_lists():
    half = {"_target_": "fractions.Fraction", "numerator": 1, "denominator": 2}
    nested = {"_target_": "fractions.Fraction", "numerator": half, "denominator": 3}
    assert build({"a": nested, "b": [half]}, "k") == {"a": Fraction(1, 6), "b": [Fraction(1, 2)]}


def test_partial_leaves_the_call_to_its_user():
    made = build({"_target_": "fractions.Fraction", "_partial_": True, "numerator": 3}, "key")
    assert isinstance(made, functools.partial)
    assert made(denominator=4) == Fraction(3, 4)


def test_injected_arguments_win_and_come_as_they_are():
    """Hydra's instantiate would make a config of a dataclass such as `Splits`."""
    source = build(
        {
            "_target_": "seqsweep.data.tasks.random_sequences",
            "num_sequences": 4, "length": 2, "input_size": 1, "num_classes": 2,
        },
        "data.source",
    )  # fmt: skip
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
        (
            {"_target_": "builtins.open", "file": "/nowhere/at/all"},
            FileNotFoundError,
            "model: [Errno 2] No such file",
        ),
        # of other people's code, as a logger whose package is not installed
        (
            {"_target_": "importlib.import_module", "name": "no_such_package"},
            ValueError,
            "model: importlib.import_module lacks a package: No module named",
        ),
        # whose class takes more than a message
        ({"_target_": "json.loads", "s": "{"}, ValueError, "model: Expecting property name"),
    ],
)
def test_an_error_begins_with_the_key(node, kind, message):
    with pytest.raises(kind, match=f"^{re.escape(message)}"):
        build(node, "model")
