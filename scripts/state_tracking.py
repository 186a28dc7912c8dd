"""Trains nine cells on words of automata, and prints the tables of docs/state-tracking.md.

`python scripts/state_tracking.py [TASK ...] [KEY=VALUE ...]` first trains each cell with three
learning rates and three seeds; validation chooses the rate of a cell. Then it trains each cell with
its rate and eleven seeds: nine cells are 36 pairs, and fewer seeds have no test for so many. The
same command goes on where it was stopped, and prints the same tables.

The exit code is 1 if a run is not complete.
"""

import statistics
import sys
from collections.abc import Sequence
from math import isnan, nan
from pathlib import Path

from seqsweep import compare_by, sweep
from seqsweep.results.baselines import read_baselines
from seqsweep.results.formatting import probability
from seqsweep.results.significance import Estimate, estimate
from seqsweep.runs.ledger import Entry, read_folder

CELLS = ["rnn", "gru", "lstm", "indrnn", "mingru", "minlstm", "lru"]
OWN = ["example_cells.SLSTM", "example_cells.Householder"]
DIAGONAL = {"indrnn", "mingru", "minlstm", "lru"}
"""The cells with two layers: each of their units sees only its own past."""

RATES, TRIED, SEEDS = ("0.001", "0.003", "0.01"), 3, 11

REACHED = 0.9995
"""The accuracy that papers round to 100.0."""

ODD = ["data.source.length=39", "data.source.test_length=499"]
TASKS: dict[str, list[str]] = {
    "parity": [], "even_pairs": [], "cycle_navigation": [], "s3": [], "a5": [],
    "modular_arithmetic": [*ODD, "trainer.max_epochs=64"],
}  # fmt: skip
PUBLISHED = {
    "parity": {"rnn": "1.000", "lstm": "1.000"},
    "even_pairs": {"rnn": "1.000", "lstm": "1.000"},
    "cycle_navigation": {"rnn": "1.000", "lstm": "1.000"},
    "modular_arithmetic": {"rnn": "1.000", "lstm": "1.000"},
}
"""The best seed and rate of arXiv:2207.02098, table 2, which has 1,000,000 steps."""


def main(words: Sequence[str]) -> int:
    """Trains what is missing, prints a table for each task and returns the exit code."""
    overrides = [word for word in words if "=" in word]
    tasks = [word for word in words if "=" not in word] or [*TASKS]
    if unknown := {*tasks} - {*TASKS}:
        raise SystemExit(f"{', '.join(unknown)}: no such task; known: {', '.join(TASKS)}")
    is_complete = True
    for task in tasks:
        shared = [
            "experiment=state_tracking", f"data.source.task={task}", "diagnostics=false",
            "logger=csv", *TASKS[task], *overrides,
        ]  # fmt: skip
        tried = sweep(
            *shared, f"sweep.name={task}_rates", f"sweep.list={listed(task, RATES)}",
            f"seed=range({TRIED})", "sweep.report=false",
        )  # fmt: skip
        rates = chosen(read_folder(tried))
        members = [member for cell, rate in rates.items() for member in of_cell(task, cell, [rate])]
        folder = sweep(
            *shared, f"sweep.name={task}", f"sweep.list=[{','.join(members)}]",
            f"seed=range({SEEDS})", "sweep.report=true",
        )  # fmt: skip
        entries = read_folder(folder)
        is_complete &= all(entry.state == "complete" for entry in entries)
        print(f"\n## {task}\n\n{table(task, folder, entries, rates)}", flush=True)
    return 0 if is_complete else 1


def listed(task: str, rates: Sequence[str]) -> str:
    """Returns the value of `sweep.list` that has each cell with each rate."""
    members = [member for cell in (*CELLS, *OWN) for member in of_cell(task, cell, rates)]
    return f"[{','.join(members)}]"


def of_cell(task: str, cell: str, rates: Sequence[str]) -> list[str]:
    """Returns members of a sweep: a cell with its layers and each rate."""
    layers = 2 if cell in DIAGONAL or task == "modular_arithmetic" else 1
    keys = f"model.cell: {cell}, model.num_layers: {layers}"
    return [f"{{{keys}, optimizer.lr: {rate}}}" for rate in rates]


def chosen(entries: Sequence[Entry]) -> dict[str, str]:
    """Returns the rate of each cell whose seeds have the best mean accuracy of validation."""
    found: dict[str, dict[str, list[Entry]]] = {}
    for entry in entries:
        of = found.setdefault(entry.config["model.cell"], {})
        of.setdefault(f"{entry.config['optimizer.lr']:g}", []).append(entry)

    def score(group: Sequence[Entry]) -> tuple[float, float]:
        means = [
            statistics.fmean(entry.record.metrics.get(name, float("nan")) for entry in group)
            for name in ("val/acc", "val/loss")
        ]
        return means[0], -means[1]

    return {cell: max(of, key=lambda rate: score(of[rate])) for cell, of in found.items()}


def table(task: str, folder: Path, entries: Sequence[Entry], rates: dict[str, str]) -> str:
    """Returns the table of a task: a row for each cell, the best mean first."""
    scores = {
        cell: [
            entry.record.metrics["test/acc"]
            for entry in entries
            if entry.config["model.cell"] == cell and entry.state == "complete"
        ]
        for cell in rates
    }
    pairs = compare_by(folder, "model.cell").to_dict("records")
    order = sorted(scores, key=lambda cell: -statistics.fmean(scores[cell]))
    p = {frozenset((pair["first"], pair["second"])): pair["adjusted"] for pair in pairs}
    names = {cell: cell.rpartition(".")[2] for cell in order}
    rows = [("cell", "rate", "best", "mean of seeds", ".9995", "p", "published")]
    for cell in order:
        of = scores[cell]
        beside = p.get(frozenset((names[order[0]], names[cell])), nan)
        reached = sum(score >= REACHED for score in of)
        rows.append((
            names[cell], rates[cell], f"{max(of):.4f}", interval(estimate(of)),
            f"{reached}/{len(of)}", "" if isnan(beside) else probability(beside),
            PUBLISHED.get(task, {}).get(cell, ""),
        ))  # fmt: skip
    for row in read_baselines(folder)["baselines"]:  # two of them read a bag of symbols
        rows.append((row["name"], "", f"{row['metrics']['test/acc']:.4f}", "", "", "", ""))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)


def interval(score: Estimate) -> str:
    """Returns a mean accuracy with its interval, which ends at 1."""
    if score.low is None or score.high is None:
        return f"{score.mean:.4f}"
    return f"{score.mean:.4f} [{score.low:.4f}, {min(score.high, 1):.4f}]"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
