"""Tables and labels show the keys that distinguish configs."""

import re

import pytest

from seqsweep.config import CONF_DIR
from seqsweep.results.formatting import key_names, value_text
from seqsweep.results.rows import distinguishing_keys, label_keys

ADAM = {"optimizer._target_": "adam", "optimizer.lr": 0.003, "optimizer.eps": 1e-8}
SGD = {"optimizer._target_": "sgd", "optimizer.lr": 0.1, "optimizer.momentum": 0.9}
DIGITS = {"data.source._target_": "digits", "val_fraction": 0.2, "trainer.max_epochs": 30}
VOWELS = {"data.source._target_": "vowels", "val_fraction": 0.3, "trainer.max_epochs": 60}


@pytest.mark.parametrize(
    ("configs", "keys"),
    [
        ([ADAM, SGD], ["optimizer._target_"]),
        ([{"seed": s, **o} for s in (0, 1) for o in (ADAM, SGD)], ["optimizer._target_", "seed"]),
        ([{**ADAM, "optimizer.lr": lr} for lr in (1, 2)], ["optimizer.lr"]),
        (
            [{**o, "optimizer.lr": lr} for o in (ADAM, SGD) for lr in (1, 2)],
            ["optimizer._target_", "optimizer.lr"],
        ),
        ([DIGITS, VOWELS], ["data.source._target_"]),
        (
            [{**d, "model.hidden_size": h, "seed": s} for d in (DIGITS, VOWELS) for h in (4, 8)
             for s in (0, 1)],
            ["data.source._target_", "model.hidden_size", "seed"],
        ),
        ([{"scheduler": None}, {"scheduler._target_": "cosine", "scheduler.max_epochs": 3}],
         ["scheduler._target_"]),
    ],
)  # fmt: skip
def test_a_choice_is_one_key_of_a_label(configs, keys):
    """Keys that follow from a choice are left out, and the labels still differ."""
    assert label_keys(configs) == keys
    labels = [tuple(config.get(key) for key in keys) for config in configs]
    assert len(set(labels)) == len(configs)
    assert set(keys) <= set(distinguishing_keys(configs))


@pytest.mark.parametrize("group", ["data", "model", "optimizer", "scheduler"])
def test_a_class_of_ours_is_called_by_its_option(group):
    """Apart from data=csv and data=parquet, which are one function and differ in their paths."""
    for path in (CONF_DIR / group).glob("[!_]*.yaml"):
        if target := re.search(r"_target_: (\S+)", path.read_text()):
            assert value_text(f"{group}._target_", target[1]) == path.stem


def test_the_name_of_a_callback_differs_from_the_learning_rate():
    """With `callbacks=default,mine`, a callback in the user's file may be named `lr`."""
    names = key_names(["callbacks.lr._target_", "callbacks.lr.every", "optimizer._target_"])
    assert list(names.values()) == ["callbacks.lr", "every", "optimizer"]
