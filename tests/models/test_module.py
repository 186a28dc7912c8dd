"""Training through Lightning is the plain loop; nothing but its config changes a run's result."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
import pytest
import torch
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.plugins import MixedPrecision
from torch import Tensor, nn
from torch.nn import functional

from seqsweep.data.batch import EpochBatches, SequenceDataset
from seqsweep.data.datamodule import SequenceDataModule
from seqsweep.data.raw import make_sequences
from seqsweep.data.sequences import Sequences, Splits
from seqsweep.models.classifier import RNNClassifier
from seqsweep.models.module import SequenceClassifier
from seqsweep.seeding import global_stream
from seqsweep.training.loggers import TrainerLogger
from seqsweep.training.trainer import build_trainer, quiet

N, T, F, C, EPOCHS, BATCH, SEED = 22, 6, 3, 3, 4, 5, 7


class Rows(TrainerLogger):
    """Keeps the rows of a run."""

    def __init__(self) -> None:
        super().__init__("")
        self.rows: list[dict[str, Any]] = []

    def log_metrics(self, metrics: Mapping[str, Any], step: int | None = None) -> None:
        self.rows.append({**metrics, "step": step})


def sequences(seed: int = 0) -> Sequences:
    """N of mixed lengths; the last batch of an epoch is smaller than the others."""
    rng = np.random.default_rng(seed)
    lengths = rng.integers(2, T + 1, N)
    x = rng.normal(size=(N, T, F)).astype(np.float32)
    return make_sequences(x, np.arange(N) % C, lengths, where="test")


def module_of(splits: Splits) -> SequenceDataModule:
    return SequenceDataModule(
        splits, BATCH, val_fraction=0, test_fraction=0, standardize=False, seed=SEED
    )


def network(dropout: float = 0.0) -> RNNClassifier:
    with global_stream(SEED, "init"):
        return RNNClassifier(F, 8, C, num_layers=2, dropout=dropout)


def fit(
    folder: Path, model: nn.Module, val: Sequences | None = None, **options: Any
) -> list[dict[str, Any]]:
    """Trains `model` in place with a real Trainer; the rows that the loggers got."""
    rows = Rows()
    callbacks: list[Callback] = []
    options = {"optimizer": adam, "seed": SEED} | options
    trainer = build_trainer(EPOCHS, "cpu", folder=folder, logger=[rows], callbacks=callbacks)
    data = module_of(Splits(sequences(), val))
    if val is None:
        trainer.limit_val_batches = 0
    trainer.fit(SequenceClassifier(model, C, **options), datamodule=data)
    return rows.rows


def plain_loop(
    model: nn.Module,
    optimizer: Any,
    scheduler: Any = None,
    class_weights: Tensor | None = None,
    label_smoothing: float = 0.0,
) -> list[float]:
    """The loop that anyone would write; the loss of each epoch over all of its sequences."""
    optimizer = optimizer(model.parameters())
    scheduler = scheduler(optimizer) if scheduler else None
    dataset, batches = SequenceDataset(sequences()), EpochBatches(N, BATCH, SEED)
    losses: list[float] = []
    for epoch in range(EPOCHS):
        batches.set_epoch(epoch)
        total = weight = 0.0
        for indices in batches:
            x, lengths, labels = dataset.__getitems__(indices)
            optimizer.zero_grad()
            loss = functional.cross_entropy(
                model(x, lengths), labels, class_weights, label_smoothing=label_smoothing
            )
            loss.backward()
            optimizer.step()
            share = len(labels) if class_weights is None else float(class_weights[labels].sum())
            total, weight = total + loss.item() * share, weight + share
        losses.append(total / weight)
        if scheduler:
            scheduler.step()
    return losses


def adam(parameters: Any) -> torch.optim.Optimizer:
    return torch.optim.Adam(parameters, lr=0.01)


def sgd(parameters: Any) -> torch.optim.Optimizer:
    return torch.optim.SGD(parameters, lr=0.1, momentum=0.9)


def halved(optimizer: torch.optim.Optimizer) -> torch.optim.lr_scheduler.LRScheduler:
    return torch.optim.lr_scheduler.StepLR(optimizer, step_size=2, gamma=0.5)


WEIGHTED = {"class_weights": torch.tensor([0.5, 1.0, 2.0]), "label_smoothing": 0.1}


@pytest.mark.parametrize(
    "options",
    [{"optimizer": sgd, "scheduler": halved}, {"optimizer": adam} | WEIGHTED],
    ids=["sgd-scheduled", "weighted-smoothed"],
)
def test_equals_a_plain_loop(options, tmp_path):
    ours, plain = network(), network()
    rows = fit(tmp_path, ours, val=sequences(seed=1), **options)
    losses = plain_loop(plain, **options)
    assert [row["epoch"] for row in rows] == list(range(EPOCHS))
    assert [row["step"] for row in rows] == [5, 10, 15, 20]
    names = {f"{split}/{name}" for split in ("train", "val") for name in ("loss", "acc", "f1")}
    assert set(rows[0]) == {"epoch", "step", "lr", "train/grad_norm", *names}
    if "scheduler" in options:
        assert [row["lr"] for row in rows] == [0.1, 0.1, 0.05, 0.05]
    assert [row["train/loss"] for row in rows] == pytest.approx(losses, rel=1e-12)
    # The validation loss is plain, with weights and smoothing too.
    x, lengths, labels = SequenceDataset(sequences(seed=1)).__getitems__(list(range(N)))
    with torch.no_grad():
        expected = functional.cross_entropy(ours(x, lengths), labels)
    assert rows[-1]["val/loss"] == pytest.approx(expected.item(), rel=1e-6)
    for name, parameter in ours.state_dict().items():
        assert not torch.equal(parameter, network().state_dict()[name])
        assert torch.equal(parameter, plain.state_dict()[name])


class Automatic(L.LightningModule):
    """A module as for a plain Trainer, which optimises by itself."""

    def __init__(self, model: nn.Module, optimizer: Any) -> None:
        super().__init__()
        self.model, self.make_optimizer = model, optimizer

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        return functional.cross_entropy(self.model(batch.x, batch.lengths), batch.labels)

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        """Lightning warns where there is none."""

    def configure_optimizers(self) -> Any:
        return self.make_optimizer(self.model.parameters())


def plain_trainer(folder: Path, **options: Any) -> L.Trainer:
    return L.Trainer(
        max_epochs=EPOCHS, accelerator="cpu", logger=False, enable_checkpointing=False,
        enable_progress_bar=False, enable_model_summary=False, limit_val_batches=0,
        use_distributed_sampler=False, default_root_dir=folder, **options,
    )  # fmt: skip


@pytest.mark.parametrize("options", [
    {"accumulate_grad_batches": 3, "gradient_clip_val": 0.05},
    {"gradient_clip_val": 0.01, "gradient_clip_algorithm": "value"},
    {"accumulate_grad_batches": 2, "max_steps": 5, "limit_train_batches": 4},
])  # fmt: skip
def test_equals_lightnings_automatic_optimisation(options: dict[str, Any], tmp_path: Path) -> None:
    """An epoch has 5 batches, so its last step may hold fewer than the others."""
    passed_on = {k: options[k] for k in ("max_steps", "limit_train_batches") if k in options}
    ours, plain = network(), network()
    data = module_of(Splits(sequences()))
    own = {name: value for name, value in options.items() if name not in passed_on}
    module = SequenceClassifier(ours, C, adam, seed=SEED, **own)
    trainer = build_trainer(
        EPOCHS, "cpu", folder=tmp_path, logger=[], callbacks=[], limit_val_batches=0, **passed_on
    )
    trainer.fit(module, datamodule=data)
    automatic = plain_trainer(tmp_path, **options)
    automatic.fit(Automatic(plain, adam), datamodule=data)
    assert trainer.global_step == automatic.global_step
    for name, parameter in ours.state_dict().items():
        assert not torch.equal(parameter, network().state_dict()[name])
        torch.testing.assert_close(parameter, plain.state_dict()[name], rtol=1e-6, atol=1e-7)


class Mean(nn.Module):
    """Logits from the mean over time, which half precision serves on the CPU too."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(F, C)

    def forward(self, x: Tensor, lengths: Tensor | None = None) -> Tensor:
        return self.head(x.mean(1))


@pytest.mark.parametrize("init_scale", [2.0**10, 2.0**22], ids=["finite", "first steps overflow"])
def test_a_scaled_loss_is_clipped_as_lightning_clips_it(init_scale: float, tmp_path: Path) -> None:
    """Trains with `precision=16-mixed` on the CPU; a step that overflows is left out."""
    quiet()  # as every run does
    torch.manual_seed(SEED)
    ours, plain = Mean(), Mean()
    first = ours.head.weight.clone()
    plain.load_state_dict(ours.state_dict())
    module = SequenceClassifier(ours, C, adam, gradient_clip_val=0.05, seed=SEED)
    for each, clip_val in ((module, None), (Automatic(plain, adam), 0.05)):
        scaler = torch.amp.GradScaler("cpu", init_scale=init_scale)
        plugin = MixedPrecision("16-mixed", "cpu", scaler)
        trainer = plain_trainer(tmp_path, plugins=[plugin], gradient_clip_val=clip_val)
        trainer.fit(each, datamodule=module_of(Splits(sequences())))
        assert (scaler.get_scale() < init_scale) == (init_scale == 2.0**22)
    assert np.isfinite(module.epoch_metrics["train/grad_norm"])
    assert not torch.equal(ours.head.weight, first)
    for name, parameter in ours.state_dict().items():
        torch.testing.assert_close(parameter, plain.state_dict()[name], rtol=1e-4, atol=1e-5)


def test_a_bad_argument_is_refused_by_name_and_value():
    refused: list[dict[str, Any]] = [
        {"label_smoothing": 1.0}, {"gradient_clip_val": 0.0}, {"accumulate_grad_batches": 0},
    ]  # fmt: skip
    for arguments in refused:
        (name,) = arguments
        with pytest.raises(ValueError, match=f"{name}={arguments[name]}: "):
            SequenceClassifier(network(), C, adam, **arguments)


def test_weight_decay_spares_the_weights_that_the_class_of_the_cell_names():
    network = RNNClassifier(2, 3, 4, "lru", num_layers=2)
    make = partial(torch.optim.AdamW, weight_decay=0.1)
    kept, spared = (
        SequenceClassifier(network, 4, optimizer=make).configure_optimizers().param_groups
    )
    names = {id(parameter): name for name, parameter in network.named_parameters()}
    assert (kept["weight_decay"], spared["weight_decay"]) == (0.1, 0.0)
    assert [names[id(p)] for p in spared["params"]] == [
        f"rnn.{name}_log_l{layer}" for layer in range(2) for name in ("nu", "theta", "gamma")
    ]
    assert len(kept["params"]) + len(spared["params"]) == len(names)
