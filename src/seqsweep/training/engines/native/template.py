"""The weights of a network as one vector, without building the network for each member.

P parameters of the network.
"""

import functools
import json
import math
from collections.abc import Mapping

import torch
from torch import Tensor

from seqsweep.config.instantiate import build
from seqsweep.config.schema import Config
from seqsweep.models.classifier import RNNClassifier
from seqsweep.seeding import global_stream
from seqsweep.training.build_run import sizes_from_data
from seqsweep.training.run_data import translate_memory_errors


class Template:
    """A network that all members of equal models share.

    Attributes:
        shapes: the shape of each parameter by its name in a `SequenceClassifier`, in the order of
            the weights as one vector.
        params: P.
    """

    def __init__(self, network: RNNClassifier) -> None:
        self.network = network
        named = network.named_parameters()
        self.shapes = {f"network.{name}": parameter.shape for name, parameter in named}
        self.params = sum(map(math.prod, self.shapes.values()))

    def first_weights(self, seed: int) -> Tensor:
        """Returns the first weights (P,) of a run, drawn from its stream `init`."""
        # The same calls as in the constructor draw the same weights, without building a network.
        with global_stream(seed, "init"):
            self.network.reset_parameters()
        return torch.cat([p.detach().flatten() for p in self.network.parameters()])

    def named(self, vector: Tensor) -> dict[str, Tensor]:
        """Returns weights (P,) by their names."""
        parts = vector.split([math.prod(shape) for shape in self.shapes.values()])
        pairs = zip(self.shapes.items(), parts, strict=True)
        return {name: part.view(shape) for (name, shape), part in pairs}

    def vector(self, state_dict: Mapping[str, Tensor]) -> Tensor:
        """Returns named weights as a vector (P,)."""
        return torch.cat([state_dict[name].flatten() for name in self.shapes])


def template_of(model: Config, input_size: int, num_classes: int) -> Template:
    """Returns the template of a config's model, built once.

    Raises:
        ValueError, TypeError, OSError: an argument of the network is refused.
    """
    return _template(json.dumps(model, sort_keys=True), input_size, num_classes)


@functools.lru_cache(maxsize=512)
@translate_memory_errors()
def _template(model: str, input_size: int, num_classes: int) -> Template:
    section = json.loads(model)
    sizes = {"input_size": input_size, "num_classes": num_classes}
    return Template(build(section, "model", **sizes_from_data(section, sizes)))
