"""Recurrent cells that torch.nn lacks: IndRNN, minGRU, minLSTM and the Linear Recurrent Unit.

B batch, T time steps, S valid steps in the whole batch, I inputs of a layer, H hidden, L layers,
D directions, A numbers per step that a cell computes from its input, N numbers of a state.

This is the reference: a plain loop over the time steps, for any device. On a CPU, the native engine
computes the same (native/source/cells.h and lru.h).
"""

import math
from collections.abc import Iterator, Mapping
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence

from seqsweep.elementary import log, normal
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
    `project`, and an output other than the state needs `output` and `state_size`.

    Args:
        weights: the weights by their names in `shapes`.
        nonlinearity: `tanh` or `relu`, for cells that have a choice.
    """

    weight_ih: Tensor
    bias_ih: Tensor

    def __init__(self, weights: Mapping[str, Tensor], nonlinearity: str = "tanh") -> None:
        self.activation = torch.relu if nonlinearity == "relu" else torch.tanh
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


class IndRNN(Cell):
    """The independently recurrent network: h' = act(W x + b + u * h).

    Each unit reads only its own state: Li et al. 2018 (Independently Recurrent Neural Network,
    CVPR, equation 2). The first u is uniform in [0, 1]. The paper bounds |u| by 2^(1/T) for T
    steps and clips it while training. A network does not know T, so u starts within the limit of
    long sequences, and nothing is clipped. The paper trains with relu, batch norm and residual
    connections. Here relu is an option, and the others are left out.
    """

    weight_hh: Tensor

    @staticmethod
    def shapes(inputs: int, hidden: int) -> dict[str, tuple[int, ...]]:
        return {"weight_ih": (hidden, inputs), "weight_hh": (hidden,), "bias_ih": (hidden,)}

    @classmethod
    def first_weights(cls, inputs: int, hidden: int) -> dict[str, Array]:
        return super().first_weights(inputs, hidden) | {"weight_hh": uniform(hidden)}

    def step(self, x: Tensor, state: Tensor) -> Tensor:
        return self.activation(x + self.weight_hh * state)


class MinGRU(Cell):
    """The minimal GRU: h' = (1 - z) h + z c.

    Neither z = sigmoid(W_z x + b_z) nor c = g(W_h x + b_h) reads the state: Feng et al. 2024 (Were
    RNNs All We Needed?, arXiv:2410.01201, section 3.1), with the positive candidate g of their
    appendix B.3, whose slope jumps at 0. The rows of `weight_ih` are z, h.

    Here the first weights are uniform by the number of units, not of inputs, and the first state is
    0, where the paper's code starts from g(0) = 0.5. The paper's blocks around the cell
    (convolution, norm, multilayer perceptron) are left out. All this holds for `MinLSTM` too.
    """

    @staticmethod
    def shapes(inputs: int, hidden: int) -> dict[str, tuple[int, ...]]:
        return {"weight_ih": (2 * hidden, inputs), "bias_ih": (2 * hidden,)}

    def step(self, x: Tensor, state: Tensor) -> Tensor:
        z, c = x.chunk(2, dim=1)
        z = z.sigmoid()
        return (1 - z) * state + z * _positive(c)


class MinLSTM(Cell):
    """The minimal LSTM without an output gate: h' = f' h + i' g(W_h x + b_h).

    f' = f / (f + i) and i' = i / (f + i), where f and i are logistic functions of the input alone:
    Feng et al. 2024 (arXiv:2410.01201, section 3.2 and appendix B.3). They are computed as
    f' = sigmoid(-q) and i' = sigmoid(q), where q = softplus(-a_f) - softplus(-a_i), so that nothing
    divides 0 by 0. The rows of `weight_ih` are f, i, h.
    """

    @staticmethod
    def shapes(inputs: int, hidden: int) -> dict[str, tuple[int, ...]]:
        return {"weight_ih": (3 * hidden, inputs), "bias_ih": (3 * hidden,)}

    def step(self, x: Tensor, state: Tensor) -> Tensor:
        f, i, c = x.chunk(3, dim=1)
        q = functional.softplus(-f) - functional.softplus(-i)
        return (-q).sigmoid() * state + q.sigmoid() * _positive(c)


class LRU(Cell):
    """The Linear Recurrent Unit, with a gated linear unit around it.

    p = W x + b                                       the input in H numbers
    s' = lambda s + exp(gamma_log) B p                complex, with a diagonal lambda
    y = Re(C s') + D p
    output = p + (W_u e + b_u) sigmoid(W_v e + b_v)   where e = gelu(y), in its tanh form

    lambda = exp(-exp(nu_log) + i exp(theta_log)), so its size is always below 1: Orvieto et al.
    2023 (Resurrecting Recurrent Neural Networks for Long Sequences, arXiv:2303.06349). At first,
    its square is uniform in (0, 1) and its angle in (0, 2 pi), without the ring and the small
    angles that the paper uses for long tasks. The paper has one linear encoder, blocks with batch
    norm and a mean over time. Here each layer has its own W x + b, and no norm. One learning rate
    and weight decay act on all weights, where the paper spares nu, theta, gamma and B.
    A state is its H real parts, then its H imaginary parts. The rows of `glu_weight` are u, v.
    """

    nu_log: Tensor
    theta_log: Tensor
    gamma_log: Tensor
    B_re: Tensor
    B_im: Tensor
    C_re: Tensor
    C_im: Tensor
    D: Tensor
    glu_weight: Tensor
    glu_bias: Tensor

    @staticmethod
    def shapes(inputs: int, hidden: int) -> dict[str, tuple[int, ...]]:
        vectors = dict.fromkeys(("bias_ih", "nu_log", "theta_log", "gamma_log"), (hidden,))
        squares = dict.fromkeys(("B_re", "B_im", "C_re", "C_im"), (hidden, hidden))
        glu = {"glu_weight": (2 * hidden, hidden), "glu_bias": (2 * hidden,)}
        return {"weight_ih": (hidden, inputs), **vectors, **squares, "D": (hidden,), **glu}

    @staticmethod
    def state_size(hidden: int) -> int:
        return 2 * hidden

    @classmethod
    def first_weights(cls, inputs: int, hidden: int) -> dict[str, Array]:
        weights = super().first_weights(inputs, hidden)
        # Half of the last place is added, so that no number is 0 or 1.
        square, turn = uniform(2, hidden) + 2**-25
        b, c = normal(uniform(2, 2, hidden, hidden, 2)) / math.sqrt(hidden)  # (2, H, H) each
        weights |= {"nu_log": log(-log(square) / 2), "theta_log": log(2 * math.pi * turn)}
        weights |= {"gamma_log": log(1 - square) / 2, "D": normal(uniform(hidden, 2))}
        weights |= dict(zip(("B_re", "B_im"), b / math.sqrt(2), strict=True))
        return weights | dict(zip(("C_re", "C_im"), c, strict=True))

    def __init__(self, weights: Mapping[str, Tensor], nonlinearity: str = "tanh") -> None:
        super().__init__(weights, nonlinearity)
        size, angle = (-self.nu_log.exp()).exp(), self.theta_log.exp()
        self.re, self.im = size * angle.cos(), size * angle.sin()

    def project(self, x: Tensor) -> Tensor:
        """Returns p, and exp(gamma_log) B p by its real and its imaginary part: (S, 3H)."""
        p = super().project(x)
        growth = self.gamma_log.exp()
        parts = (growth * functional.linear(p, b) for b in (self.B_re, self.B_im))
        return torch.cat((p, *parts), dim=1)

    def step(self, x: Tensor, state: Tensor) -> Tensor:
        (_, new_re, new_im), (re, im) = x.chunk(3, dim=1), state.chunk(2, dim=1)
        new_re = self.re * re - self.im * im + new_re
        new_im = self.re * im + self.im * re + new_im
        return torch.cat((new_re, new_im), dim=1)

    def output(self, states: Tensor, x: Tensor) -> Tensor:
        (p, _, _), (re, im) = x.chunk(3, dim=1), states.chunk(2, dim=1)
        y = functional.linear(re, self.C_re) - functional.linear(im, self.C_im) + self.D * p
        e = functional.gelu(y, approximate="tanh")
        u, v = functional.linear(e, self.glu_weight, self.glu_bias).chunk(2, dim=1)
        return p + u * v.sigmoid()


CELLS: dict[str, type[Cell]] = {"indrnn": IndRNN, "mingru": MinGRU, "minlstm": MinLSTM, "lru": LRU}


class CellLayers(nn.Module):
    """Runs the layers and directions of a cell, as `torch.nn.RNN` with `batch_first=True` does.

    Its parameters have the names of the cell's `shapes` with torch's endings: `_l0`, `_l0_reverse`,
    `_l1` and so on. The first state of every sequence is 0. The reverse direction reads the valid
    steps of each sequence from the last one.

    Args:
        cell: the class of the cell.
        input_size: number of features of a step, F.
        hidden_size: number of units of a layer and direction, H.
        num_layers: number of layers, L.
        dropout: probability of zeroing an output of a layer other than the last.
        bidirectional: adds the reverse direction.
        nonlinearity: see `Cell`.

    Shape:
        x (B, T, F) or packed -> outputs (B, T, D*H) or packed, and the outputs at the last step
        that each layer and direction reads, (L*D, B, H).
    """

    def __init__(
        self,
        cell: type[Cell],
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        dropout: float = 0.0,
        bidirectional: bool = False,
        nonlinearity: Literal["tanh", "relu"] = "tanh",
    ) -> None:
        super().__init__()
        self.cell = cell
        self.input_size, self.hidden_size, self.num_layers = input_size, hidden_size, num_layers
        self.bidirectional, self.dropout = bidirectional, dropout
        self.nonlinearity = nonlinearity
        for inputs, ending in self.lanes():
            for name, shape in cell.shapes(inputs, hidden_size).items():
                self.register_parameter(name + ending, nn.Parameter(torch.empty(shape)))
        self.reset_parameters()

    @torch.no_grad()
    def reset_parameters(self) -> None:
        """Draws the first weights of all layers and directions, as the constructor does."""
        for inputs, ending in self.lanes():
            for name, values in self.cell.first_weights(inputs, self.hidden_size).items():
                self.get_parameter(name + ending).copy_(torch.from_numpy(values))

    def lanes(self) -> Iterator[tuple[int, str]]:
        """Yields the inputs and the ending of the parameters of each layer and direction."""
        endings = ("", "_reverse") if self.bidirectional else ("",)
        for layer in range(self.num_layers):
            inputs = self.hidden_size * len(endings) if layer else self.input_size
            for ending in endings:
                yield inputs, f"_l{layer}{ending}"

    def weights(self, ending: str) -> dict[str, Tensor]:
        """Returns the weights of one layer and direction by their names in `shapes`."""
        names = self.cell.shapes(self.input_size, self.hidden_size)
        return {name: getattr(self, name + ending) for name in names}

    def forward(self, x: Tensor | PackedSequence) -> tuple[Tensor | PackedSequence, Tensor]:
        packed = x
        if isinstance(x, Tensor):
            lengths = torch.full((len(x),), x.shape[1])
            packed = pack_padded_sequence(x, lengths, batch_first=True)
        assert isinstance(packed, PackedSequence)
        data, sizes = packed.data, packed.batch_sizes.tolist()
        mirrored = _mirrored_rows(sizes).to(data.device) if self.bidirectional else None
        outputs: list[Tensor] = []
        finals: list[Tensor] = []
        for _, ending in self.lanes():
            is_reverse = ending.endswith("_reverse")
            if outputs and not is_reverse:  # a new layer
                data = functional.dropout(torch.cat(outputs, dim=1), self.dropout, self.training)
                outputs = []
            cell = self.cell(self.weights(ending), self.nonlinearity)
            start = data.new_zeros(sizes[0], cell.state_size(self.hidden_size))
            output, final = _run(cell, data[mirrored] if is_reverse else data, sizes, start)
            outputs.append(output[mirrored] if is_reverse else output)
            finals.append(final)
        output, state = torch.cat(outputs, dim=1), torch.stack(finals)
        if isinstance(x, Tensor):
            return output.view(x.shape[1], len(x), -1).transpose(0, 1), state
        if packed.unsorted_indices is not None:
            state = state[:, packed.unsorted_indices]
        return packed._replace(data=output), state


def _run(cell: Cell, x: Tensor, sizes: list[int], state: Tensor) -> tuple[Tensor, Tensor]:
    """Runs one cell over packed steps; returns the outputs (S, H) and the last of each (B, H).

    `sizes` holds the number of sequences at each step, which never grows.
    """
    projected = cell.project(x)
    states: list[Tensor] = []
    for step in projected.split(sizes):
        state = cell.step(step, state[: len(step)])  # the shortest sequences are at the end
        states.append(state)
    outputs = cell.output(torch.cat(states), projected)
    return outputs, outputs[_last_rows(sizes).to(x.device)]


def _rows(sizes: list[int]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Returns the first row of each step, and the number of steps of each sequence."""
    counts = np.array(sizes)
    lengths = (counts[:, None] > np.arange(sizes[0])).sum(axis=0)
    return np.cumsum(counts) - counts, lengths


def _last_rows(sizes: list[int]) -> Tensor:
    """Returns the row of the last step of each sequence, (B,)."""
    starts, lengths = _rows(sizes)
    return torch.from_numpy(starts[lengths - 1] + np.arange(sizes[0]))


def _mirrored_rows(sizes: list[int]) -> Tensor:
    """Returns for each row (S,) the row as far from the sequence's other end."""
    starts, lengths = _rows(sizes)
    rows = [starts[lengths[:n] - 1 - t] + np.arange(n) for t, n in enumerate(sizes)]
    return torch.from_numpy(np.concatenate(rows))


def _positive(x: Tensor) -> Tensor:
    """Returns g(x): x + 1/2 for x >= 0, else sigmoid(x)."""
    return torch.where(x >= 0, x + 0.5, x.sigmoid())
