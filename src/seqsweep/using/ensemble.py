"""One answer of all seeds: the mean of the probabilities of a config's runs.

M members, B sequences, C classes.
"""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from seqsweep.console import say_error
from seqsweep.errors import FolderError, raised_as
from seqsweep.results.data_sets import sets_of
from seqsweep.runs.files import JsonObject
from seqsweep.runs.identity import REPLICATE_KEYS
from seqsweep.using.find_run import find_seeds
from seqsweep.using.input_data import open_run
from seqsweep.using.load import BATCH_SIZE, Checkpoint, Inputs, LoadedRun, load_run
from seqsweep.using.scores import Float64
from seqsweep.using.stream import Stream


@dataclass(frozen=True, eq=False, repr=False)
class Ensemble(LoadedRun):
    """The runs of a config with different seeds, which classify together.

    It has the methods of a run. A probability is the mean over the runs; the scaling and the names
    are equal in all of them, and everything else is the first run's.

    Args:
        members: the M runs.
        choice: how the config was chosen.
    """

    members: tuple[LoadedRun, ...] = ()
    choice: str = ""

    def apply(self, inputs: Inputs, batch_size: int = BATCH_SIZE) -> Float64:
        """Returns the mean probabilities (B, C) for prepared sequences, see `LoadedRun.apply`."""
        return self.apply_each(inputs, batch_size).mean(axis=0)

    def apply_each(self, inputs: Inputs, batch_size: int = BATCH_SIZE) -> Float64:
        """Returns the probabilities (M, B, C) of each member."""
        return np.stack([member.apply(inputs, batch_size) for member in self.members])

    def stream(self) -> Stream:
        """Raises a ValueError, because each member has its own states."""
        raise ValueError(f"{self!r}: cannot be used step by step; a single run can")


@raised_as(FolderError)
def load_ensemble(
    folder: Path | str,
    config: int = 1,
    checkpoint: Checkpoint = "best",
    allow: Sequence[str] = (),
) -> Ensemble:
    """Loads all runs of one config of a sweep.

    The runs must have equal data, splits and scaling, so they differ only in the seed.

    Args:
        folder: a sweep's folder, or any folder of runs.
        config: the rank of the config on the leaderboard, from 1: the best by validation.
        checkpoint, allow: see `load_run`.

    Raises:
        FileNotFoundError: the folder or a checkpoint does not exist.
        FolderError: there is no config of this rank, it has only one run, its runs differ in more
            than the seed, or `load_run` refuses one.
    """
    entries, choice = find_seeds(Path(folder), config)
    if len(entries) < 2:
        raise ValueError(f"{folder}: has one run of the config; an ensemble needs several seeds")
    known = {key: [entry.config.get(key) for entry in entries] for key in REPLICATE_KEYS[1:]}
    known["data"] = [(sets_of(entry), entry.record.splits.get("train")) for entry in entries]
    for name, values in known.items():
        if any(value != values[0] for value in values):
            why = "one run would be scored on what another was trained on"
            raise ValueError(f"{folder}: the runs of the config differ in {name}, so {why}")
    members = [load_run(entry.folder.path, checkpoint, allow) for entry in entries]
    if len(set(map(_preparation, members))) > 1:
        raise ValueError(f"{folder}: the runs of the config differ in scaling, classes or channels")
    if members[0].is_module:
        name = members[0].config["model"]["_target_"]
        raise ValueError(f"{folder}: {name} is a LightningModule, whose outputs have no mean here")
    return Ensemble(**vars(members[0]), members=tuple(members), choice=choice)


def _preparation(run: LoadedRun) -> str:
    """Returns what prepares sequences for a network, and what names its inputs and outputs."""
    scaling = {} if run.scaling is None else vars(run.scaling)
    plain = [of.tolist() if isinstance(of, np.ndarray) else of for of in scaling.values()]
    return str([run.class_names, run.channel_names, run.vocabulary, plain])


def origin_of(run: LoadedRun) -> JsonObject:
    """Returns the checkpoints of a run or an ensemble, for JSON."""
    members = run.members if isinstance(run, Ensemble) else ()
    of = {"members": [str(member.checkpoint) for member in members]} if members else {}
    return {"run": str(run.checkpoint), **of}


def open_chosen(options: argparse.Namespace) -> tuple[LoadedRun, str | None]:
    """Loads an ensemble with `--ensemble`, else a run; see `open_run`."""
    if not options.ensemble:
        if options.config is not None:
            raise ValueError(f"--config={options.config}: needs --ensemble or --importance")
        return open_run(options)
    chosen = options.run, options.config or 1, options.checkpoint or "best", options.allow
    ensemble = load_ensemble(*chosen)
    say_error(f"{options.run}: the mean of {ensemble.choice}")
    return ensemble, ensemble.choice
