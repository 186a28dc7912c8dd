from seqsweep import Cell


class Leaky(Cell):
    """A leaky cell: h' = (1 - a) h + a tanh(W x + b), where a = dt sigmoid(rate)."""

    def __init__(self, weights, dt=1.0):
        super().__init__(weights)
        self.dt = dt

    @staticmethod
    def shapes(inputs, hidden):
        return {"weight_ih": (hidden, inputs), "bias_ih": (hidden,), "rate": (hidden,)}

    def step(self, x, state):  # x is W x + b
        a = self.dt * self.rate.sigmoid()
        return (1 - a) * state + a * x.tanh()
