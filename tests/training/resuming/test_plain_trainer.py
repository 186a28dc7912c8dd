"""A plain Trainer with `ExactResume`: killed and resumed runs equal whole ones."""

import functools
import itertools
from pathlib import Path
from typing import Any

import lightning as L
import pytest
import their_modules as their
import torch
from lightning.pytorch.callbacks import Callback, EarlyStopping, ModelCheckpoint
from run_files import plain
from torchmetrics import MetricCollection, R2Score, RelativeSquaredError

import seqsweep

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:.*(not empty|no last checkpoint|srun|many workers)"),
    pytest.mark.filterwarnings("ignore:.*(LeafSpec|smaller than the logging|plateau.*False)"),
    pytest.mark.filterwarnings("ignore:(ReduceLROnPlateau conditioned|You're resuming)"),
]


class SeldomMeasured(their.BinaryLit):
    """Steps its plateau scheduler every second epoch, with its own hook, once it is measured."""

    def configure_optimizers(self) -> Any:
        parts = super().configure_optimizers()
        plan = {"scheduler": parts["lr_scheduler"], "monitor": "val_loss", "frequency": 2}
        return {"optimizer": parts["optimizer"], "lr_scheduler": {**plan, "strict": False}}

    def lr_scheduler_step(self, scheduler: Any, metric: Any) -> None:
        scheduler.step(metric + 0.001)


class Lasting(their.BinaryLit):
    """Measures over all epochs, with metrics that share their states; counts; steps its rate."""

    def __init__(self) -> None:
        super().__init__()
        self.seen = 0
        self.scores = MetricCollection([R2Score(), RelativeSquaredError()])

    def configure_optimizers(self) -> Any:
        optimizer = super().configure_optimizers()["optimizer"]
        self.plan = torch.optim.lr_scheduler.StepLR(optimizer, 2)
        return optimizer

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        super().validation_step(batch, batch_idx)
        self.scores.update(self(batch[0]), batch[1])
        self.seen += len(batch[1])

    def on_train_epoch_end(self) -> None:
        self.plan.step()
        self.log("seen", self.seen)
        if self.current_epoch % 3 == 2:
            self.log_dict(self.scores.compute())


def classify() -> L.LightningModule:
    plateau = functools.partial(torch.optim.lr_scheduler.ReduceLROnPlateau, patience=0)
    adam = functools.partial(torch.optim.Adam, lr=0.1)
    return their.ClassifyLit(their.GRUNet(), adam, plateau)


MODULES: dict[str, tuple[Any, Any]] = {
    "classify": (classify, their.ClassifyData),
    "binary": (their.BinaryLit, their.BinaryData),
    "collected": (their.Collected, their.TagData),
    "manual": (their.ManualLit, their.ManualData),
    "tag": (their.TagLit, their.TagData),
    "seldom": (SeldomMeasured, their.BinaryData),
    "lasting": (Lasting, their.BinaryData),
}
# An epoch of `manual` starts four workers, so it has no more epochs than the breaks need.
CASES: list[tuple[str, dict[str, Any]]] = [
    *(
        (name, {"max_epochs": 4} if name == "manual" else {})
        for name in MODULES
        if name != "seldom"
    ),
    ("seldom", {"check_val_every_n_epoch": 2}),
    ("classify", {"val_check_interval": 0.5}),
    ("collected", {"accumulate_grad_batches": 3, "num_sanity_val_steps": 0}),
    ("tag", {"reload_dataloaders_every_n_epochs": 1}),
    ("binary", {"max_epochs": -1, "max_steps": 14}),
    ("classify", {"max_epochs": -1, "max_steps": 16}),
]


class Rows(Callback):
    """Keeps the metrics and the rates of each epoch."""

    def __init__(self) -> None:
        self.rows: dict[int, Any] = {}

    def on_train_epoch_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        rates = [group["lr"] for each in trainer.optimizers for group in each.param_groups]
        self.rows[trainer.current_epoch] = [rates]

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self.rows[trainer.current_epoch].append(plain(dict(trainer.callback_metrics)))


def fit(folder: Path, name: str, rows: Rows, *callbacks: Callback, **options: Any) -> Any:
    """Trains from the last checkpoint on; returns all that a checkpoint of the end holds."""
    L.seed_everything(3, verbose=False)
    module, data = (make() for make in MODULES[name])
    kept = ModelCheckpoint(folder, save_last=True, save_on_train_epoch_end=True)
    settings: Any = {"max_epochs": 6, "logger": False, "enable_progress_bar": False, **options}
    trainer = L.Trainer(
        accelerator="cpu", enable_model_summary=False, default_root_dir=folder, **settings,
        callbacks=[seqsweep.ExactResume(7), rows, kept, *callbacks],
    )  # fmt: skip
    # Partial optimizers, which `save_hyperparameters` has kept, are not plain values.
    trainer.fit(module, datamodule=data, ckpt_path="last", weights_only=name != "classify")
    trainer.save_checkpoint(folder / "end.ckpt")
    return content(folder / "end.ckpt")


def content(path: Path) -> Any:
    found = torch.load(path, weights_only=False)
    parts = ("epoch", "global_step", "state_dict", "optimizer_states", "lr_schedulers")
    return plain({key: found[key] for key in (*parts, "exact_resume")})


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Trains a run without a break, once for all tests."""

    @functools.cache
    def call(name: str, **options: Any) -> Any:
        rows = Rows()
        return fit(tmp_path_factory.mktemp(name), name, rows, **options), rows.rows

    return call


@pytest.mark.sampled(2, 3)
@pytest.mark.parametrize(("name", "options"), CASES)
def test_a_killed_run_equals_a_whole_one(tmp_path, whole, at, killed, name, options):
    rows = Rows()
    for hook, n in (("on_train_batch_end", 6), ("on_validation_batch_end", 5)):
        with pytest.raises(killed):
            fit(tmp_path, name, rows, at(hook, n), **options)
        torch.rand(5)  # what the program draws besides
    assert (fit(tmp_path, name, rows, **options), rows.rows) == whole(name, **options)


@pytest.mark.sampled(1, 1)
@pytest.mark.parametrize("name", ["classify", "binary", "manual"])
def test_an_ended_run_can_be_ended_again_and_made_longer(tmp_path, whole, at, killed, name):
    rows = Rows()
    with pytest.raises(killed):
        fit(tmp_path, name, rows, at("on_train_end", 1), max_epochs=3)
    assert fit(tmp_path, name, rows, max_epochs=3) == whole(name, max_epochs=3)[0]
    assert (fit(tmp_path, name, rows), rows.rows) == whole(name)


def test_the_runs_have_what_a_resume_could_lose(whole):
    """The rate falls three times or more, and the best accuracy is sometimes an older one."""
    assert len({str(rates) for rates, _ in whole("binary")[1].values()}) >= 4
    metrics = [metrics for _, metrics in whole("classify")[1].values()]
    assert any(each["val_acc"] != each["val_acc_best"] for each in metrics)


def test_a_stopped_run_stays_stopped(tmp_path, at, killed):
    rows, stop = Rows(), EarlyStopping("val_loss", patience=1, min_delta=100)
    with pytest.raises(killed):
        fit(tmp_path, "binary", rows, stop, at("on_train_end", 1))
    assert fit(tmp_path, "binary", rows, EarlyStopping("val_loss"))["epoch"] == len(rows.rows) == 2


def test_a_checkpoint_within_an_epoch_is_said_to_be_inexact(tmp_path):
    within = ModelCheckpoint(tmp_path, "within", every_n_train_steps=6)
    module, data = (make() for make in MODULES["binary"])
    settings: Any = {"accelerator": "cpu", "logger": False, "enable_progress_bar": False}
    said: list[str] = []
    for path in (None, tmp_path / "within.ckpt"):
        callbacks: Any = [seqsweep.ExactResume(0, said.append), within]
        trainer = L.Trainer(max_epochs=2, callbacks=callbacks, **settings)
        trainer.fit(module, datamodule=data, ckpt_path=path)
        assert len(said) == (path is not None)
    assert "needs save_on_train_epoch_end=True" in said[0]


@pytest.mark.durability
@pytest.mark.parametrize("name", ["classify", "tag"])
def test_a_run_killed_at_any_write_equals_a_whole_one(tmp_path, whole, fault_at, name):
    """The kill is after each call in turn that changes a file."""
    for n in itertools.count(1):
        with fault_at(n, "kill") as calls:
            fit(tmp_path / str(n), name, Rows(), max_epochs=3)
        assert fit(tmp_path / str(n), name, Rows(), max_epochs=3) == whole(name, max_epochs=3)[0]
        if len(calls) < n:
            assert n > 10
            return
