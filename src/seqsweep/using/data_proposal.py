"""Finds the command that trains on a data set, with the options it needs."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from seqsweep.config.from_overrides import compose
from seqsweep.data.info import Info
from seqsweep.data.sequences import Splits
from seqsweep.training.planned_run import plan
from seqsweep.using.data_source import Chosen


class Proposal(NamedTuple):
    """The overrides of a run on a data set.

    Attributes:
        notes: what a run would say of the data.
        problem: why even this run cannot train, or None.
    """

    overrides: list[str]
    notes: tuple[str, ...]
    problem: str | None


def propose(chosen: Chosen, splits: Splits, info: Info) -> Proposal:
    """Returns the overrides that read a data set, and as few others as it needs."""
    problem = None
    for added in _candidates(chosen, splits, info):
        overrides = [*chosen.overrides, *added]
        try:
            return Proposal(overrides, plan(compose(overrides)).notes, None)
        except (ValueError, TypeError) as error:
            problem = str(error)
    return Proposal(chosen.overrides, splits.notes, problem)


def _candidates(chosen: Chosen, splits: Splits, info: Info) -> Iterator[list[str]]:
    """Yields the overrides to try, the first that works being the answer."""
    others = _for_its_size(chosen, splits, info)
    if chosen.config["missing"] != "error" or not any(of.missing for of in info.channels):
        yield others
        return
    # A channel without a value in train has no mean.
    for missing in ("mean", "zero"):
        yield [f"data.missing={missing}", *others]


def _for_its_size(chosen: Chosen, splits: Splits, info: Info) -> list[str]:
    """Returns the overrides for data with few sequences."""
    config, given = chosen.config, len(splits.train)
    classes = sum(of.sequences["train"] > 0 for of in info.classes)
    left, overrides = given, list[str]()
    for split in ("test", "val"):
        if split in splits.parts or not config[f"{split}_fraction"]:
            continue
        size = round(config[f"{split}_fraction"] * given)
        # A cut takes a sequence or more, and leaves one of each class.
        if 1 <= size <= left - classes:
            left -= size
        else:
            overrides.append(f"data.{split}_fraction=0")
    return [*overrides, *([f"data.batch_size={left}"] if config["batch_size"] > left else [])]


def too_small(chosen: Chosen, splits: Splits, info: Info, overrides: Sequence[str]) -> list[str]:
    """Returns a line on classes that are too small for every cut."""
    cuts = [
        split
        for split in ("val", "test")
        if split not in splits.parts
        and chosen.config[f"{split}_fraction"]
        and f"data.{split}_fraction=0" not in overrides
    ]
    least = 1 + len(cuts)
    few = [of for of in info.classes if of.sequences["train"] < least]
    if not cuts or not few:
        return []
    names = ", ".join(f"{of.name!r} ({of.sequences['train']})" for of in few[:10])
    more = f" and {len(few) - 10} more" if len(few) > 10 else ""
    return [
        f"too few sequences to be in train, {' and '.join(cuts)} ({least} needed): {names}{more}"
    ]
