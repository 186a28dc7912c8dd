"""Describes each split in a few numbers, for the record of a run and for comparisons."""

import hashlib
import json
from typing import Any

import numpy as np
import numpy.typing as npt

from seqsweep.data.sequences import Sequences, Splits


def contents(splits: Splits) -> dict[str, dict[str, Any]]:
    """Returns size and fingerprint of each split, and how much of val and test is in train too.

    Splits of the same labelled sequences have the same fingerprint, in whatever order and however
    they were scaled and filled in. A sequence also counts as one of train if its label differs
    there.

    >>> contents(splits)["test"]
    {'sequences': 54, 'fingerprint': '5f1c0d1e6cb2a3f4', 'also_in_train': 12}
    """
    found: dict[str, dict[str, Any]] = {}
    for name, part in splits.parts.items():
        found[name] = {"sequences": len(part), "fingerprint": _fingerprint(part)}
        if name != "train":
            common = np.isin(_digests(part), _digests(splits.train))
            found[name]["also_in_train"] = int(common.sum())
    return found


def _fingerprint(part: Sequences) -> str:
    names = [part.class_names[label] for label in part.labels]
    pairs = sorted(zip(_digests(part).tolist(), names, strict=True))
    return hashlib.sha256(json.dumps(pairs).encode()).hexdigest()[:16]


def _digests(part: Sequences) -> npt.NDArray[np.uint64]:
    assert part.digests is not None, "Sequences make them where they are not given"
    return part.digests
