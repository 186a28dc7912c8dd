"""Each error that reaches a program has a name, and is an error of Python too."""

import inspect
from collections.abc import Callable

import numpy as np
import pytest

import seqsweep
from seqsweep import errors
from seqsweep.errors import (
    ConfigError,
    Damaged,
    DataError,
    FolderError,
    LockLost,
    RunDiverged,
    RunLocked,
    SeqsweepError,
    raised_as,
)

HOLES = np.full((8, 3, 1), np.nan)
LABELS = np.arange(8) % 2


@pytest.fixture
def holes(tmp_path):
    np.savez(tmp_path / "holes.npz", X=HOLES, y=LABELS)
    return ["data=npz", f"data.source.path={tmp_path}/holes.npz", f"output_dir={tmp_path}"]


CONFIGS: dict[str, Callable[[], object]] = {
    "compose": lambda: seqsweep.compose("model.hidden_size=many"),
    "compose, by Hydra": lambda: seqsweep.compose("data=nothing"),
    "train": lambda: seqsweep.train(["data=digits", "data.batch_size=0"]),
    "train, a changed config": lambda: seqsweep.train(seqsweep.compose() | {"sed": 1}),
    "sweep": lambda: seqsweep.sweep("seed=0,1", "model.cell=gruu"),
}


@pytest.mark.parametrize("name", CONFIGS)
def test_a_refused_config_is_a_config_error(name):
    with pytest.raises(ConfigError) as caught:
        CONFIGS[name]()
    assert isinstance(caught.value, ValueError)


def test_refused_data_are_a_data_error_wherever_they_are_read(holes):
    for read in (seqsweep.train, lambda words: seqsweep.sweep("seed=0,1", words)):
        with pytest.raises(DataError, match="24 missing values"):
            read(holes)
    with pytest.raises(DataError, match="real numbers"):
        seqsweep.make_sequences([["a"], ["b"]], [0, 1])


def test_a_folder_without_runs_is_a_folder_error_and_a_missing_one_is_not_found(tmp_path):
    for load in (seqsweep.load_run, seqsweep.load_sweep, seqsweep.load_curves):
        with pytest.raises(FolderError):
            load(tmp_path)
        with pytest.raises(FileNotFoundError):
            load(tmp_path / "nothing")


def test_the_docstring_shows_every_error_below_its_base():
    shown: list[tuple[int, str]] = []
    for line in (errors.__doc__ or "").split("\n\n")[1].splitlines():
        shown.append((len(line) - len(line.lstrip()), line.split()[0]))
    kinds = [kind for _, kind in inspect.getmembers(errors, inspect.isclass)]
    ours = {kind.__name__ for kind in kinds if issubclass(kind, SeqsweepError)}
    assert sorted(name for _, name in shown) == sorted(ours)
    path: list[tuple[int, str]] = []
    for depth, name in shown:
        path = [*(each for each in path if each[0] < depth), (depth, name)]
        assert all(issubclass(getattr(errors, name), getattr(errors, base)) for _, base in path)


def test_each_error_is_what_was_raised_before_it_had_a_name():
    for kind in (ConfigError, DataError, FolderError, Damaged):
        assert issubclass(kind, ValueError) and issubclass(kind, TypeError)
    assert issubclass(LockLost, RunLocked) and not issubclass(RunLocked, ValueError)
    assert issubclass(RunDiverged, FloatingPointError)


def test_an_error_with_a_name_keeps_it_and_others_keep_their_message_cause_and_place():
    with pytest.raises(Damaged), raised_as(ConfigError):
        raise Damaged("a file")
    with pytest.raises(OSError, match="the disk"), raised_as(ConfigError):
        raise OSError("the disk is full")
    with pytest.raises(ConfigError, match="lr=0") as caught, raised_as(ConfigError):
        raise TypeError("lr=0") from KeyError("lr")
    assert isinstance(caught.value.__cause__, KeyError)
    assert str(caught.traceback[-1].path).endswith("test_errors.py")
