"""Checks that a network reads symbols where the data are symbols. Imports no torch."""

import functools

import numpy as np

from seqsweep.config.schema import Config
from seqsweep.data.sequences import Splits
from seqsweep.training.engine import architecture_of


def num_symbols(model: Config, splits: Splits) -> int:
    """Returns the number of symbols of an embedding: the vocabulary's, or the config's."""
    if splits.vocabulary is not None:
        return len(splits.vocabulary)
    return model["num_embeddings"]


def check_symbols(config: Config, splits: Splits) -> None:
    """Refuses an embedding of data without symbols, and symbols without an embedding.

    A user's own network decides for itself.

    Raises:
        ValueError: with the key to set.
    """
    model = config["model"]
    if architecture_of(model) is None:
        return
    if model.get("embedding_dim") is None:
        _refuse_indices(model, splits)
        return
    if splits.input_size != 1:
        raise ValueError(
            f"model.embedding_dim={model['embedding_dim']}: expected data with the index of a "
            f"symbol at each step, got {splits.input_size} channels; set it to null"
        )
    count = model.get("num_embeddings")
    if splits.vocabulary is None and count is None:
        raise ValueError(
            f"model.embedding_dim={model['embedding_dim']}: the data have no vocabulary; give "
            "model.num_embeddings=NUMBER, one more than the largest index"
        )
    if splits.vocabulary is None and count is not None:
        _check_range(splits, count)


def _refuse_indices(model: Config, splits: Splits) -> None:
    if splits.vocabulary is None:
        return
    if "embedding_dim" in model:
        raise ValueError(
            "model.embedding_dim=null: must be a number, such as 16, because the data are symbols"
        )
    raise ValueError(
        f"model._target_={model['_target_']}: cannot read symbols; give model=rnn "
        "model.embedding_dim=16"
    )


@functools.lru_cache(maxsize=64)
def _check_range(splits: Splits, count: int) -> None:
    """Refuses values that are not indices of symbols."""
    for name, part in splits.parts.items():
        x = part.x[part.valid]
        is_wrong = (x != np.floor(x)) | (x < 0) | (x >= count)
        if is_wrong.any():
            value = float(x[is_wrong][0])
            scaled = "; set data.standardize=false" if value != int(value) else ""
            raise ValueError(
                f"model.num_embeddings={count}: must be above every value of the data, which must"
                f" be whole numbers from 0; {name} has {value:g}{scaled}"
            )
