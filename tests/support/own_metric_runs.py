"""A sweep of a user's own LightningModule: its metrics have names of the user's."""

from pathlib import Path
from typing import Any

import numpy as np
from made_sweeps import sweep_of

CONFIG: dict[str, Any] = {
    "model._target_": "mine.Net", "data._target_": "mine.Data", "optimizer": None,
    "scheduler": None, "loss": None, "trainer.max_epochs": 3,
}  # fmt: skip
DIRECTIONS = {"val_loss": "min", "val_acc": "max", "train_loss": "min", "test_acc": "max"}
WIDTHS, SEEDS = (4, 8, 16), range(5)


def value(name: str, width: int, seed: int, epoch: int = 1) -> float:
    """The value of a metric; of the accuracies, width 8 has the best, and 4 the worst."""
    noise = np.random.default_rng([seed, width]).normal(0, 0.01)
    base = {4: 0.6, 8: 0.9, 16: 0.75}[width] + noise - 0.01 * abs(epoch - 1)
    # A loss as small as that of a regression.
    return base - 0.02 * name.startswith("test") if name.endswith("acc") else 1e-5 * (2 - base)


def finish_own_runs(
    folder: Path,
    monitor: str | None = "val_acc",
    mode: str | None = "max",
    directions: Any = DIRECTIONS,
    values: Any = value,
    **more: Any,
) -> Path:
    """Writes the runs of three widths and five seeds, three epochs each."""
    logged = [name for name in directions if not name.startswith("test")]

    def metrics(config: dict[str, Any]) -> dict[str, float]:
        return {name: values(name, config["model.width"], config["seed"]) for name in directions}

    def rows(config: dict[str, Any]) -> tuple[str, list[list[Any]]]:
        of_run = config["model.width"], config["seed"]
        made = [[e, 10 * e + 10, *(values(n, *of_run, e) for n in logged)] for e in range(3)]
        if "train_loss" in logged:  # The first epoch has logged no training loss yet.
            made[0][2 + logged.index("train_loss")] = ""
        return ",".join(["epoch", "step", *logged]), made

    config = CONFIG | {"monitor": monitor, "monitor_mode": mode} | more
    configs = [config | {"model.width": width} for width in WIDTHS]
    record = {"directions": directions, "epochs": 3, "steps": 30}
    return sweep_of(folder, configs, SEEDS, metrics, rows, **record)
