"""Trains a grid on every data set of an archive, beside published results.

`python scripts/archive.py FOLDER [--grid architecture] [--seeds 5] [--best-by model.cell]
[--steps N] [--updates N] [--published FILE.csv] [KEY=VALUE ...]`. FOLDER holds the sets of the UEA
and UCR archives, `NAME/NAME_TRAIN.ts` and `NAME/NAME_TEST.ts` (scripts/archive_sets.py collects
some). All runs are in the folder of one sweep, so the same command trains only what is missing.

On each data set, validation chooses the config (mean over the seeds), and a table has the mean of
its test accuracy. With `--best-by KEY`, validation chooses once for each value of KEY, and a table
compares the values. The sweep's folder gets the tables in archive.md and the chosen configs in
archive.csv. `seqsweep figures FOLDER --best-by KEY --out DIR` draws the diagram of the ranks.

--steps: data sets with longer sequences are read in frames, so that at most N steps remain
--updates: each data set is trained for so many epochs that they have at least N batches

The exit code is 1 if a set could not be read or a run is not complete.
"""

import argparse
import csv
import io
import sys
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seqsweep import compose, sweep
from seqsweep.arguments import whole_number
from seqsweep.command import quoted_value
from seqsweep.config.messages import has_several_values
from seqsweep.console import place, say, say_error
from seqsweep.data.aeon_sets import available
from seqsweep.results.across_sets import AcrossSets, Method, boards_by, table
from seqsweep.results.data_sets import data_sets
from seqsweep.results.figures.paper_tables import as_markdown, sets_table
from seqsweep.results.formatting import key_names, run_label
from seqsweep.results.leaderboard import leaderboard
from seqsweep.results.significance import Estimate
from seqsweep.runs.files import write_text
from seqsweep.runs.ledger import Entry, read_folder
from seqsweep.runs.metrics import as_metric
from seqsweep.text import did_you_mean
from seqsweep.training.planned_run import plan
from seqsweep.training.run_data import data_of, forget_data

OURS = "seqsweep"
METRIC = as_metric("test/acc")

Published = Mapping[str, Mapping[str, float | None]]
"""The accuracies by data set and method; None where a method has none."""


@dataclass(frozen=True)
class Chosen:
    """The config that validation chose on a data set, with its estimates."""

    words: str
    monitor: str
    validation: Estimate
    test: Estimate


Choices = Mapping[str, Mapping[str, Chosen]]
"""The chosen configs by method and data set."""


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
        "data.batch_size=auto",
        f"sweep.name={options.name or options.folder.resolve().name}",
        "sweep.ask_above=null",
        *options.overrides,
    ]
    fits = {name: fitting(name, shared, options.steps, options.updates) for name in names}
    readable = {name: fit for name, fit in fits.items() if fit is not None}
    if not readable:
        return 1
    folder, is_complete = train([*shared, f"seed=range({options.seeds})"], readable)
    texts = results(folder, list(readable), options.best_by, published)
    for name, text in texts.items():
        write_text(folder / name, text)
        say(place(folder / name))
    print(texts["archive.md"], end="")
    return 0 if is_complete and len(readable) == len(names) else 1


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Returns the options; all words with `=` are overrides of the runs' configs."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder", type=Path, metavar="FOLDER")
    parser.add_argument("--grid", default="architecture", help="a file of conf/sweep")
    parser.add_argument("--seeds", type=whole_number(1), default=5, metavar="N")
    parser.add_argument("--best-by", metavar="KEY", help="compare the values of this key")
    parser.add_argument("--steps", type=whole_number(1), metavar="N")
    parser.add_argument("--updates", type=whole_number(1), metavar="N")
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


def fitting(
    name: str, shared: Sequence[str], steps: int | None, updates: int | None
) -> dict[str, Any] | None:
    """Returns the keys that suit a data set, by `--steps` and `--updates`.

    Returns None for a set that cannot be read; the reason is printed.
    """
    # Composes one run: the values of the grid do not matter here.
    single = [override for override in shared if not has_several_values(override)]
    one = ["hydra.sweeper.params=null", "sweep.filter=null", "sweep.zip=null"]
    config = compose([*single, f"data.source.name={name}", *one])
    try:
        batch_size = plan(config).config["data"]["batch_size"]
        splits = data_of(config["data"]).prepared
    except (OSError, ValueError, TypeError, MemoryError) as error:
        say_error(f"{name}: left out: {error}")
        return None
    finally:
        forget_data()
    fit: dict[str, Any] = {"data.source.name": name}
    if steps is not None:
        longest = max(int(part.lengths.max()) for part in splits.parts.values())
        fit["data.transform.frame"] = -(-longest // steps)
    if updates is not None:
        fit["trainer.max_epochs"] = -(-updates // -(-len(splits.train) // batch_size))
    return fit


def train(overrides: Sequence[str], fits: Mapping[str, Mapping[str, Any]]) -> tuple[Path, bool]:
    """Trains the runs that are missing. Returns the folder, and whether all runs are complete."""
    # The sets are the explicit members of the sweep, each with its keys.
    members = [
        "{" + ",".join(f"{key}:{value}" for key, value in fit.items()) + "}"
        for fit in fits.values()
    ]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        folder = sweep([*overrides, f"sweep.list=[{','.join(members)}]"])
    for warning in caught:
        say_error(str(warning.message))
    return folder, not caught


def results(
    folder: Path, names: Sequence[str], by: str | None, published: Published
) -> dict[str, str]:
    """Returns the content of the files: archive.csv and archive.md."""
    entries = read_folder(folder)
    ours = choose(entries, names)
    columns = list(next(iter(published.values()), {}))
    others = [
        Method(method, {}, [_estimate(published.get(name, {}).get(method)) for name in names])
        for method in columns
    ]
    beside = sets_table(ranked(names, ours, others))
    if by is None:
        return {"archive.csv": as_csv(names, ours, others), "archive.md": as_markdown(beside)}
    choices = choose(entries, names, by)
    text = as_markdown(sets_table(ranked(names, choices))) + (
        "\n" + as_markdown(beside) if others else ""
    )
    return {"archive.csv": as_csv(names, {**choices, **ours}, others), "archive.md": text}


def choose(entries: Sequence[Entry], names: Sequence[str], by: str | None = None) -> Choices:
    """Returns the config with the best mean of validation on each data set.

    With `by`, the methods are the values of this key; otherwise `seqsweep` is the only one.
    """
    sets = [one for one in data_sets(entries) if one.name in names]
    boards = {OURS: [leaderboard(one.entries) for one in sets]}
    chosen: dict[str, dict[str, Chosen]] = {} if by else {OURS: {}}
    for method, on_sets in (boards_by(sets, by) if by else boards).items():
        for one, board in zip(sets, on_sets, strict=True):
            if board.rows and METRIC in board.rows[0].metrics:
                best = board.rows[0]
                words = run_label(best.config, key_names(board.keys))
                scores = best.metrics[board.monitor], best.metrics[METRIC]
                chosen.setdefault(method, {})[one.name] = Chosen(words, board.monitor, *scores)
    return chosen


def ranked(names: Sequence[str], chosen: Choices, others: Sequence[Method] = ()) -> AcrossSets:
    """Returns the table of our methods and others; one method alone has no ranks."""
    ours = [
        Method(method, {}, [one[name].test if name in one else None for name in names])
        for method, one in chosen.items()
    ]
    return table(METRIC, names, [*ours, *others], noun="method")


def as_csv(names: Sequence[str], chosen: Choices, others: Sequence[Method]) -> str:
    """Returns a row per data set and method: the chosen config and the scores."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    own_columns = ["config", "monitor", "mean of the monitor", "runs"]
    writer.writerow(["dataset", "method", *own_columns, METRIC, f"{METRIC} std"])
    for index, name in enumerate(names):
        for method, one in chosen.items():
            if best := one.get(name):
                parts = [best.words, best.monitor, best.validation.mean, best.test.n]
                writer.writerow([name, method, *parts, best.test.mean, best.test.std])
        for other in others:
            if cell := other.cells[index]:
                writer.writerow([name, other.words, *[None] * 4, cell.mean, None])
    return text.getvalue()


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
