"""Cells whose programs are hard to lay out in memory, each in one way or two."""

# pyright: reportAttributeAccessIssue=false
# The attributes of a cell are what `shapes` names.

import torch
from torch.nn import functional

from seqsweep.models.cell import Cell


def with_weights(*, gates=1, states=1, matrices=(), **vectors):
    """Returns a base class with these blocks of rows, and of columns, in its weights."""

    class Base(Cell):
        state_size = staticmethod(lambda hidden: states * hidden)

        @staticmethod
        def shapes(inputs, hidden):
            shapes = {"weight_ih": (gates * hidden, inputs), "bias_ih": (gates * hidden,)}
            for n, (rows, columns) in enumerate(matrices):
                shapes[f"matrix{n}"] = rows * hidden, columns * hidden
            return shapes | {name: (blocks * hidden,) for name, blocks in vectors.items()}

    return Base


class Leaky(with_weights(rate=1)):
    """The leaky integrator of the docs."""

    def __init__(self, weights, dt=1.0):
        super().__init__(weights)
        self.dt = dt

    def step(self, x, state):
        a = self.dt * self.rate.sigmoid()
        return (1 - a) * state + a * x.tanh()


class DelayLine(with_weights(states=3, rate=1)):
    """Two blocks of the next state are blocks of the state before."""

    def step(self, x, state):
        a, b, c = state.chunk(3, dim=1)
        return torch.cat((b, c, x.tanh() + self.rate * a), dim=1)

    def output(self, states, x):
        return states.chunk(3, dim=1)[2]


class Swapped(with_weights(states=2, rate=1)):
    """The blocks of the state change places, and so do those of its gradient."""

    def step(self, x, state):
        a, b = state.chunk(2, dim=1)
        return torch.cat((b, (a + x).sin()), dim=1)

    def output(self, states, x):
        a, b = states.chunk(2, dim=1)
        return a * self.rate + b * b


class Memoryless(with_weights(gates=2, rate=1)):
    """No step reads the state, and the output reads the input alone."""

    def step(self, x, state):
        return x.chunk(2, dim=1)[0] * self.rate

    def output(self, states, x):
        return x.chunk(2, dim=1)[1].tanh() * self.rate + x.chunk(2, dim=1)[0]


class TwiceMultiplied(with_weights(matrices=[(1, 1), (3, 2)])):
    """One matrix multiplies in the step, twice, and in the output; one has results unread."""

    def step(self, x, state):
        h = torch.tanh(x + functional.linear(state, self.matrix0))
        both = torch.cat((h * state, h - state), dim=1)
        a, _, c = functional.linear(both, self.matrix1).chunk(3, dim=1)
        return torch.tanh(a + functional.linear(h, self.matrix0)) * c.sigmoid()

    def output(self, states, x):
        return functional.linear(states * x, self.matrix0)


class Dividing(with_weights(gates=2, matrices=[(1, 1)], rate=1)):
    """A unit with a rate of 0 would compute NaN, as those of the padding do."""

    def step(self, x, state):
        x, y = x.chunk(2, dim=1)
        a = functional.linear((state + x) * (self.rate / self.rate), self.matrix0)
        return torch.tanh(a + 0.1 * self.rate.abs().log() * y.exp() / (1 + state.exp()))

    def output(self, states, x):
        return (states + x.chunk(2, dim=1)[0]) / (self.rate / self.rate)


class TooManyBlocks(with_weights(gates=17, states=17, matrices=[(1, 17)])):
    """A cell whose products have too many blocks for the library, so it has no program."""

    def step(self, x, state):
        return torch.tanh(x + functional.linear(state, self.matrix0).repeat(1, 17))

    def output(self, states, x):
        return states.chunk(17, dim=1)[3]


class TooLong(Cell):
    """A cell with too many operations for the library, so it has no program."""

    def step(self, x, state):
        for _ in range(130):
            state = (state + x).tanh()
        return state


class _Spike(torch.autograd.Function):
    @staticmethod
    def forward(ctx, v):
        return (v > 0.1).to(v.dtype)

    @staticmethod
    def backward(ctx, *gradients):
        return gradients[0] * 0.3


class Spiking(Cell):
    """A cell with a gradient of its own, so it has no program."""

    def step(self, x, state):
        return 0.9 * state + x - _Spike.apply(state)


CELLS = (Leaky, DelayLine, Swapped, Memoryless, TwiceMultiplied, Dividing)
