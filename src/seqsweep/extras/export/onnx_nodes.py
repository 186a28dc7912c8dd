"""Collects the nodes and constants of an ONNX graph."""

from typing import Any, cast

import numpy as np
import numpy.typing as npt
from onnx import GraphProto, NodeProto, TensorProto, ValueInfoProto, helper, numpy_helper
from torch import Tensor, nn


class Graph:
    """An ONNX graph; its methods add a part and return the part's name.

    Args:
        prefix: begins the names of nodes, which must differ from those of an outer graph.
    """

    def __init__(self, prefix: str = "") -> None:
        self._prefix = prefix
        self._nodes: list[NodeProto] = []
        self._constants: dict[str, TensorProto] = {}
        self.states: dict[str, tuple[type[np.generic], tuple[int | str, ...]]] = {}

    def node(self, operator: str, *inputs: str, output: str = "", **attributes: Any) -> str:
        """Adds a node with one output."""
        name = output or f"{self._prefix}{operator.lower()}_{len(self._nodes)}"
        return self.nodes(operator, inputs, (name,), **attributes)[0]

    def nodes(
        self, operator: str, inputs: tuple[str, ...], outputs: tuple[str, ...], **attributes: Any
    ) -> tuple[str, ...]:
        """Adds a node with the named outputs, and returns their names."""
        self._nodes.append(helper.make_node(operator, inputs, outputs, **attributes))
        return outputs

    def constant(self, name: str, value: npt.NDArray[Any]) -> str:
        """Adds an array unless its name exists already; returns the name."""
        if name not in self._constants:
            # A view with strides would be written in the wrong order.
            self._constants[name] = numpy_helper.from_array(np.array(value, order="C"), name)
        return name

    def state(self, name: str, width: int, kind: type[np.generic] = np.float32) -> str:
        """Adds a state (B, width) of a stream, 0 at first; the output `new_NAME` must follow."""
        self.states[name] = kind, ("batch", width)
        return name

    def linear(self, name: str, module: nn.Linear | nn.LayerNorm) -> tuple[str, str]:
        """Adds the weight and the bias of a module; without a bias, zeros."""
        weight, given = module.weight.detach(), cast(Tensor | None, module.bias)
        bias = weight.new_zeros(len(weight)) if given is None else given.detach()
        return (
            self.constant(f"{name}.weight", weight.numpy()),
            self.constant(f"{name}.bias", bias.numpy()),
        )

    def axes(self, *values: int) -> str:
        """Adds a list of whole numbers, such as axes or a shape."""
        name = "axes_" + "_".join(map(str, values))
        return self.constant(name, np.array(values, dtype=np.int64))

    def number(self, value: int) -> str:
        """Adds a single whole number, an array without axes."""
        return self.constant(f"number_{value}", np.array(value, dtype=np.int64))

    def cast(self, value: str, to: type[np.generic]) -> str:
        """Adds a conversion to another type."""
        return self.node("Cast", value, to=helper.np_dtype_to_tensor_dtype(np.dtype(to)))

    def finish(
        self, name: str, inputs: list[ValueInfoProto], outputs: list[ValueInfoProto]
    ) -> GraphProto:
        """Returns the graph with these inputs and outputs."""
        constants = list(self._constants.values())
        return helper.make_graph(self._nodes, name, inputs, outputs, constants)


def array_info(name: str, kind: type[np.generic], shape: tuple[int | str, ...]) -> ValueInfoProto:
    """Describes an input or output; a text in its shape stands for any size."""
    return helper.make_tensor_value_info(
        name, helper.np_dtype_to_tensor_dtype(np.dtype(kind)), shape
    )
