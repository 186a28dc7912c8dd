"""Names of runs are short, unique, safe in a path, and sort like the numbers in them."""

import itertools
import re
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from omegaconf import OmegaConf

from seqsweep.config import CONF_DIR
from seqsweep.results.formatting import column_values, key_names, run_label, value_text
from seqsweep.results.keys import distinguishing_keys, label_keys
from seqsweep.results.run_names import LONGEST, readable_names


def grid(**axes: list[Any]) -> dict[str, dict[str, Any]]:
    """The configs of a grid by run_id; `__` in a key stands for the dot."""
    keys = [key.replace("__", ".") for key in axes]
    points = itertools.product(*axes.values())
    return {f"{n:016x}": dict(zip(keys, point, strict=True)) for n, point in enumerate(points)}


values = st.one_of(
    st.integers(-3, 2000), st.integers(), st.floats(), st.booleans(), st.none(),
    st.text(max_size=9), st.sampled_from(["../x", "", ".", "..", "a b", "a.", "é", "gru", "Gru"]),
    st.sampled_from(["a-b", 1e-5, 0.1, -0.0, 1, 1.0, True]),
    st.lists(st.integers(0, 3), max_size=2),
)  # fmt: skip
keys = st.sampled_from(
    ["seed", "model.hidden_size", "model.num_layers", "model.bidirectional", "model.cell",
     "optimizer.lr", "data.source.seed", "data.source._target_", "optimizer.weight_decay",
     "data.batch_size", "model.dropout", "x.s", "é", "", ".", "mine.h"]
)  # fmt: skip
configs = st.dictionaries(
    st.text("0123456789abcdef", min_size=1, max_size=4) | st.text(min_size=1, max_size=3),
    st.dictionaries(keys, values, max_size=7),
    min_size=1,
    max_size=12,
)


@settings(max_examples=50)
@given(configs)
def test_names_are_unique_short_and_safe_whatever_the_values(configs):
    found = readable_names(configs)
    assert found.keys() == configs.keys()
    assert len({name.casefold() for name in found.values()}) == len(configs)
    for name in found.values():
        assert len(name) <= LONGEST
        assert re.fullmatch(r"[A-Za-z0-9_=][A-Za-z0-9._=-]*", name)
        assert not name.endswith(".")


axis = st.one_of(
    st.lists(st.integers(0, 10**7), min_size=1, max_size=3, unique=True),
    st.lists(st.floats(0, 1000), min_size=1, max_size=3, unique=True),
)


@settings(max_examples=50)
@given(axes=st.lists(axis, min_size=1, max_size=5), seeds=st.integers(1, 3), data=st.data())
def test_run_names_sort_like_their_numbers(axes, seeds, data):
    """Names follow the order of the config's keys, the seed last, for any order of runs."""
    points = list(itertools.product(*axes, range(seeds)))
    configs = [
        {f"model.{'abcde'[n]}{n}": value for n, value in enumerate(point[:-1])}
        | {"seed": point[-1]}
        for point in points
    ]
    ids = data.draw(st.permutations([f"{n:016x}" for n in range(len(points))]))
    found = readable_names(dict(zip(ids, configs, strict=True)))
    numbers = dict(zip(ids, points, strict=True))
    assert sorted(found, key=found.__getitem__) == sorted(found, key=numbers.__getitem__)


@pytest.mark.parametrize(
    ("axes", "expected"),
    [
        ({"model__hidden_size": [16, 128], "model__num_layers": [1, 2], "seed": [0]},
         ["h016-L1", "h016-L2", "h128-L1", "h128-L2"]),
        ({"model__cell": ["rnn", "gru"], "optimizer__lr": [0.01, 0.003]},
         ["rnn-lr0.010", "rnn-lr0.003", "gru-lr0.010", "gru-lr0.003"]),
        ({"model__pooling": ["last", "attention"], "x__noise": [0.5, 12]},
         ["last-noise=00.5", "last-noise=12.0", "attention-noise=00.5", "attention-noise=12.0"]),
        ({"model__cell": ["gru", "GRU"], "seed": [0, 1]},
         ["gru-n1-s0", "gru-n1-s1", "GRU-n0-s0", "GRU-n0-s1"]),
        ({"model__cell": ["con", "gru"]}, ["con-n0", "gru-n1"]),  # no folder on Windows is `con`
        ({"threads": [1, 2], "model__hidden_size": [4, 8]},  # threads change no result
         ["h4", "h8", "h4-n1", "h8-n1"]),
        ({"data__fold": [0, 1], "data__split_seed": [3, 4], "seed": [0]},
         ["run-f0-ss3", "run-f0-ss4", "run-f1-ss3", "run-f1-ss4"]),
    ],
)  # fmt: skip
def test_run_names_follow_the_rule(axes, expected):
    assert list(readable_names(grid(**axes)).values()) == expected


ADAM = {"optimizer._target_": "adam", "optimizer.lr": 0.003, "optimizer.eps": 1e-8}
SGD = {"optimizer._target_": "sgd", "optimizer.lr": 0.1, "optimizer.momentum": 0.9}
DIGITS = {"data.source._target_": "digits", "val_fraction": 0.2, "trainer.max_epochs": 30}
VOWELS = {"data.source._target_": "vowels", "val_fraction": 0.3, "trainer.max_epochs": 60}
OURS = {"model._target_": "seqsweep.models.classifier.RNNClassifier", "model.cell": "rnn",
        "model.num_layers": 1, "model.input_size": 8}  # fmt: skip
LEAKY = {"model._target_": "mynets.LeakyRNN", "model.leak": 0.1, "code": "19d35f14bdaf9755"}


@pytest.mark.parametrize(
    ("configs", "keys"),
    [
        ([{"seed": s, **o} for s in (0, 1) for o in (ADAM, SGD)], ["optimizer._target_", "seed"]),
        (
            [{**d, "model.hidden_size": h, "seed": s} for d in (DIGITS, VOWELS) for h in (4, 8)
             for s in (0, 1)],
            ["data.source._target_", "model.hidden_size", "seed"],
        ),
        ([LEAKY, OURS], ["model._target_"]),
        ([LEAKY, OURS | {"model.cell": "gru"}], ["model._target_", "model.cell"]),
        ([LEAKY | DIGITS | {"code": f"{n}{n}d35f14bdaf9755"} for n in (1, 2)], ["code"]),
        ([LEAKY | {"data.source.name": n, "data.batch_size": b, "data.fold": f, "monitor": b}
          for n, b in (("UnitTest", 16), ("GunPoint", 32), ("Ham", 32)) for f in (0, 1)],
         ["data.source.name", "monitor", "data.fold"]),
    ],
)  # fmt: skip
def test_a_choice_is_one_key_of_a_label(configs, keys):
    """Keys that follow from a choice are left out, and the labels still differ."""
    assert label_keys(configs) == keys
    labels = [tuple(config.get(key) for key in keys) for config in configs]
    assert len(set(labels)) == len(configs)
    assert set(keys) <= set(distinguishing_keys(configs))
    assert ("code" in distinguishing_keys(configs)) == ("code" in keys)


def test_a_class_of_ours_is_called_by_its_option():
    """Apart from data=csv and data=parquet, which are one function and differ in their paths."""
    for group in ("data", "model", "optimizer", "scheduler"):
        for path in (CONF_DIR / group).glob("[!_]*.yaml"):
            if target := re.search(r"_target_: (\S+)", path.read_text()):
                assert value_text(f"{group}._target_", target[1]) == path.stem


def test_two_classes_of_one_name_are_called_by_their_files():
    """Tables, labels and names of runs agree; a class with a unique name has no file."""
    classes = ["mynets.LeakyRNN", "other.LeakyRNN", "other.Net", OURS["model._target_"]]
    configs = [{"model._target_": name} for name in classes]
    names = key_names(["model._target_"], configs)
    texts = ["mynets.LeakyRNN", "other.LeakyRNN", "Net", "rnn"]
    assert [names.text("model._target_", name) for name in classes] == texts
    assert [run_label(config, names) for config in configs] == [f"model={text}" for text in texts]
    assert column_values("model._target_", [*classes, None]) == [*texts, None]
    runs = readable_names(dict(zip("abcd", configs, strict=True)))
    assert list(runs.values()) == ["mynets.LeakyRNN", "other.LeakyRNN", "Net", "rnn"]


@pytest.mark.parametrize("path", sorted(CONF_DIR.glob("*/[!_]*.yaml")), ids=lambda p: p.stem)
def test_plain_yaml_reads_the_numbers_of_an_option_as_hydra_does(path):
    """YAML 1.1 reads 1e-8 as a text, and results read the options without Hydra."""
    plain = yaml.safe_load(path.read_text()) or {}
    read = OmegaConf.to_container(OmegaConf.load(path), resolve=False)
    assert read == plain


def test_a_single_run_is_called_by_its_id_and_long_names_become_numbers():
    assert readable_names({"1522e41eb9badfd5": {"seed": 3}}) == {"1522e41eb9badfd5": "run-1522e41e"}
    assert readable_names({"../..": {}}) == {"../..": "run"}
    assert readable_names({}) == {}
    many = {name: {f"part{n}.size{n}": f"{name}{n}" for n in range(40)} for name in "ab"}
    assert readable_names(many) == {"a": "n0", "b": "n1"}
