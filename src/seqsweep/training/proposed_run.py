"""Proposes a run on data: the overrides with which it can train. Imports no torch."""

import itertools
from collections.abc import Sequence
from typing import NamedTuple

from seqsweep.command import quoted_value
from seqsweep.config.from_overrides import compose
from seqsweep.data.info import describe
from seqsweep.data.prepare import check_fractions
from seqsweep.data.sequences import Splits
from seqsweep.errors import DataError, Proposal
from seqsweep.training.planned_run import plan
from seqsweep.training.run_data import data_of


class ProposedRun(NamedTuple):
    """A run on data as they were read.

    Attributes:
        overrides: the given ones, with the fewest others that a training needs.
        notes: the notes of such a run.
        problem: why no proposed run can train, or None.
    """

    splits: Splits
    overrides: list[str]
    notes: tuple[str, ...]
    problem: str | None


def propose(overrides: Sequence[str]) -> ProposedRun:
    """Proposes a run with these overrides of `data`.

    A table that cannot be read is read as its error proposes, which a note says.

    Raises:
        ValueError, TypeError, OSError: an override is wrong, or the data cannot be read.
    """
    config = compose(overrides)["data"]
    check_fractions(config["val_fraction"], config["test_fraction"])
    said: tuple[str, ...] = ()
    try:
        splits = data_of(config).source
    except DataError as error:
        cause: BaseException | None = error
        while cause is not None and not isinstance(cause, Proposal):
            cause = cause.__cause__
        if cause is None:
            raise
        options = {k: quoted_value(value) for k, value in cause.options.items()}
        said = (f"{cause.fact}; read with {' '.join(f'{k}={v}' for k, v in options.items())}",)
        new = [f"{k if k == 'data' else f'data.source.{k}'}={v}" for k, v in options.items()]
        kept = [word for word in overrides if not ("data" in options and word.startswith("data="))]
        overrides = [*kept, *new]
        config = compose(overrides)["data"]
        splits = data_of(config).source
    problem = None
    has_holes = config["missing"] == "error" and any(of.missing for of in describe(splits).channels)
    # Zero is tried second. It also works for a channel that has no value in train, and so no mean.
    fills = [["data.missing=mean"], ["data.missing=zero"]] if has_holes else [[]]
    if splits.train.row_labels is not None and not (config["transform"] or {}).get("window"):
        windows = ["data.transform.window=64", "data.transform.stride=32"]
        by_time = [*windows, "data.split_by=time"]
        cut = [by_time] if len(splits.train) == 1 else [windows, by_time]
        fills = [[*one, *fill] for one in cut for fill in fills]
    missing = [split for split in ("val", "test") if split not in splits.parts]
    # A run would take the missing splits from train; each override prevents this for a split.
    cuts = [f"data.{split}_fraction=0" for split in missing if config[f"{split}_fraction"]]
    # The smallest changes are tried first.
    fewer = (of for n in range(len(cuts) + 1) for of in itertools.combinations(cuts, n))
    for left_out, fill in itertools.product(fewer, fills):
        proposed = [*overrides, *fill, *sorted(left_out)]
        try:
            return ProposedRun(splits, proposed, (*said, *plan(compose(proposed)).notes), None)
        except (ValueError, TypeError) as error:
            problem = str(error)
    return ProposedRun(splits, [*overrides], (*said, *splits.notes), problem)
