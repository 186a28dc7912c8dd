"""Measures the cost of one run: seqsweep, a plain PyTorch loop, and Lightning's defaults.

    python scripts/bench/single_run.py [--epochs 30] [--repeats 5]

All three train the same network on the same sequences in this process, on one thread, with the
same initial weights, Adam, clipping and a validation after each epoch. The plain loop keeps its
best weights in memory; the other two write logs and checkpoints. They take turns, and the least
CPU time of each counts. `step` is the time of an epoch's training batches divided by their number,
and `run` is the time from the first batch to the end of the test. Every ratio is to the plain loop.
"""

import copy
import io
import logging
import tempfile
import time
import warnings
from collections.abc import Callable, Mapping
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any, NamedTuple

import lightning as L
import torch
from frame import Table, read_options
from lightning.pytorch.loggers import TensorBoardLogger
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset
from torchmetrics.classification import MulticlassAccuracy

from seqsweep import compose
from seqsweep.data.batch import EpochBatches
from seqsweep.data.sequences import Sequences, Splits
from seqsweep.runs.metrics_csv import read_rows
from seqsweep.training.build_run import build_data, build_module
from seqsweep.training.planned_run import PlannedRun, plan
from seqsweep.training.train import train

COMMON = ["trainer=cpu", "trainer.progress_bar=true", "logger=both"]
SIZE = "model.hidden_size=32"
CASES = {
    "digits: 8 steps x 8, batch 64, hidden 32": ["data=digits", "data.batch_size=64", SIZE],
    "random: 32 steps x 16, batch 64, hidden 32": ["data=random", "data.batch_size=64", SIZE],
    "Japanese Vowels: 7-29 steps x 12, batch 32, hidden 32": ["data=japanese_vowels", SIZE],
    "notebook: 6 steps x 5, batch 3, hidden 10": [
        "experiment=notebook_simple",
        "~logger.print_loss",
    ],
}


class Cost(NamedTuple):
    """The seconds of a step and of the run, and the last training loss."""

    step: float
    run: float
    loss: float


class EpochClock(L.Callback):
    """Adds up the CPU time of the training batches of each epoch."""

    def __init__(self) -> None:
        self.seconds, self.steps, self.started = 0.0, 0, 0.0

    def on_train_epoch_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self.started = time.process_time()

    def on_train_batch_end(self, trainer: L.Trainer, *args: Any, **kwargs: Any) -> None:
        if trainer.is_last_batch:
            self.seconds += time.process_time() - self.started
            self.steps += trainer.num_training_batches  # pyright: ignore[reportAttributeAccessIssue]


class RunClock:
    """A display that measures the CPU time of the epochs, with their validation."""

    def start(self, epochs: int | None) -> None:
        self.started = time.process_time()

    def draw(self, epochs: float, metrics: Mapping[str, Any]) -> None:
        pass

    def stop(self) -> None:
        self.seconds = time.process_time() - self.started


def ours(planned: PlannedRun, splits: Splits, network: nn.Module) -> Cost:
    """Trains as `seqsweep train` does, from the checked config to record.json."""
    clock = RunClock()
    with tempfile.TemporaryDirectory() as folder:
        start = time.process_time()
        outcome = train(planned, Path(folder), progress=clock)
        run = time.process_time() - start
        last = read_rows(outcome.folder.path / "metrics.csv")[-1]
    return Cost(clock.seconds / last["step"], run, last["train/loss"])


def plain(planned: PlannedRun, splits: Splits, network: nn.Module) -> Cost:
    """Trains by the loop that a person writes: torch.optim.Adam, the best weights by deepcopy."""
    config, split, val = planned.config, splits.train, splits.val
    start = time.process_time()
    x, lengths, labels = tensors(split)
    batches = EpochBatches(len(split), config["data"]["batch_size"], config["seed"])
    optimizer = torch.optim.Adam(network.parameters(), lr=config["optimizer"]["lr"])
    clip = config["trainer"]["gradient_clip_val"]
    seconds, steps, best, best_acc, loss = 0.0, 0, None, -1.0, float("nan")
    for epoch in range(config["trainer"]["max_epochs"]):
        batches.set_epoch(epoch)
        network.train()
        epoch_start = time.process_time()
        total = correct = 0.0
        for rows in map(torch.tensor, batches):
            longest = int(lengths[rows].max())
            logits = network(x[rows][:, :longest], lengths[rows])
            batch_loss = nn.functional.cross_entropy(logits, labels[rows])
            optimizer.zero_grad()
            batch_loss.backward()
            if clip is not None:
                nn.utils.clip_grad_norm_(network.parameters(), clip)
            optimizer.step()
            total += batch_loss.item() * len(rows)
            correct += (logits.argmax(1) == labels[rows]).sum().item()
            steps += 1
        seconds += time.process_time() - epoch_start
        loss = total / len(split)
        if val is not None:
            acc = accuracy(network, val)
            if acc > best_acc:
                best, best_acc = copy.deepcopy(network.state_dict()), acc
    if best is not None and splits.test is not None:
        network.load_state_dict(best)
        accuracy(network, splits.test)
    return Cost(seconds / steps, time.process_time() - start, loss)


def template(planned: PlannedRun, splits: Splits, network: nn.Module) -> Cost:
    """Trains by Lightning in the usual style: defaults, a DataLoader, torchmetrics, self.log."""
    config = planned.config
    module = TemplateModule(network, splits.num_classes, config["optimizer"]["lr"])
    train_loader, val_loader, test_loader = loaders(splits, config["data"]["batch_size"])
    clock = EpochClock()
    with tempfile.TemporaryDirectory() as folder, redirect_stdout(io.StringIO()):
        start = time.process_time()
        trainer = L.Trainer(
            accelerator="cpu",
            max_epochs=config["trainer"]["max_epochs"],
            gradient_clip_val=config["trainer"]["gradient_clip_val"],
            default_root_dir=folder,
            logger=TensorBoardLogger(folder),
            callbacks=[clock],
        )
        trainer.fit(module, train_loader, val_loader)
        loss = float(trainer.callback_metrics["train/loss"])
        if test_loader is not None:
            trainer.test(module, test_loader, verbose=False)
        run = time.process_time() - start
    return Cost(clock.seconds / clock.steps, run, loss)


class TemplateModule(L.LightningModule):
    """The module of most templates: automatic optimization, a torchmetrics accuracy per stage."""

    def __init__(self, network: nn.Module, num_classes: int, lr: float) -> None:
        super().__init__()
        self.network, self.lr = network, lr
        names = ("train", "val", "test")
        self.acc = nn.ModuleDict({f"{n}_": MulticlassAccuracy(num_classes) for n in names})

    def _step(self, batch: list[Tensor], stage: str) -> Tensor:
        logits = self.network(batch[0], batch[1])
        loss = nn.functional.cross_entropy(logits, batch[2])
        metric = self.acc[f"{stage}_"]
        metric(logits, batch[2])
        self.log(f"{stage}/loss", loss, on_step=False, on_epoch=True, prog_bar=True)
        self.log(f"{stage}/acc", metric, on_step=False, on_epoch=True, prog_bar=True)  # pyright: ignore[reportArgumentType]
        return loss

    def training_step(self, batch: list[Tensor], batch_idx: int) -> Tensor:
        return self._step(batch, "train")

    def validation_step(self, batch: list[Tensor], batch_idx: int) -> None:
        self._step(batch, "val")

    def test_step(self, batch: list[Tensor], batch_idx: int) -> None:
        self._step(batch, "test")

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.Adam(self.parameters(), lr=self.lr)


def loaders(splits: Splits, batch_size: int) -> list[DataLoader[Any] | None]:
    """Returns Lightning's loaders of the three splits."""
    return [
        None if split is None else DataLoader(
            TensorDataset(*tensors(split)),
            batch_size=batch_size if split is splits.train else 512,
            shuffle=split is splits.train,
        )
        for split in (splits.train, splits.val, splits.test)
    ]  # fmt: skip


def tensors(split: Sequences) -> tuple[Tensor, Tensor, Tensor]:
    """Returns x (N, T, F), lengths (N,) and labels (N,)."""
    x, lengths, labels = map(torch.from_numpy, (split.x, split.lengths, split.labels))
    return x, lengths, labels


def accuracy(network: nn.Module, split: Sequences) -> float:
    x, lengths, labels = tensors(split)
    network.eval()
    with torch.no_grad():
        predicted = network(x, lengths).argmax(1)
    return (predicted == labels).double().mean().item()


def be_quiet() -> None:
    """Silences warnings and Lightning, and computes with one thread."""
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.ERROR)


WAYS: dict[str, Callable[[PlannedRun, Splits, nn.Module], Cost]] = {
    "plain PyTorch loop": plain,
    "seqsweep": ours,
    "Lightning's defaults": template,
}


def measure(overrides: list[str], repeats: int) -> dict[str, Cost]:
    """Measures all ways in turn; returns the least step and run time of each."""
    planned = plan(compose(COMMON, overrides))
    costs: dict[str, list[Cost]] = {name: [] for name in WAYS}
    for _ in range(repeats):
        for name, way in WAYS.items():
            data = build_data(planned.config)
            network = build_module(planned.config, data.splits).network
            costs[name].append(way(planned, data.splits, network))
    return {
        name: Cost(min(c.step for c in turns), min(c.run for c in turns), turns[-1].loss)
        for name, turns in costs.items()
    }


def main() -> None:
    options = read_options(__doc__, epochs=30, repeats=5)
    be_quiet()
    print(f"torch {torch.__version__}, one thread, CPU time, {options.epochs} epochs", end="")
    print(f", least of {options.repeats}")
    for title, overrides in CASES.items():
        costs = measure([*overrides, f"trainer.max_epochs={options.epochs}"], options.repeats)
        base = costs["plain PyTorch loop"]
        print(f"\n{title}")
        table = Table("", "step, us", "ratio", "run, s", "ratio", "last train loss")
        for name, cost in costs.items():
            ratios = (f"{cost.step / base.step:.2f}", f"{cost.run / base.run:.2f}")
            step, run = cost.step * 1e6, f"{cost.run:.2f}"
            table.row(name, step, ratios[0], run, ratios[1], f"{cost.loss:.6f}")


if __name__ == "__main__":
    main()
