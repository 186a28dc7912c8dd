"""From the splits of a source to those of a run: cut, filled in, scaled; fitted on train alone.

N sequences, T steps, F features (channels), C classes.
"""

from dataclasses import replace
from typing import get_args

import numpy as np
import numpy.typing as npt

from seqsweep.data.fitted import Missing, Scaling, filled
from seqsweep.data.scaling import as_given, in_common_units, standardized
from seqsweep.data.sequences import Sequences, Splits
from seqsweep.suggest import did_you_mean, listed

_MISSING: tuple[str, ...] = get_args(Missing)


def prepare(
    splits: Splits,
    *,
    val_fraction: float,
    test_fraction: float,
    split_seed: int,
    standardize: bool,
    missing: Missing,
    where: str = "data",
) -> Splits:
    """Cuts the splits that are lacking, fills in missing values and standardises, in this order.

    What is fitted on train stands in `scaling` of the result.

    A cut is stratified: its size is `round(fraction * N)`, N the sequences of the given train
    split, the classes share it by largest remainder, and each class keeps a sequence in train.
    A given val or test split is never cut, and its fraction has no effect.

    Args:
        val_fraction, test_fraction: in [0, 1), together below 1; 0 cuts nothing.
        split_seed: of the cuts alone, at least 0; nothing else moves a sequence between splits.
        standardize: each channel less its mean, by its deviation, both over the valid steps of
            train; a constant channel becomes 0. Padding stays 0.
        missing: what becomes of NaN. `zero`: 0 before standardisation; `mean`: the channel's mean
            in train; `forward`: the last value of that channel in the sequence, the channel's mean
            in train before any; `error`: refused.
        where: the config group that the options stand in; begins every error message.

    Raises:
        ValueError: with the option, the value it got, and what is allowed.
    """
    if missing not in _MISSING:
        hint = did_you_mean(missing, _MISSING)
        raise ValueError(f"{where}.missing={missing!r}; allowed are {', '.join(_MISSING)}{hint}")
    if missing == "error":
        _refuse_missing(splits, where)  # before a cut, so that places are those of the source
    cut = _cut(splits, val_fraction, test_fraction, split_seed, where)
    _check_classes(cut, where)
    cut = in_common_units(cut)
    units = cut.train.units
    cut = cut if standardize else as_given(cut, where)
    scaling = Scaling(missing, units, _fill_value(cut, missing, where))
    whole = _without_missing(cut, scaling)
    return standardized(whole, scaling, where) if standardize else replace(whole, scaling=scaling)


def check_batch_size(batch_size: int, splits: Splits, where: str = "data") -> None:
    """Raises ValueError unless a batch is of 1 to N sequences, N those of the train split."""
    if not 1 <= batch_size <= len(splits.train):
        raise ValueError(
            f"{where}.batch_size={batch_size}; allowed are 1 to {len(splits.train)},"
            " the sequences in train"
        )


def _cut(
    splits: Splits, val_fraction: float, test_fraction: float, seed: int, where: str
) -> Splits:
    """Takes the test split, then the validation split, from train where they are lacking."""
    fractions = {
        "test": test_fraction if splits.test is None else 0.0,
        "val": val_fraction if splits.val is None else 0.0,
    }
    for name, fraction in (("val_fraction", val_fraction), ("test_fraction", test_fraction)):
        if not 0 <= fraction < 1:
            raise ValueError(f"{where}.{name}={fraction}; allowed is 0 <= {name} < 1")
    if sum(fractions.values()) >= 1:
        both = f"{where}.val_fraction={val_fraction} and {where}.test_fraction={test_fraction}"
        raise ValueError(f"{both} leave nothing to train; their sum must be below 1")
    if seed < 0:
        raise ValueError(f"{where}.split_seed={seed}; needed is at least 0")
    given = len(splits.train)
    for stream, (split, fraction) in enumerate(fractions.items()):
        if fraction == 0:
            continue
        size = round(fraction * given)
        option = f"{where}.{split}_fraction={fraction} of {given} sequences"
        rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(stream,)))
        taken = _stratified(splits.train.labels, size, rng, option)
        part = splits.train.select(np.flatnonzero(taken))
        rest = splits.train.select(np.flatnonzero(~taken))
        splits = replace(splits, train=rest, **{split: part})
    return splits


def _stratified(
    labels: npt.NDArray[np.int64], size: int, rng: np.random.Generator, option: str
) -> npt.NDArray[np.bool_]:
    """(N,) True for `size` sequences, shared by the classes in proportion; one of each is left.

    The same sequences whatever the classes are called and in which order they stand: the draw
    shuffles sequences without a look at their labels, and equal remainders go to the class that
    comes first in the shuffled order.
    """
    shuffled = rng.permutation(len(labels))
    values, first, counts = np.unique(labels[shuffled], return_index=True, return_counts=True)
    order = np.argsort(first)
    if size < 1:
        raise ValueError(f"{option} rounds to none; set it to 0, or higher")
    if size > len(labels) - len(values):
        raise ValueError(
            f"{option} is {size}, but train has {len(labels)} to cut from and keeps one of each of"
            f" its {len(values)} classes; set it to 0, or lower"
        )
    shares = _largest_remainder(counts[order], size)
    taken = np.zeros(len(labels), dtype=np.bool_)
    for value, share in zip(values[order], shares, strict=True):
        members = shuffled[labels[shuffled] == value]
        taken[members[:share]] = True
    return taken


def _largest_remainder(counts: npt.NDArray[np.int64], size: int) -> npt.NDArray[np.int64]:
    """(C,) shares of `size` in proportion to the counts, each below its count."""
    total = int(counts.sum())
    shares = counts * size // total
    while shares.sum() < size:
        remainders = counts * size - shares * total  # in whole numbers: no rounding decides
        remainders[shares >= counts - 1] = np.iinfo(np.int64).min
        shares[remainders.argmax()] += 1
    return shares


def _check_classes(splits: Splits, where: str) -> None:
    """Each class must occur in train: it cannot be learnt otherwise."""
    counts = {
        name: np.bincount(part.labels, minlength=splits.num_classes)
        for name, part in splits.parts.items()
    }
    lacking = np.flatnonzero(counts["train"] == 0)
    if len(lacking):
        told = [
            f"{splits.class_names[c]!r} ({', '.join(f'{s} {n[c]}' for s, n in counts.items())})"
            for c in lacking[:10]
        ]
        more = f" and {len(lacking) - 10} more" if len(lacking) > 10 else ""
        raise ValueError(
            f"{where}: no sequence in train for class {', '.join(told)}{more}; each class needs one"
        )


def _fill_value(splits: Splits, missing: Missing, where: str) -> npt.NDArray[np.float32] | None:
    """(F,) what takes the place of a missing value; None where there may be none."""
    if missing == "error":
        return None
    if missing != "zero":
        return _present_means(splits.train, where)
    units = splits.train.units
    zeros = np.zeros(splits.input_size)
    return (zeros if units is None else -units.zero / units.one).astype(np.float32)


def _without_missing(splits: Splits, scaling: Scaling) -> Splits:
    """The splits without NaN."""
    holed = {name: part for name, part in splits.parts.items() if np.isnan(part.x).any()}
    if not holed or scaling.fill is None:
        return splits
    forward, fill = scaling.missing == "forward", scaling.fill
    parts = {name: replace(p, x=filled(p.x, fill, forward)) for name, p in holed.items()}
    return replace(splits, **parts)


def _present_means(train: Sequences, where: str) -> npt.NDArray[np.float32]:
    """(F,) mean of what is not missing in the valid steps of train."""
    values = train.x[train.valid]  # (S, F)
    present = ~np.isnan(values)
    empty = [train.channel_names[f] for f in np.flatnonzero(~present.any(axis=0))]
    if empty:
        names = listed(empty)
        raise ValueError(
            f"{where}: channel {names} has no value in train, so it has no mean; leave it out,"
            f" or set {where}.missing=zero"
        )
    means = values.sum(axis=0, dtype=np.float64, where=present) / present.sum(axis=0)
    return means.astype(np.float32)


def _refuse_missing(splits: Splits, where: str) -> None:
    holes = {name: np.isnan(part.x) for name, part in splits.parts.items()}
    total = sum(int(hole.sum()) for hole in holes.values())
    if total == 0:
        return
    name, hole = next((name, hole) for name, hole in holes.items() if hole.any())
    n, t, f = np.argwhere(hole)[0]
    ends = " or give lengths, if the ends are padding" if hole[n, -1].all() else ""
    raise ValueError(
        f"{where}: {total} missing values (NaN); the first is in {name}, sequence {n}, step {t},"
        f" channel {splits.train.channel_names[f]!r}; set {where}.missing=mean|zero|forward{ends}"
    )
