"""The arguments of an estimator are the keys of a config, whatever characters they have."""

import numpy as np
from hydra.core.override_parser.overrides_parser import OverridesParser
from hypothesis import example, given
from hypothesis import strategies as st
from omegaconf import OmegaConf

import seqsweep
from seqsweep.command import quoted_value
from seqsweep.runs.identity import flatten
from seqsweep.sklearn import RecurrentClassifier
from seqsweep.sklearn.runs import KEYS, config_of

Y = np.arange(30) % 3
PLAIN = st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.floats(allow_nan=False)
TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Zl", "Zp"])).filter(
    lambda text: text != "???"
)  # OmegaConf's mark of a missing value


@given(PLAIN | TEXTS | st.lists(PLAIN | TEXTS))
@example(np.float64(0.1))
@example('a "quoted" text\\')
@example("${not:resolved}")
@example(["${0", "${a}"])
@example('\\"')
@example("a,b=c:{d}[e]")
@example("A¹")
@example(["1e3", "null", "true", ""])
def test_an_override_keeps_its_value(value):
    parsed = OverridesParser.create().parse_override(f"key={quoted_value(value)}").value()
    # A list of OmegaConf would read the other side of == as interpolations, too.
    config = OmegaConf.create({"key": parsed})
    assert OmegaConf.to_container(config, resolve=True) == {"key": value}


def test_the_defaults_are_those_of_the_config():
    config = config_of(RecurrentClassifier().get_params(), Y, "mine.npz", "out")
    source = ["data=npz", "data.source.path=mine.npz", "output_dir=out", "data.test_fraction=0"]
    assert config == seqsweep.compose([*source, "logger=csv", "diagnostics=false"])


def test_each_argument_sets_its_key():
    changed = {
        "hidden_size": 7, "cell": "lstm", "num_layers": 2, "bidirectional": True, "dropout": 0.5,
        "pooling": "max", "max_epochs": 3, "batch_size": 5, "lr": 0.5, "weight_decay": 0.25,
        "class_weight": "balanced", "standardize": False, "missing": "zero", "val_fraction": 0.5,
        "random_state": 9, "engine": "autograd",
    }  # fmt: skip
    assert KEYS.keys() - changed.keys() == {"threads", "nonlinearity"}
    before = dict(flatten(config_of(RecurrentClassifier().get_params(), Y, "a", "b")))
    for name, value in changed.items():
        estimator = RecurrentClassifier().set_params(**{name: value})
        after = dict(flatten(config_of(estimator.get_params(), Y, "a", "b")))
        assert after[KEYS[name]] == value != before[KEYS[name]]
        others = {key for key in before if before[key] != after[key]} - {KEYS[name]}
        assert others == set()


def test_class_weights_are_in_the_order_of_the_classes_of_the_run():
    """NumPy sorts "10" before "2"; a run sorts numbers as numbers."""
    arguments = RecurrentClassifier(class_weight={"2": 5, "10": 1}).get_params()
    config = config_of(arguments, np.array(["2", "10"] * 5), "mine.npz", "out")
    assert config["loss"]["class_weights"] == [5, 1]
