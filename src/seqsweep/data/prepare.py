"""Prepares data for a run: splits them, fills in missing values, reshapes and scales them.

To cut a split is to move sequences from train to a new validation or test split.
"""

import re
from dataclasses import replace
from typing import get_args

import numpy as np

from seqsweep.data.checks import channel_blocks, ranges, refuse_missing
from seqsweep.data.folds import cut, divided, fractions_of, hold_out
from seqsweep.data.scaling import Missing, Scaling, description, fill_value, first_channels, moments
from seqsweep.data.sequences import Sequences, Splits
from seqsweep.data.transforms import Shaping, Transform, TransformOptions, transform_of
from seqsweep.data.vocabulary import Vocabulary
from seqsweep.data.windows import cut_by_time, cut_windows
from seqsweep.errors import check_known, integer
from seqsweep.text import listed

_MOST_WORKERS = 256
"""The most workers, on any machine, to reproduce the runs of larger machines."""
_CODE = "-99+|9999+"
"""The numbers by which other programs write a missing value."""
_CODE_TIMES, _OUTLIER_TIMES = 2, 1000
"""The factor by which a named outlier widens the range of the others."""


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
    shaping = replace(wanted.shaping, channel_names=splits.channel_names)
    splits = splits.map(
        lambda name, part: part.with_values(*shaping.crop(part.x, part.lengths, name))
    )
    if missing == "error":
        # This comes before a cut, because the message counts sequences as the source does.
        for name, part in splits.parts.items():
            refuse_missing(part.x, shaping.first, part.channel_names, f"data: {name}")
    integer("data.split_seed", split_seed, 0)
    if folds is not None:
        splits = divided(splits, lambda of: hold_out(of, folds, fold, split_seed))
        test_fraction = 0.0
    elif fold != 0:
        raise ValueError(f"data.fold={fold}: must be 0 without folds")
    fractions = fractions_of(splits, val_fraction, test_fraction)
    if split_by is None:
        splits = divided(splits, lambda of: cut(of, fractions, split_seed))
    else:
        splits = cut_by_time(splits, fractions, wanted.window or 1)
    if per_step:
        splits = splits.map(lambda _, part: _by_step(part))
    if splits.train.row_labels is None:  # otherwise the classes are those of the windows
        _check_classes(splits)
    if splits.vocabulary is not None:
        splits = _in_fitted_symbols(splits, splits.vocabulary)
    prepared, scaling = _scaled(splits, standardize, missing, wanted, shaping)
    if wanted.window is not None:
        prepared = cut_windows(splits, prepared, wanted, per_step)
        _check_classes(prepared)
    if splits.vocabulary is None:
        # Mask channels, and the steps of a frame after its first, come behind these channels.
        x = prepared.train.x[:, :, : splits.input_size]
        seen = description(x, prepared.train.lengths)
        scaling = replace(scaling, seen=seen, step=splits.step)
    return replace(prepared, scaling=scaling)


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
        impute = f"data.transform.impute={transform.impute}"
        raise ValueError(f"{impute}: needs data.missing=mean|zero|forward, got error")
    if splits.vocabulary is not None and (standardize or transform != Transform()):
        must = "standardize=true: must be false" if standardize else "transform: must be null"
        raise ValueError(
            f"data.{must} for texts, because the index of a symbol is its name and not a size;"
            " data.source.max_length cuts texts"
        )
    if per_step and transform.shaping != Shaping():
        raise ValueError("data.per_step=true: crop, truncate, downsample and frame must be null")
    if split_by not in (None, "time"):
        raise ValueError(f"data.split_by={split_by!r}: must be time or null")
    windows = "data.transform.window=64 data.transform.stride=32"
    if split_by is not None and (transform.window is None or folds is not None):
        raise ValueError(f"data.split_by=time: needs windows, as by {windows}, and data.folds=null")
    for name, part in splits.parts.items():
        has_targets = part.row_labels is not None or part.is_per_step
        if has_targets and transform.window is None and not per_step:
            change = part.label_change or f"{name}: each step has a target"
            each = f"windows have a {'target' if part.target_names else 'label'} each: {windows}"
            raise ValueError(f"{change}; {each}; each row has one with data.per_step=true")


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


def checked_batch_size(batch_size: int | str, splits: Splits) -> int:
    """Returns a batch size of at most the sequences in train; `auto` is 32."""
    most = len(splits.train)
    if batch_size == "auto":
        return min(32, most)
    return integer("data.batch_size", batch_size, 1, most, ", the number of sequences in train")


def check_loading(eval_batch_size: int, num_workers: int) -> None:
    """Refuses an evaluation batch or a number of workers that is out of range."""
    integer("data.eval_batch_size", eval_batch_size, 1)
    integer("data.num_workers", num_workers, 0, _MOST_WORKERS)


def _check_classes(splits: Splits) -> None:
    """Refuses splits whose train split lacks a class, if classes are predicted."""
    lacking = np.flatnonzero(np.bincount(splits.train.labels, minlength=splits.num_classes) == 0)
    if len(lacking) and splits.train.targets is None:
        classes = listed([repr(splits.class_names[c]) for c in lacking])
        raise ValueError(f"data: no sequence in train for class {classes}; each class needs one")


def _scaled(
    splits: Splits, standardize: bool, missing: Missing, transform: Transform, shaping: Shaping
) -> tuple[Splits, Scaling]:
    """Downsamples, fills in, frames and standardises cropped splits; adds mask channels."""
    notes = [*splits.notes, *_outlier_notes(splits.train)]
    reason, longest = ", the steps of the longest training sequence", splits.train.lengths.max()
    integer("data.transform.downsample", shaping.downsample, 1, int(longest), reason)
    splits = splits.map(lambda _, part: part.with_values(*shaping.shorten(part.x, part.lengths)))
    train, longest = splits.train, splits.train.lengths.max()
    integer("data.transform.frame", shaping.frame, 1, int(longest), reason)
    if transform.impute is not None:
        missed = np.isnan(train.x).any(axis=(0, 1)) | (transform.impute == "all")
        shaping = replace(shaping, masked=tuple(np.flatnonzero(missed).tolist()))
        if not shaping.masked:
            lacking = "no value of train is missing"
            notes.append(f"{lacking}, so data.transform.impute=missing adds no channel")
    changes = transform.impute is not None or transform.shaping != Shaping()
    dtype = "float32" if train.x.dtype == np.float32 else "float64"
    fill = fill_value(train.x, train.valid, missing, train.channel_names)
    scaling = Scaling(missing, dtype, fill, shaping=shaping if changes else None)
    names, masks = shaping.names, shaping.is_mask
    splits = splits.map(
        lambda _, part: part.with_values(*scaling.fill_in(part.x, part.lengths), names)
    )
    if standardize:
        mean, deviation, constant = moments(splits.train.x, splits.train.valid)
        # Mask channels keep the values 0 and 1, and no note names a constant mask channel.
        mean[masks], deviation[masks], constant[masks] = 0.0, 1.0, False
        scaling = replace(scaling, mean=mean, deviation=deviation)
        if constant.any():
            found = [repr(names[f]) for f in np.flatnonzero(constant)]
            are = f"s {listed(found)} are" if len(found) > 1 else f" {found[0]} is"
            notes.append(f"channel{are} constant in train: standardised to 0, without information")

    def standardized(name: str, part: Sequences) -> Sequences:
        x = scaling.standardize(part.x, part.valid, names, name)
        return part.with_values(x, part.lengths)

    return replace(splits.map(standardized), notes=tuple(notes)), scaling


def _outlier_notes(train: Sequences) -> list[str]:
    """Returns a line on channels with a value far from all others."""
    found: list[str] = []
    for start, (values,) in channel_blocks([(train.x, train.valid)]):
        ends = np.stack(ranges(values), axis=1)  # (F, 2), the lowest and the highest
        is_end = values[:, None] == ends[:, :, None]
        low, high = ranges(np.where(is_end, np.nan, values[:, None]))
        ratio = np.ptp(ends, axis=1, keepdims=True) / np.where(low < high, high - low, np.inf)
        for f, end in np.argwhere(ratio > _CODE_TIMES).tolist():
            at = f, end
            is_code = re.fullmatch(_CODE, f"{ends[at]:.0f}")
            if ratio[at] > (_CODE_TIMES if is_code else _OUTLIER_TIMES):
                share = f"{is_end[at].sum():,} of {(~np.isnan(values[f])).sum():,} values"
                others = f"{ends[at]:g} in {share}, else {low[at]:.3g} to {high[at]:.3g}"
                found.append(f"{train.channel_names[start + f]!r} ({others})")
    told = f"a value far from all others: {first_channels(found)}"
    return [f"{told}; a missing value must be empty or NaN"] if found else []
