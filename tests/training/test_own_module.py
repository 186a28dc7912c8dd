"""A LightningModule of a user's own is trained as it is, and its run is like any other."""

import csv
import logging
import shutil
from pathlib import Path
from typing import Any

import lightning as L
import pytest
import small_modules
import their_modules
import torch
import yaml
from run_files import result
from tensorboard.backend.event_processing.event_file_loader import EventFileLoader

import seqsweep
from seqsweep.errors import RunFailed
from seqsweep.results.leaderboard import leaderboard
from seqsweep.results.tensorboard.view import make_view
from seqsweep.results.words import limit_words
from seqsweep.runs.clean import delete_all, find_removals
from seqsweep.runs.identity import is_own_module
from seqsweep.runs.ledger import read_folder
from seqsweep.seeding import seed_globals
from seqsweep.training.build_run import build_run
from seqsweep.training.engine import engine_of
from seqsweep.training.planned_run import plan
from seqsweep.training.run_data import DATA_STREAM
from seqsweep.training.train import check_parts

pytestmark = pytest.mark.filterwarnings("ignore:(Checkpoint directory .* exists|Lazy modules)")

CONF = Path(__file__).parents[2] / "scripts/bench/own_conf"
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


def test_a_module_takes_the_gpu_that_is_there(config, fake_gpu, tmp_path):
    given = config("Sequence", "data=digits", "trainer=auto", "trainer.accelerator=auto")
    assert engine_of(given) == "autograd"
    assert build_run(given, tmp_path).trainer.strategy.root_device.type == "cuda"


@pytest.mark.filterwarnings("ignore:`training_step` returned `None`")
@pytest.mark.parametrize("name", ["ReturnsNone", "HoldsNothing"])
def test_a_module_that_has_learnt_nothing_is_named(config, name, capsys):
    record = seqsweep.train(config(name, "data=digits"))
    assert (record["status"], record["warning"]) == ("complete", "no weight has changed")
    assert capsys.readouterr().err.startswith(
        f"seqsweep: model=small_modules.{name}: no weight has changed in "
    )
    assert "warning" not in seqsweep.train(config("Sequence", "data=digits"))


@pytest.mark.sampled(2, 3)
@pytest.mark.parametrize("name", MODELS)
def test_a_module_is_trained_as_by_a_plain_trainer(config, tmp_path, name):
    """The weights and all that is logged are those of Lightning with the same seeds."""
    record = seqsweep.train(config(name))
    parts = build_run(config(name), tmp_path)
    resume = seqsweep.ExactResume(0)
    resume.seeds_loaders = False
    seed_globals(*DATA_STREAM)
    trainer = L.Trainer(
        max_epochs=2,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        callbacks=[resume],
        num_sanity_val_steps=0,
    )
    trainer.fit(parts.module, datamodule=parts.data)
    last = torch.load(Path(record["folder"]) / "checkpoints/last.ckpt", weights_only=True)
    weights = parts.module.state_dict()
    assert last["state_dict"].keys() == weights.keys()
    assert all(torch.equal(last["state_dict"][key], weights[key]) for key in weights)
    logged = {key: value.item() for key, value in trainer.callback_metrics.items()}
    logged.pop("train_loss_epoch", None)  # the same as train_loss
    row = rows(record)[-1]
    assert {key: float(row[key]) for key in logged} == logged
    assert logged.items() <= record["metrics"].items()  # without a monitor the last epoch is best
    assert any("test" in metric for metric in record["metrics"])


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


def test_the_clipping_and_the_accumulation_that_were_typed_are_lightnings(config, tmp_path):
    words = ["trainer.gradient_clip_val=1.0", "trainer.accumulate_grad_batches=2"]
    for given, clip, batches in (([], None, 1), (words, 1.0, 2)):
        trainer = build_run(config("Regress", *given), tmp_path).trainer
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


@pytest.mark.sampled(1, 1)
@pytest.mark.parametrize("after", [1, 3])
def test_a_metric_that_appears_later_survives_a_resume(config, tmp_path, after):
    words = ["data=digits", "trainer.max_epochs=5", "logger=csv"]
    words += [f"+callbacks.stop={{_target_: small_modules.Raise, epoch: {after}}}"]
    given = config("Sequence", *words, model={"late": 2})
    whole = seqsweep.train(given)
    before = {name: (Path(whole["folder"]) / name).read_bytes() for name in ("metrics.csv",)}
    small_modules.Raise.armed = True
    with pytest.raises(RunFailed, match=r"RuntimeError: cut \(.*small_modules.py:\d+\)"):
        seqsweep.train(given | {"rerun": True})
    resumed = seqsweep.train(given)
    assert (Path(resumed["folder"]) / "metrics.csv").read_bytes() == before["metrics.csv"]
    assert "resumed" not in resumed and resumed["metrics"] == whole["metrics"]


@pytest.mark.parametrize(
    ("name", "words", "message"),
    [
        ("Binary", ["optimizer.lr=0.1"], r"optimizer.lr=0.1: has no effect.*set model.lr instead"),
        ("Binary", ["optimizer.weight_decay=0.1"], "decay=0.1: .* set an argument of the model"),
        ("Binary", ["optimizer.lr=0.003"], "optimizer.lr=0.003: has no effect.*set model.lr"),
        ("Binary", ["optimizer=adam"], "optimizer=adam: has no effect.*set model.lr"),
        ("Classify", ["scheduler=step"], "scheduler=step: has no effect.*set model.scheduler"),
        ("Tag", ["loss.label_smoothing=0.1"], "smoothing=0.1: .* own loss; set an argument of"),
        ("Tag", ["monitor_mode=max"], "monitor_mode=max: needs monitor=NAME"),
        ("Tag", ["callbacks=early_stopping"], "callbacks.early_stopping.monitor=null: give mon"),
        ("Tag", ["trainer.devices=2", "trainer.strategy=ddp"], "devices=2: .*, or a LightningM"),
        ("Tag", ["model.lr=3"], r"no such key in model.*; \+model.lr=VALUE gives"),
    ],
)
def test_what_has_no_effect_is_refused_before_anything_is_written(
    config, tmp_path, name, words, message
):
    with pytest.raises(ValueError, match=message):
        check_parts(plan(config(name, *words)), tmp_path / "runs")
    assert not (tmp_path / "runs").exists()


def test_a_monitor_that_is_not_logged_fails_with_the_names_that_are(config):
    words = "monitor=val_los: the model logs .*val_loss.*; did you mean 'val_loss'"
    with pytest.raises(RunFailed, match=words):
        seqsweep.train(config("Binary", "monitor=val_los"))
    every = ["trainer.check_val_every_n_epoch=2", "monitor=loss/val"]
    assert seqsweep.train(config("Regress", *every))["best_epoch"] == 1
    with pytest.raises(RunFailed, match="monitor=loss/val: the model logs loss/train"):
        seqsweep.train(config("Regress", *every, "trainer.max_epochs=1"))


def test_a_run_whose_monitor_is_not_finite_has_diverged(config):
    record = seqsweep.train(config("Sequence", "data=digits", "monitor=fit", model={"scale": 1e39}))
    assert (record["status"], record["epoch"]) == ("diverged", 0)
    assert record["error"].startswith("fit is nan in epoch 0; try a smaller learning rate")


def test_a_fast_dev_run_trains_and_tests_one_batch_of_each_split(config):
    record = seqsweep.train(config("Classify", "debug=fast_dev_run", "monitor=val_acc"))
    assert (record["status"], record["epochs"]) == ("complete", 1)
    assert {"train_loss", "val_acc", "test_acc"} <= record["metrics"].keys()
    assert not [*Path(record["folder"]).rglob("*.ckpt")]


@pytest.mark.parametrize(("mode", "epochs"), [("auto", 6), ("max", 2)])
def test_early_stopping_needs_no_mode_of_its_own(config, mode, epochs):
    """The loss falls, so only a run that looks for the highest loss ends early."""
    words = ["callbacks=early_stopping", "callbacks.early_stopping.patience=1", "monitor=val_loss"]
    words += [f"monitor_mode={mode}", "trainer.max_epochs=6"]
    record = seqsweep.train(config("Lengths", "data=japanese_vowels", *words))
    assert record["epochs"] == epochs


def test_a_loaded_module_is_the_trained_one(config):
    record = seqsweep.train(config("Classify"))
    targets = [
        v for key, v in record["config"].items() if "_target_" in key and "seqsweep" not in v
    ]
    with pytest.raises(ValueError, match="give " + " ".join(f"--allow {t}" for t in targets)):
        seqsweep.load_run(record["folder"])
    run = seqsweep.load_run(record["folder"], allow=targets)
    assert isinstance(run.module, their_modules.ClassifyLit) and not run.module.training
    best = torch.load(run.checkpoint, weights_only=True)["state_dict"]
    assert all(torch.equal(best[key], value) for key, value in run.module.state_dict().items())
    with pytest.raises(ValueError, match="is known to its own code alone; in Python"):
        run.predict(torch.zeros(1, 6, 2))


def shown(folder: Path) -> list[tuple[str, int, bytes]]:
    """Returns all that TensorBoard reads from a folder, in the order of tags and steps."""
    files = [EventFileLoader(str(path)) for path in folder.glob("*tfevents*")]
    values = [(e.step, v) for file in files for e in file.Load() for v in e.summary.value]
    return sorted((value.tag, step, value.SerializeToString()) for step, value in values)


def load(record: Any, name: str) -> Any:
    return seqsweep.load_run(record["folder"], allow=[f"small_modules.{name}"]).module


@pytest.mark.sampled(2, 2)
@pytest.mark.parametrize("how", ["", "configure_model", "setup", "lazy"])
def test_habits_and_layers_that_are_made_late_survive_a_kill(config, how):
    name, words = "Late" if how else "Habits", ["data=digits", "trainer.max_epochs=4"]
    words += ["+callbacks.stop={_target_: small_modules.Raise, epoch: 2}"]
    given = config(name, *words, model={"how": how} if how else {})
    run = Path(seqsweep.train(given)["folder"])
    whole = result(run), shown(run)
    shutil.rmtree(run)
    small_modules.Raise.armed = True
    with pytest.raises(RunFailed, match="cut"):
        seqsweep.train(given)
    record = seqsweep.train(given)
    assert (result(run), shown(run)) == whole
    best = torch.load(run / "checkpoints/best.ckpt", weights_only=True)["state_dict"]
    assert torch.equal(load(record, name).fc.weight, best["fc.weight"])
    assert record["params"] == sum(weight.numel() for weight in best.values())
    assert "warning" not in record


def test_layers_that_need_the_trainer_cannot_be_loaded(config):
    record = seqsweep.train(config("Late", "data=digits", model={"how": "trainer"}))
    with pytest.raises(ValueError, match="the module needs more than its file: RuntimeError: "):
        load(record, "Late")


@pytest.mark.parametrize("logger", ["both", "csv", "none"])
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


@pytest.mark.parametrize("how", ["setup", ""])
def test_seeds_that_begin_with_equal_weights_are_named(config, capsys, how):
    printing = logging.StreamHandler()  # as of a library that calls `basicConfig`
    logging.getLogger().addHandler(printing)
    name, model = ("Late", {"how": how}) if how else ("Sequence", {})
    given = [config(name, "data=digits", f"seed={n}", model=model) for n in (0, 1)]
    run, other = (Path(seqsweep.train(each)["folder"]) for each in given)
    logging.getLogger().removeHandler(printing)
    words = limit_words(leaderboard(read_folder(run.parent)))
    assert any("begin with equal weights" in each for each in words) == bool(how)
    assert "epoch" in (run / "train.log").read_text() and "epoch" not in capsys.readouterr().err
    assert len([*other.glob("*tfevents*")]) == 1 and not (other / "own").exists()
