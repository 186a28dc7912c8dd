"""The weights of a network as a safetensors file, with all that belongs to them.

F features (channels).
"""

import copy
import json
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors.torch import load, save
from torch import Tensor

from seqsweep.data.checks import Array
from seqsweep.using.export.check import Answer, Outputs, network_outputs
from seqsweep.using.export.contents import metadata
from seqsweep.using.load import LoadedRun


def write(run: LoadedRun) -> bytes:
    """Returns the weights as the content of a safetensors file.

    The tensors have the names of the network's `state_dict`. The metadata hold the config and the
    scaling as JSON, beside the names and the origin. Any network can be written.
    """
    weights = {name: w.detach().contiguous() for name, w in run.network.state_dict().items()}
    more = {
        "config": json.dumps(run.config, ensure_ascii=False, default=str),
        "scaling": json.dumps(_plain_scaling(run)),
    }
    return save(_without_sharing(weights), metadata(run) | more)


def read(content: bytes, run: LoadedRun) -> Answer:
    """Returns what the run's network computes with the weights of a file's content."""
    network = copy.deepcopy(run.network)
    network.load_state_dict(load(content))

    def answer(x: Array, lengths: npt.NDArray[np.int64]) -> Outputs:
        return network_outputs(run, x, lengths, network)

    return answer


def _plain_scaling(run: LoadedRun) -> dict[str, Any] | None:
    """Returns the scaling in plain values: its arrays (F,) as lists."""
    scaling = run.scaling
    if scaling is None:
        return None
    arrays = {"fill": scaling.fill, "mean": scaling.mean, "deviation": scaling.deviation}
    lists = {name: array.tolist() for name, array in arrays.items() if array is not None}
    shaping = {} if scaling.shaping is None else {"shaping": scaling.shaping.state()}
    return {"missing": scaling.missing, "dtype": scaling.dtype, **lists, **shaping}


def _without_sharing(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Returns the weights, with copies of those that share their memory."""
    seen = set[int]()
    result: dict[str, Tensor] = {}
    for name, weight in weights.items():
        place = weight.untyped_storage().data_ptr()
        result[name] = weight.clone() if place in seen else weight
        seen.add(place)
    return result
