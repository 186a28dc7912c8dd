"""The functions of the API do what the commands do and change no state of the program."""

import os
import signal
import sys
import threading
import time
from pathlib import Path
from unittest.mock import ANY

import pytest
import torch
from hydra import initialize_config_dir
from hydra.core.global_hydra import GlobalHydra

import seqsweep
from seqsweep.config import CONF_DIR
from seqsweep.config.from_overrides import VERSION_BASE
from seqsweep.runs.files import read_object
from seqsweep.runs.run_folder import RunFolder

SMALL = ["data=digits", "model.hidden_size=4", "trainer.max_epochs=2", "logger=csv"]
QUICK = ["sweep.report=false", "diagnostics=false"]


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_compose_returns_the_config_of_the_command(checked):
    overrides = ["model=bidirectional", "optimizer.lr=0.1", "experiment=digits"]
    assert seqsweep.compose(overrides) == checked(*overrides)
    assert seqsweep.compose(*overrides) == seqsweep.compose(tuple(overrides)) == checked(*overrides)
    assert seqsweep.compose() == checked()


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["model.hiden_size=3"], "model.hiden_size: no such key .*'hidden_size'"),
        (["seed=0,1"], "seed=0,1: several values are a sweep; seqsweep.sweep trains it"),
        (["sweep.sample=3"], "sweep.sample: is a sweep; seqsweep.sweep trains it"),
    ],
)
def test_compose_raises_one_clear_error_for_a_wrong_override(overrides, message):
    with pytest.raises(ValueError, match=message):
        seqsweep.compose(overrides)


def test_train_trains_a_complete_run_only_once(capsys):
    config = seqsweep.compose(SMALL)
    record = seqsweep.train(config)
    folder = Path(record.pop("folder"))
    assert folder == Path.cwd() / "outputs" / "runs" / "default" / record["run_id"]
    assert record | {"digest": ANY} == read_object(folder / "record.json")
    written = (folder / "record.json").stat().st_mtime_ns
    assert seqsweep.train(config) == record | {"folder": str(folder)}
    assert seqsweep.train(SMALL) == record | {"folder": str(folder)}
    assert (folder / "record.json").stat().st_mtime_ns == written
    assert capsys.readouterr().out == ""
    longer = seqsweep.train(seqsweep.compose([*SMALL, "trainer.max_epochs=3"]))
    assert "from the start" not in Path(longer["folder"], "train.log").read_text()


def test_ctrl_c_in_train_raises_keyboard_interrupt_and_the_run_resumes():
    config = seqsweep.compose([*SMALL, "trainer.max_epochs=1000000"])

    def interrupt():
        while not any(Path("outputs").rglob("provenance.json")):  # it trains a moment later
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt, daemon=True).start()
    with pytest.raises(KeyboardInterrupt):
        seqsweep.train(config)
    (folder,) = Path("outputs/runs/default").iterdir()
    assert RunFolder(folder).state() == "interrupted"


def test_train_checks_a_config_that_was_changed_after_compose():
    config = seqsweep.compose(SMALL)
    config["model"]["hidden_size"] = "many"
    with pytest.raises(ValueError, match=r"model.hidden_size='many': must be a whole number"):
        seqsweep.train(config)
    assert not Path("outputs").exists()


def test_a_sweep_is_trained_once_and_leaves_the_program_as_it_was(capsys, monkeypatch):
    monkeypatch.delenv("HYDRA_FULL_ERROR", raising=False)
    arguments, before = list(sys.argv), torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        with initialize_config_dir(config_dir=str(CONF_DIR), **VERSION_BASE):
            theirs = GlobalHydra.instance().hydra
            folder = seqsweep.sweep([*SMALL, *QUICK, "seed=0,1"])
            assert GlobalHydra.instance().hydra is theirs
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
    assert sys.argv == arguments
    assert "HYDRA_FULL_ERROR" not in os.environ
    assert folder.parent == Path.cwd() / "outputs" / "sweeps"
    assert "2 of 2 runs complete" in capsys.readouterr().out
    single = seqsweep.train(seqsweep.compose([*SMALL, *QUICK, "seed=1"]))
    assert RunFolder(folder / single["run_id"]).record() is not None  # the same run_id
    assert seqsweep.sweep(*SMALL, *QUICK, "seed=0,1") == folder
    assert "2 done, 0 to train" in capsys.readouterr().out


@pytest.mark.slow
def test_sweep_takes_every_form_and_is_never_asked(capsys):
    grid = [*SMALL, *QUICK, "model.hidden_size=2,3,4", "seed=0,1", "sweep.list=[{model.cell:gru}]"]
    shape = ["sweep.zip=[model.hidden_size,seed]", "sweep.filter='seed < 1'"]
    seqsweep.sweep([*grid, "seed=0,1,2", *shape, "sweep.name=mine"])
    assert "sweep.filter keeps 1 of 3 runs" in capsys.readouterr().out
    more = [*grid, "seed=0,1,2", "sweep.filter='seed < 2'", "sweep.name=mine", "sweep.sample=1"]
    with pytest.raises(ValueError, match=r"more than sweep.ask_above=0: add --yes"):
        seqsweep.sweep([*more, "sweep.ask_above=0"])


@pytest.mark.slow
def test_a_sweep_with_a_failed_run_warns_and_returns_its_folder():
    first = seqsweep.train(seqsweep.compose([*SMALL, *QUICK, "seed=0"]))["run_id"]
    folder = Path("outputs/sweeps/mine", first)
    folder.mkdir(parents=True)
    (folder / "checkpoints").write_text("a file where a folder should be")
    with pytest.warns(UserWarning, match="mine: not everything of the sweep is complete"):
        folder = seqsweep.sweep([*SMALL, *QUICK, "seed=0,1", "sweep.name=mine"])
    assert len(list(folder.glob("*/record.json"))) == 1
