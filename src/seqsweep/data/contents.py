"""Describes each split in a few numbers, for records and comparisons."""

import hashlib
import json
from typing import Any

import numpy as np
import numpy.typing as npt

from seqsweep.data.sequences import Sequences, Splits


def contents(splits: Splits) -> dict[str, dict[str, Any]]:
    """Returns the size and fingerprint of each split, and its overlap with train.

    The fingerprint depends on the set of labelled sequences alone, not on their order, nor on how
    they were scaled and filled in. A sequence counts as also in train if train holds the same
    values, whatever its label there.

    >>> contents(splits)["test"]
    {'sequences': 54, 'fingerprint': '5f1c0d1e6cb2a3f4', 'also_in_train': 12}
    """
    described: dict[str, dict[str, Any]] = {}
    for name, part in splits.parts.items():
        described[name] = {"sequences": len(part), "fingerprint": _fingerprint(part)}
        if name != "train":
            common = np.isin(digests_in(part), digests_in(splits.train))
            described[name]["also_in_train"] = int(common.sum())
    return described


def _fingerprint(part: Sequences) -> str:
    # Names stand for the indices, because an index depends on the other classes of the data set.
    names = [part.class_names[label] for label in part.labels]
    # The pairs are sorted, so that the order of the sequences does not matter.
    pairs = sorted(zip(digests_in(part).tolist(), names, strict=True))
    return hashlib.sha256(json.dumps(pairs).encode()).hexdigest()[:16]


def digests_in(part: Sequences) -> npt.NDArray[np.uint64]:
    """Returns the hash of each sequence, (N,)."""
    assert part.digests is not None, "the constructor of Sequences computes them"
    return part.digests
