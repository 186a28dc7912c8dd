"""The cost of training in floating-point operations."""

from seqsweep.native.structs import Shape

_GATES = {"rnn": 1, "gru": 3, "lstm": 4}


def flops(shape: Shape, steps_of_sequences: int) -> float:
    """Returns the floating-point operations of one training epoch.

    A multiply-add counts as two operations. Each weight takes part in three products: the forward
    pass, its own gradient and the gradient of its input, which the first layer does not need. The
    head and elementwise operations are not counted.

    Args:
        steps_of_sequences: the sum of the lengths of the training sequences.
    """
    outputs = _GATES[shape.cell] * shape.hidden_size
    # The input weights of the first layer take part in two products, all others in three.
    first = outputs * (2 * shape.input_size + 3 * shape.hidden_size)
    inputs = shape.directions * shape.hidden_size
    later = outputs * 3 * (inputs + shape.hidden_size)
    layers = first + (shape.num_layers - 1) * later
    return 2.0 * shape.directions * layers * steps_of_sequences
