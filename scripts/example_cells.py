"""Seven cells of papers, each one class that the native engine trains.

    cd scripts
    seqsweep train -m data=digits model.cell=rnn,example_cells.MGU,example_cells.SRU

Each cell has at most sixteen lines of code. docs/extend.md describes such classes.
"""

# pyright: basic, reportAttributeAccessIssue=false
# The attributes of a cell are what `shapes` names.

import torch
from torch.nn import functional

from seqsweep.models.cell import Cell


class MGU(Cell):
    """The minimal gated unit: Zhou et al. 2016, arXiv:1603.09420."""

    @staticmethod
    def shapes(inputs, hidden):
        gates, square = 2 * hidden, (hidden, hidden)
        matrices = {"weight_ih": (gates, inputs), "weight_hf": square, "weight_hh": square}
        return {**matrices, "bias_ih": (gates,)}

    def step(self, x, state):
        f, c = x.chunk(2, dim=1)
        f = torch.sigmoid(f + functional.linear(state, self.weight_hf))
        c = torch.tanh(c + functional.linear(f * state, self.weight_hh))
        return (1 - f) * state + f * c


class LiGRU(Cell):
    """The light GRU, without batch norm: Ravanelli et al. 2018, arXiv:1803.10225."""

    @staticmethod
    def shapes(inputs, hidden):
        gates = 2 * hidden
        return {"weight_ih": (gates, inputs), "weight_hh": (gates, hidden), "bias_ih": (gates,)}

    def step(self, x, state):
        z, c = (x + functional.linear(state, self.weight_hh)).chunk(2, dim=1)
        z = torch.sigmoid(z)
        return z * state + (1 - z) * torch.relu(c)


class SRU(Cell):
    """The simple recurrent unit: Lei et al. 2018, arXiv:1709.02755; each product has a bias."""

    state_size = staticmethod(lambda hidden: 2 * hidden)  # c, h

    @staticmethod
    def shapes(inputs, hidden):
        vectors = {"bias_ih": (4 * hidden,), "peepholes": (2 * hidden,)}
        return {"weight_ih": (4 * hidden, inputs), **vectors}

    def step(self, x, state):
        (z, f, r, skip), c = x.chunk(4, dim=1), state.chunk(2, dim=1)[0]
        v_f, v_r = self.peepholes.chunk(2)
        f, r = torch.sigmoid(f + v_f * c), torch.sigmoid(r + v_r * c)
        c = f * c + (1 - f) * z
        return torch.cat((c, r * c + (1 - r) * skip), dim=1)

    def output(self, states, x):
        return states.chunk(2, dim=1)[1]


class CoRNN(Cell):
    """The coupled oscillatory network: Rusch and Mishra 2021, arXiv:2010.00951."""

    state_size = staticmethod(lambda hidden: 2 * hidden)  # y, z

    def __init__(self, weights, dt=0.05, gamma=2.7, epsilon=4.7):
        super().__init__(weights)
        self.dt, self.gamma, self.epsilon = dt, gamma, epsilon

    @staticmethod
    def shapes(inputs, hidden):
        return Cell.shapes(inputs, hidden) | {"weight_hh": (hidden, 2 * hidden)}

    def step(self, x, state):
        y, z = state.chunk(2, dim=1)
        force = torch.tanh(x + functional.linear(state, self.weight_hh))
        z = z + self.dt * (force - self.gamma * y - self.epsilon * z)
        return torch.cat((y + self.dt * z, z), dim=1)

    def output(self, states, x):
        return states.chunk(2, dim=1)[0]


class PeepholeLSTM(Cell):
    """The LSTM with peepholes: Gers and Schmidhuber 2000, Recurrent nets that time and count."""

    state_size = staticmethod(lambda hidden: 2 * hidden)  # h, c

    @staticmethod
    def shapes(inputs, hidden):
        vectors = {"bias_ih": (4 * hidden,), "peepholes": (3 * hidden,)}
        return {"weight_ih": (4 * hidden, inputs), "weight_hh": (4 * hidden, hidden), **vectors}

    def step(self, x, state):
        (h, c), (p_i, p_f, p_o) = state.chunk(2, dim=1), self.peepholes.chunk(3)
        i, f, g, o = (x + functional.linear(h, self.weight_hh)).chunk(4, dim=1)
        c = torch.sigmoid(f + p_f * c) * c + torch.sigmoid(i + p_i * c) * torch.tanh(g)
        return torch.cat((torch.sigmoid(o + p_o * c) * torch.tanh(c), c), dim=1)

    def output(self, states, x):
        return states.chunk(2, dim=1)[0]


class SLSTM(Cell):
    """The LSTM with exponential gates, one head: Beck et al. 2024, xLSTM, arXiv:2405.04517."""

    state_size = staticmethod(lambda hidden: 4 * hidden)  # h, c, n, m

    @staticmethod
    def shapes(inputs, hidden):
        gates = 4 * hidden
        return {"weight_ih": (gates, inputs), "weight_hh": (gates, hidden), "bias_ih": (gates,)}

    def step(self, x, state):
        h, c, n, m = state.chunk(4, dim=1)
        i, f, z, o = (x + functional.linear(h, self.weight_hh)).chunk(4, dim=1)
        f = functional.logsigmoid(f) + m
        m = torch.maximum(f, i)  # the largest exponent so far
        i, f = torch.exp(i - m), torch.exp(f - m)
        c, n = f * c + i * torch.tanh(z), f * n + i
        return torch.cat((torch.sigmoid(o) * c / n, c, n, m), dim=1)

    def output(self, states, x):
        return states.chunk(4, dim=1)[0]


class Householder(Cell):
    """A point in space for each unit, reflected twice: Siems et al. 2025, arXiv:2502.10297."""

    state_size = staticmethod(lambda hidden: 3 * hidden)  # the way from the point's start

    @staticmethod
    def shapes(inputs, hidden):
        vectors = {"bias_ih": (6 * hidden,), "start": (3 * hidden,)}
        return {"weight_ih": (6 * hidden, inputs), **vectors}

    def step(self, x, state):
        points = (state + self.start).chunk(3, dim=1)
        for normal in (x.chunk(6, dim=1)[:3], x.chunk(6, dim=1)[3:]):
            height = sum(n * p for n, p in zip(normal, points, strict=True))
            share = 2 * height / sum(n * n for n in normal)
            points = [p - share * n for n, p in zip(normal, points, strict=True)]
        return torch.cat(points, dim=1) - self.start

    def output(self, states, x):
        return states.chunk(3, dim=1)[0]


CELLS: tuple[type[Cell], ...] = (MGU, LiGRU, SRU, CoRNN, PeepholeLSTM, SLSTM, Householder)
