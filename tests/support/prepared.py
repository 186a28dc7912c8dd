"""Splits as a run prepares them, with options that a test does not need to give."""

from typing import Any

from seqsweep.data.prepare import prepare
from seqsweep.data.sequences import Splits


def prepared(splits: Splits, **options: Any) -> Splits:
    """Cuts a fifth for val and for test, and changes no value, unless options say otherwise."""
    defaults: dict[str, Any] = {
        "val_fraction": 0.2, "test_fraction": 0.2, "split_seed": 0, "standardize": False,
        "missing": "error",
    }  # fmt: skip
    return prepare(splits, **defaults | options)
