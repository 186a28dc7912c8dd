"""Sweeps that repeat configs with other seeds, folds or splits."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from made_sweeps import sweep_of

from seqsweep.results.leaderboard import Leaderboard, leaderboard
from seqsweep.results.replicates import Replicate
from seqsweep.runs.ledger import read_folder

KEYS = ("data.fold", "data.split_seed", "seed")


def ranked(
    folder: Path,
    runs: Sequence[tuple[int, Replicate]],
    score: Callable[[int, Replicate], float] = (
        lambda h, r: 0.9 - h / 10 - (r.fold * 7 % 5 + h * r.fold % 3) / 100
    ),
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

    def sizes(config: dict[str, Any]) -> dict[str, Any]:
        name = f"{replicate_of(config).split}" if has_effect else ""
        splits = {"val": {"sequences": 10, "fingerprint": f"v{name}"},
                  "test": {"sequences": 20, "fingerprint": f"t{name}"}}  # fmt: skip
        return {"splits": splits, "num_train": 80} if has_sizes else {}

    more = {} if folds is None else {"data.folds": folds}
    configs = [{"h": h, **dict(zip(KEYS, each, strict=True)), **more} for h, each in runs]
    sweep_of(
        folder, configs, None, lambda c: score(c["h"], replicate_of(c)),
        about=sizes, data_fingerprint="d",
    )  # fmt: skip
    return leaderboard(read_folder(folder))


def replicate_of(config: dict[str, Any]) -> Replicate:
    return Replicate(*(config[key] for key in KEYS))


def crossed(hs: Sequence[int], folds: int = 5, seeds: int = 1) -> list[tuple[int, Replicate]]:
    return [(h, Replicate(f, 0, s)) for h in hs for f in range(folds) for s in range(seeds)]
