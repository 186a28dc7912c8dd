"""The first weights of a network, with equal bits on every processor.

H hidden, G blocks of rows in a weight, one for each gate of a cell.
"""

import math
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from seqsweep.elementary import normal
from seqsweep.models.cell import uniform
from seqsweep.models.cell_layers import CellLayers
from seqsweep.seeding import rand

_DRAWS = 12
"""The sum of this many uniform numbers in [0, 1) has variance 1, and is nearly normal."""


@torch.no_grad()
def draw_first_weights(network: nn.Module) -> None:
    """Draws the weights and biases of a network's layers by `seeding.rand`.

    The distributions are torch's own: an embedding is standard normal, and other parameters are
    uniform between -1 / sqrt(n) and 1 / sqrt(n), where n is the number of units of a recurrent
    layer or the number of inputs of a linear layer. The cells in `CellLayers` have their own.
    torch's `uniform_` and `normal_` round differently on a CPU without AVX2; `rand` and numpy's
    arithmetic do not.
    """
    for module in network.modules():
        if isinstance(module, (nn.LayerNorm, CellLayers)):
            module.reset_parameters()  # ones and zeros, or the draws of a cell
        elif isinstance(module, nn.Embedding):
            _fill(module.weight, normal(uniform(*module.weight.shape, 2)))
        elif isinstance(module, (nn.RNNBase, nn.Linear)):
            is_linear = isinstance(module, nn.Linear)
            bound = 1 / math.sqrt(module.in_features if is_linear else module.hidden_size)
            for parameter in module.parameters():
                _fill(parameter, (2 * uniform(*parameter.shape) - 1) * bound)


@torch.no_grad()
def make_orthogonal(rnn: nn.Module) -> None:
    """Replaces the recurrent weights of every gate, layer and direction by orthogonal matrices.

    An orthogonal matrix keeps the norm of a state and of the gradient. So at the start of training,
    both stay of the same size over many steps: Saxe, McClelland and Ganguli 2014 (Exact solutions
    to the nonlinear dynamics of learning in deep linear neural networks, arXiv:1312.6120).
    """
    for weight in _parameters(rnn, "weight_hh_"):  # (G*H, H)
        for gate in weight.split(weight.shape[1]):
            gate.copy_(torch.from_numpy(orthogonal(weight.shape[1])))


@torch.no_grad()
def set_forget_bias(rnn: nn.Module, value: float, gate: int, hidden: int) -> None:
    """Sets the bias of every forget gate, in all layers and directions.

    `gate` is its number in a bias. With a large bias the gates begin open, so the cell remembers.
    See Gers, Schmidhuber and Cummins 2000 (Learning to Forget, Neural Computation 12(10)), and
    Jozefowicz, Zaremba and Sutskever 2015 (An Empirical Exploration of Recurrent Network
    Architectures, ICML), which advises 1.
    """
    # torch adds two biases, so one bias becomes the value and the other bias becomes 0.
    for name, bias_value in (("bias_ih_", value), ("bias_hh_", 0.0)):
        for bias in _parameters(rnn, name):
            bias[gate * hidden : (gate + 1) * hidden] = bias_value


def orthogonal(size: int) -> npt.NDArray[np.float64]:
    """Returns a random orthogonal matrix (H, H), drawn by `seeding.rand`.

    A linear algebra library gives different last bits on different CPUs. Here every sum has a fixed
    order, so a seed gives the same bits everywhere.
    """
    uniform = rand(_DRAWS, size, size, dtype=torch.float64).numpy()
    # Sums of uniform numbers need no logarithm, which libraries round differently.
    vectors = uniform.sum(axis=0) - _DRAWS / 2  # (H, H), the vectors in the columns
    for index in range(size):
        column = vectors[:, index]
        column /= math.sqrt(math.fsum(column * column))  # fsum gives the same sum in any order
        others = vectors[:, index + 1 :]
        # Modified Gram-Schmidt subtracts from each later column its component along this column.
        shares = (column[:, None] * others).sum(axis=0)
        others -= column[:, None] * shares
    return vectors


def _fill(parameter: Tensor, values: npt.NDArray[np.float64]) -> None:
    """Copies values into a parameter, rounding once to its type."""
    parameter.copy_(torch.from_numpy(values))


def _parameters(rnn: nn.Module, kind: str) -> Iterator[Tensor]:
    for name, parameter in rnn.named_parameters():
        if name.rpartition(".")[2].startswith(kind):
            yield parameter
