"""The graph of a step, in which each value is computed once."""

import dataclasses
import re
from collections.abc import Callable
from typing import Any

from seqsweep.native.program import Instruction, Matrix, as_number

_SOURCES = {"x": "input", "s": "state", "dy": "dy", "ds": "ds"}
Names = tuple[str, ...]


class Graph:
    """A list of instructions, in which no two compute the same.

    Attributes:
        instructions: in an order in which each follows those that it reads.
        sources: for each name what it depends on besides weights: `input`, `state`, `dy`, `ds`, or
            `sum` for vectors of the backward pass.
        makers: the instruction of each result.
    """

    def __init__(self) -> None:
        self.instructions: list[Instruction] = []
        self.sources: dict[str, frozenset[str]] = {}
        self.makers: dict[str, Instruction] = {}
        self._known: dict[Instruction, Names] = {}

    def value(self, name: str | float) -> "Value":
        """Returns the value of a name, or a constant."""
        name = name if isinstance(name, str) else repr(float(name))
        if name not in self.sources:
            found = re.fullmatch(r"(x|dy|s|ds)\d*", name)
            self.sources[name] = frozenset([_SOURCES[found[1]]] if found else [])
        return Value(self, name)

    def emit(
        self,
        operation: str,
        operands: Names,
        matrix: Matrix | None = None,
        second: Names = (),
        count: int = 1,
    ) -> Names:
        """Adds an instruction with `count` results, unless they are known, and returns them."""
        instruction = Instruction(operation, (), operands, matrix, second)
        if instruction in self._known:
            return self._known[instruction]
        results = tuple(f"t{len(self.instructions)}_{index}" for index in range(count))
        self._known[instruction] = results
        self.instructions.append(instruction._replace(results=results))
        sources = frozenset[str]().union(*(self.sources[name] for name in instruction.reads))
        sources = frozenset(["sum"]) if operation == "sum" else sources
        self.sources |= dict.fromkeys(results, sources)
        self.makers |= dict.fromkeys(results, instruction)
        return results

    def apply(self, operation: str, *operands: "Value | float") -> "Value":
        """Returns the result of an elementwise operation."""
        values = [v if isinstance(v, Value) else self.value(v) for v in operands]
        if (simple := _simplify(operation, *values)) is not None:
            return simple
        names = tuple(value.name for value in values)
        is_commutative = operation in ("add", "mul", "eq")
        if is_commutative and Instruction(operation, (), names[::-1]) in self._known:
            names = names[::-1]
        return Value(self, *self.emit(operation, names))

    def is_vector(self, name: str) -> bool:
        """Returns whether a value is the same for all rows."""
        return self.sources[self.value(name).name] <= {"sum"}


def _operator(operation: str, is_reflected: bool = False) -> Callable[["Value", Any], "Value"]:
    """Returns the method of an operator of Python."""

    def method(value: "Value", other: "Value | float") -> "Value":
        operands = (other, value) if is_reflected else (value, other)
        return value.graph.apply(operation, *operands)

    return method


@dataclasses.dataclass(frozen=True, eq=False)
class Value:
    """A name of a graph, with the operators of a number."""

    graph: Graph
    name: str

    @property
    def number(self) -> float | None:
        """The number, if the value is a constant."""
        return as_number(self.name)

    def made_by(self, operation: str) -> "tuple[Value, ...]":
        """Returns the operands of the operation that made the value, if it was this one."""
        maker = self.graph.makers.get(self.name)
        if maker is None or maker.operation != operation:
            return ()
        return tuple(map(self.graph.value, maker.operands))

    @property
    def negated(self) -> "Value | None":
        """The value whose negative this value is, if it was computed so."""
        return next(iter(self.made_by("neg")), None)

    def apply(self, operation: str, *others: "Value | float") -> "Value":
        """Returns the result of an operation of which this value is the first operand."""
        return self.graph.apply(operation, self, *others)

    def __neg__(self) -> "Value":
        return self.apply("neg")

    __add__, __radd__ = _operator("add"), _operator("add", True)
    __sub__, __rsub__ = _operator("sub"), _operator("sub", True)
    __mul__, __rmul__ = _operator("mul"), _operator("mul", True)
    __truediv__, __rtruediv__ = _operator("div"), _operator("div", True)


def _simplify(operation: str, *values: Value) -> Value | None:
    """Returns the result without this operation, if numbers or signs allow that.

    Signs move to the outside, where an addition takes them in.
    """
    first, second = values[0], values[-1]
    a, b = first.number, second.number
    match operation:
        case "neg":
            return first.negated if a is None else first.graph.value(-a)
        case "add" | "sub" | "mul" if a is not None and b is not None:
            results = {"add": a + b, "sub": a - b, "mul": a * b}
            return first.graph.value(results[operation])
        case "add" if a == 0:
            return second
        case "add" | "sub" if b == 0:
            return first
        case "sub" if a == 0:
            return -second
        case "add" if (merged := _merged(first, second)) is not None:
            return merged
        case "add" if second.negated is not None:
            return first - second.negated
        case "add" if first.negated is not None:
            return second - first.negated
        case "sub" if second.negated is not None:
            return first + second.negated
        case "mul" | "div" if b in (1, -1):
            return first if b == 1 else -first
        case "mul" if a in (1, -1):
            return second if a == 1 else -second
        case "mul" if second.negated is not None:
            return -(first * second.negated)
        case "mul" | "div" | "sigmoid_slope" | "tanh_slope" if first.negated is not None:
            return -first.negated.apply(operation, second)
        case "sigmoid_slope" | "tanh_slope" if parts := first.made_by("where"):
            mask, *chosen = parts
            slopes = [v if v.number == 0 else v.apply(operation, second) for v in chosen]
            return mask.apply("where", *slopes) if 0 in [v.number for v in chosen] else None
        case _:
            return None


def _merged(first: Value, second: Value) -> Value | None:
    """Returns `where m a b` for `where m a 0` + `where m 0 b`."""
    for one, other in ((first, second), (second, first)):
        parts, others = one.made_by("where"), other.made_by("where")
        is_one_mask = parts and others and parts[0].name == others[0].name
        if is_one_mask and parts[2].number == 0 and others[1].number == 0:
            return parts[0].apply("where", parts[1], others[2])
    return None
