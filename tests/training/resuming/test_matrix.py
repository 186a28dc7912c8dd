"""A run that ended early at any moment, and is resumed, equals an undisturbed run to the bit.

This is the matrix of engines and moments. Each test is a row, and its parameters are the engines:
`pool` and `native` train with the native engine, `autograd` trains our network, `own` a network and
data of a user, and `module` a LightningModule of a user. `Column.resume` compares all results:
the rows, the record, the weights and states of both checkpoints, the curves and the other files.
"""

import itertools
import json
import shutil
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from run_files import epochs_in_log
from their_modules import STYLES

import seqsweep
from seqsweep import pace
from seqsweep.errors import Interrupted, RunFailed
from seqsweep.runs.record import NO_RECORD
from seqsweep.runs.run_folder import RunFolder
from seqsweep.training.checkpoint_files import load_sealed
from seqsweep.training.limits import Limits
from seqsweep.training.outcome import finished

ENGINES = ["pool", "native", "autograd", "own", "module"]
IN_EPOCH = {
    "pool": ("on_step", 12), "native": ("on_step", 3), "autograd": ("on_train_batch_end", 8),
    "own": ("on_train_batch_end", 8), "module": ("on_train_batch_end", 11),
}  # fmt: skip
"""The hook and its call in the third epoch of a run; in a pool, the runs come to it in turn."""

AFTER_EPOCH = {
    "pool": ("on_epochs", 12), "native": ("on_epochs", 2), "autograd": ("on_train_epoch_start", 3),
    "own": ("on_train_epoch_start", 3), "module": ("on_train_epoch_start", 3),
}  # fmt: skip
HOOKS = [
    *(("pool", hook, n) for hook, n in (("start", 1), ("on_epochs", 16), ("stop", 1))),
    *(("native", hook, n) for hook, n in (("start", 1), ("on_epochs", 4), ("stop", 1))),
    ("autograd", "on_fit_start", 1), ("autograd", "on_train_batch_end", 15),
    ("autograd", "on_validation_end", 5), ("autograd", "on_train_epoch_end", 3),
    ("autograd", "on_fit_end", 1), ("autograd", "on_test_batch_end", 2),
    ("own", "on_validation_batch_end", 3), ("module", "on_test_start", 1),
]  # fmt: skip
"""Further moments: before and after all epochs, around an epoch's last hooks, and in the test."""


def named(cases: list[Any]) -> list[Any]:
    return [pytest.param(*case, id=" ".join(map(str, case))) for case in cases]


BETWEEN = [(engine, *moments[engine]) for moments in (IN_EPOCH, AFTER_EPOCH) for engine in ENGINES]


@pytest.mark.sampled(4, 8)
@pytest.mark.parametrize(("engine", "hook", "n"), named(BETWEEN + HOOKS))
def test_a_run_killed_at_a_hook(column, at, engine, hook, n):
    runs = column(engine)
    runs.kill(at(hook, n))
    assert not (runs.folder / "record.json").exists() or engine == "pool"
    runs.resume()


SHORT = "trainer.max_epochs=3"  # each epoch starts processes
PLATEAU = ("scheduler=plateau", "scheduler.patience=0", "scheduler.factor=0.5")
EARLY = (
    "callbacks=early_stopping", "monitor=val/loss", "callbacks.early_stopping.patience=2",
    "trainer.max_epochs=20", "optimizer.lr=0.05",
)  # fmt: skip
"""Such a run stops early, after several epochs without an improvement and with one."""

STOPPING = (*EARLY, "callbacks.early_stopping.patience=0", "callbacks.early_stopping.min_delta=100")
"""Such a run stops after its second epoch."""

OURS: dict[str, tuple[str, ...]] = {
    "plateau": PLATEAU,
    "augmented": ("data.transform.jitter=0.3", "data.transform.time_mask=2"),
    "seldom validated": ("trainer.check_val_every_n_epoch=2", "model.cell=gru",
                         "model.bidirectional=true", "loss.class_weights=balanced"),
    "never validated": ("data.val_fraction=0", "monitor=train/loss",
                        "model.layer_norm=true", "model.num_layers=3", "model.dropout=0.2"),
    "few batches": ("trainer.limit_train_batches=2", "trainer.limit_val_batches=1",
                    "model.cell=lstm", "model.recurrent_init=orthogonal", "model.forget_bias=1"),
    "cosine": ("scheduler=cosine", "scheduler.warmup_epochs=2", "optimizer=rmsprop",
               "optimizer.momentum=0.9", "model.pooling=attention", "model.bidirectional=true"),
}  # fmt: skip
OWN: dict[str, tuple[tuple[str, ...], dict[str, int]]] = {
    "workers": ((SHORT,), {"num_workers": 2}),
    "accumulated": (("trainer.accumulate_grad_batches=2",), {}),
    "reloaded": ((SHORT, "trainer.reload_dataloaders_every_n_epochs=1"), {"num_workers": 1}),
    "validated in the middle": (("trainer.val_check_interval=2",), {}),
    "max_steps at the end of an epoch": (("trainer.max_steps=12",), {}),
    "drawing callback": (("+callbacks.draws._target_=noisy_data.Draws",), {}),
}


@pytest.mark.sampled(3, 7)
@pytest.mark.parametrize(
    ("engine", "name"),
    named(
        [
            *(("autograd", name) for name in OURS),
            *(("own", name) for name in OWN),
            *(("module", name) for name in STYLES),
        ]
    ),
)
def test_a_run_of_any_config_killed_in_two_epochs(column, at, engine, name):
    """`pool` has members of all kinds in the other rows."""
    if engine == "autograd":
        runs = column(engine, *OURS[name])
    elif engine == "own":
        overrides, arguments = OWN[name]
        runs = column(engine, *overrides, **arguments)
    else:
        runs = column(engine, style=name)
    for _ in range(2):
        runs.kill(at("on_train_batch_end", 5))
    runs.resume(repeated=2)
    if engine == "module":  # what a user loads is the best epoch, too
        targets = [value for key, value in runs.runs[0].flat.items() if "_target_" in key]
        loaded = seqsweep.load_run(runs.folder, allow=targets).module.state_dict()
        best = load_sealed(runs.folder / "checkpoints/best.ckpt")["state_dict"]
        assert all(loaded[name].equal(weight) for name, weight in best.items())


@pytest.mark.durability
@pytest.mark.parametrize("fault", ["kill", "full disk", "denied"])
@pytest.mark.parametrize("engine", ["pool", "native", "autograd", "module"])
def test_a_run_with_a_fault_at_any_write(column, fault_at, capsys, tmp_path, engine, fault):
    """Each call that changes a file ends the run; then only whole files have their final names.

    A single run of our network stops early, and a fault may come between decision and record.
    """
    overrides = STOPPING if engine in ("native", "autograd") else ("trainer.max_epochs=2",)
    for n in itertools.count(1, 1 if fault == "kill" else 3):
        runs = column(engine, *overrides, root=tmp_path / str(n), style=EVENTS)
        with fault_at(n, fault) as calls:
            runs.train()
        for path in runs.root.rglob("*.json"):
            json.loads(path.read_text())
        for path in runs.root.rglob("*.ckpt"):
            load_sealed(path)
        assert not list(runs.root.rglob("*lock*"))
        for outcome in runs.resume(repeated=2):
            assert outcome.record.epochs == 2
        assert "Traceback" not in capsys.readouterr().err
        if len(calls) < n:
            assert n > 25
            return


@pytest.mark.sampled(2, 6)
@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize(
    ("engine", "hook", "n"), named([*BETWEEN, ("autograd", "on_validation_batch_start", 5)])
)
def test_a_run_that_gets_a_signal(column, at, monkeypatch, engine, hook, n, signum):
    """All finished epochs are saved at the end, so none is trained again."""
    monkeypatch.setattr(pace, "LONGEST_SECONDS", 60.0)
    runs, handlers = column(engine), [signal.getsignal(number) for number in (2, 15, 1)]
    outcomes = runs.train(at(hook, n, signum))
    assert [signal.getsignal(number) for number in (2, 15, 1)] == handlers
    assert any(isinstance(outcome, Interrupted) for outcome in outcomes)
    for folder, outcome in zip(runs.folders, outcomes, strict=True):
        is_left = isinstance(outcome, Interrupted)
        assert (128 + signum) == (outcome.exit_code if is_left else 128 + outcome.signum)
        assert (RunFolder(folder).state() == "interrupted") == is_left
        assert not (folder / "lock").exists()
    runs.resume(repeated=0)


class Broken(RuntimeError):
    """An error that ends a run."""


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["native", "module"])
def test_a_run_that_fails_twice(column, at, engine):
    runs = column(engine)
    for attempt in (1, 2):
        (outcome,) = runs.train(at(*IN_EPOCH[engine], Broken))
        failure = RunFolder(runs.folder).failure()
        assert isinstance(outcome, RunFailed) and failure is not None
        assert (failure["attempts"], failure["error"]) == (attempt, "Broken: here")
    runs.resume(repeated=2)


LATE = {
    "native": ("on_step", 4), "autograd": ("on_train_batch_end", 11),
    "module": ("on_train_batch_end", 13),
}  # fmt: skip
"""The hook and its call in the fourth epoch."""

BEST_IS_FIRST = {
    "native": ("optimizer.lr=1e-30",), "autograd": ("optimizer.lr=1e-30",),
    "module": ("+model.lr=1e-30", "monitor=val/acc", "trainer.max_epochs=5"),
}  # fmt: skip
"""Runs whose epochs are all equal, so that the first stays the best."""

BEST_IS_LAST = {
    "native": ("data.val_fraction=0", "monitor=train/loss"),
    "autograd": ("data.val_fraction=0", "monitor=train/loss"),
    "module": ("+model.lr=0.001", "monitor=val/loss", "trainer.max_epochs=5"),
}
EVENTS = "TagLit"
"""A style whose curves Lightning writes before the checkpoint of an epoch."""


@pytest.mark.slow
@pytest.mark.parametrize("name", ["metrics.csv", "best.ckpt"])
@pytest.mark.parametrize("engine", ["native", "autograd"])
def test_a_run_that_loses_a_file_while_it_trains(column, at, engine, name):
    """The run fails at once, because another file cannot replace the lost one."""
    runs = column(engine, *BEST_IS_FIRST[engine])

    def delete() -> None:
        (path,) = runs.folder.rglob(name)
        path.unlink()

    (outcome,) = runs.train(at(*AFTER_EPOCH[engine], delete))
    assert isinstance(outcome, RunFailed) and name in str(outcome)
    assert RunFolder(runs.folder).state() == "failed"
    runs.resume(repeated=None)


def rewrite(path: Path, content: bytes) -> None:
    path.unlink()  # best.ckpt and last.ckpt may be one file
    path.write_bytes(content)


def cut(path: Path) -> None:
    rewrite(path, path.read_bytes()[:-40])


def lengthen(path: Path) -> None:
    rewrite(path, path.read_bytes() + b"7,half a row")


def replace_by_previous(path: Path) -> None:
    rewrite(path, path.with_name("previous.ckpt").read_bytes())


def begin_another(path: Path) -> None:
    shutil.copy(path, path.with_name(f"events.out.tfevents.9999999999.{path.name[-20:]}"))


AGAIN = "the run starts again"
DAMAGES: list[tuple[str, Callable[[Path], object], int | None, str]] = [
    ("last.ckpt", cut, 2, "last.ckpt is damaged"), ("last.ckpt", Path.unlink, 2, ""),
    ("best.ckpt", cut, None, AGAIN), ("best.ckpt", replace_by_previous, None, AGAIN),
    ("[lp]*.ckpt", cut, None, "previous.ckpt is damaged"),
    ("metrics.csv", cut, None, AGAIN), ("metrics.csv", lengthen, 1, ""),
    ("events*.rows", cut, None, AGAIN), ("events*.rows", begin_another, 1, ""),
    ("config.yaml", cut, 1, ""),
]  # fmt: skip
"""Files, what happens to them, the most epochs that are trained again (None: all), and a message.

A kill may leave rows after those of the checkpoint, a file of such rows, and another best.ckpt.
"""


@pytest.mark.sampled(3, 6)
@pytest.mark.parametrize(
    ("files", "damage", "repeated", "said"),
    DAMAGES,
    ids=[f"{files} {damage.__name__}" for files, damage, *_ in DAMAGES],
)
@pytest.mark.parametrize("is_best_last", [False, True])
@pytest.mark.parametrize("engine", ["native", "autograd", "module"])
def test_a_run_with_a_damaged_file(
    column, at, capsys, engine, is_best_last, files, damage, repeated, said
):
    overrides = (BEST_IS_LAST if is_best_last else BEST_IS_FIRST)[engine]
    runs = column(engine, *overrides, style=EVENTS)
    runs.kill(at(*LATE[engine]))
    for path in list(runs.folder.rglob(files)):
        damage(path)
    if is_best_last and files == "best.ckpt":
        repeated, said = 1, ""  # last.ckpt has the same weights
    capsys.readouterr()
    runs.resume(repeated)
    err = capsys.readouterr().err
    assert err.count(said) == 1 if said else not {"damaged", "again"} & set(err.split())


@pytest.mark.sampled(1, 2)
@pytest.mark.parametrize(
    ("engine", "hook", "then", "every"),
    [
        ("native", "on_epochs", "stop", 1),
        ("autograd", "on_train_end", "on_test_start", 2),
        # Before the last epoch's checkpoint, so the decision is taken again.
        ("autograd", "on_validation_end", "on_train_epoch_end", 1),
    ],
)
def test_a_run_killed_around_the_decision_to_stop_early(
    column, at, undisturbed, engine, hook, then, every
):
    runs = column(engine, *EARLY, f"trainer.check_val_every_n_epoch={every}")
    epochs = undisturbed(runs.runs[0])["record"]["epochs"]
    assert 5 < epochs < 20
    calls = {"on_validation_end": epochs // every, "on_epochs": epochs - 1}
    runs.kill(at(hook, calls.get(hook, 1)))
    runs.kill(at(then, 1))
    runs.resume(repeated=2)


AT_LIMIT = {
    "pool": ("stop", 1), "native": ("stop", 1), "autograd": ("on_fit_end", 1),
    "own": ("on_fit_end", 1), "module": ("on_fit_end", 1),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("engine", ENGINES)
def test_a_run_killed_where_a_search_prunes_it_and_continued_without_the_search(
    column, at, tmp_path, engine
):
    """An accuracy is never 1.1. Members beside pruned ones train as if they were alone."""
    runs = column(engine)
    whole, half = runs.runs, (len(runs.runs) + 1) // 2
    pruned = [replace(run, limits=Limits({2: 1.1})) for run in whole[:half]]
    runs.runs = [*pruned, *whole[half:]]
    runs.kill(at(*AT_LIMIT[engine]))
    outcomes = runs.resume(repeated=1)
    for run, outcome in zip(pruned, outcomes, strict=False):
        record = outcome.record
        assert (record.status, record.epochs) == ("pruned", 2)
        assert record.pruned == (2, record.metrics[run.config["monitor"]], 1.1)
        assert not any(name.startswith("test") for name in record.metrics)
        assert not (outcome.folder.path / "diagnostics.json").exists()
        assert outcome.folder.state() == "pruned" and outcome.folder.failure() is None
        assert finished(run, tmp_path) is not None  # the search does not train it again
        assert finished(replace(run, limits=None), tmp_path) is None
    runs.runs = whole
    runs.resume(repeated=1)


@pytest.mark.slow
@pytest.mark.parametrize("engine", ENGINES)
def test_a_run_that_pauses_again_and_again(column, engine):
    """No epoch is trained twice. The limit of a run's last epoch has no effect."""
    runs = column(engine)
    whole, ends = runs.runs, [run.config["trainer"]["max_epochs"] for run in runs.runs]
    for until, epochs in ((1, 1), (3, 3), (3, 3), (2, 3)):
        runs.runs = [replace(run, limits=Limits(until=until)) for run in whole]
        for outcome in runs.train():
            # One member of the pool has stopped early by then, and one has diverged.
            if engine != "pool" or outcome.record is NO_RECORD:
                assert outcome.record is NO_RECORD
                assert outcome.folder.record() is None and outcome.folder.failure() is None
                assert epochs_in_log(outcome.folder.path) == list(range(epochs))
    runs.runs = [
        replace(run, limits=Limits({end: 9.0}, until=end))
        for run, end in zip(whole, ends, strict=True)
    ]
    runs.train()
    runs.runs = whole
    runs.resume(repeated=0)


@pytest.mark.parametrize("engine", ["native", "autograd"])
def test_a_run_that_stops_early_where_a_search_would_prune_it(column, engine):
    runs = column(engine, *STOPPING)
    runs.runs = [replace(run, limits=Limits({2: -1.0}, until=2)) for run in runs.runs]
    (outcome,) = runs.train()
    assert (outcome.record.status, outcome.record.epochs) == ("complete", 2)


LONGER = {
    "step": ("scheduler=step", "scheduler.step_size=2", "scheduler.gamma=0.5"),
    "plateau": (*PLATEAU, "trainer.check_val_every_n_epoch=2"),
    "patient": (*EARLY[:2], "callbacks.early_stopping.patience=50"),
    "goal": (*EARLY[:2], "callbacks.early_stopping.goal=-1"),
}


@pytest.mark.sampled(1, 3)
@pytest.mark.parametrize("name", LONGER)
@pytest.mark.parametrize("engine", ["pool", "native", "autograd"])
def test_a_run_with_more_epochs_killed_after_it_has_begun(column, at, engine, name):
    """The longer run trains only its new epochs; the shorter run stays as it is."""
    shorter = column(engine, *LONGER[name])
    shorter.resume(repeated=0)
    longer = column(engine, *LONGER[name], "trainer.max_epochs=8")
    for _ in range(2):
        longer.kill(at(*("on_train_batch_end", 5) if engine == "autograd" else ("on_step", 2)))
    longer.resume(repeated=2)
    assert {*epochs_in_log(longer.folder)} == {5, 6, 7}
    shorter.assert_undisturbed(shorter.runs, shorter.root)


@pytest.mark.slow
@pytest.mark.parametrize(("engine", "other"), [("native", "autograd"), ("autograd", "native")])
def test_a_run_of_the_other_engine_starts_again(column, at, capsys, engine, other):
    """A run that two engines have trained could not be reproduced to the bit."""
    runs = column(engine)
    runs.kill(at(*IN_EPOCH[engine]))
    capsys.readouterr()
    runs.resume(repeated=None, engine=other)
    assert capsys.readouterr().err.count(f"was not made by the {other} engine") == 1
    assert epochs_in_log(runs.folder)[-5:] == [*range(5)]
