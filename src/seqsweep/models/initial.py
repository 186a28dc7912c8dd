"""First weights of recurrent layers, other than torch's.

H hidden, G gates: 1 for the cell rnn, 3 for gru, 4 for lstm.
"""

import math
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

_DRAWS = 12
"""The sum of this many uniform numbers has variance 1, and nearly a normal distribution."""


@torch.no_grad()
def make_orthogonal(rnn: nn.Module) -> None:
    """Replaces the recurrent weights of every gate, layer and direction by orthogonal ones.

    An orthogonal matrix keeps the norm of a state and of its gradient, so that neither vanishes
    nor explodes over many steps at the start: Saxe, McClelland and Ganguli 2014 (Exact solutions to
    the nonlinear dynamics of learning in deep linear neural networks, arXiv:1312.6120).
    """
    for weight in _parameters(rnn, "weight_hh_"):  # (G*H, H)
        for gate in weight.split(weight.shape[1]):
            gate.copy_(torch.from_numpy(orthogonal(weight.shape[1])))


@torch.no_grad()
def set_forget_bias(rnn: nn.Module, value: float) -> None:
    """Sets the bias of every forget gate of an LSTM, in all layers and directions.

    With a large bias the gates begin open and the cell remembers: Gers, Schmidhuber and Cummins
    2000 (Learning to Forget, Neural Computation 12(10)); Jozefowicz, Zaremba and Sutskever 2015 (An
    Empirical Exploration of Recurrent Network Architectures, ICML), where 1 is the value advised.
    """
    # torch adds two biases, so one of them becomes the value and the other one 0.
    for name, bias_value in (("bias_ih_", value), ("bias_hh_", 0.0)):
        for bias in _parameters(rnn, name):
            size = len(bias) // 4  # the order of the gates is input, forget, cell, output
            bias[size : 2 * size] = bias_value


def orthogonal(size: int) -> npt.NDArray[np.float64]:
    """Returns a random orthogonal matrix (H, H), drawn from torch's global generator.

    A library of linear algebra gives other last bits on another CPU. Here every sum has a fixed
    order, so a seed gives the same bits everywhere.
    """
    uniform = torch.rand(_DRAWS, size, size, dtype=torch.float64).numpy()
    # Sums of uniform numbers need no logarithm, which libraries round differently.
    vectors = uniform.sum(axis=0) - _DRAWS / 2  # (H, H), the vectors in the columns
    for index in range(size):
        column = vectors[:, index]
        column /= math.sqrt(math.fsum(column * column))  # fsum is exact, whatever the order
        others = vectors[:, index + 1 :]
        # Modified Gram-Schmidt: what the other columns have of this one is taken out of them.
        shares = (column[:, None] * others).sum(axis=0)
        others -= column[:, None] * shares
    return vectors


def _parameters(rnn: nn.Module, kind: str) -> Iterator[Tensor]:
    for name, parameter in rnn.named_parameters():
        if name.rpartition(".")[2].startswith(kind):
            yield parameter
