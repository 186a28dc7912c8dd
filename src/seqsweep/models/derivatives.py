"""The derivative of a step, by rules of our own.

torch's derivative would change with its version, and with it the bits of a run.
"""

import copy
import functools
import itertools
import operator
from collections.abc import Callable, Mapping, Sequence

from seqsweep.models.graph import Graph, Value
from seqsweep.native.program import Instruction, Matrix

Contributions = tuple[Value | None, ...]


def _where(mask: Value, a: Value | float, b: Value | float) -> Value:
    return mask.graph.apply("where", mask, a, b)


def _div(g: Value, y: Value, a: Value, b: Value) -> Contributions:
    quotient = g / b
    return quotient, -(quotient * y)


def _maximum(g: Value, y: Value, a: Value, b: Value) -> Contributions:
    shared = _where(a.apply("eq", b), g * 0.5, g)
    return _where(a.apply("lt", b), 0, shared), _where(b.apply("lt", a), 0, shared)


# From the gradient g of a result y, and the operands, to the gradients of the operands. Rules read
# y rather than an operand where they can, so that less must be kept for the backward pass. At ties,
# kinks and NaN the rules do what torch does.
RULES: dict[str, Callable[..., Contributions]] = {
    "neg": lambda g, y, a: (-g,),
    "abs": lambda g, y, a: (g * a.apply("sign"),),
    "sqrt": lambda g, y, a: (g * 0.5 / y,),
    "exp": lambda g, y, a: (g * y,),
    "log": lambda g, y, a: (g / a,),
    "tanh": lambda g, y, a: (g.apply("tanh_slope", y),),
    "sigmoid": lambda g, y, a: (g.apply("sigmoid_slope", y),),
    "softplus": lambda g, y, a: (g * a.apply("sigmoid"),),
    "relu": lambda g, y, a: (_where(y.apply("le", 0), 0, g),),
    "sin": lambda g, y, a: (g * a.apply("cos"),),
    "cos": lambda g, y, a: (-(g * a.apply("sin")),),
    "sign": lambda g, y, a: (None,),
    "add": lambda g, y, a, b: (g, g),
    "sub": lambda g, y, a, b: (g, -g),
    "mul": lambda g, y, a, b: (g * b, g * a),
    "div": _div,
    "maximum": _maximum,
    "minimum": lambda g, y, a, b: _maximum(g, y, b, a),
    "lt": lambda g, y, a, b: (None, None),
    "le": lambda g, y, a, b: (None, None),
    "eq": lambda g, y, a, b: (None, None),
    "where": lambda g, y, mask, a, b: (None, _where(mask, g, 0), _where(mask, 0, g)),
}


class Gradients:
    """The derivative of a step, which `pass_back` adds to the graph of the step.

    Args:
        graph: the graph of the step.
        next_state: the values that are the blocks of the next state, by the numbers of the blocks.
        result: the value that is the output.
    """

    def __init__(self, graph: Graph, next_state: Mapping[int, str], result: str) -> None:
        self._graph = graph
        self._contributions: dict[str, list[str]] = {result: [graph.value("dy").name]}
        self._products = set[str]()  # the contributions that are results of `transposed`
        for index, name in next_state.items():
            self._add(name, graph.value(f"ds{index}").name)

    def pass_back(self, instructions: Sequence[Instruction]) -> None:
        """Adds the derivative of instructions, of which each reads those before it."""
        for instruction in reversed(instructions):
            if instruction.operation == "product":
                self._pass_product(instruction)
            else:
                self._pass_elementwise(instruction)

    def so_far(self) -> "Gradients":
        """Returns a copy, which later calls of `pass_back` do not change."""
        other = copy.copy(self)
        other._contributions = {name: [*given] for name, given in self._contributions.items()}
        return other

    def of(self, name: str) -> Value:
        """Returns the gradient of a value, which is 0 if nothing reads the value."""
        return self._total(name) or self._graph.value(0)

    def _add(self, name: str, contribution: str) -> None:
        self._contributions.setdefault(name, []).append(contribution)

    def _total(self, name: str) -> Value | None:
        """Returns the gradient of a value: the sum of its contributions, if any.

        Those that do not depend on the step after come first, because they are computed for all
        rows at once; those of products come last, because a product starts from the others' sum.
        """
        graph = self._graph

        def order(contribution: str) -> tuple[bool, bool]:
            return "ds" in graph.sources[contribution], contribution in self._products

        contributions = sorted(self._contributions.get(name, []), key=order)
        rows = [graph.value(c) for c in contributions if not graph.is_vector(c)]
        vectors = [graph.value(c) for c in contributions if graph.is_vector(c)]
        if rows and graph.is_vector(name):
            total = functools.reduce(operator.add, rows)
            rows = [graph.value(graph.emit("sum", (total.name,))[0])]
        return functools.reduce(operator.add, rows + vectors) if rows + vectors else None

    def _pass_elementwise(self, instruction: Instruction) -> None:
        gradient = self._total(instruction.results[0])
        if gradient is None:
            return
        values = [self._graph.value(n) for n in (*instruction.results, *instruction.operands)]
        contributions = RULES[instruction.operation](gradient, *values)
        for operand, contribution in zip(values[1:], contributions, strict=True):
            if contribution is not None and operand.number is None:
                self._add(operand.name, contribution.name)

    def _pass_product(self, product: Instruction) -> None:
        """Adds the gradients of the matrix, of the operands and of the start.

        Where an output has no gradient, its rows of the matrix are left out.
        """
        assert product.matrix is not None
        totals = enumerate(self._total(name) for name in product.results)
        for has_gradient, run in itertools.groupby(totals, key=lambda pair: pair[1] is not None):
            if not has_gradient:
                continue
            rows = {index: total.name for index, total in run if total is not None}
            names, first = tuple(rows.values()), product.matrix.first + min(rows)
            matrix = Matrix(product.matrix.name, first, first + len(rows))
            self._graph.emit("outer", names, matrix, product.operands, count=0)
            # The gradient of the layer's input goes to the layer below, and no value holds it.
            operands = () if product.operands == ("x",) else product.operands
            results = self._graph.emit("transposed", names, matrix, count=len(operands))
            self._products.update(results)
            for operand, result in zip(operands, results, strict=True):
                self._add(operand, result)
