"""Describes a run in its checkpoint, which can then be used without the training data.

F features (channels), C classes.
"""

from collections.abc import Mapping
from typing import Any

import torch

from seqsweep.config.schema import Config
from seqsweep.data.fitted import Scaling, Shaping
from seqsweep.data.sequences import Splits
from seqsweep.data.vocabulary import Vocabulary
from seqsweep.runs.identity import CODE
from seqsweep.training.run_data import OwnData
from seqsweep.training.user_code import code_of

KEYS = ("config", "class_names", "channel_names", "scaling")


def description(config: Config, splits: Splits | OwnData) -> dict[str, Any]:
    """Returns the keys of a checkpoint that describe its run: plain values and tensors (F,).

    `scaling` is None for a data module of the user's own, which scales by itself. Only data of
    symbols have the key `vocabulary`, and only the user's own code has the key `code`.
    """
    vocabulary = splits.vocabulary
    return {
        "config": config,
        "class_names": list(splits.class_names),  # C
        "channel_names": list(splits.channel_names),  # F
        "scaling": None if splits.scaling is None else _plain(splits.scaling),
        **({} if vocabulary is None else {"vocabulary": vocabulary.plain()}),
        **({CODE: code_of(config)} if CODE in config else {}),
    }


def scaling_of(checkpoint: Mapping[str, Any]) -> Scaling | None:
    """Returns the scaling that `description` has written."""
    state = checkpoint["scaling"]
    if state is None:
        return None
    arrays = {name: value.numpy() for name, value in state.items() if torch.is_tensor(value)}
    fitted = {name: arrays.get(name) for name in ("fill", "mean", "deviation")}
    shaped = state["shaping"]
    shaping = None if shaped is None else Shaping.from_state(shaped)
    return Scaling(state["missing"], state["dtype"], **fitted, shaping=shaping)


def vocabulary_of(checkpoint: Mapping[str, Any]) -> Vocabulary | None:
    """Returns the vocabulary that `description` has written."""
    values = checkpoint.get("vocabulary")
    return None if values is None else Vocabulary.from_plain(values)


def _plain(scaling: Scaling) -> dict[str, Any]:
    """Returns a scaling as plain values, and one tensor for each fitted array."""
    arrays = {"fill": scaling.fill, "mean": scaling.mean, "deviation": scaling.deviation}
    # `torch.load` with weights_only reads tensors, but no arrays of numpy.
    tensors = {name: torch.from_numpy(a) for name, a in arrays.items() if a is not None}
    shaping = None if scaling.shaping is None else scaling.shaping.state()
    return {"missing": scaling.missing, "dtype": scaling.dtype, **tensors, "shaping": shaping}
