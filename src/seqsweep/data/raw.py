"""Checks raw arrays and turns them into labelled sequences.

N sequences, T steps of the longest, F features (channels), K targets.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from seqsweep.data.checks import (
    Array,
    Layout,
    as_array,
    check_names,
    class_indices,
    exceeds_float32,
    float_values,
    label_array,
    label_names,
    numbered,
)
from seqsweep.data.files import RawPart
from seqsweep.data.memory import check_memory
from seqsweep.data.padding import padded
from seqsweep.data.sequences import Sequences, Splits
from seqsweep.errors import DataError, raised_as
from seqsweep.text import listed


def id_notes(part: RawPart) -> tuple[str, ...]:
    """Returns a line if sequences of a file have the same id."""
    ids, counts = np.unique(() if part.ids is None else part.ids, return_counts=True)
    if (counts == 1).all():
        return ()
    most = f"{str(ids[counts.argmax()])!r} {counts.max()} times"
    return (f"{part.where}: the ids of {len(part.x)} sequences are not distinct ({most})",)


@raised_as(DataError)
def make_sequences(
    x: npt.ArrayLike | Sequence[npt.ArrayLike],
    labels: npt.ArrayLike,
    lengths: npt.ArrayLike | None = None,
    *,
    class_names: Sequence[str] | None = None,
    channel_names: Sequence[str] | None = None,
    layout: Layout = "batch_first",
    groups: npt.ArrayLike | None = None,
    where: str = "the arrays",
) -> Sequences:
    """Turns raw arrays into `Sequences`; a wrong array raises a DataError.

    Args:
        x: real numbers (N, T, F), or (N, T) for one channel (see `float_values`); NaN marks a
            missing value. A list of N sequences (T, F) or (T,) is possible too, without lengths.
        labels: (N,) whole numbers, strings, bytes or booleans. Whole numbers are positions in
            `class_names` if these are given and no class name is a number.
        lengths: (N,) integers in 1..T; None means that every sequence has T steps.
        class_names: the possible labels, in the order of the class indices; by default the labels
            that occur (see `label_names`).
        layout: `time_first` if x is (T, N, F) or (T, N); `channels_first` if x is (N, F, T), or a
            list of sequences (F, T).
        groups: (N,) names or numbers; a group is never divided between splits.
        where: the beginning of every message, such as the name of the file.
    """
    targets = label_array(labels, where)
    values, steps = padded(x, lengths, len(targets), layout, where)
    channels = values.shape[2]
    classes = label_names(targets, where=where) if class_names is None else tuple(class_names)
    check_names("class_names", classes, where)
    if len(classes) < 2:
        raise ValueError(f"{where}: there is only one class, {classes}; expected two or more")
    default = [f"channel_{i}" for i in range(channels)]
    named = tuple(default if channel_names is None else channel_names)
    check_names("channel_names", named, where)
    if len(named) != channels:
        raise ValueError(f"{where}: {len(named)} channel_names for {channels} channels of x")
    if groups is not None:
        groups = np.asarray(groups).astype(np.str_)
        if groups.shape != steps.shape:
            raise ValueError(f"{where}: groups has shape {groups.shape}; must be ({len(steps)},)")
    return Sequences(
        x=float_values(values, steps, where),
        lengths=steps,
        labels=class_indices(targets, classes, where),
        class_names=classes,
        channel_names=named,
        groups=None if groups is None else numbered(groups),
    )


def make_splits(
    parts: Mapping[str, RawPart],
    class_names: tuple[str, ...] | None = None,
    channel_names: tuple[str, ...] | None = None,
    notes: tuple[str, ...] = (),
) -> Splits:
    """Checks the splits of a file and gives them common classes."""
    if "train" not in parts:
        where = next(iter(parts.values())).where
        raise ValueError(f"{where}: no sequence is in train; found {listed([*parts])}")
    # A value takes up to 8 bytes in its split (float64), and 4 bytes in a scaled copy (float32).
    further = 12 * sum(part.x.size for part in parts.values())
    check_memory(further, parts["train"].where, "the data, split and scaled,")
    labels = {split: part.needed_labels(notes) for split, part in parts.items()}
    if parts["train"].targets is not None:
        class_names = ("", "unused")  # until `_with_targets`
    if class_names is None:
        names = [
            label_names(part.row_names or labels[split], where=part.where)
            for split, part in parts.items()
        ]
        # The labels of all splits count, because a class may be missing in one split.
        class_names = label_names(*names)
    made, split_of = dict[str, Sequences](), dict[str, str]()
    for split, part in parts.items():
        notes += id_notes(part)
        for group in [] if part.groups is None else dict.fromkeys(np.ravel(part.groups).tolist()):
            if split_of.setdefault(group, split) != split:
                raise ValueError(
                    f"{part.where}: group {group!r} is in {split_of[group]} and in {split}; a group"
                    " must be in one split; data.source.group=none means no such column"
                )
        if (part.targets is None) != (parts["train"].targets is None):
            raise ValueError(f"{part.where}: one split has labels, another has targets")
        made[split] = make_sequences(
            part.x,
            labels[split],
            part.lengths,
            class_names=class_names,
            channel_names=channel_names,
            groups=part.groups,
            where=part.where,
        )
        if part.targets is not None:
            made[split] = _with_targets(made[split], part, part.targets)
        if part.row_labels is not None:
            indices = class_indices(part.row_names, class_names, part.where)
            rows = np.append(indices, -1)[part.row_labels[:, : made[split].max_length]]
            made[split] = replace(made[split], row_labels=rows, label_change=part.label_change)
        if made[split].input_size != made["train"].input_size:
            raise ValueError(
                f"{part.where}: {made[split].input_size} channels, but"
                f" {parts['train'].where} has {made['train'].input_size}; both must be equal"
            )
    return Splits(made["train"], made.get("val"), made.get("test"), notes, step=parts["train"].step)


def _with_targets(made: Sequences, part: RawPart, targets: Array) -> Sequences:
    """Returns sequences with a part's targets, (N, K) or (N, T, K), in place of classes."""
    values = as_array(targets, "target", "biuf", "numbers", part.where)
    values = values[:, None] if values.ndim == 1 else values
    is_per_step = values.ndim == 3 and values.shape[1] >= made.max_length
    if len(values) != len(made) or not (is_per_step or values.ndim == 2):
        must = f"({len(made)}, K), or ({len(made)}, T, K) with the T steps of X"
        raise ValueError(f"{part.where}: target has shape {targets.shape}; must be {must}")
    wrong = exceeds_float32(values) | (np.isnan(values) & (not is_per_step))
    if wrong.any():
        row = int(np.argwhere(wrong)[0, 0])
        raise ValueError(f"{part.where}: the target of sequence {row} is not a number in float32")
    if is_per_step:
        values = np.where(made.valid[:, :, None], values[:, : made.max_length], np.nan)
    names = part.target_names or tuple(f"target_{k}" for k in range(values.shape[-1]))
    changed = {"targets": values.astype(np.float32), "label_change": part.label_change}
    return replace(made, class_names=(), target_names=names, **changed)
