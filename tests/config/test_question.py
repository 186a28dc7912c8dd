"""A sweep without a name is in the folder of its question: same question, same folder."""

import functools
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hydra.core.config_loader import ConfigLoader
from hydra.types import RunMode

from seqsweep.config.question import sweep_name
from seqsweep.training.run_data import data_fingerprint

Name = Callable[..., str]
GRID = ("data=digits", "model.hidden_size=4,8")


@pytest.fixture(scope="module")
def name(loader: ConfigLoader) -> Name:
    """The name for arguments of `train -m`, with the sweeper's params as keywords; made once."""

    @functools.cache
    def call(*overrides: str, **params: str) -> str:
        master = loader.load_configuration("train", list(overrides), RunMode.MULTIRUN)
        master.hydra.sweeper.params = {key.replace("__", "."): v for key, v in params.items()}
        return sweep_name(master, data_fingerprint)

    return call


@pytest.mark.parametrize(
    ("words", "is_same"),
    [
        (("data=digits", "model.hidden_size=4,8,16"), True),
        ((*GRID, "data.split_seed=range(3)"), True),
        ((*GRID, "sweep.sample=1", "sweep.sample_seed=4", "seed=0,1"), True),
        ((*GRID, "optimizer.lr=3e-3", "model.cell=rnn"), True),  # the defaults
        ((*GRID, "threads=2", "sweep.report=false", "output_dir=/elsewhere", "logger=none"), True),
        (("data=digits", "optimizer.lr=0.1,0.2"), False),
        ((*GRID, "data.folds=5"), False),
    ],
)
def test_only_the_same_question_has_the_same_name(name: Name, words, is_same) -> None:
    assert (name(*words) == name(*GRID)) == is_same


@pytest.mark.parametrize(
    ("arguments", "stem"),
    [
        ((*GRID, "model.cell=rnn,gru"), "digits-cell-hidden_size"),
        (("data=digits", "sweep=cross_validation"), "digits-folds"),
        (("experiment=digits,japanese_vowels", "optimizer=adam,sgd"), "experiment-optimizer"),
        (("data=npz", "data.source.path=a/2024-b.npz", "seed=0,1"), "sweep-2024-b-seed"),
        (("name='../x'", "seed=0,1"), "x-seed"),
        ((f"name={'long' * 30}", "seed=0,1"), ("long" * 30)[:53]),
    ],
)
def test_a_name_says_what_is_trained_and_what_is_swept(name: Name, arguments, stem) -> None:
    made = name(*arguments)
    assert re.fullmatch(r"[A-Za-z][A-Za-z0-9_-]*-[0-9a-f]{6}", made)
    assert len(made) <= 60
    assert made.rpartition("-")[0] == stem


def test_the_keys_of_a_list_count_as_swept(name: Name, tmp_path: Path) -> None:
    both = name(*GRID, "optimizer.lr=0.1,0.01")
    zipped = "sweep.zip=[model.hidden_size,optimizer.lr]"
    assert name(*GRID, "optimizer.lr=0.1,0.01", zipped) == both
    (tmp_path / "m.csv").write_text("model.hidden_size,optimizer.lr,seed\n4,0.1,1\n8,,2\n")
    assert name("data=digits", f"sweep.list={tmp_path}/m.csv") == both
    inline = "sweep.list=[{model.hidden_size:4},{optimizer.lr:0.1}]"
    assert name("data=digits", inline) == both
    assert name("data=digits", "model.hidden_size=1,2", "sweep.list=[{optimizer.lr:1}]") == both


def test_a_search_and_random_splits_are_not_in_the_folder_of_a_grid(name: Name) -> None:
    """The table of such sweeps would mix configs with one seed and configs with many."""
    digest = name(*GRID).rpartition("-")[2]
    searched = name(*GRID, "hydra/sweeper=optuna")
    assert searched == f"digits-hidden_size-tpe-{digest}"
    assert name(*GRID, "hydra/sweeper=optuna", "hydra.sweeper.budget.trials=9") == searched
    assert name(*GRID, "hydra/sweeper=optuna", "hydra.sweeper.sampler=random") != searched
    assert name(*GRID, "hydra/sweeper=halving") == f"digits-hidden_size-halving-{digest}"
    splits = name(*GRID, "sweep=splits", data__split_seed="range(10)")
    assert splits == f"digits-hidden_size-splits-{digest}"
    assert len(name(f"name={'long' * 30}", "hydra/sweeper=optuna", "seed=0,1")) == 60


@pytest.mark.slow
def test_the_values_of_a_swept_group_and_of_a_file_belong_to_the_question(name: Name) -> None:
    groups = ("data=digits", "optimizer=adam,sgd")
    assert name(*groups) == name("data=digits", "optimizer=sgd,adam,rmsprop")
    assert name(*groups) != name(*groups, "optimizer.lr=0.1")
    assert name("experiment=digits,none") != name("experiment=digits,none", "model.cell=gru")
    # The keys of a sweep's file count as those of the command, which win.
    given = name("data=digits", seed="range(5)", model__cell="rnn,gru")
    assert given == name("data=digits", "model.cell=gru,lstm")
    fixed = name(*GRID, model__cell="gru")
    assert fixed not in (name(*GRID), name(*GRID, model__cell="lstm"))
    wins = name(*GRID, "model.cell=gru", model__cell="rnn,gru")
    assert wins == name(*GRID, "model.cell=gru")


def test_a_file_is_known_by_its_content(name: Name, tmp_path: Path) -> None:
    for path, shift in (("one", 0), ("copy/one", 0), ("other/one", 1)):
        (tmp_path / path).parent.mkdir(exist_ok=True)
        x = np.arange(180.0).reshape(30, 3, 2) + shift
        np.savez(tmp_path / f"{path}.npz", X=x, y=np.arange(30) % 2)
    one, copy, other = (
        name("data=npz", f"data.source.path={tmp_path}/{path}.npz", "seed=0,1")
        for path in ("one", "copy/one", "other/one")
    )
    assert one == copy != other
    assert one.startswith("one-seed-")
