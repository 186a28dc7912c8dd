"""Proposes a run on data: the overrides with which it can train. Imports no torch."""

import itertools
from collections.abc import Sequence

from seqsweep.command import quoted_value
from seqsweep.config.from_overrides import compose
from seqsweep.data.folds import check_fractions
from seqsweep.data.info import describe
from seqsweep.data.sequences import Splits
from seqsweep.errors import DataError, Proposal
from seqsweep.training.planned_run import plan
from seqsweep.training.run_data import data_of


def propose(
    overrides: Sequence[str],
) -> tuple[Splits, list[str], tuple[str, ...], str | None]:
    """Returns data, and the given overrides with the fewest others that a training needs.

    Also returns the notes of such a run, and the problem if no proposed run can train. A table that
    cannot be read is read as its error proposes, which a note says.

    Raises:
        ValueError, TypeError, OSError: an override is wrong, or the data cannot be read.
    """
    config = compose(overrides)["data"]
    check_fractions(config["val_fraction"], config["test_fraction"])
    try:
        splits = data_of(config).source
    except DataError as error:
        cause: BaseException | None = error
        while cause is not None and not isinstance(cause, Proposal):
            cause = cause.__cause__
        if cause is None:
            raise
        words = [f"{key}={quoted_value(value)}" for key, value in cause.options.items()]
        said = f"{cause.fact}; read with {' '.join(words)}"
        new = {word.partition("=")[0]: word for word in overrides}
        for word in words:
            word = word if word.startswith("data=") else f"data.source.{word}"
            new[word.partition("=")[0]] = word
        try:
            splits, proposed, notes, problem = propose([*new.values()])
        except (ValueError, TypeError, OSError):  # texts are proposed without a trial
            raise error from None
        return splits, proposed, (said, *notes), problem
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
            return splits, proposed, plan(compose(proposed)).notes, None
        except (ValueError, TypeError) as error:
            problem = str(error)
    return splits, [*overrides], splits.notes, problem
