"""Traces a cell's class into a program, by running one step without numbers.

B batch, H hidden, I inputs of the layer, N numbers of a state.

torch runs the step on tensors that have shapes but no numbers. Beside each tensor stands one of the
same shape with a label for each number: a block of a sequence has H consecutive labels, and each
constant has a negative one. An operation that only moves numbers (chunk, cat, view) moves labels in
the same way. So labels show which blocks a tensor consists of, and of which sequence they are.
"""

import dataclasses
import inspect
import math
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from traceback import extract_tb
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.utils import _pytree as pytree
from torch.utils._python_dispatch import TorchDispatchMode

from seqsweep.models import graph, torch_operations
from seqsweep.models.arrangement import build_program
from seqsweep.models.cell import Cell
from seqsweep.models.torch_operations import BOOLEAN, CONSTANTS, ELEMENTWISE, MOVING, Untraceable
from seqsweep.native.program import FORWARD, Matrix, Program, as_number

OTHERS = {"mm", "addmm", *MOVING, *CONSTANTS}
Shape = tuple[int, ...]
WeightBlocks = Mapping[str, tuple[int, int]]


class Run(NamedTuple):
    """Numbers with consecutive labels.

    Args:
        kind: `block`, `matrix`, or `input` for the input of one sequence.
        name: of the value or of the weight.
        row: the sequence of the batch; None for weights, vectors and constants.
    """

    kind: str
    name: str
    row: int | None


def trace(
    cell: type[Cell], inputs: int, hidden: int, options: Mapping[str, Any] | None = None
) -> Program:
    """Returns the program of a cell's class.

    Args:
        cell: the class.
        inputs: the number of inputs of the layer, I.
        hidden: the number of units, H.
        options: arguments of the class's constructor besides the weights.

    Raises:
        Untraceable: a program cannot express the step. The message says why and, where an
            operation of torch is the reason, in which line.
    """
    weights = _weight_blocks(cell, inputs, hidden)
    try:
        steps = [_Step(cell, weights, inputs, hidden, batch) for batch in (2, 3)]
        program, other = (step.program(options or {}) for step in steps)
    except (Untraceable, RuntimeError, TypeError) as error:
        raise Untraceable(_place(error) + str(error).partition("\n")[0]) from error
    if program != other:
        raise Untraceable(
            "a step must have the same operations and numbers each time, for any number of"
            " sequences"
        )
    instructions = [i for part in FORWARD for i in program.parts[part]]
    used = {name.partition(".")[0] for i in instructions for name in i.reads if "." in name}
    used |= {i.matrix.name for i in instructions if i.matrix is not None}
    if unused := [name for name in weights if name not in used]:
        raise Untraceable(f"the weight {unused[0]} is never used")
    return dataclasses.replace(program, no_weight_decay=cell.no_weight_decay)


def _place(error: BaseException) -> str:
    """Returns the place of the cell that raised an error: `FILE:LINE: `."""
    ours = {module.__file__ for module in (sys.modules[__name__], graph, torch_operations)}
    folder = str(Path(torch.__file__).parent)
    for frame in reversed(extract_tb(error.__traceback__)):
        if frame.filename not in ours and not frame.filename.startswith(folder):
            return f"{Path(frame.filename).name}:{frame.lineno}: "
    return ""


def _weight_blocks(cell: type[Cell], inputs: int, hidden: int) -> dict[str, tuple[int, int]]:
    """Returns the weights as `Program` has them.

    The columns that read the inputs are those that change with the number of inputs, so that they
    are known even where that number is H.
    """
    weights: dict[str, tuple[int, int]] = {}
    wider = cell.shapes(inputs + 1, hidden)
    for name, shape in cell.shapes(inputs, hidden).items():
        reads_input = len(shape) == 2 and shape[1] == inputs and wider[name][1] == inputs + 1
        sizes = shape[:1] if reads_input else shape
        if len(shape) not in (1, 2) or any(size % hidden or not size for size in sizes):
            expected = f"(k*H,), (k*H, inputs) or (k*H, n*H) with H={hidden}"
            raise Untraceable(f"{name}: the shape must be {expected}, got {shape}")
        columns = -1 if reads_input else shape[1] // hidden if len(shape) == 2 else 0
        weights[name] = shape[0] // hidden, columns
    return weights


class _Step(TorchDispatchMode):
    """One step of a cell, which becomes the instructions of a graph."""

    def __init__(
        self, cell: type[Cell], weights: WeightBlocks, inputs: int, hidden: int, batch: int
    ) -> None:
        super().__init__()
        self._graph = graph.Graph()
        self._cell, self._weights, self._hidden, self._batch = cell, weights, hidden, batch
        self._starts: dict[Run, int] = {}  # the first label of each run
        self._runs: dict[int, tuple[Run, int]] = {}  # by its first label, and its length
        self._next = 0  # the first label of the next run
        # The labels of each tensor by its id; the tensor is kept, so that no other gets its id.
        self._labels: dict[int, tuple[Tensor, Tensor]] = {}
        self._given: list[tuple[Tensor, Tensor]] = []  # the labels of the arguments, and copies
        self._tensors: dict[str, Tensor] = {}
        for name, shape in cell.shapes(inputs, hidden).items():
            blocks = [Run("block", f"{name}.{k}", None) for k in range(weights[name][0])]
            runs = blocks if len(shape) == 1 else [Run("matrix", name, None)]
            self._tensors[name] = self._argument(runs, shape)
        rows, size = range(batch), cell.state_size(hidden)
        if size % hidden:
            raise Untraceable(f"state_size: must be a multiple of H={hidden}, got {size}")
        self._x = self._argument([Run("input", "x", row) for row in rows], (batch, inputs))
        state = [Run("block", f"s{k}", row) for row in rows for k in range(size // hidden)]
        self._state = self._argument(state, (batch, size))

    def program(self, options: Mapping[str, Any]) -> Program:
        """Runs the step, and returns its program."""
        with torch.no_grad(), self:
            cell = self._cell(self._tensors, **options)
            attributes = dict(vars(cell))
            projected = cell.project(self._x)
            state = cell.step(projected, self._state)
            output = cell.output(state, projected)
        for name, value in vars(cell).items():
            if name not in attributes or attributes[name] is not value:
                raise Untraceable(f"self.{name}: a step must not keep anything on the cell")
        next_state = self._names("step", state, tuple(self._state.shape))
        (result,) = self._names("output", output, (self._batch, self._hidden))
        return build_program(self._graph, self._weights, next_state, result)

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        name, kwargs = func.overloadpacket.__name__, kwargs or {}
        if func.namespace == "prim":  # the device of a tensor
            return func(*args, **kwargs)
        if torch.Tag.nondeterministic_seeded in func.tags:
            raise Untraceable(f"torch.{name} draws random numbers")
        if name == "_local_scalar_dense":
            raise Untraceable("a step must not read a number: if, float(), int(), item()")
        if name.removesuffix("_") not in ELEMENTWISE and name not in OTHERS:
            is_mixing = name in torch_operations.OVER_UNITS
            why = ", which compute each unit by itself" if is_mixing else ""
            raise Untraceable(f"torch.{name} is not an operation of programs{why}")
        try:
            out, labels = self._run_operation(func, name, args, kwargs)
        except Untraceable as error:
            raise Untraceable(f"torch.{name}: {error}") from None
        for tensor, values in zip(pytree.tree_leaves(out), pytree.tree_leaves(labels), strict=True):
            self._labels[id(tensor)] = tensor, values
        return out

    def _run_operation(
        self, func: Any, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[Any, Any]:
        """Returns the results of an operation, and their labels."""
        if name in CONSTANTS:
            constant = self._constant(CONSTANTS[name](*args))
            out = func(*args, **kwargs).to("meta")
            return out, self._join([constant], tuple(out.shape))
        labels, named = pytree.tree_map_only(Tensor, self._labels_of, (args, kwargs))
        out, pure = func(*args, **kwargs), name.removesuffix("_")
        for tensor in pytree.tree_leaves(out):
            is_mask = tensor.dtype == torch.bool and (pure in BOOLEAN or name in MOVING)
            if tensor.dtype != torch.float32 and not is_mask:
                raise Untraceable(f"the result must be of float32, got {tensor.dtype}")
        # torch itself detaches new constants.
        if name == "detach" and (labels[0] >= 0).any():
            raise Untraceable("programs do not stop gradients")
        if name in MOVING:
            # Labels are whole numbers, which a conversion would change.
            moved = labels[0].clone() if name == "_to_copy" else func(*labels, **named)
            for values in pytree.tree_leaves(moved):
                if values.dim() and self._owner(values) is None:
                    self._blocks(values, tuple(values.shape))
            return out, moved
        if name == "mm":
            return out, self._multiply(*labels)
        if name == "addmm":
            pure, labels = "add", (labels[0], self._multiply(*labels[1:]))
        whole = out[0] if isinstance(out, tuple) else out  # logsigmoid has a buffer besides
        result = self._apply(pure, labels, named, tuple(whole.shape))
        if name.endswith("_"):
            result = labels[0].copy_(result)
            if any(not torch.equal(now, before) for now, before in self._given):
                raise Untraceable("weights, inputs and states must not be changed in place")
        return out, pytree.tree_map(lambda _: result, out)

    def _apply(
        self, name: str, args: tuple[Any, ...], kwargs: dict[str, Any], shape: Shape
    ) -> Tensor:
        """Applies an elementwise operation to each block of its result."""
        operation = ELEMENTWISE[name]
        try:
            inspect.signature(operation).bind(*args, **kwargs)
        except TypeError:
            raise Untraceable("programs do not know it with these arguments") from None
        leaves, form = pytree.tree_flatten((args, kwargs))
        columns = [self._blocks(v, shape) if isinstance(v, Tensor) else None for v in leaves]
        results: list[Run] = []
        for place in range(max(len(column) for column in columns if column)):
            # Numbers stand beside each block.
            chosen = [c[place] if c else v for c, v in zip(columns, leaves, strict=True)]
            runs = [run for run in chosen if isinstance(run, Run)]
            values = [self._graph.value(v.name) if isinstance(v, Run) else v for v in chosen]
            positional, named = pytree.tree_unflatten(values, form)
            result = operation(*positional, **named)
            results.append(self._block(result, {run.row for run in runs}))
        return self._join(results, shape)

    def _block(self, result: graph.Value | float, rows: set[int | None]) -> Run:
        """Returns the block of a result that was computed from these sequences."""
        rows = rows - {None}
        if len(rows) > 1:
            raise Untraceable("the sequences of a batch must not be mixed")
        if not isinstance(result, graph.Value):
            return self._constant(result)
        is_vector = self._graph.is_vector(result.name)
        return Run("block", result.name, None if is_vector else rows.pop())

    def _multiply(self, rows: Tensor, weight: Tensor) -> Tensor:
        """Multiplies rows (R, C) by the transposed rows of a matrix (C, M)."""
        matrix, results = self._matrix(weight.T), list[Run]()
        is_of_input = self._weights[matrix.name][1] == -1
        for labels in rows:
            shape = tuple(labels.shape)
            runs = [self._run(labels)] if is_of_input else self._blocks(labels, shape)
            if is_of_input and runs[0].kind != "input":
                raise Untraceable(f"{matrix.name} has the columns of the input in `shapes`")
            operands = tuple(self._graph.value(run.name).name for run in runs)
            if any(self._graph.is_vector(name) for name in operands):
                raise Untraceable("weights and constants must not be multiplied by a matrix")
            count = matrix.end - matrix.first
            for name in self._graph.emit("product", operands, matrix, count=count):
                results.append(self._block(self._graph.value(name), {run.row for run in runs}))
        return self._join(results, (len(rows), weight.shape[1]))

    def _matrix(self, labels: Tensor) -> Matrix:
        """Returns the rows of a weight that a tensor is."""
        owner = self._owner(labels)
        if owner is None or owner.kind != "matrix":
            raise Untraceable("one factor must be a weight, as in functional.linear(v, weight)")
        whole = self._labels_of(self._tensors[owner.name])
        first, count = int(labels[0, 0] - whole[0, 0]) // whole.shape[1], len(labels)
        is_cut_well = first % self._hidden == 0 and count % self._hidden == 0
        if is_cut_well and torch.equal(labels, whole[first : first + count]):
            return Matrix(owner.name, first // self._hidden, (first + count) // self._hidden)
        if torch.equal(labels.T, whole):
            raise Untraceable(f"write functional.linear(v, {owner.name}) or v @ {owner.name}.T")
        raise Untraceable(f"{owner.name} must be whole, or rows from a multiple of H to another")

    def _names(self, method: str, tensor: Any, shape: Shape) -> list[str]:
        """Returns the names of a result's blocks, which all sequences share."""
        if not isinstance(tensor, Tensor) or tuple(tensor.shape) != shape:
            found = tuple(tensor.shape) if isinstance(tensor, Tensor) else type(tensor).__name__
            raise Untraceable(f"{method} must return a tensor of shape {shape}, got {found}")
        runs = self._blocks(self._labels_of(tensor), shape)
        count = len(runs) // self._batch
        names = [run.name for run in runs[:count]]
        for place, run in enumerate(runs):
            if run.row not in (None, place // count) or run.name != names[place % count]:
                raise Untraceable(f"{method}: the sequences of a batch must not be mixed")
        return names

    def _argument(self, runs: Sequence[Run], shape: Shape) -> Tensor:
        tensor = torch.empty(shape, device="meta")
        labels = self._join(runs, shape)
        self._labels[id(tensor)] = tensor, labels
        self._given.append((labels, labels.clone()))
        return tensor

    def _labels_of(self, tensor: Tensor) -> Tensor:
        if id(tensor) not in self._labels:
            raise Untraceable(
                "a tensor that the step does not compute must be a weight in `shapes`"
            )
        return self._labels[id(tensor)][1]

    def _constant(self, number: float) -> Run:
        return Run("block", self._graph.value(number).name, None)

    def _join(self, runs: Sequence[Run], shape: Shape) -> Tensor:
        """Returns the labels of a tensor that consists of runs."""
        labels = torch.empty(len(runs), math.prod(shape) // len(runs), dtype=torch.int64)
        for place, run in enumerate(runs):
            is_constant = run.kind == "block" and as_number(run.name) is not None
            if run not in self._starts:
                start = -1 - len(self._runs) if is_constant else self._next
                self._next += 0 if is_constant else labels.shape[1]
                self._starts[run], self._runs[start] = start, (run, labels.shape[1])
            steps = torch.zeros(()) if is_constant else torch.arange(labels.shape[1])
            labels[place] = self._starts[run] + steps
        return labels.view(shape)

    def _blocks(self, labels: Tensor, shape: Shape) -> list[Run]:
        """Returns the blocks of a tensor, broadcast to a shape."""
        owner = self._owner(labels)
        if owner is not None:
            name = "the input" if owner.kind == "input" else owner.name
            raise Untraceable(f"{name} may only be a factor of a product")
        size = self._hidden if shape and shape[-1] % self._hidden == 0 else 1
        return [self._run(group) for group in labels.expand(shape).reshape(-1, size)]

    def _run(self, labels: Tensor) -> Run:
        """Returns the run that these labels are."""
        start = int(labels[0])
        run, length = self._runs.get(start, (None, 0))
        expected = torch.arange(length) + start if start >= 0 else torch.full_like(labels, start)
        if run is None or not torch.equal(labels, expected):
            raise Untraceable(f"tensors must be cut and joined at multiples of H={self._hidden}")
        return run

    def _owner(self, labels: Tensor) -> Run | None:
        """Returns the matrix or input that a tensor has numbers of, if any."""
        label = int(labels[(0,) * labels.dim()]) if labels.numel() else -1
        for start, (run, length) in self._runs.items():
            if start <= label < start + length and run.kind != "block":
                return run
        return None
