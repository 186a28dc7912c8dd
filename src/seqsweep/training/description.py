"""The description of a run, with which its checkpoints need no training data.

F features (channels), C classes.
"""

from typing import Any

import torch

from seqsweep.config.schema import Config
from seqsweep.data.scaling import ARRAYS, Scaling
from seqsweep.data.sequences import Splits
from seqsweep.data.transforms import Shaping
from seqsweep.data.vocabulary import Vocabulary
from seqsweep.runs.identity import CODE
from seqsweep.training.checkpoint_files import CheckpointContent
from seqsweep.training.run_data import OwnData
from seqsweep.training.user_code import code_of

DESCRIPTION = ("config", "class_names", "channel_names", "scaling")
"""The keys that every `description` has."""


def description(config: Config, splits: Splits | OwnData) -> dict[str, Any]:
    """Returns what checkpoints hold to be usable without the training data.

    `scaling` is None for a user's own data module, which scales its data itself. The key
    `vocabulary` exists only for data of symbols, and the key `code` only for the user's own code.
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


def scaling_of(checkpoint: CheckpointContent) -> Scaling | None:
    """Returns the scaling that `description` has put in a checkpoint, or None."""
    state = checkpoint["scaling"]
    if state is None:
        return None
    arrays = {name: value.numpy() for name, value in state.items() if torch.is_tensor(value)}
    fitted = {name: arrays.get(name) for name in ARRAYS}
    shaped = state["shaping"]
    shaping = None if shaped is None else Shaping.from_state(shaped)
    return Scaling(state["missing"], state["dtype"], **fitted, shaping=shaping, step=state["step"])


def vocabulary_of(checkpoint: CheckpointContent) -> Vocabulary | None:
    """Returns the vocabulary that `description` has put in a checkpoint, or None."""
    values = checkpoint.get("vocabulary")
    return None if values is None else Vocabulary.from_plain(values)


def _plain(scaling: Scaling) -> dict[str, Any]:
    """Returns a scaling as plain values and tensors."""
    arrays = {name: getattr(scaling, name) for name in ARRAYS}
    # `torch.load` with weights_only reads tensors, but not numpy arrays.
    tensors = {name: torch.from_numpy(a) for name, a in arrays.items() if a is not None}
    shaping = None if scaling.shaping is None else scaling.shaping.state()
    plain = {"missing": scaling.missing, "dtype": scaling.dtype, "step": scaling.step}
    return {**plain, **tensors, "shaping": shaping}
