"""Folders of finished runs of a user's own LightningModule, written by hand."""

from pathlib import Path
from typing import Any

import numpy as np
from finished_runs import finish_run

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
    for number, (width, seed) in enumerate((w, s) for w in WIDTHS for s in SEEDS):
        config = CONFIG | {"monitor": monitor, "monitor_mode": mode}
        config |= {"model.width": width, "seed": seed} | more
        metrics = {name: values(name, width, seed) for name in directions}
        record: dict[str, Any] = {"directions": directions, "metrics": metrics}
        record |= {"epochs": 3, "steps": 30}
        run = finish_run(folder / f"{number:016x}", config, {}, **record)
        logged = [name for name in directions if not name.startswith("test")]
        lines = [",".join(["epoch", "step", *logged])]
        for epoch in range(3):
            # The first epoch has logged no training loss yet.
            cells = [
                "" if (name, epoch) == ("train_loss", 0) else values(name, width, seed, epoch)
                for name in logged
            ]
            lines.append(",".join(map(str, [epoch, 10 * epoch + 10, *cells])))
        (run / "metrics.csv").write_text("\n".join([*lines, ""]))
    return folder
