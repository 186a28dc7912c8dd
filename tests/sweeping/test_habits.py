"""Words of other tools are refused with the whole command that was meant."""

import re
import shlex
from pathlib import Path

import pytest

from seqsweep import cli
from seqsweep.config.from_overrides import compose
from seqsweep.sweeping.habits import meant, with_meant

TABLE = """
train data=digits hidden_size=32        | train data=digits model.hidden_size=32
train data=digits model=lstm            | train data=digits model.cell=lstm
train my.csv                            | train data=csv data.source.path=my.csv
sweep data=digits seed=0,1              | train -m data=digits seed=0,1
data=digits seed=1                      | train data=digits seed=1
train --data digits --epochs=5          | train data=digits trainer.max_epochs=5
train data=digits n_trials=10           | train -m data=digits hydra.sweeper.budget.trials=10 hydra/sweeper=optuna
train -m data=digits 'optimizer.lr=interval(0.1,0.2)' | train -m data=digits 'optimizer.lr=interval(0.1,0.2)' hydra/sweeper=optuna
train -m data=digits model.hidden_size=8 16 | train -m data=digits model.hidden_size=8,16
train data=digits seed=0-4               | train -m data=digits 'seed=range(0,5)'
train data=digits 'optimizer.lr=loguniform(0.001,0.1)' | train -m data=digits 'optimizer.lr=tag(log,interval(0.001,0.1))' hydra/sweeper=optuna
train data = digits                     | train data=digits
train -m data=digits seed=0,1 budget.epochs=5 | train -m data=digits seed=0,1 hydra.sweeper.budget.epochs=5 hydra/sweeper=optuna
train data=csv 'data.source.features=[a [m],b [s]]' | train data=csv 'data.source.features=["a [m]","b [s]"]'
test tests                              | evaluate tests
train data=digits model=gru,mingru      | train -m data=digits model.cell=gru,mingru
train data=csv data.source.step=Zeit [s] | train data=csv 'data.source.step="Zeit [s]"'
train -m data=digits 'sweep.filter=model.hidden_size>8' seed=0,1 | train -m data=digits 'sweep.filter="model.hidden_size>8"' seed=0,1
train data=digits train=true test=false ckpt_path=a.ckpt | train data=digits
train data=digits paths.output_dir=foo paths.data_dir=bar | train data=digits output_dir=foo paths.data_dir=bar
train data=digits trainer=ddp_sim wandb.project=mine | train data=digits trainer=ddp logger=wandb logger.wandb.project=mine
train data=digits optimizer=torch.optim.Adam scheduler=reduce_on_plateau | train data=digits optimizer=adam scheduler=plateau
train data=csv data.source.path=d 'pattern={label}/*' | train data=csv data.source.path=d 'data.source.pattern="{label}/*"'
"""  # noqa: E501
ROWS = [[shlex.split(side) for side in line.split("|")] for line in TABLE.strip().splitlines()]


def test_the_right_command_is_known_and_is_left_alone() -> None:
    assert [row for row in ROWS if meant(row[0]) != row[1] or meant(row[1]) is not None] == []


@pytest.mark.parametrize(("typed", "right"), ROWS[::6], ids=[" ".join(row[0]) for row in ROWS[::6]])
def test_message_has_the_command_that_was_meant(typed, right, capsys):
    with pytest.raises(SystemExit) as end:
        cli.main(typed)
    assert end.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.endswith(f"; did you mean: {shlex.join(['seqsweep', *right])}")
    for foreign in ("mismatched", "Lexer", "Multiple values", "Error parsing", "Could not"):
        assert foreign not in line
    assert "; add -m: " not in line


def test_the_page_for_whoever_comes_from_lightning_hydra_template_has_the_same_answers() -> None:
    page = Path(__file__).parents[2] / "docs" / "extend.md"
    table = page.read_text(encoding="utf-8").partition("## From lightning-hydra-template")[2]
    rows = re.findall(r"^\| `(\S+=\S+)`.*? \| `(?:-m )?(.*?)`", table, re.MULTILINE)
    differ = [row for row in rows if not row[0].startswith(("experiment=", "logger="))]
    assert len(differ) > 7
    for theirs, ours in differ:
        assert ours in with_meant("", ["train", theirs]), theirs


def test_keys_are_those_of_the_config() -> None:
    """The one-word keys lead to keys that a run has."""
    typed = ["lr=0.1", "weight_decay=0", "clip=1", "num_workers=0", "dropout=0", "device=cpu"]
    right = meant(["train", "data=digits", *(word for word in typed if "workers" not in word)])
    assert right is not None
    config = compose(right[1:])
    assert (config["optimizer"]["lr"], config["trainer"]["accelerator"]) == (0.1, "cpu")


def test_a_file_of_conf_needs_config_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "conf" / "model").mkdir(parents=True)
    (tmp_path / "conf" / "model" / "own.yaml").write_text("_target_: mine.Net\n")
    typed = ["train", "data=digits", "model=own"]
    assert meant(typed) == [*typed, "--config-dir", "conf"]
    assert meant([*typed, "--config-dir", "conf"]) is None


def test_an_option_of_the_users_own_keeps_its_name(tmp_path: Path) -> None:
    """Although it is also the name of a cell, or what other tools call another option."""
    for option in ("model/gru", "callbacks/none"):
        (tmp_path / option).parent.mkdir()
        (tmp_path / f"{option}.yaml").write_text("{}\n")
    words = ["train", "data=digits", "--config-dir", str(tmp_path), "callbacks=none"]
    for model in ("model=gru", "model=gru,lstm"):
        assert meant([*words, model]) is None
        right = meant([*words, model, "lr=1"])
        assert right is not None and right[-2:] == [model, "optimizer.lr=1"]


REFUSED = {
    "train data=digits hydra.verbose=true": "HYDRA_FULL_ERROR=1 shows",
    "train data=digits trainer.callbacks=[]": "choose callbacks by the group callbacks",
    "train data=digits optimizer=lion": "FOLDER/optimizer/lion.yaml with --config-dir FOLDER",
    "train data=digits loss=focal": "a group of keys: loss.class_weights, loss.label_smoothing",
    "train tabelle.xlsx": "save the table as a .csv file",
    "train -m data=digits seed=0,1 sweep.filter=model.hidden_size": "with > needs quotes",
    "train data=digits ckpt_path=last.ckpt": "ckpt_path: no such key in the config; an interrupted",
    "explain tests": "is a folder; expected overrides, as in: seqsweep explain",
    "train data=digits train=true test=true": "in the config; every run is trained and then tested",
}


@pytest.mark.parametrize("typed", REFUSED)
def test_refusals_name_what_to_do(typed: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        cli.main(shlex.split(typed))
    assert end.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert REFUSED[typed] in line


def test_an_experiment_without_its_package_names_the_first_line(tmp_path, capsys):
    (tmp_path / "experiment").mkdir()
    text = "defaults:\n  - override /data: digits\n"
    (tmp_path / "experiment" / "mine.yaml").write_text(text)
    with pytest.raises(SystemExit):
        cli.main(["train", "experiment=mine", "--config-dir", str(tmp_path)])
    assert "first line must be `# @package _global_`" in capsys.readouterr().err


def test_full_error_shows_the_traceback_above_the_message(monkeypatch, capsys):
    monkeypatch.setenv("HYDRA_FULL_ERROR", "1")
    with pytest.raises(SystemExit) as end:
        cli.main(["train", "data=digits", "lr=0.1"])
    assert end.value.code == 2
    first, *_, last = capsys.readouterr().err.splitlines()
    assert first.startswith("Traceback")
    assert last.startswith("seqsweep: lr: no such key")
