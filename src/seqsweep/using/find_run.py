"""Finds the run at a path, or a sweep's best runs."""

from collections.abc import Sequence
from pathlib import Path

from seqsweep.data.files import ENDINGS
from seqsweep.results.data_sets import data_sets
from seqsweep.results.formatting import key_names, run_label
from seqsweep.results.leaderboard import Leaderboard, leaderboard
from seqsweep.runs.identity import REPLICATE_KEYS
from seqsweep.runs.ledger import Entry, read_folder
from seqsweep.text import count, number

_MOST_NAMED = 5
"""The largest number of data sets for which an error names the best run."""


def find_run(path: Path) -> tuple[Path, str | None]:
    """Returns the path of the run to use, and how the run was chosen.

    The path of one run or of a file is returned unchanged, with None. In a sweep's folder the best
    run by validation is chosen. As on the leaderboard, the config with the best mean over its
    replicates (seeds, folds, splits) comes first, and its run with the best value is taken. If the
    runs have several splits, only the runs on the first split are candidates: otherwise the easiest
    split would win. The test split has no part in the choice.

    Raises:
        FileNotFoundError, ValueError: the folder does not exist, or has no complete run; or its
            runs have several data sets, whose scores cannot be ranked together; or the path is a
            file of sequences.
    """
    if path.is_file() and path.name.lower().endswith(ENDINGS):
        expected = "expected a run's folder, a sweep's, a checkpoint or a bundle"
        raise ValueError(f"{path}: is a file of sequences; {expected}")
    if is_one_run(path):
        return path, None
    entries, board = _ranked(path)
    row, monitor = board.rows[0], board.monitor
    best = board.best
    # The text always names the seed. It names folds and splits only if they vary.
    values = dict(row.config)
    for key in REPLICATE_KEYS:
        if key == "seed" or len({entry.config.get(key) for entry in row.entries}) > 1:
            values[key] = best.config.get(key)
    settings = run_label(values, key_names(values))
    runs = sum(entry.state == "complete" for entry in entries)
    score = best.record.metrics.get(monitor)
    shown = "" if score is None else f", {monitor} {number(score)}"
    of = f"best by {monitor} of {runs} complete runs" if runs > 1 else "the only complete run"
    if board.variation.resampled:
        of = f"best config by {monitor} of {runs} complete runs, its best run on the first split"
    return best.folder.path, f"{of} ({settings}{shown})"


def is_one_run(path: Path) -> bool:
    """Returns whether a path leaves nothing to choose: a file, or a run's own folder."""
    return path.is_file() or (path / "checkpoints").is_dir() or bool(list(path.glob("*.ckpt")))


def find_seeds(path: Path, rank: int = 1) -> tuple[list[Entry], str]:
    """Returns the runs of a config, and how the config was chosen.

    Args:
        path: a sweep's folder, or any folder of runs.
        rank: the rank of the config on the leaderboard, from 1.

    Raises:
        FileNotFoundError, ValueError: see `find_run`, or there is no config with this rank.
    """
    _, board = _ranked(path)
    if rank > len(board.rows):
        raise ValueError(f"--config={rank}: {path} has only {count(len(board.rows), 'config')}")
    row, runs = board.rows[rank - 1], count(board.rows[rank - 1].n, "run")
    of = f" of {len(board.rows)} by {board.monitor}" if len(board.rows) > 1 else ""
    return row.entries, f"{runs} of config {rank}{of} ({board.words[rank - 1]})"


def _ranked(path: Path) -> tuple[list[Entry], Leaderboard]:
    """Returns the runs of a folder, and their leaderboard with at least one row."""
    entries = read_folder(path)
    board = leaderboard(entries)
    if not board.rows:
        states = sorted({entry.state for entry in entries})
        raise ValueError(f"{path}: has no complete run ({len(entries)}: {', '.join(states)})")
    _refuse_several_sets(path, entries)
    return entries, board


def _refuse_several_sets(path: Path, entries: Sequence[Entry]) -> None:
    sets = [one for one in data_sets(entries) if any(e.state == "complete" for e in one.entries)]
    if len(sets) < 2:
        return
    best = [
        f"{one.name}: {leaderboard(one.entries).best.folder.path}" for one in sets[:_MOST_NAMED]
    ]
    more = f"; and {len(sets) - _MOST_NAMED} more" if len(sets) > _MOST_NAMED else ""
    raise ValueError(
        f"{path}: its runs have {len(sets)} data sets, whose scores cannot be ranked together; name"
        f" a run's folder. The best by validation: {'; '.join(best)}{more}"
    )
