"""Lightning's conventions hold for callbacks and loggers of the user's own."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hooked import train_with
from one_open_run import tracked
from run_files import SMALL, curves, rows

from seqsweep.config.schema import Config
from seqsweep.errors import RunFailed
from seqsweep.training.planned_run import PlannedRun, plan
from seqsweep.training.train import train

BASE = (*SMALL, "trainer.max_epochs=3", "diagnostics=true")
STEPS, EPOCHS = 3, 3
CALLBACKS = "lightning.pytorch.callbacks"
OWN = '''
from lightning.pytorch.callbacks import Callback
from one_open_run import Tracker


class Logging(Callback):
    """Logs by `module.log` wherever Lightning allows it."""

    def on_train_batch_end(self, trainer, module, outputs, batch, batch_idx):
        module.log("own/step", float(trainer.global_step), on_step=True, on_epoch=False)
        module.log("own/mean", float(batch_idx), on_step=False, on_epoch=True)

    def on_train_epoch_end(self, trainer, module):
        module.log("own/epoch", float(trainer.current_epoch))

    def on_validation_epoch_end(self, trainer, module):
        module.log("own/val", 0.5)

    def on_test_epoch_end(self, trainer, module):
        module.log("own/test", 0.25)


class Inside(Tracker, Callback):
    """A logger that the Trainer calls back too."""

    def on_fit_start(self, trainer, module):
        self.experiment.tell("fit", trainer.max_epochs)
'''
LOGGING = "+callbacks.own._target_=own_parts.Logging"


@pytest.fixture
def planned(
    checked: Callable[..., Config], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., PlannedRun]:
    """A small run with these arguments more; parts of the user's own lie in `own_parts`."""
    (tmp_path / "own_parts.py").write_text(OWN)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "own_parts", raising=False)
    return lambda *overrides: plan(checked(*BASE, *overrides))


def inside(folder: Path) -> str:
    return f"+logger.own={{_target_: own_parts.Inside, folder: '{folder}'}}"


def test_a_callback_and_a_logger_in_the_trainer_get_all_that_lightning_gives(planned, tmp_path):
    """A callback's values go to TensorBoard, the logger and metrics.csv; the logger ends once."""
    plain = train(planned("engine=autograd"), tmp_path).folder.path
    member = planned(LOGGING, inside(tmp_path), "trainer.log_every_n_steps=1")
    outcome = train(member, tmp_path)
    folder = outcome.folder.path
    table, of_callback = rows(folder), ("own/step", "own/mean", "own/epoch", "own/val")
    assert [[float(row.pop(name)) for name in of_callback] for row in table] == [
        [STEPS * (epoch + 1), 1.0, epoch, 0.5] for epoch in range(EPOCHS)
    ]
    assert table == rows(plain)
    last = [STEPS * (epoch + 1) - 1 for epoch in range(EPOCHS)]
    expected = {
        "own/step": [(step, step + 1.0) for step in range(STEPS * EPOCHS)],
        "own/mean": [(step, 1.0) for step in last],
        "own/epoch": [(step, float(epoch)) for epoch, step in enumerate(last)],
        "own/val": [(step, 0.5) for step in last],
        "own/test": [(STEPS * EPOCHS, 0.25)],
    }
    found = curves(folder)
    assert found.keys() == curves(plain).keys() | expected.keys()
    logged = tracked(tmp_path, "None", "row")
    for tag, curve in expected.items():
        assert found[tag] == curve, tag
        assert [(step, row[tag]) for step, row in logged if tag in row] == curve, tag
    of_epochs = [{name: float(value) for name, value in row.items()} for row in table]
    assert [row | {"step": step} for step, row in logged if "train/loss" in row] == of_epochs
    tested = {k: v for k, v in outcome.record.metrics.items() if k.startswith("test/")}
    (at_end,) = [row for _, row in logged if "test/loss" in row]
    assert at_end == tested | {"epoch": EPOCHS, "own/test": 0.25}
    for kind, value in (("config", member.config), ("fit", EPOCHS), ("end", "success")):
        assert tracked(tmp_path, "None", kind) == [value]


def test_the_logger_of_a_run_that_fails_ends_once(planned, at, tmp_path):
    with pytest.raises(RunFailed, match="here"):
        train_with(planned(inside(tmp_path)), tmp_path, at("on_train_epoch_end", 2, RuntimeError))
    assert tracked(tmp_path, "None", "end") == ["failed"]


def test_lightnings_rate_monitor_and_checkpoint_work_beside_ours(planned, tmp_path):
    kept = f"{{_target_: {CALLBACKS}.ModelCheckpoint, monitor: val/loss, save_last: true, "
    member = planned(
        f"+callbacks.lr._target_={CALLBACKS}.LearningRateMonitor",
        f"+callbacks.best={kept}save_top_k: 2}}",
        "scheduler=step", "scheduler.step_size=1",
    )  # fmt: skip
    folder = train(member, tmp_path).folder.path
    expected = rows(folder)
    rates = [(STEPS * i, pytest.approx(float(row["lr"]))) for i, row in enumerate(expected)]
    assert curves(folder)["lr-Adam"] == rates
    assert [float(row["lr-Adam"]) for row in expected] == [rate for _, rate in rates]
    checkpoints = folder / "checkpoints"
    assert {path.name for path in checkpoints.glob("*.ckpt")} == {"best.ckpt", "last.ckpt"}
    assert len(list(checkpoints.glob("best/epoch=*.ckpt"))) == 2
    assert (checkpoints / "best" / "last.ckpt").is_file()


def test_what_callbacks_log_stands_once_after_two_kills(planned, at, killed, tmp_path):
    member = planned(LOGGING, "trainer.log_every_n_steps=1")
    for step in (STEPS + 1, 2):  # within the second epoch, and within the last one
        with pytest.raises(killed):
            train_with(member, tmp_path / "killed", at("on_train_batch_end", step))
    resumed = train(member, tmp_path / "killed").folder.path
    alone = train(member, tmp_path / "alone").folder.path
    assert curves(resumed) == curves(alone)
