"""Trains a grid on every data set of an archive, beside published results.

`python scripts/archive.py FOLDER [--grid architecture] [--seeds 5] [--published FILE.csv]
[KEY=VALUE ...]`. FOLDER holds the sets of the UEA and UCR archives, `NAME/NAME_TRAIN.ts` and
`NAME/NAME_TEST.ts`. All runs are in the folder of one sweep, so the same command trains only what
is missing. Data sets with fewer training sequences than a batch have a smaller batch size. On each
data set, validation chooses the config (mean over the seeds), and the table has the mean of
its test accuracy. The table is written into the sweep's folder: archive.csv and archive.md. The
exit code is 1 if a set could not be read or a run is not complete.
"""

import argparse
import csv
import io
import sys
import warnings
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from seqsweep import compose, sweep
from seqsweep.arguments import whole_number
from seqsweep.command import quoted_value
from seqsweep.config.messages import has_several_values
from seqsweep.console import place, say, say_error
from seqsweep.data.aeon_sets import available
from seqsweep.results.across_sets import AcrossSets, Method, table
from seqsweep.results.data_sets import data_sets, group_by
from seqsweep.results.formatting import key_names, number, run_label
from seqsweep.results.leaderboard import leaderboard
from seqsweep.results.significance import Estimate
from seqsweep.results.words import against_text, left_out_words, ranking_words
from seqsweep.runs.files import write_text
from seqsweep.runs.ledger import read_folder
from seqsweep.suggest import did_you_mean
from seqsweep.training.planned_run import plan
from seqsweep.training.run_data import forget_data

OURS = "seqsweep"
METRIC = "test/acc"

Published = Mapping[str, Mapping[str, float | None]]
"""The accuracies by data set and method; None where a method has none."""


@dataclass(frozen=True)
class Chosen:
    """The config that validation chose on a data set, with its estimates."""

    words: str
    monitor: str
    validation: Estimate
    test: Estimate


def main(arguments: Sequence[str]) -> int:
    """Trains what is missing, writes the tables and returns the exit code."""
    options = parse(arguments)
    names = available(str(options.folder))
    if not names:
        raise ValueError(
            f"{options.folder}: no pair of NAME_TRAIN.ts and NAME_TEST.ts with classes"
        )
    published = read_published(options.published) if options.published else {}
    say_unmatched(names, published)
    shared = [
        f"sweep={options.grid}",
        "data=aeon",
        f"data.source.folder={quoted_value(str(options.folder.resolve()))}",
        f"sweep.name={options.name or options.folder.resolve().name}",
        "sweep.ask_above=null",
        *options.overrides,
    ]
    sizes = {name: fitting_batch_size(name, shared) for name in names}
    readable = {name: size for name, size in sizes.items() if size is not None}
    if not readable:
        return 1
    folder, is_complete = train([*shared, f"seed=range({options.seeds})"], readable)
    chosen = choose(folder, readable)
    found = ranked(list(readable), chosen, published)
    for path in write(folder, chosen, found):
        say(place(path))
    print(as_markdown(found), end="")
    return 0 if is_complete and len(readable) == len(names) else 1


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Returns the options; all words with `=` are overrides of the runs' configs."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder", type=Path, metavar="FOLDER")
    parser.add_argument("--grid", default="architecture", help="a file of conf/sweep")
    parser.add_argument("--seeds", type=whole_number(1), default=5, metavar="N")
    parser.add_argument("--published", type=Path, metavar="FILE.csv")
    parser.add_argument("--name", help="the name of the sweep (FOLDER's)")
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE")
    return parser.parse_intermixed_args(list(arguments))


def read_published(path: Path) -> Published:
    """Returns the published accuracies of each data set by method; None for an empty cell.

    Raises:
        FileNotFoundError, ValueError: there is no such file, or a cell is not an accuracy.
    """
    with path.open(newline="", encoding="utf-8-sig") as file:
        rows = csv.DictReader(file)
        methods = [name for name in rows.fieldnames or () if name != "dataset"]
        if rows.fieldnames is None or "dataset" not in rows.fieldnames or not methods:
            raise ValueError(f"{path}:1: expected the columns dataset and one for each method")
        if OURS in methods:
            raise ValueError(f"{path}:1: {OURS}: this column is added by the script")
        result: dict[str, dict[str, float | None]] = {}
        for row in rows:
            line = f"{path}:{rows.line_num}"
            if row["dataset"] in result:
                raise ValueError(f"{line}: {row['dataset']}: is there twice")
            result[row["dataset"]] = {
                method: accuracy(row[method] or "", f"{line}: {method}") for method in methods
            }
    return result


def accuracy(text: str, cell: str) -> float | None:
    """Returns the number in a cell, None for an empty one.

    An error begins with `cell`: the file, the line and the column.
    """
    if not text.strip():
        return None
    try:
        value = float(text)
    except ValueError:
        raise ValueError(f"{cell}={text}: expected a number") from None
    if not 0 <= value <= 1:
        raise ValueError(f"{cell}={text}: must be between 0 and 1")
    return value


def say_unmatched(names: Sequence[str], published: Published) -> None:
    """Names the data sets without published results, each with the nearest published name."""
    for name in names if published else ():
        if name not in published:
            say_error(f"{name}: no published results{did_you_mean(name, published)}")


def fitting_batch_size(name: str, shared: Sequence[str]) -> int | None:
    """Returns the batch size for a data set; None if it cannot be read.

    The reason is printed. The batch size of the config is halved until a batch is not larger than
    the training split.
    """
    # Composes one run: the values of the grid do not matter here.
    single = [override for override in shared if not has_several_values(override)]
    config = compose([*single, f"data.source.name={name}", "hydra.sweeper.params=null"])
    size: int = config["data"]["batch_size"]
    config["data"]["batch_size"] = 1
    try:
        planned = plan(config)
    except (OSError, ValueError, TypeError, MemoryError) as error:
        say_error(f"{name}: left out: {error}")
        return None
    finally:
        forget_data()
    assert planned.splits is not None
    while size > planned.splits["train"]["sequences"]:
        size //= 2
    return size


def train(overrides: Sequence[str], sizes: Mapping[str, int]) -> tuple[Path, bool]:
    """Trains the runs that are missing. Returns the folder, and whether all runs are complete.

    Data sets with equal batch sizes are trained together.
    """
    folder, problems = Path(), list[str]()
    for size, names in group_by(sizes, lambda name: sizes[name]).items():
        own = [f"data.batch_size={size}", f"data.source.name={','.join(names)}"]
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            folder = sweep([*overrides, *own])
        problems += [str(warning.message) for warning in caught]
    for problem in problems:
        say_error(problem)
    return folder, not problems


def choose(folder: Path, names: Collection[str]) -> dict[str, Chosen]:
    """Returns the config with the best mean of validation on each data set."""
    chosen: dict[str, Chosen] = {}
    for one in data_sets(read_folder(folder)):
        board = leaderboard(one.entries)
        if one.name not in names or not board.rows or METRIC not in board.rows[0].metrics:
            continue
        best = board.rows[0]
        words = run_label(best.config, key_names(board.keys))
        validation = best.metrics[board.monitor]
        chosen[one.name] = Chosen(words, board.monitor, validation, best.metrics[METRIC])
    return chosen


def ranked(names: Sequence[str], chosen: Mapping[str, Chosen], published: Published) -> AcrossSets:
    """Returns the table of all methods; without published results it has only our column."""
    ours = Method(OURS, {}, [chosen[name].test if name in chosen else None for name in names])
    columns = list(next(iter(published.values()), {}))
    others = [
        Method(method, {}, [_estimate(published.get(name, {}).get(method)) for name in names])
        for method in columns
    ]
    return table(METRIC, names, [ours, *others], noun="method")


def write(folder: Path, chosen: Mapping[str, Chosen], found: AcrossSets) -> list[Path]:
    """Writes archive.csv and archive.md."""
    texts = {"archive.csv": as_csv(chosen, found), "archive.md": as_markdown(found)}
    for name, text in texts.items():
        write_text(folder / name, text)
    return [folder / name for name in texts]


def as_csv(chosen: Mapping[str, Chosen], found: AcrossSets) -> str:
    """Returns a row per data set: the chosen config and each method's score."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    methods = [method.words for method in found.methods]
    own_columns = ["config", "monitor", "mean of the monitor", "runs"]
    writer.writerow(["dataset", *own_columns, *methods, f"{OURS} std"])
    for index, name in enumerate(found.sets):
        own = chosen.get(name)
        parts = (own.words, own.monitor, own.validation.mean, own.test.n) if own else [None] * 4
        cells = [one.mean if (one := method.cells[index]) else None for method in found.methods]
        writer.writerow([name, *parts, *cells, own.test.std if own else None])
    return text.getvalue()


def as_markdown(found: AcrossSets) -> str:
    """Returns a row per data set and a column per method, as published tables have."""
    lines = [_markdown_row(["data set", *(method.words for method in found.methods)])]
    lines.append(_markdown_row(["---", *("---:" for _ in found.methods)]))
    for index, name in enumerate(found.sets):
        cells = [method.cells[index] for method in found.methods]
        texts = ["" if one is None else number(one.mean) for one in cells]
        lines.append(_markdown_row([name, *texts]))
    if found.ranking:
        ranks = [f"{rank:.2f}" for rank in found.ranking.mean_ranks]
        against = [against_text(one) for one in found.ranking.against]
        lines.append(_markdown_row(["**mean rank**", *ranks]))
        lines.append(_markdown_row(["won/drawn/lost", *against]))
    notes = [*ranking_words(found), *left_out_words(found)]
    return "\n".join([*lines, "", *(f"- {note}" for note in notes)]) + "\n"


def _markdown_row(cells: Sequence[str]) -> str:
    # A bar in a name would begin a new cell.
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _estimate(value: float | None) -> Estimate | None:
    return None if value is None else Estimate(1, value)


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except (OSError, ValueError, TypeError) as problem:
        say_error(str(problem))
        sys.exit(2)
    except KeyboardInterrupt:
        say_error("interrupted; the same command trains what is missing")
        sys.exit(130)
