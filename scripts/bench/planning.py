"""Measures how long seqsweep takes to recognise a finished sweep.

    python scripts/bench/planning.py [--members 1000]

The program writes the records of a sweep as if its members had been trained, and runs the sweep's
command twice. The first call writes the report. The second call is timed as a whole process. The
program prints the seconds in all and the milliseconds for each member.
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from made_runs import compose_configs
from timing import ONE_THREAD, wall_seconds

from seqsweep.runs.documents import to_text, write_sealed
from seqsweep.runs.files import write_text
from seqsweep.runs.identity import SEMANTICS, flatten
from seqsweep.training.planned_run import plan

CELLS = "rnn,gru,lstm"
METRICS = {"val/acc": 0.9, "val/loss": 0.3, "test/acc": 0.9, "test/f1": 0.9, "train/loss": 0.2}
RESULT = {
    "semantics": SEMANTICS,
    "status": "complete",
    "metrics": METRICS,
    "best_epoch": 1,
    "params": 1,
    "epochs": 30,
}


def write_records(folder: Path, seeds: int, sizes: int) -> int:
    """Writes a record for each cell, hidden size and seed; returns their number."""
    (config,) = compose_configs(["data=digits", f"output_dir={folder}"])
    count = 0
    for cell in CELLS.split(","):
        for size in range(1, sizes + 1):
            for seed in range(seeds):
                config["model"] |= {"cell": cell, "hidden_size": size}
                config["seed"] = seed
                run_id = plan(config).run_id
                run = folder / "sweeps" / "bench" / run_id
                run.mkdir(parents=True, exist_ok=True)
                flat = dict(flatten(config))
                record = {"run_id": run_id, "train_seconds": 1.0, "config": flat}
                write_text(run / "config.yaml", to_text(config), sync=False)
                write_sealed(run / "record.json", RESULT | record)
                count += 1
    return count


def run_timed(command: list[str]) -> tuple[float, str]:
    """Runs a command; returns its seconds and its output."""
    output = ""

    def run() -> None:
        nonlocal output
        output = subprocess.check_output(command, text=True, env=ONE_THREAD)

    return wall_seconds(run), output


def main() -> None:
    parser = argparse.ArgumentParser(description="Times the command of a finished sweep.")
    parser.add_argument("--members", type=int, default=1000)
    options = parser.parse_args()
    seeds = 10
    sizes = round(options.members / seeds / 3)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        count = write_records(folder, seeds, sizes)
        grid = [f"model.cell={CELLS}", f"model.hidden_size=range(1,{sizes + 1})", "seed=range(10)"]
        command = [
            sys.executable,
            "-m",
            "seqsweep",
            "train",
            "-m",
            "data=digits",
            *grid,
            "sweep.name=bench",
        ]
        run_timed([*command, f"output_dir={folder}"])
        seconds, printed = run_timed([*command, f"output_dir={folder}"])
    first = printed.splitlines()[0]
    if f"{count} done, 0 to train" not in first:
        sys.exit(f"not recognised: {first}")
    print(f"{count} finished members: {seconds:.1f} s in all, {seconds / count * 1e3:.1f} ms each")


if __name__ == "__main__":
    main()
