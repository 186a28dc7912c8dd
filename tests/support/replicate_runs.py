"""Folders of finished runs that repeat configs with other seeds, folds or splits."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from finished_runs import finish_run

from seqsweep.results.leaderboard import Leaderboard, leaderboard
from seqsweep.results.replicates import Replicate
from seqsweep.runs.ledger import read_folder

Run = dict[str, Any]
Score = Callable[[int, Replicate], float]


def ranked(
    folder: Path,
    runs: Sequence[tuple[int, Replicate]],
    score: Score = lambda h, r: 0.9 - h / 10 - (r.fold * 7 % 5 + h * r.fold % 3) / 100,
    *,
    has_sizes: bool = True,
    has_effect: bool = True,
    folds: int | None = None,
) -> Leaderboard:
    """The leaderboard of runs of networks of size h on 80 training and 20 test sequences.

    Args:
        has_sizes: whether the records hold the sizes of the splits, as those of our data module do.
        has_effect: whether the fold and the split seed decide the sequences.
        folds: the value of data.folds; None for a config without this key.
    """
    for number, (h, replicate) in enumerate(runs):
        keys = ("data.fold", "data.split_seed", "seed")
        config: Run = {"h": h, **dict(zip(keys, replicate, strict=True))}
        config |= {} if folds is None else {"data.folds": folds}
        name = f"{replicate.split}" if has_effect else ""
        splits = {"val": {"sequences": 10, "fingerprint": f"v{name}"},
                  "test": {"sequences": 20, "fingerprint": f"t{name}"}}  # fmt: skip
        sizes: Run = {"splits": splits, "num_train": 80} if has_sizes else {}
        run = config | dict.fromkeys(("val/acc", "test/acc"), score(h, replicate))
        finish_run(folder / f"{number:016x}", run, data_fingerprint="d", **sizes)
    return leaderboard(read_folder(folder))


def crossed(hs: Sequence[int], folds: int = 5, seeds: int = 1) -> list[tuple[int, Replicate]]:
    return [(h, Replicate(f, 0, s)) for h in hs for f in range(folds) for s in range(seeds)]
