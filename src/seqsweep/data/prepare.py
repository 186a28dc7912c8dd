"""Prepares data for a run: splits them, fills in missing values, reshapes and scales them.

To cut a split is to move sequences from train to a new validation or test split.

N sequences, T steps, F features (channels), C classes.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import get_args

import numpy as np

from seqsweep.data.checks import Array, Int64, Mask, check_known, integer
from seqsweep.data.fit_scaling import describe, scale
from seqsweep.data.fitted import Missing, Shaping
from seqsweep.data.folds import group_note, grouped, hold_out
from seqsweep.data.sequences import Sequences, Splits
from seqsweep.data.transforms import Transform, TransformOptions, transform_of
from seqsweep.data.vocabulary import Vocabulary
from seqsweep.data.windows import cut_by_time, cut_windows
from seqsweep.text import listed

_MOST_WORKERS = 256
"""The most workers, on any machine, to reproduce the runs of larger machines."""


def prepare(
    splits: Splits,
    *,
    val_fraction: float,
    test_fraction: float,
    split_seed: int,
    standardize: bool,
    missing: Missing,
    transform: TransformOptions | None = None,
    folds: int | None = None,
    fold: int = 0,
    split_by: str | None = None,
    per_step: bool = False,
) -> Splits:
    """Cuts missing splits from train, fills in missing values and standardises.

    A transform crops before the cut, downsamples before the missing values are filled in, and
    frames before the resulting channels are standardised. Last, recordings are cut into windows.
    The `scaling` of the result, and the vocabulary of texts, are fitted on train.

    A cut is stratified. Its size is `round(fraction * N)`, where N is the size of train before any
    cut, without the tested fold. The size is divided among the classes by largest remainder; train
    never loses a class. A val or test split of the source is kept, and its fraction has no effect.
    If sequences have groups, whole groups are drawn (see `grouped`), so sizes are approximate.

    Args:
        val_fraction, test_fraction: the parts of train to cut, in [0, 1), sum below 1; 0 cuts none.
        split_seed: the seed of the cuts and folds, and of nothing else; at least 0.
        standardize: whether to subtract each channel's mean and divide by its standard deviation,
            both over the valid steps of train. A constant channel becomes 0. Padding stays 0.
        missing: how to replace NaN. `zero`: 0 before standardisation. `mean`: the channel's mean in
            train. `forward`: the last value of that channel in the sequence; before the first
            value, the channel's mean in train. `error`: refuses NaN.
        transform: the options of `data.transform`; `jitter` and `time_mask` act only in training.
        folds: the number of folds, at least 2; None for no folds. One fold becomes the test split
            instead of a cut (see `folds.hold_out`).
        fold: the fold that is tested, from 0 to folds - 1; 0 without folds.
        split_by: `time` cuts the end of each recording off instead of whole recordings.
        per_step: whether each row gets a target: its label or numbers, or those of its sequence.
    """
    wanted = transform_of(transform)
    _check_options(splits, standardize, missing, wanted, split_by, folds, per_step)
    steps = (wanted.first, wanted.last, wanted.downsample)
    shaping = Shaping(splits.channel_names, *steps, frame=wanted.frame)
    splits = splits.map(
        lambda name, part: part.with_values(*shaping.crop(part.x, part.lengths, name))
    )
    if missing == "error":
        # This comes before a cut, because the message counts sequences as the source does.
        _refuse_missing(splits, shaping.first)
    integer("data.split_seed", split_seed, 0)
    if folds is not None:
        splits = _divided(splits, lambda of: hold_out(of, folds, fold, split_seed))
        test_fraction = 0.0
    elif fold != 0:
        raise ValueError(f"data.fold={fold}: must be 0 without folds")
    check_fractions(val_fraction, test_fraction)
    fractions = {
        "test": test_fraction if splits.test is None else 0.0,
        "val": val_fraction if splits.val is None else 0.0,
    }
    if sum(fractions.values()) >= 1:
        both = f"data.val_fraction={val_fraction} and data.test_fraction={test_fraction}"
        raise ValueError(f"{both} leave nothing to train; their sum must be below 1")
    if split_by is None:
        by_window = wanted.window is not None
        cut = _divided(splits, lambda of: _cut(of, fractions, split_seed, by_window))
    else:
        cut = cut_by_time(splits, fractions, wanted.window or 1)
    if per_step:
        cut = cut.map(lambda _, part: _by_step(part))
    if cut.train.row_labels is None:  # otherwise the classes are those of the windows
        _check_classes(cut)
    if cut.vocabulary is not None:
        cut = _in_fitted_symbols(cut, cut.vocabulary)
    prepared = scale(cut, standardize, missing, wanted, shaping)
    if wanted.window is not None:
        prepared = cut_windows(cut, prepared, wanted, per_step)
        _check_classes(prepared)
    return describe(prepared)


def _check_options(
    splits: Splits,
    standardize: bool,
    missing: Missing,
    transform: Transform,
    split_by: str | None,
    folds: int | None,
    per_step: bool,
) -> None:
    """Refuses options that exclude each other, or do not suit the data."""
    check_known("data.missing", missing, get_args(Missing))
    if transform.impute is not None and missing == "error":
        raise ValueError(
            f"data.transform.impute={transform.impute}: must be null with data.missing=error;"
            " set data.missing=mean|zero|forward"
        )
    if splits.vocabulary is not None and (standardize or transform != Transform()):
        must = "standardize=true: must be false" if standardize else "transform: must be null"
        raise ValueError(
            f"data.{must} for texts, because the index of a symbol is its name and not a size;"
            " data.source.max_length cuts texts"
        )
    steps = (transform.first, transform.last, transform.downsample, transform.frame)
    if per_step and steps != (0, None, 1, 1):
        raise ValueError("data.per_step=true: crop, truncate, downsample and frame must be null")
    if split_by not in (None, "time"):
        raise ValueError(f"data.split_by={split_by!r}: must be time or null")
    if split_by is not None and folds is not None:
        raise ValueError(f"data.split_by={split_by}: must be null with data.folds={folds}")
    if transform.window is not None:
        return
    windows = "data.transform.window=64 data.transform.stride=32"
    if split_by is not None:
        raise ValueError(f"data.split_by={split_by}: needs windows, as by {windows}")
    for name, part in {} if per_step else splits.parts.items():
        if part.row_labels is not None or part.is_per_step:
            change = part.label_change or f"{name}: each step has a target"
            each = f"windows have a {'target' if part.target_names else 'label'} each: {windows}"
            raise ValueError(f"{change}; {each}; each row has one with data.per_step=true")


def _divided(splits: Splits, divide: Callable[[Splits], Splits]) -> Splits:
    """Divides splits by classes, or bins of targets; if bins or rows forbid it, without."""
    train, has_classes = splits.train, splits.train.row_labels is None
    if train.targets is not None:
        train, has_classes = replace(train, labels=_bins(train.targets[..., 0])), False
    try:
        return divide(replace(splits, train=train))
    except ValueError:
        if has_classes:
            raise
        # The class of most rows is one of several that a recording has, so it may leave train.
        return divide(replace(splits, train=replace(train, labels=np.zeros_like(train.labels))))


def _bins(targets: Array) -> Int64:
    """Returns the quantile bin (N,) of each sequence, by its mean target."""
    means = np.ma.masked_invalid(targets.reshape(len(targets), -1)).mean(axis=1).filled(0)
    ranks = means.argsort(kind="stable").argsort(kind="stable")
    # Ten sequences in a bin can be divided between ten folds.
    return ranks * max(1, min(10, len(ranks) // 10)) // len(ranks)


def _by_step(part: Sequences) -> Sequences:
    """Returns sequences with targets for each row, -100 or NaN where missing."""
    if part.targets is None:
        rows = part.labels[:, None] if part.row_labels is None else part.row_labels
        targets = np.where(part.valid & (rows >= 0), rows, -100)
    else:
        rows = part.targets if part.is_per_step else part.targets[:, None]
        targets = np.where(part.valid[:, :, None], rows, np.float32(np.nan))
    return replace(part, targets=targets, row_labels=None)


def _in_fitted_symbols(splits: Splits, vocabulary: Vocabulary) -> Splits:
    """Fits the vocabulary on train, renumbers all splits, and notes many unknown symbols."""
    train = splits.train
    fitted, moved = vocabulary.fitted(train.x[train.valid][:, 0])
    splits = splits.map(lambda _, part: replace(part, x=moved[part.x.astype(np.int64)]))
    notes = list(splits.notes)
    for name, part in splits.parts.items():
        unknown = float((part.x[part.valid] == 1).mean())
        if unknown > 0.1:
            notes.append(f"{unknown:.0%} of the symbols in {name} are unknown")
    return replace(splits, notes=tuple(notes), vocabulary=fitted)


def auto_batch_size(splits: Splits) -> int:
    """Returns the batch size that `auto` means for these data."""
    return min(32, len(splits.train))


def check_batch_size(batch_size: int, splits: Splits) -> None:
    """Refuses a batch size below 1, or above the number of training sequences."""
    reason = ", the number of sequences in train"
    integer("data.batch_size", batch_size, 1, len(splits.train), reason)


def check_loading(eval_batch_size: int, num_workers: int) -> None:
    """Refuses an evaluation batch or a number of workers that is out of range."""
    integer("data.eval_batch_size", eval_batch_size, 1)
    integer("data.num_workers", num_workers, 0, _MOST_WORKERS)


def check_fractions(val_fraction: float, test_fraction: float) -> None:
    """Refuses fractions that are not in [0, 1)."""
    for name, fraction in (("val_fraction", val_fraction), ("test_fraction", test_fraction)):
        if not 0 <= fraction < 1:
            raise ValueError(f"data.{name}={fraction}: must be at least 0 and below 1")


def _cut(splits: Splits, fractions: Mapping[str, float], seed: int, by_window: bool) -> Splits:
    """Cuts a missing test split, then a missing validation split, from train."""
    train, given, notes = splits.train, len(splits.train), list(splits.notes)
    # `rest` has positions in train, so that train itself is copied once, after the last cut.
    rest, parts = np.arange(given), dict[str, Sequences]()
    # Each cut has its own stream. The test split is cut first, so val_fraction does not change it.
    for stream, (split, fraction) in enumerate(fractions.items()):
        if fraction == 0:
            continue
        size = round(fraction * given)
        option = f"data.{split}_fraction={fraction} of {given} sequences"
        if size < 1:
            other = "; data.split_by=time cuts each recording instead" if by_window else ""
            raise ValueError(f"{option} rounds to none; set it to 0, or raise it{other}")
        rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(stream,)))
        if train.groups is None:
            taken = _stratified(train.labels[rest], size, rng, option)
        else:
            groups = train.groups[rest]
            taken = grouped(train.labels[rest], groups, size, rng, option)
            notes.append(f"{group_note(split, groups, taken)} (asked for {size})")
        parts[split], rest = train.select(rest[taken]), rest[~taken]
    return (
        replace(splits, train=train.select(rest), notes=tuple(notes), **parts) if parts else splits
    )


def _stratified(labels: Int64, size: int, rng: np.random.Generator, option: str) -> Mask:
    """Draws `size` sequences in proportion to the classes: (N,), True where drawn.

    At least one sequence of each class is not drawn. The names of classes have no effect: if
    remainders are equal, the first class in the shuffled order gets the next sequence.
    """
    shuffled = rng.permutation(len(labels))
    values, first, counts = np.unique(labels[shuffled], return_index=True, return_counts=True)
    order = np.argsort(first)
    if size > len(labels) - len(values):
        raise ValueError(
            f"{option} is {size}, but train has {len(labels)} and must keep one of each of"
            f" its {len(values)} classes; set it to 0, or lower it"
        )
    shares = _largest_remainder(counts[order], size)
    taken = np.zeros(len(labels), dtype=np.bool_)
    for value, share in zip(values[order], shares, strict=True):
        members = shuffled[labels[shuffled] == value]
        taken[members[:share]] = True
    return taken


def _largest_remainder(counts: Int64, size: int) -> Int64:
    """Divides `size` in proportion to `counts` (C,); each share is below its count."""
    total = int(counts.sum())
    # Rounding down leaves some sequences, which go to the classes with the largest remainders.
    shares = counts * size // total
    while shares.sum() < size:
        remainders = counts * size - shares * total  # integers, so that rounding has no effect
        # A class that would lose its last sequence to this split gets no further share.
        remainders[shares >= counts - 1] = np.iinfo(np.int64).min
        shares[remainders.argmax()] += 1
    return shares


def _check_classes(splits: Splits) -> None:
    """Refuses splits whose train split lacks a class, if classes are predicted."""
    lacking = np.flatnonzero(np.bincount(splits.train.labels, minlength=splits.num_classes) == 0)
    if len(lacking) and splits.train.targets is None:
        classes = listed([repr(splits.class_names[c]) for c in lacking])
        raise ValueError(f"data: no sequence in train for class {classes}; each class needs one")


def _refuse_missing(splits: Splits, first: int) -> None:
    """Refuses NaN; step 0 of the cropped splits is step `first` of the source."""
    for name, part in splits.parts.items():
        hole = np.isnan(part.x)
        if hole.any():
            n, t, f = np.unravel_index(hole.argmax(), hole.shape)
            ends = " or give lengths, if the ends are padding" if hole[n, -1].all() else ""
            raise ValueError(
                f"data: {hole.sum()} missing values (NaN) in {name}; the first is in sequence {n},"
                f" step {first + t}, channel {part.channel_names[f]!r};"
                f" set data.missing=mean|zero|forward{ends}"
            )
