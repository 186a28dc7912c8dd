"""A LightningModule of a user's own is trained as it is, and its run is like any other."""

import csv
import logging
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from tensorboard.backend.event_processing.event_file_loader import EventFileLoader

import seqsweep
from seqsweep.command import Command
from seqsweep.config.from_overrides import check_again
from seqsweep.errors import RunFailed
from seqsweep.results.confusion import find_confusion
from seqsweep.results.leaderboard import leaderboard
from seqsweep.results.tensorboard.view import make_view
from seqsweep.results.words import limit_words
from seqsweep.runs.clean import delete_all, find_removals
from seqsweep.runs.identity import is_own_module
from seqsweep.runs.ledger import read_folder
from seqsweep.sweeping.app import run
from seqsweep.training.build_run import build_run
from seqsweep.training.planned_run import plan
from seqsweep.training.run_data import build_data
from seqsweep.training.train import check_parts

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:(Checkpoint directory .* exists|Lazy modules)"),
]

CONF = Path(__file__).parents[2] / "scripts/bench/own_conf"
TOLD = ("data=digits", "logger=csv")
MODELS = ("Classify", "Binary", "Regress", "Manual", "Tag")


@pytest.fixture
def config(tmp_path):
    """Composes the config of a module that a YAML file names."""
    (tmp_path / "model").mkdir()

    def call(name: str, *overrides: str, model: dict[str, object] | None = None):
        given, words = {"_target_": f"small_modules.{name}"}, list(overrides)
        if name in MODELS:
            given = yaml.safe_load((CONF / f"model/{name.lower()}.yaml").read_text())
            words.append(f"data={name.lower()}")
        (tmp_path / "model/own.yaml").write_text(yaml.safe_dump(given | (model or {})))
        words += [f"hydra.searchpath=[{tmp_path},{CONF}]", "model=own", f"output_dir={tmp_path}"]
        return seqsweep.compose(["trainer.max_epochs=2", "trainer.accelerator=cpu", *words])

    return call


def rows(record) -> list[dict[str, str]]:
    with open(Path(record["folder"]) / "metrics.csv", newline="") as file:
        return list(csv.DictReader(file))


def test_a_module_that_has_learnt_nothing_is_named(config, capsys):
    record = seqsweep.train(config("HoldsNothing", "data=digits"))
    assert (record["status"], record["warning"]) == ("complete", "no weight has changed")
    assert capsys.readouterr().err.startswith(
        "seqsweep: model=small_modules.HoldsNothing: no weight has changed in "
    )
    assert "warning" not in seqsweep.train(config("Sequence", "data=digits"))


def test_what_a_run_has_says_what_the_module_replaces(config):
    record = seqsweep.train(config("Classify", "monitor=val_acc"))
    saved = yaml.safe_load((Path(record["folder"]) / "config.yaml").read_text())
    assert [saved[key] for key in ("loss", "optimizer", "scheduler")] == [None] * 3
    assert saved["trainer"]["gradient_clip_val"] is None
    assert (saved["monitor"], saved["monitor_mode"]) == ("val_acc", "max")
    assert is_own_module(saved) and is_own_module(record["config"])
    best = max(rows(record), key=lambda row: float(row["val_acc"]))
    assert record["best_epoch"] == int(best["epoch"])
    assert record["metrics"]["val_loss"] == float(best["val_loss"])
    directions = record["directions"]
    assert directions.keys() == record["metrics"].keys() and next(iter(directions)) == "val_acc"
    assert {directions[key] for key in ("val_acc", "test_acc", "train_acc")} == {"max"}
    assert {directions[key] for key in ("val_loss", "train_loss")} == {"min"}
    assert not {"confusion", "classes", "splits"} & record.keys()
    reverse = seqsweep.train(config("Classify", "monitor=val_acc", "monitor_mode=min"))
    assert reverse["directions"]["test_acc"] == "min"
    assert reverse["run_id"] != record["run_id"]


def test_what_a_module_finds_with_its_best_weights_is_in_its_record(config):
    record = seqsweep.train(config("Finds", "data=digits", "monitor=quality", "monitor_mode=max"))
    (entry,) = read_folder(Path(record["folder"]).parent)
    found, _ = find_confusion([entry])
    assert found is not None and found.classes == record["classes"]
    hits = sum(row[each] for each, row in enumerate(found.counts)) / sum(map(sum, found.counts))
    assert record["metrics"]["test_hits"] == pytest.approx(hits)
    assert record["directions"]["test_hits"] == "max"


def test_a_module_without_optimizer_takes_those_of_the_config(config):
    with pytest.raises(ValueError, match="NoOptimizer: has no optimizer; give one: optimizer=adam"):
        config("NoOptimizer", "data=digits")
    words = ["data=digits", "optimizer=sgd", "optimizer.lr=0.1", "optimizer.momentum=0"]
    own, given, falling = (
        [float(row["fit"]) for row in rows(seqsweep.train(config(name, *typed)))]
        for name, typed in (
            ("Sequence", ["data=digits"]),
            ("NoOptimizer", words),
            ("NoOptimizer", [*words, "scheduler=step", "scheduler.step_size=1"]),
        )
    )
    assert given == pytest.approx(own) and falling[0] == given[0] and falling[1] != given[1]
    seqsweep.train(config("NoOptimizer", *words, "scheduler=plateau", "monitor=quality"))


def test_the_clipping_and_the_accumulation_that_were_typed_are_lightnings(config, tmp_path):
    words = ["trainer.gradient_clip_val=1.0", "trainer.accumulate_grad_batches=2"]
    for given, clip, batches in (([], None, 1), (words, 1.0, 2)):
        trainer = build_run(config("Tag", *given), tmp_path).trainer
        assert (trainer.gradient_clip_val, trainer.accumulate_grad_batches) == (clip, batches)


def test_the_data_of_ours_come_in_the_form_that_the_module_reads(config):
    record = seqsweep.train(config("Sequence", "data=digits", "monitor=quality"))
    assert record["num_train"]
    assert record["metrics"]["test/quality"] > 0  # the name is taken by the validation
    seqsweep.train(config("Lengths", "data=japanese_vowels"))
    with pytest.raises(RunFailed, match="the model logs nothing by which runs are compared"):
        seqsweep.train(config("NoForward", "data=digits"))
    with pytest.raises(TypeError, match=r"forward\(x\) would read the padding as data"):
        seqsweep.train(config("Mean", "data=japanese_vowels"))
    assert seqsweep.train(config("Mean", "data=digits"))["metrics"]["test/acc"] > 0


def test_a_value_that_was_not_logged_is_an_empty_cell(config):
    """Lightning would repeat the value of an earlier epoch."""
    words = ["data=digits", "trainer.max_epochs=5", "trainer.check_val_every_n_epoch=2"]
    table = rows(seqsweep.train(config("Sequence", *words)))
    assert [bool(row["fit"]) for row in table] == [True] * 5
    assert [bool(row["quality"]) for row in table] == [False, True, False, True, False]
    assert [row["late, too"] for row in table] == ["", "1.5", "", "3.5", ""]
    # The module logs a number of its own under the name of the column.
    assert [row["epoch"] for row in table] == ["0", "1", "2", "3", "4"]


@pytest.mark.parametrize(
    ("name", "words", "message"),
    [
        ("Binary", ["optimizer.lr=0.1"], r"optimizer.lr=0.1: has no effect.*set model.lr instead"),
        ("Binary", ["optimizer=adam"], "optimizer=adam: has no effect.*set model.lr"),
        ("Classify", ["scheduler=step"], "scheduler=step: has no effect.*set model.scheduler"),
        ("Tag", ["loss.label_smoothing=0.1"], "smoothing=0.1: .* own loss; set an argument of"),
        ("Tag", ["monitor_mode=max"], "monitor_mode=max: needs monitor=NAME"),
        ("Tag", ["callbacks=early_stopping"], "callbacks.early_stopping.monitor=null: give mon"),
        ("Tag", ["trainer.devices=2", "trainer.strategy=ddp"], "devices=2: .*, or a LightningM"),
        ("Sequence", [], "data: small_modules.Sequence has no train_dataloader of its own; choose"),
        ("Loads", ["data.batch_size=3"], "data.batch_size=3: has no effect, because .* own data; "),
    ],
)
def test_what_has_no_effect_is_refused_before_anything_is_written(
    config, tmp_path, name, words, message
):
    with pytest.raises(ValueError, match=message):
        check_parts(plan(config(name, *words)), tmp_path / "runs")
    assert not (tmp_path / "runs").exists()


def test_the_code_of_a_module_may_build_its_own_sections(config):
    sgd = {"_target_": "torch.optim.SGD", "lr": 0.1}  # the code adds `params`
    made = config("Classify", model={"optimizer": sgd, "_recursive_": False})
    assert made["model"]["optimizer"]["lr"] == 0.1
    with pytest.raises(ValueError, match="params is missing: torch"):
        config("Classify", model={"optimizer": sgd})


@pytest.mark.parametrize(
    ("name", "experiment", "message"),
    [
        ("Binary", "optimizer: {lr: 0.003}", "^optimizer.lr=0.003: has no effect"),
        ("Binary", "defaults: [override /optimizer: its]", "^optimizer._target_=torch.optim.SGD: "),
        ("Classify", "loss: {label_smoothing: 0.1}", "^loss.label_smoothing=0.1: has no effect"),
        ("Binary", "optimizer: null", None),
        ("NoOptimizer", "optimizer: {lr: 0.1}", None),
    ],
)
def test_what_a_file_of_the_user_says_is_refused_as_if_it_was_typed(
    config, tmp_path, name, experiment, message
):
    for folder in ("optimizer", "experiment"):
        (tmp_path / folder).mkdir()
    (tmp_path / "optimizer/its.yaml").write_text("_target_: torch.optim.SGD")
    (tmp_path / "experiment/e.yaml").write_text(f"# @package _global_\n{experiment}")
    words = ["experiment=e", *(["data=digits"] if name == "NoOptimizer" else [])]
    if message is not None:
        with pytest.raises(ValueError, match=message):
            config(name, *words)
        return
    optimizer = config(name, *words)["optimizer"]
    assert optimizer is None if "null" in experiment else optimizer["lr"] == 0.1


def test_a_sweep_over_what_has_no_effect_is_refused(config, tmp_path, capsys):
    config("Binary")  # writes model/own.yaml
    files = [f"hydra.searchpath=[{tmp_path},{CONF}]", f"output_dir={tmp_path / 'out'}"]
    words = ["model=own", "data=binary", "optimizer.lr=0.003,0.1"]
    assert run(Command(), ["-m", *files, *words]) == 2
    assert "optimizer.lr=0.003: has no effect, because " in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_module_that_has_data_trains_on_them_where_none_are_chosen(config, tmp_path):
    given = config("Loads")
    assert plan(given).run_id == plan(config("Loads", "data=module")).run_id
    assert plan(given).run_id != plan(config("Loads", model={"late": 2})).run_id
    assert "test/quality" not in seqsweep.train(given)["metrics"]  # it has no such loader
    assert build_run(config("Loads", "data=temporal_order"), tmp_path).data is not None


@pytest.mark.parametrize(
    ("name", "typed", "seed"),
    [("has_seed", {}, 42), ("has_seed", {"seed": None}, None), ("AsksForSeed", {}, 3)],
)
def test_a_data_module_keeps_its_seed_and_may_have_other_sizes(config, tmp_path, name, typed, seed):
    data = {"data": {"_target_": f"small_modules.{name}", **typed}}
    given = check_again(config("Loads", "seed=3") | data)
    assert build_data(given).seed == seed and ("seed" in given["data"]) == (seed != 3)
    splits = build_run(given, tmp_path).splits
    assert (splits.input_size, splits.num_classes) == (None, None)
    with pytest.raises(ValueError, match=r"input_size=\(3, 32, 32\): must be a whole number of"):
        build_run(config("Mean", "data=digits") | data, tmp_path)


def test_a_monitor_that_is_not_logged_fails_with_the_names_that_are(config):
    words = "monitor=vall_loss: the model logs .*val_loss.*; did you mean 'val_loss'"
    with pytest.raises(RunFailed, match=words):
        seqsweep.train(config("Binary", "monitor=vall_loss"))


def test_a_run_whose_monitor_is_not_finite_has_diverged(config):
    record = seqsweep.train(config("Sequence", "data=digits", model={"scale": 1e39}))
    assert (record["status"], record["epoch"]) == ("diverged", 0)
    assert record["error"].startswith("the loss of training_step is nan in epoch 0; try a smaller ")
    for name, values in (("val_loss", ["nan", "0.1"]), ("val_acc", ["nan", "inf"])):
        given = config("Told", *TOLD, f"monitor={name}", model={"name": name, "values": values})
        assert seqsweep.train(given)["epoch"] == (0 if name == "val_loss" else 1)


def test_a_monitor_of_unknown_direction_is_asked_for(config, tmp_path):
    with pytest.raises(ValueError, match=r"=val_gap: .* monitor_mode=max .*took max,"):
        config("Sequence", *TOLD, "monitor=val_gap")
    words = ["monitor=val_acc", "callbacks=early_stopping", "callbacks.early_stopping.monitor=gap"]
    with pytest.raises(ValueError, match=r"early_stopping.monitor=gap: the name does not tell"):
        check_parts(plan(config("Sequence", *TOLD, *words)), tmp_path)


def test_a_logged_object_contradicts_a_guess_and_nothing_that_was_typed(config):
    told, words = {"values": ["0.2", "0.1"], "higher": False}, [*TOLD, "monitor=val_acc"]
    guess, typed = (
        config("Told", *words, f"monitor_mode={mode}", model=told) for mode in ("auto", "max")
    )
    assert plan(guess).run_id == plan(typed).run_id
    for again in (guess, plan(guess).config):  # as a worker reads it
        with pytest.raises(RunFailed, match="monitor=val_acc: give monitor_mode=min, as the "):
            seqsweep.train(again)
    assert seqsweep.train(typed)["best_epoch"] == 0
    assert seqsweep.train(guess | {"monitor_mode": "min"})["best_epoch"] == 1


def shown(folder: Path) -> list[tuple[str, int, bytes]]:
    """Returns all that TensorBoard reads from a folder, in the order of tags and steps."""
    files = [EventFileLoader(str(path)) for path in folder.glob("*tfevents*")]
    values = [(e.step, v) for file in files for e in file.Load() for v in e.summary.value]
    return sorted((value.tag, step, value.SerializeToString()) for step, value in values)


def load(record: Any, name: str) -> Any:
    return seqsweep.load_run(record["folder"], allow=[f"small_modules.{name}"]).module


def test_a_monitor_that_appears_late_is_waited_for(config):
    words = ("monitor=val_acc", "callbacks=early_stopping", "trainer.max_epochs=3")
    record = seqsweep.train(config("Told", *TOLD, *words, model={"values": ["", "0.5", ""]}))
    assert (record["epochs"], record["best_epoch"]) == (3, 1)


def test_layers_that_need_the_trainer_cannot_be_loaded(config):
    record = seqsweep.train(config("Late", "data=digits", model={"how": "trainer"}))
    with pytest.raises(ValueError, match="the module needs more than its file: RuntimeError: "):
        load(record, "Late")


@pytest.mark.parametrize("logger", ["both", "none"])
def test_pictures_and_files_belong_to_the_run_under_any_logger(config, tmp_path, logger):
    given = config("Habits", "data=digits", f"logger={logger}")
    run = Path(seqsweep.train(given)["folder"])
    assert {"start", "bias/first"} <= {tag for tag, *_ in shown(run)} or logger != "both"
    assert sorted(path.name for path in run.iterdir() if path.is_dir()) == ["checkpoints", "own"]
    (tmp_path / "view").mkdir()
    (name,) = make_view(run, tmp_path / "view").configs
    assert {*shown(run)} <= {*shown(tmp_path / "view" / name)}
    seqsweep.train(given | {"rerun": True})
    assert (run / "own/epochs.txt").read_text() == "0\n1\n"
    (removal,) = find_removals(read_folder(run), (), False, {})
    assert run / "own/epochs.txt" in removal.files
    assert delete_all([removal]) == [] and not run.exists()


@pytest.mark.parametrize("monitor", ["peak", "val_epoch"])
def test_the_test_has_the_states_of_the_best_epoch(config, monitor):
    words = ["data=digits", "trainer.max_epochs=4", f"monitor={monitor}", "monitor_mode=max"]
    record = seqsweep.train(config("Habits", *words))
    metrics, best = record["metrics"], record["best_epoch"]
    assert best == 1 or monitor != "peak"
    assert (metrics["shadowed"], metrics["kept"], record["epochs"]) == (1.0, best + 1, 4)
    module = load(record, "Habits")
    assert torch.equal(module.shadow, module.fc.weight)
    for found in (metrics, rows(record)[0]):
        assert "val" in found and ("val_epoch" in found) == (monitor == "val_epoch")


@pytest.mark.parametrize(("how", "equal"), [("setup", False), ("seeded", True)])
def test_seeds_that_begin_with_equal_weights_are_named(config, capsys, how, equal):
    printing = logging.StreamHandler()  # as of a library that calls `basicConfig`
    logging.getLogger().addHandler(printing)
    given = [config("Late", "data=digits", f"seed={n}", model={"how": how}) for n in (0, 1)]
    run, other = (Path(seqsweep.train(each)["folder"]) for each in given)
    logging.getLogger().removeHandler(printing)
    words = limit_words(leaderboard(read_folder(run.parent)))
    assert any("begin with equal weights" in each for each in words) == equal
    assert "epoch" in (run / "train.log").read_text() and "epoch" not in capsys.readouterr().err
    assert len([*other.glob("*tfevents*")]) == 1 and not (other / "own").exists()
