"""Wrong input gives exit code 2 and one message with the given and a right value."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from seqsweep.config.signatures import signature_of

Refused = Callable[..., str]


def _save(path: Path, arrays: dict[str, Any]) -> None:
    stored = {key: np.asarray(value) for key, value in arrays.items()}
    np.savez(path, **stored)  # pyright: ignore[reportArgumentType]


@pytest.mark.sampled(24)
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("model.hiden_size=3", "model.hiden_size: no such key in model; did you mean 'hid"),
        ("data=mnist", "data=mnist: no such option of data; known: adding, aeon, "),
        ("output_dir=/dev/null/x", "Not a directory; output_dir=FOLDER chooses"),
        ("hydra.job.chdir=true", "hydra.job.chdir=true: must be false"),
        ("-m seed=0,1 hydra.sweep.subdir=x", "hydra.sweep.subdir=x: must be '.'"),
        ("model=rn", "model=rn: no such option of model; did you mean 'rnn'?"),
        ("model.hidden_size=ten", "model.hidden_size='ten': must be a whole number"),
        ("model.cell=grru", "must be one of rnn, gru, lstm; did you mean 'gru'?"),
        ("seed=null", "seed=null: must be a whole number"),
        ("trainer.max_epochs=1e99", "68455469056: must be between 1 and 10,000,000"),
        ("optimizer.lr=0", "optimizer.lr=0.0: must be above 0"),
        ("optimizer.betas=[0.9]", "optimizer.betas=[0.9]: must be a list of 2 values"),
        ("model.dropout=1.0", "model.dropout=1.0: must be at least 0 and below 1"),
        ("model.input_size=3", "model.input_size=3, but the data have 6 features per step"),
        ("data.batch_size=5000", "data.batch_size=5000: must be between 1 and 1000"),
        ("data.transform.frame=21", "data.transform.frame=21: must be at most 20, the steps of"),
        ("data.transform.crop=[20,30]", "data.transform.crop=[20, 30]: must begin before step 20"),
        ("-m data.transform.time_mask=1,20", "data.transform.time_mask=20: must be below 20"),
        ("trainer.precision=16-true", "trainer.precision='16-true': must be one of 32, bf16-mixed"),
        ("trainer.devices=64", "trainer.devices=64: must be 1 to"),
        ("loss.class_weights=[1,2]", "loss.class_weights=[1.0, 2.0]: must be balanced, or 4"),
        ("model.hidden_size=2000000", "model.hidden_size=2000000: 4,000,"),
        ("data=random data.source.num_sequences=200000000000", "numbers; must be at most"),
        (
            "data=digits data.val_fraction=0 callbacks=early_stopping",
            "callbacks.early_stopping.monitor='val/acc': must be one of train/acc, train/f1",
        ),
        ("monitor=val/f2", "monitor='val/f2': must be one of"),
        ("scheduler=cosine scheduler.warmup_epochs=99", "scheduler.warmup_epochs=99"),
        ("model._target_=torch.nn.Linearr", "model._target_=torch.nn.Linearr: no 'Linearr'"),
        ("data=npz", "data.source.path needs a value"),
        ("data=npz data.source.path=nope.npz", "no file nope.npz"),
        ("model.hidden_size=[1", "model.hidden_size=[1: has quotes or brackets that do not match"),
        ("--experimental-rerun=job.pickle", "--experimental-rerun: loads a pickle"),
        ("sweep=architecture", "sweep=architecture: is a sweep; add -m: seqsweep train -m s"),
        ("seed=1,1,1", "seed=1,1,1: several values are a sweep; add -m: seqsweep train -m s"),
        ("--yes seed=0", "--yes: needs -m, because nothing is asked before a single run"),
        ("model=simple model.num_layers=2", "model=bidirectional, model=multilayer, model=rnn"),
        ("output_dir=null", "output_dir=null: must be text"),
        ("model._target_=builtins.dict", "model._target_=builtins.dict: must make a torch.nn.Mod"),
        ("-m output_dir=p9,p10", "output_dir=p9,p10: a sweep has one output_dir"),
        ("-m hydra/sweeper=basic seed=0,1 sweep.sample=1", "sweep.sample: must be null, because"),
        ("-m seed=range(0,1000000000)", "1,000,000,000 runs; a sweep has at most 100,000"),
        ("-m seed=0,1 hydra.launcher.threads=9999", "threads=9999: must be at most "),
        ("-m optimizer.lr=interval(0,1)", "an interval has no finite grid"),
    ],
)  # fmt: skip
def test_a_wrong_config_value_is_refused(refused: Refused, arguments: str, message: str) -> None:
    assert message in refused("train", *arguments.split())


def test_a_gpu_is_refused_on_a_machine_without_one(
    refused: Refused, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert "trainer.accelerator=gpu: no GPU is visible to torch" in refused("train", "trainer=gpu")


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"y": [0, 1] * 4}, "x has shape (10, 5, 2), so with layout=batch_first 10 sequences"),
        ({"X": [[[np.nan] * 2] * 5] * 10}, "data.missing"),
        ({"X": [[[np.inf] * 2] * 5] * 10}, "x is inf at sequence 0, step 0, channel 0"),
        ({"y": np.array([None] * 10, dtype=object)}, "never loaded"),
    ],
)
def test_wrong_arrays_in_a_file_are_refused(
    refused: Refused, tmp_path: Path, arrays: dict[str, object], message: str
) -> None:
    good = {"X": np.ones((10, 5, 2)), "y": [0, 1] * 5}
    _save(tmp_path / "my.npz", good | arrays)
    options = ["data.source.path=my.npz", "data.batch_size=2"]
    assert message in refused("train", "data=npz", *options)


TABLE = "case,time,x,label\na,0,1,up\na,1,2,up\nb,0,3,down\nb,1,4,down\n"


@pytest.mark.parametrize(
    ("content", "arguments", "message"),
    [
        (
            TABLE,
            "data.source.id=cas",
            "data.source.id=cas: has no such column; columns: case, time",
        ),
        (TABLE, "data.source.test_path=my.cvs", "no file my.cvs"),
        (TABLE.replace("3,d", "three,d"), "", "my.csv:4: column 'x': 'three' is not a number"),
        (TABLE.replace("4,down", "4,up"), "", "my.csv:5: sequence 'b' has label 'up'"),
        (TABLE.replace("b,1", "b,0"), "", "my.csv:5: sequence 'b' has step 0 a second time"),
        (TABLE.replace("4,down", "4,down,5"), "", "my.csv:5: 5 cells; expected 4"),
        ("", "", "my.csv: is empty"),
    ],
)
def test_a_wrong_table_is_refused(
    refused: Refused, tmp_path: Path, content: str, arguments: str, message: str
) -> None:
    (tmp_path / "my.csv").write_text(content)
    path = "data.source.path=my.csv"
    assert message in refused("train", "data=csv", path, *arguments.split())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param(
            "data=aeon data.source.name=GunPont",
            "did you mean 'GunPoint'?",
            marks=pytest.mark.durability,
        ),
        ("data=aeon data.source.name=GunPoint data.source.folder=nope", "no such folder"),
    ],
)
def test_a_wrong_name_of_a_source_is_refused(
    refused: Refused, arguments: str, message: str
) -> None:
    assert message in refused("train", *arguments.split())


def test_an_error_in_a_users_experiment_names_file_and_line(
    refused: Refused, tmp_path: Path
) -> None:
    experiment = tmp_path / "mine" / "experiment" / "small.yaml"
    experiment.parent.mkdir(parents=True)
    for key, message in (("hidden_sise: 3", "did you mean 'hidden_size'"), ("hidden_size: 0", "1")):
        experiment.write_text(f"# @package _global_\nname: small\nmodel:\n  {key}\n")
        said = refused("train", "--config-dir", "mine", "experiment=small")
        assert message in said
        assert said.endswith(f"(in {experiment}:4)")


@pytest.mark.parametrize("command", ["status", "leaderboard"])
def test_a_command_refuses_a_folder_without_runs(
    refused: Refused, tmp_path: Path, command: str
) -> None:
    assert "nowhere: no such folder" in refused(command, "nowhere")
    (tmp_path / "empty").mkdir()
    assert "empty: no runs in it" in refused(command, "empty")


@pytest.mark.parametrize(
    ("code", "target", "message"),
    [
        ("import sys; sys.exit(0)", "Net", "importing 'own' fails: SystemExit: 0"),
        ("def net(): {}['x']", "net", "model._target_=own.net: KeyError: 'x'"),
        ("def net(): return {}", "net", "must make a torch.nn.Module, got dict"),
    ],
)
def test_a_users_code_that_fails_is_named(
    refused: Refused, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str, target: str,
    message: str,
) -> None:  # fmt: skip
    (tmp_path / "own.py").write_text(code)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "own", raising=False)
    signature_of.cache_clear()
    model = tmp_path / "mine" / "model" / "own.yaml"
    model.parent.mkdir(parents=True)
    model.write_text(f"_target_: own.{target}\n")
    said = refused("train", "--config-dir", "mine", "model=own")
    assert said.startswith("model._target_=own.")
    assert message in said
    assert said.endswith(f"(in {model}:1)")
    monkeypatch.delitem(sys.modules, "own", raising=False)


def test_an_experiment_that_includes_itself_is_refused(refused: Refused, tmp_path: Path) -> None:
    (tmp_path / "mine" / "experiment").mkdir(parents=True)
    (tmp_path / "mine" / "experiment" / "me.yaml").write_text("defaults: [me]\n")
    said = refused("train", "experiment=me", "--config-dir", "mine", "seed=1")
    assert said == "the config is nested too deeply, or a defaults list leads back to itself"


def test_escape_sequences_in_a_message_are_printed_as_text(refused: Refused) -> None:
    assert refused("status", "a\x1b[2Jb").startswith("a\\x1b[2Jb: no such folder")


def test_an_unknown_command_is_refused(refused: Refused) -> None:
    assert refused("trian") == "no command 'trian'; did you mean 'train'?"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("work . --processes 100000", "--processes=100000: must be at most 64"),
        ("work . --code-if-left 256", "--code-if-left=256: must be at most 255"),
        ("work . --stop-after 99999999999999999999h", "h: must be at most 3650d"),
        ("work . --idle 9999d", "--idle=9999d: must be at most 3650d"),
        ("evaluate . --resamples 99999999999", "--resamples=99999999999: must be at most 100000"),
    ],
)
def test_an_option_has_an_upper_limit(refused: Refused, arguments: str, message: str) -> None:
    assert message in refused(*arguments.split())


@pytest.mark.parametrize(
    "arguments",
    ["model.hidden_size=abc", "sweep=architecture", "model.num_layers=0", "data=npz",
     "-m model.hidden_size=1,x", "-m hydra/sweeper=optuna model.hidden_size=1,2 model.dropout=2"],
)  # fmt: skip
def test_a_refused_command_leaves_no_folder(
    refused: Refused, tmp_path: Path, arguments: str
) -> None:
    refused("train", *arguments.split())
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "outputs/runs/default/of_another_run").mkdir(parents=True)
    refused("train", *arguments.split())
    assert list(tmp_path.rglob("*"))[-1].name == "of_another_run"
