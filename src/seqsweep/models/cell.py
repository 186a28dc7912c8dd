"""Defines a recurrent cell by one class, from which everything else follows.

B batch, S valid steps in the whole batch, I inputs of a layer, H hidden, A numbers per step that a
cell computes from its input, N numbers of a state.
"""

import math
from collections.abc import Mapping
from typing import ClassVar

import numpy as np
import numpy.typing as npt
from torch import Tensor, nn
from torch.nn import functional

from seqsweep.seeding import rand

Array = npt.NDArray[np.float64]


def uniform(*shape: int) -> Array:
    """Draws numbers in [0, 1) with float32's precision, as float64, by `seeding.rand`."""
    return rand(*shape).numpy().astype(np.float64)


class Cell:
    """One layer and direction of a recurrent network.

    A cell of your own names its weights in `shapes` and overrides `step`. The weights are its
    attributes: the parameter `rnn.weight_ih_l0` is `self.weight_ih` in the first layer. Weights
    with another distribution need `first_weights`, a product of other weights with the input needs
    `project`, and an output other than the state needs `output` and `state_size`. Further
    arguments of the constructor, which have defaults, are the options of the cell.

    Args:
        weights: the weights by their names in `shapes`.
    """

    equations: ClassVar[tuple[str, ...]] = ()
    """The equations of one step, for `explain`."""
    texts: ClassVar[Mapping[str, str]] = {}
    """The names of weights in the equations; other weights keep their names."""
    states: ClassVar[Mapping[str, str]] = {"h": "the state after each step"}
    """The names of states and outputs in the equations, with their meaning."""
    forget_gate: ClassVar[int | None] = None
    """The number of the forget gate in a bias; only with it there is `forget_bias`."""
    no_weight_decay: ClassVar[tuple[str, ...]] = ()
    """The weights that weight decay spares."""
    module: ClassVar[type[nn.RNNBase] | None] = None
    """The module of torch for this very cell, which trains in place of `CellLayers`."""

    weight_ih: Tensor
    weight_hh: Tensor
    bias_ih: Tensor
    bias_hh: Tensor

    def __init__(self, weights: Mapping[str, Tensor]) -> None:
        for name, weight in weights.items():
            setattr(self, name, weight)

    @staticmethod
    def shapes(inputs: int, hidden: int) -> dict[str, tuple[int, ...]]:
        """Returns the shape of each weight by its name."""
        return {"weight_ih": (hidden, inputs), "bias_ih": (hidden,)}

    @staticmethod
    def state_size(hidden: int) -> int:
        """Returns N, the numbers of a state."""
        return hidden

    @classmethod
    def first_weights(cls, inputs: int, hidden: int) -> dict[str, Array]:
        """Draws the first weights: uniform between -1 / sqrt(H) and 1 / sqrt(H)."""
        bound = 1 / math.sqrt(hidden)
        shapes = cls.shapes(inputs, hidden)
        return {name: (2 * uniform(*shape) - 1) * bound for name, shape in shapes.items()}

    def project(self, x: Tensor) -> Tensor:
        """Computes at once what all steps need of the input: (S, I) -> (S, A)."""
        return functional.linear(x, self.weight_ih, self.bias_ih)

    def step(self, x: Tensor, state: Tensor) -> Tensor:
        """Returns the next state: x (B, A) of `project`, state (B, N) -> (B, N)."""
        raise NotImplementedError

    def output(self, states: Tensor, x: Tensor) -> Tensor:
        """Returns the outputs of all steps: states (S, N), x (S, A) of `project` -> (S, H)."""
        return states
