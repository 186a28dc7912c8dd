"""Searches with one Lightning Trainer per trial, by Optuna or by Ray Tune.

search.py starts this program and reads the events that it appends to events.jsonl: an improvement
of a trial's validation accuracy, with its params and its weights.
"""

import argparse
import json
import logging
import os
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import lightning as L
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.loggers import CSVLogger
from made_runs import compose_configs
from single_run import TemplateModule
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence
from torch.utils.data import DataLoader, TensorDataset

from seqsweep.data.sequences import Splits
from seqsweep.training.build_run import build_data

EPOCHS = 27
CELLS = {"rnn": nn.RNN, "gru": nn.GRU, "lstm": nn.LSTM}
CHOICES: dict[str, list[Any]] = {
    "cell": ["rnn", "gru", "lstm"],
    "num_layers": [1, 2],
    "bidirectional": [False, True],
    "dropout": [0.0, 0.2, 0.5],
    "batch_size": [16, 32, 64],
}
SIZES, RATES = (8, 64), (3e-4, 0.1)
"""The intervals of hidden_size and lr, both on a logarithmic scale."""

Report = Callable[[int, float], None]
"""Receives the number of finished epochs and the validation accuracy."""


class Network(nn.Module):
    """The final states of PyTorch's recurrent layers, and a linear layer."""

    def __init__(self, params: Mapping[str, Any], features: int, classes: int) -> None:
        super().__init__()
        layers, both, size = params["num_layers"], params["bidirectional"], params["hidden_size"]
        # PyTorch warns of a dropout that has no layer to follow.
        dropout = params["dropout"] if layers > 1 else 0.0
        self.rnn = CELLS[params["cell"]](
            features, size, layers, batch_first=True, bidirectional=both, dropout=dropout
        )
        self.head = nn.Linear(size * (1 + both), classes)

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        packed = pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
        _, state = self.rnn(packed)
        last = state[0] if isinstance(state, tuple) else state
        ways = 2 if self.rnn.bidirectional else 1
        return self.head(torch.cat(tuple(last[-ways:]), dim=1))


class Events(L.Callback):
    """Appends each improvement to events.jsonl, and reports each epoch to the search."""

    def __init__(self, folder: Path, name: str, params: Mapping[str, Any], report: Report) -> None:
        self.folder, self.name, self.params, self.report = folder, name, params, report
        self.best = -1.0

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        value = float(trainer.callback_metrics["val/acc"])
        if value > self.best:
            self.best = value
            weights = self.folder / f"{self.name}-{trainer.current_epoch}.pt"
            network: Any = pl_module.network
            torch.save(network.state_dict(), weights)
            event = {"trial": self.name, "val": value, "params": dict(self.params),
                     "weights": str(weights)}  # fmt: skip
            with (self.folder / "events.jsonl").open("a") as file:
                file.write(json.dumps(event) + "\n")
        self.report(trainer.current_epoch + 1, value)


def load_splits(data: str) -> tuple[Splits, float | None]:
    """Returns the prepared splits of a data set, and the limit of the gradient's norm."""
    (config,) = compose_configs([f"data={data}", "trainer=cpu"])
    return build_data(config).splits, config["trainer"]["gradient_clip_val"]


def train(
    params: Mapping[str, Any], data: str, folder: Path, name: str, seed: int, report: Report
) -> None:
    """Trains one trial; `report` may end it by an exception."""
    torch.set_num_threads(1)
    _be_quiet()
    L.seed_everything(seed, verbose=False)
    splits, clip = load_splits(data)
    features = splits.train.x.shape[2]
    module = TemplateModule(
        Network(params, features, splits.num_classes), splits.num_classes, params["lr"]
    )
    loaders = [
        DataLoader(
            TensorDataset(*map(torch.from_numpy, (split.x, split.lengths, split.labels))),
            batch_size=params["batch_size"] if split is splits.train else 512,
            shuffle=split is splits.train,
        )
        for split in (splits.train, splits.val)
        if split is not None
    ]
    place = folder / name
    trainer = L.Trainer(
        accelerator="cpu",
        max_epochs=EPOCHS,
        gradient_clip_val=clip,
        logger=CSVLogger(place),
        callbacks=[
            ModelCheckpoint(place, monitor="val/acc", mode="max"),
            Events(folder, name, params, report),
        ],
        # Without these three, Lightning is a little faster than in most templates.
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
    )
    trainer.fit(module, loaders[0], loaders[1])


def _be_quiet() -> None:
    warnings.simplefilter("ignore")
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.ERROR)


def search_with_optuna(data: str, folder: Path, seed: int) -> None:
    """TPE with the Hyperband pruner, one trial after another."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)

    def objective(trial: optuna.Trial) -> float:
        params: dict[str, Any] = {
            "hidden_size": trial.suggest_int("hidden_size", *SIZES, log=True),
            "lr": trial.suggest_float("lr", *RATES, log=True),
            **{key: trial.suggest_categorical(key, values) for key, values in CHOICES.items()},
        }
        best = [0.0]

        def report(epoch: int, value: float) -> None:
            best[0] = max(best[0], value)
            trial.report(best[0], epoch)
            if trial.should_prune():
                raise optuna.TrialPruned

        train(params, data, folder, f"{trial.number}", seed, report)
        return best[0]

    study = optuna.create_study(
        direction="maximize",
        sampler=optuna.samplers.TPESampler(seed=seed),
        pruner=optuna.pruners.HyperbandPruner(1, EPOCHS, reduction_factor=3),
    )
    study.optimize(objective)


def search_with_ray(data: str, folder: Path, seed: int) -> None:
    """ASHA of Ray Tune with random configs, a trial per core at a time."""
    import ray
    from ray import tune
    from ray.tune.schedulers import ASHAScheduler
    from ray.tune.search.basic_variant import BasicVariantGenerator

    def trainable(params: dict[str, Any]) -> None:
        best = [0.0]

        def report(epoch: int, value: float) -> None:
            best[0] = max(best[0], value)
            tune.report({"val": best[0], "epoch": epoch})

        name = tune.get_context().get_trial_id()
        train(params, data, folder, name, seed, report)

    ray.init(num_cpus=os.cpu_count(), include_dashboard=False, log_to_driver=False)
    space: dict[str, Any] = {
        "hidden_size": tune.lograndint(SIZES[0], SIZES[1] + 1),
        "lr": tune.loguniform(*RATES),
        **{key: tune.choice(values) for key, values in CHOICES.items()},
    }
    scheduler = ASHAScheduler(time_attr="epoch", grace_period=1, max_t=EPOCHS, reduction_factor=3)
    settings = tune.TuneConfig(
        metric="val",
        mode="max",
        scheduler=scheduler,
        search_alg=BasicVariantGenerator(random_state=seed),
        num_samples=5000,
    )
    run = tune.RunConfig(storage_path=str(folder / "ray"), verbose=0)
    tune.Tuner(trainable, param_space=space, tune_config=settings, run_config=run).fit()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("way", choices=["tpe", "asha"])
    parser.add_argument("data")
    parser.add_argument("folder", type=Path)
    parser.add_argument("seed", type=int)
    options = parser.parse_args()
    _be_quiet()
    search = search_with_optuna if options.way == "tpe" else search_with_ray
    search(options.data, options.folder.resolve(), options.seed)


if __name__ == "__main__":
    main()
