"""Measures what a tracker adds to a sweep besides opening and closing its runs.

    python scripts/bench/loggers.py [--loggers wandb mlflow] [--repeats 2]
        [--sweep data=digits seed=0,1]

The sweep is trained without a tracker. The same command with `logger=wandb` then feeds its finished
runs, as it does in the sweep. `feeding` is the CPU time of that command, without the time of the
command that finds all runs complete, and without the time of a loop that imports Lightning and the
tracker, opens and closes as many runs, and logs nothing. So it does not contain the noise of a
whole sweep. CPU is the user and system time of a process and its children; the least of the repeats
counts. W&B is offline, and MLflow writes to sqlite; its tables are made beforehand.
"""

import argparse
import sys
import tempfile
from pathlib import Path

from frame import SEQSWEEP, Table, read_options, run

GRID = ("sweep=architecture", "model.hidden_size=16,32,64,128", "seed=range(5)")
"""The sweep by default: 120 runs."""
VARIABLES = {
    "WANDB_MODE": "offline", "WANDB_SILENT": "true", "MLFLOW_TRACKING_URI": "sqlite:///mlflow.db"
}  # fmt: skip
LOOPS = {
    "wandb": "import sys, wandb, lightning.pytorch.loggers\n"
    "for i in range(int(sys.argv[1])):\n"
    "    settings = wandb.Settings(silent=True)\n"
    "    wandb.init(mode='offline', project='bare', id=f'bare{i}', settings=settings).finish()",
    "mlflow": "import sys, mlflow, lightning.pytorch.loggers\n"
    "mlflow.set_experiment('bare')\n"
    "for i in range(int(sys.argv[1])):\n"
    "    mlflow.start_run(run_name=f'bare{i}')\n"
    "    mlflow.end_run()",
}
"""The program that opens and closes runs, by logger."""


def main() -> None:
    options = read_options(__doc__, loggers=tuple(LOOPS), repeats=2, sweep=[*GRID])
    with tempfile.TemporaryDirectory() as folder:
        measure(Path(folder), options)


def measure(folder: Path, options: argparse.Namespace) -> None:
    command = [*SEQSWEEP, "train", "-m", *options.sweep]
    command += ["trainer=cpu", "sweep.report=false"]
    sweep = cpu_of(command, folder)
    done = min(cpu_of(command, folder) for _ in range(options.repeats))
    runs = [path.parent for path in folder.glob("outputs/sweeps/*/*/record.json")]
    print(f"{len(runs)} runs: {sweep:.1f} s of CPU, {done:.1f} s where all are complete")
    table = Table("CPU seconds", "in all", "init and finish", "feeding", "of the sweep")
    for name in options.loggers:
        loop = [sys.executable, "-c", LOOPS[name]]
        cpu_of([*loop, "1"], folder)  # makes the tables of MLflow
        bare = min(cpu_of([*loop, str(len(runs))], folder) for _ in range(options.repeats))
        fed: list[float] = []
        for _ in range(options.repeats):
            for each in runs:
                (each / "loggers.json").unlink(missing_ok=True)
            fed.append(cpu_of([*command, f"logger={name}"], folder))
        feeding = min(fed) - done - bare
        table.row(name, min(fed), bare, feeding, f"{feeding / sweep:.1%}")


def cpu_of(command: list[str], folder: Path) -> float:
    return run(command, folder, VARIABLES).cpu


if __name__ == "__main__":
    main()
