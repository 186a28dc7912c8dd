"""Our cells: those of torch.nn, IndRNN, minGRU, minLSTM and the Linear Recurrent Unit.

H hidden; see `models.cell` for the other letters. This is the reference, for any device. On a CPU,
the native engine computes the same (native/source/cells.h and lru.h).
"""

import math
import pkgutil
from collections.abc import Mapping
from functools import partial
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from seqsweep.elementary import log, normal
from seqsweep.importing import is_class_path, prepare_import
from seqsweep.models.cell import Array, Cell, uniform
from seqsweep.text import did_you_mean


def _shapes_of_torch(gates: int, inputs: int, hidden: int) -> dict[str, tuple[int, ...]]:
    rows = gates * hidden
    matrices = {"weight_ih": (rows, inputs), "weight_hh": (rows, hidden)}
    return {**matrices, "bias_ih": (rows,), "bias_hh": (rows,)}


def _texts_of_torch(rows: str = "") -> Mapping[str, str]:
    matrices = {"weight_ih": f"W_ih{rows}", "weight_hh": f"W_hh{rows}"}
    return {**matrices, "bias_ih": "b_ih", "bias_hh": "b_hh"}


class _WithNonlinearity(Cell):
    def __init__(self, weights: Mapping[str, Tensor], nonlinearity: str = "tanh") -> None:
        super().__init__(weights)
        self.activation = torch.relu if nonlinearity == "relu" else torch.tanh


class RNN(_WithNonlinearity):
    """The plain cell of `torch.nn.RNN`: h' = act(W_ih x + b_ih + W_hh h + b_hh)."""

    equations = ("h_t = tanh(W_ih x_t + b_ih + W_hh h_{t-1} + b_hh)",)
    texts = _texts_of_torch()
    shapes = staticmethod(partial(_shapes_of_torch, 1))
    module = nn.RNN

    def step(self, x: Tensor, state: Tensor) -> Tensor:
        return self.activation(x + functional.linear(state, self.weight_hh, self.bias_hh))


class GRU(Cell):
    """The gated recurrent unit of `torch.nn.GRU`, whose reset gate acts after the product."""

    equations = (
        "r_t = sigmoid(W_ir x_t + b_ir + W_hr h_{t-1} + b_hr)      reset gate",
        "z_t = sigmoid(W_iz x_t + b_iz + W_hz h_{t-1} + b_hz)      update gate",
        "n_t = tanh(W_in x_t + b_in + r_t * (W_hn h_{t-1} + b_hn)) new state",
        "h_t = (1 - z_t) * n_t + z_t * h_{t-1}",
    )
    texts = _texts_of_torch("  rows: r, z, n")
    shapes = staticmethod(partial(_shapes_of_torch, 3))
    module = nn.GRU

    def step(self, x: Tensor, state: Tensor) -> Tensor:
        recurrent = functional.linear(state, self.weight_hh, self.bias_hh)
        (r, z, n), (r_h, z_h, n_h) = x.chunk(3, dim=1), recurrent.chunk(3, dim=1)
        z = (z + z_h).sigmoid()
        return (1 - z) * (n + (r + r_h).sigmoid() * n_h).tanh() + z * state


class LSTM(Cell):
    """The long short-term memory of `torch.nn.LSTM`. A state is h, then c."""

    equations = (
        "i_t = sigmoid(W_ii x_t + b_ii + W_hi h_{t-1} + b_hi)      input gate",
        "f_t = sigmoid(W_if x_t + b_if + W_hf h_{t-1} + b_hf)      forget gate",
        "g_t = tanh(W_ig x_t + b_ig + W_hg h_{t-1} + b_hg)         new content",
        "o_t = sigmoid(W_io x_t + b_io + W_ho h_{t-1} + b_ho)      output gate",
        "c_t = f_t * c_{t-1} + i_t * g_t                           cell state",
        "h_t = o_t * tanh(c_t)",
    )
    texts = _texts_of_torch("  rows: i, f, g, o")
    shapes = staticmethod(partial(_shapes_of_torch, 4))
    forget_gate = 1
    module = nn.LSTM

    @staticmethod
    def state_size(hidden: int) -> int:
        return 2 * hidden

    def step(self, x: Tensor, state: Tensor) -> Tensor:
        h, c = state.chunk(2, dim=1)
        gates = x + functional.linear(h, self.weight_hh, self.bias_hh)
        i, f, g, o = gates.chunk(4, dim=1)
        c = f.sigmoid() * c + i.sigmoid() * g.tanh()
        return torch.cat((o.sigmoid() * c.tanh(), c), dim=1)

    def output(self, states: Tensor, x: Tensor) -> Tensor:
        return states.chunk(2, dim=1)[0]


class IndRNN(_WithNonlinearity):
    """The independently recurrent network: h' = act(W x + b + u * h).

    Each unit reads only its own state: Li et al. 2018 (Independently Recurrent Neural Network,
    CVPR, equation 2). The first u is uniform in [0, 1]. The paper bounds |u| by 2^(1/T) for T
    steps and clips it while training. A network does not know T, so u starts within the limit of
    long sequences, and nothing is clipped. The paper trains with relu, batch norm and residual
    connections. Here relu is an option, and the others are left out.
    """

    equations = ("h_t = tanh(W x_t + b + u * h_{t-1})",)
    texts: ClassVar = {"weight_ih": "W", "weight_hh": "u", "bias_ih": "b"}

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

    equations = (
        "z_t = sigmoid(W_z x_t + b_z)                              update gate",
        "c_t = g(W_h x_t + b_h)                                    new content",
        "g(a) = a + 1/2 for a >= 0, else sigmoid(a)",
        "h_t = (1 - z_t) * h_{t-1} + z_t * c_t",
    )
    texts: ClassVar = {"weight_ih": "W  rows: z, h", "bias_ih": "b"}

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

    equations = (
        "f_t = sigmoid(W_f x_t + b_f)                              forget gate",
        "i_t = sigmoid(W_i x_t + b_i)                              input gate",
        "c_t = g(W_h x_t + b_h)                                    new content",
        "g(a) = a + 1/2 for a >= 0, else sigmoid(a)",
        "h_t = (f_t * h_{t-1} + i_t * c_t) / (f_t + i_t)",
    )
    texts: ClassVar = {"weight_ih": "W  rows: f, i, h", "bias_ih": "b"}

    @staticmethod
    def shapes(inputs: int, hidden: int) -> dict[str, tuple[int, ...]]:
        return {"weight_ih": (3 * hidden, inputs), "bias_ih": (3 * hidden,)}

    def step(self, x: Tensor, state: Tensor) -> Tensor:
        f, i, c = x.chunk(3, dim=1)
        q = functional.softplus(-f) - functional.softplus(-i)
        return (-q).sigmoid() * state + q.sigmoid() * _positive(c)


class LRU(Cell):
    """The Linear Recurrent Unit, with a gated linear unit around it (see `equations`).

    The size of lambda, which is diagonal, is always below 1: Orvieto et al. 2023 (Resurrecting
    Recurrent Neural Networks for Long Sequences, arXiv:2303.06349). At first, its square is uniform
    in (0, 1) and its angle in (0, 2 pi), without the ring and the small angles that the paper uses
    for long tasks. The paper has one linear encoder, blocks with batch norm and a mean over time.
    Here each layer has its own W x + b, and no norm. One learning rate acts on all weights, and
    weight decay on all but nu, theta and gamma, where the paper spares B too. A state is its H real
    parts, then its H imaginary parts. The rows of `glu_weight` are u, v.
    """

    equations = (
        "p_t = W x_t + b                                           input",
        "lambda = exp(-exp(nu_log) + i exp(theta_log))             complex, |lambda| < 1",
        "s_t = lambda * s_{t-1} + exp(gamma_log) * (B p_t)         complex state",
        "y_t = Re(C s_t) + D * p_t",
        "e_t = gelu(y_t), in its tanh form",
        "h_t = p_t + (W_u e_t + b_u) * sigmoid(W_v e_t + b_v)      output",
    )
    texts: ClassVar = {
        "weight_ih": "W", "bias_ih": "b",
        "B_re": "the real part of B", "B_im": "the imaginary part of B",
        "C_re": "the real part of C", "C_im": "the imaginary part of C",
        "glu_weight": "W  rows: u, v", "glu_bias": "b  rows: u, v",
    }  # fmt: skip
    states: ClassVar = {"s": "the complex state after each step", "h": "the output of each step"}
    no_weight_decay = ("nu_log", "theta_log", "gamma_log")

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

    def __init__(self, weights: Mapping[str, Tensor]) -> None:
        super().__init__(weights)
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
        # In this order each of the four products is part of a fused multiply-add.
        new_re = (new_re + self.re * re) - self.im * im
        new_im = (new_im + self.re * im) + self.im * re
        return torch.cat((new_re, new_im), dim=1)

    def output(self, states: Tensor, x: Tensor) -> Tensor:
        (p, _, _), (re, im) = x.chunk(3, dim=1), states.chunk(2, dim=1)
        y = functional.linear(re, self.C_re) - functional.linear(im, self.C_im) + self.D * p
        e = functional.gelu(y, approximate="tanh")
        u, v = functional.linear(e, self.glu_weight, self.glu_bias).chunk(2, dim=1)
        return p + u * v.sigmoid()


def _positive(x: Tensor) -> Tensor:
    """Returns g(x): x + 1/2 for x >= 0, else sigmoid(x)."""
    return torch.where(x >= 0, x + 0.5, x.sigmoid())


CELLS: dict[str, type[Cell]] = {
    "rnn": RNN, "gru": GRU, "lstm": LSTM, "indrnn": IndRNN, "mingru": MinGRU, "minlstm": MinLSTM,
    "lru": LRU,
}  # fmt: skip
"""Our cells by the names that a config gives them."""


def cell_class(cell: str | type[Any]) -> type[Cell]:
    """Returns a class of `Cell` by the name of ours, or by its path.

    Raises:
        ValueError: there is no such class, or it is not a class of `Cell` with a `step`.
    """
    kind = (CELLS.get(cell) or _imported(cell)) if isinstance(cell, str) else cell
    if not (isinstance(kind, type) and issubclass(kind, Cell)):
        raise ValueError(f"cell={cell!r}: must be a subclass of seqsweep.Cell")
    if kind.step is Cell.step:
        raise ValueError(f"cell={cell!r}: must have a method step(self, x, state)")
    return kind


def cell_name(kind: type[Any]) -> str:
    """Returns the name of one of our cells, or the dotted path of another class."""
    ours = (name for name, known in CELLS.items() if known is kind)
    return next(ours, f"{kind.__module__}.{kind.__qualname__}")


def _imported(path: str) -> Any:
    """Returns what a dotted path names."""
    if not is_class_path(path):
        hint = did_you_mean(path, CELLS)
        raise ValueError(
            f"cell={path!r}: must be one of {', '.join(CELLS)}, or the path of a class{hint}"
        )
    prepare_import(path)
    try:
        return pkgutil.resolve_name(path)
    except (Exception, SystemExit) as error:  # a user's module may raise anything
        reason = f"{type(error).__name__}: {error}"
        raise ValueError(f"cell={path!r}: cannot be imported: {reason}") from error
