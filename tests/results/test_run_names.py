"""Names of runs are short, unique, safe in a path, and sort like the numbers in them."""

import itertools
import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seqsweep.results.formatting import key_names, run_label
from seqsweep.results.rows import label_keys
from seqsweep.results.run_names import LONGEST, names_of, readable_names


def grid(**axes: list[Any]) -> dict[str, dict[str, Any]]:
    """The configs of a grid by run_id; `__` in a key stands for the dot."""
    keys = [key.replace("__", ".") for key in axes]
    points = itertools.product(*axes.values())
    return {f"{n:016x}": dict(zip(keys, point, strict=True)) for n, point in enumerate(points)}


def names(**axes: list[Any]) -> list[str]:
    return list(readable_names(grid(**axes)).values())


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


@settings(deadline=None)
@given(configs)
def test_names_are_unique_short_and_safe_whatever_the_values(configs):
    found = readable_names(configs)
    assert found.keys() == configs.keys()
    assert len({name.casefold() for name in found.values()}) == len(configs)
    for name in found.values():
        assert len(name) <= LONGEST
        assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", name)
        assert not name.endswith(".")


axis = st.one_of(
    st.lists(st.integers(0, 10**7), min_size=1, max_size=3, unique=True),
    st.lists(st.integers(-5, 5), min_size=1, max_size=3, unique=True),
    st.lists(st.floats(0, 1000), min_size=1, max_size=3, unique=True),
)


@settings(deadline=None)
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
        ({"seed": [0, 10], "model__hidden_size": [8], "model__bidirectional": [True, False]},
         ["bi-s00", "uni-s00", "bi-s10", "uni-s10"]),
        ({"model__cell": ["rnn", "gru"], "optimizer__lr": [0.01, 0.003]},
         ["rnn-lr0.010", "rnn-lr0.003", "gru-lr0.010", "gru-lr0.003"]),
        ({"optimizer__lr": [0.1, 1e-5]}, ["lr0.10000", "lr0.00001"]),
        ({"optimizer__lr": [0.1, 1e-7]}, ["r1", "r0"]),
        ({"model__num_layers": [None, 2]}, ["Lnone", "L2"]),
        ({"model__dropout": [0, 0.25]}, ["d0.00", "d0.25"]),
        ({"data__source___target_": ["a.digits", "a.japanese_vowels"]}, ["digits", "japane"]),
        ({"data__source__path": ["long-one.npz", "long-two.npz"]}, ["r0", "r1"]),
        ({"model__pooling": ["last", "attention"], "seed": [-1, 5]},
         ["last-n0", "last-n1", "attent-n0", "attent-n1"]),
        ({"data__source___target_": ["a.digits", "a.japanese_vowels"], "seed": [0, 1],
          "model___target_": ["a.simple", "a.bidirectional"], "model__cell": ["gru", "rnn"]},
         [f"{data}-{model}-{cell}-s{seed}" for data in ("digits", "japane") for seed in (0, 1)
          for model in ("simple", "bidire") for cell in ("gru", "rnn")]),
        ({"data__source__seed": [0, 1], "seed": [0, 1]},
         ["se0-s0", "se0-s1", "se1-s0", "se1-s1"]),
        ({"data__standardize": [True, False]}, ["st1", "st0"]),
        ({"data__fold": [0, 1], "data__split_seed": [3, 4], "seed": [0]},
         ["run-f0-ss3", "run-f0-ss4", "run-f1-ss3", "run-f1-ss4"]),
    ],
)  # fmt: skip
def test_run_names_follow_the_rule(axes, expected):
    assert names(**axes) == expected


def test_names_too_long_for_a_folder_are_the_ranks_of_the_configs():
    configs = {
        str(index): {f"part{'abcde'[n % 5]}{n}.size": 100000 * index + n for n in range(40)}
        for index in (1, 2)
    }
    assert readable_names(configs) == {"1": "r0", "2": "r1"}


def test_runs_are_called_by_the_options_that_were_typed():
    """As for `data=digits,japanese_vowels model=simple,multilayer`; SimpleRNN has no layers."""
    module = "seqsweep.models.classifier"
    simple = {"model._target_": f"{module}.SimpleRNN", "model.hidden_size": 10}
    more = {**simple, "model._target_": f"{module}.MultiLayerRNN", "model.num_layers": 4}
    configs = [
        {"data.source._target_": f"seqsweep.data.bundled.{data}", **model, "seed": seed}
        for data in ("digits", "japanese_vowels")
        for model in (simple, more)
        for seed in (0, 1)
    ]
    found = readable_names({str(index): config for index, config in enumerate(configs)})
    assert list(found.values())[::2] == [
        "digits-simple-s0", "digits-multil-s0", "japane-simple-s0", "japane-multil-s0"
    ]  # fmt: skip
    keys = key_names(label_keys(configs))
    labels = [run_label(config, keys) for config in configs]
    assert labels[0] == "data=digits model=simple seed=0"
    assert labels[-1] == "data=japanese_vowels model=multilayer seed=1"


def test_seeds_of_a_config_share_its_name():
    configs = grid(model__hidden_size=[16, 128], optimizer__lr=[0.001, 0.03], seed=[0, 10])
    found = names_of(configs)
    for run_id, name in found.items():
        assert name.run == f"{name.config}-s{configs[run_id]['seed']:02}"
    assert len({name.config for name in found.values()}) == 4


def test_keys_without_influence_on_a_result_are_not_in_names():
    assert names(threads=[1, 2], model__hidden_size=[4, 8]) == ["h4-n0", "h8-n0", "h4-n1", "h8-n1"]


def test_a_single_run_is_called_by_its_id():
    assert readable_names({"1522e41eb9badfd5": {"seed": 3}}) == {"1522e41eb9badfd5": "run-1522e41e"}
    assert readable_names({"../..": {}}) == {"../..": "run"}
    assert readable_names({}) == {}
