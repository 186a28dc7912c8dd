"""Measures the commands that read a sweep, from 24 runs to very many.

    python scripts/bench/large_sweep.py [--runs 24 120 1000 20000] [--only status report]

The sweep of tiny networks is trained first, without its report: configs with five seeds and curves
of 30 epochs. Then each command is a separate process; the table shows its CPU time with start and
imports and its peak memory. `--only` takes the beginnings of names.
"""

import math
import tempfile
from pathlib import Path

from frame import SEQSWEEP, Table, call_command, read_options, run

# Only the children import modules that need torch, because a new process starts with the peak
# memory of its parent.

SEEDS = 5
SWEEP = (
    "-m", "sweep.name=large", "sweep.ask_above=null", "trainer=cpu",
    "trainer.max_epochs=30", "data=frequencies", "data.batch_size=40",
    "data.source={num_train:40,num_val:20,num_test:20,length:6}",
)  # fmt: skip


def grid_of(runs: int) -> list[str]:
    """Returns the overrides of a grid of at least `runs` runs."""
    configs = math.ceil(runs / SEEDS)
    rates = math.ceil(configs / 20)
    sizes = math.ceil(configs / 2 / rates)
    rate_texts = ",".join(f"{0.0001 * (number + 1):.4f}" for number in range(rates))
    return [
        "model.cell=rnn,gru",
        f"model.hidden_size=range(4,{sizes + 4})",
        f"optimizer.lr={rate_texts}",
        f"seed=range({SEEDS})",
    ]


def view_made(folder: str, images: int) -> None:
    """Makes what TensorBoard shows of a sweep, with the pictures of the best runs."""
    from seqsweep.results.tensorboard.view import make_view

    with tempfile.TemporaryDirectory() as target:
        make_view(Path(folder), Path(target), images)


def watch(folder: str) -> None:
    """Draws the first frame of `seqsweep watch`."""
    import io

    from rich.console import Console

    from seqsweep.console import still_table
    from seqsweep.live.display import LiveView, read_progress

    console = Console(file=io.StringIO(), force_terminal=True, width=100)
    table = still_table(console)
    LiveView(read_progress(Path(folder)), console, table).renew()


def commands(folder: Path, words: list[str]) -> dict[str, list[str]]:
    """Returns the measured commands by name, in an order in which none spoils the next."""
    path = str(folder)
    return {
        "status": [*SEQSWEEP, "status", path],
        "leaderboard": [*SEQSWEEP, "leaderboard", path],
        "watch, one frame": call_command(watch, path),
        "report": [*SEQSWEEP, "report", path],
        "compare": [*SEQSWEEP, "compare", path, path],
        "view": call_command(view_made, path, 0),
        "view, pictures of 8": call_command(view_made, path, 8),
        "train -m, all done": [*SEQSWEEP, "train", *words],
    }


def main() -> None:
    options = read_options(__doc__, runs=[24, 120, 1000, 20000], only=[""])
    for runs in options.runs:
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(temporary, "sweeps", "large")
            words = [*SWEEP, f"output_dir={temporary}", *grid_of(runs)]
            run([*SEQSWEEP, "train", *words, "sweep.report=false"])
            count = len(list(folder.glob("*/record.json")))
            table = Table(f"{count:,} runs", "CPU, s", "MiB")
            for name, command in commands(folder, words).items():
                if name.startswith(tuple(options.only)):
                    usage = run(command)
                    table.row(name, usage.cpu, usage.mib)


if __name__ == "__main__":
    main()
