"""Measures what a tracker adds to a sweep besides opening and closing its runs.

    python scripts/bench/loggers.py [--loggers wandb mlflow] [--repeats 2]
        [--sweep sweep=architecture]

The sweep is trained without a tracker. The same command with `logger=wandb` then feeds its finished
runs, as it does in the sweep. `feeding` is the CPU time of that command, without the time of the
command that finds all runs complete, and without the time of a loop that imports Lightning and the
tracker, opens and closes as many runs, and logs nothing. So it does not contain the noise of a
whole sweep. CPU is the user and system time of a process and its children; the least of the repeats
counts. W&B is offline, and MLflow writes to sqlite; its tables are made beforehand.

For MLflow, `its own store` is what a loop takes that gives it the same values in one call a run.
"""

import argparse
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

from timing import ONE_THREAD

MLFLOW = "sqlite:///mlflow.db"
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
MLFLOW_VALUES = """
import csv, glob, mlflow, lightning.pytorch.loggers
from mlflow.entities import Metric
mlflow.set_experiment('values')
for path in glob.glob('outputs/sweeps/*/*/metrics.csv'):
    rows = list(csv.DictReader(open(path)))
    values = [
        Metric(key, float(value), 0, int(row['step']))
        for row in rows for key, value in row.items() if key != 'step' and value
    ]
    run = mlflow.start_run()
    mlflow.MlflowClient().log_batch(run.info.run_id, metrics=values)
    mlflow.end_run()
"""
"""The program that gives MLflow the values of the finished runs."""


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--loggers", nargs="+", choices=LOOPS, default=list(LOOPS))
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--sweep", nargs="+", default=["sweep=architecture"])
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        measure(Path(folder), options)


def measure(folder: Path, options: argparse.Namespace) -> None:
    command = [sys.executable, "-m", "seqsweep", "train", "-m", *options.sweep]
    command += ["trainer=cpu", "sweep.report=false"]
    sweep = call(command, folder)
    done = min(call(command, folder) for _ in range(options.repeats))
    runs = [path.parent for path in folder.glob("outputs/sweeps/*/*/record.json")]
    print(
        f"{len(runs)} runs: {sweep:.1f} s of CPU, {done:.1f} s where all are complete", flush=True
    )
    for name in options.loggers:
        loop = [sys.executable, "-c", LOOPS[name]]
        call([*loop, "1"], folder)  # makes the tables of MLflow
        bare = min(call([*loop, str(len(runs))], folder) for _ in range(options.repeats))
        fed: list[float] = []
        for _ in range(options.repeats):
            for run in runs:
                (run / "loggers.json").unlink(missing_ok=True)
            fed.append(call([*command, f"logger={name}"], folder))
        feeding = min(fed) - done - bare
        print(
            f"{name}: {min(fed):.1f} s, init and finish {bare:.1f} s, feeding {feeding:.1f} s,"
            f" {feeding / sweep:.1%} of the sweep",
            flush=True,
        )
        if name == "mlflow":
            program = [sys.executable, "-c", MLFLOW_VALUES]
            own = min(call(program, folder) for _ in range(options.repeats)) - bare
            print(f"mlflow: its own store {own:.1f} s, {own / sweep:.1%} of the sweep", flush=True)


def call(command: list[str], folder: str | Path) -> float:
    """Runs a command; returns its CPU seconds."""
    variables = ONE_THREAD | {"WANDB_MODE": "offline", "WANDB_SILENT": "true"}
    variables |= {"MLFLOW_TRACKING_URI": MLFLOW}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, cwd=folder, env=variables, check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


if __name__ == "__main__":
    main()
