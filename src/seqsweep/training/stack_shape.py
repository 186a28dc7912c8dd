"""The shape of a config's network for the mathematics of seqsweep/stacked."""

from seqsweep.stacked.layout import StackShape
from seqsweep.training.engine import Network


def stack_shape(network: Network, hidden: int, input_size: int, num_classes: int) -> StackShape:
    """Returns the shape of a stack of networks of width `hidden`."""
    assert network.pooling != "attention", "only autograd trains attention"
    return StackShape(
        input_size,
        hidden,
        num_classes,
        network.cell,
        network.nonlinearity,
        network.num_layers,
        network.bidirectional,
        network.pooling,
    )
