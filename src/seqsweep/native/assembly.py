"""Assembles programs for the library, with a place for every value.

The structs here are those of source/instructions.h. Values of the forward pass that the backward
pass reads are saved for all rows; others live in a chunk of rows, or in a block of it if they are
written and read between two products.
"""

import ctypes
import functools
import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from seqsweep.native.program import (
    MATRIX_OPERATIONS,
    OPERATIONS,
    PARTS,
    Instruction,
    Program,
)

_FORWARD, _BACKWARD = PARTS[1:4], PARTS[4:7]  # without the parts of weights
_OTHERS = ("sum", "product", "transposed", "outer")
_CODES = {name: code for code, name in enumerate((*OPERATIONS, *_OTHERS))}
_PLACES = ("vector", "gradient", "block", "chunk", "slot", "before", "carry", "result")
_CHEAP = (
    "neg", "abs", "sign", "copy", "add", "sub", "mul", "maximum", "minimum", "lt", "le", "eq",
    "fma", "fms", "fnma", "where",
)  # fmt: skip
"""The operations that cost less than to save a value and to load it again."""
_MOST, _MOST_BLOCKS = 512, 16
_LOAD = [("vector", "i4"), ("weight", "i4"), ("block", "i4"), ("number", "f4")]


class ProgramStruct(ctypes.Structure):
    """The struct `Program` of instructions.h."""

    _fields_ = [
        *(
            (name, ctypes.c_void_p)
            for name in (
                "weights", "registers", "instructions", "lists", "loads", "results", "before",
                "after", "totals", "parts",
            )
        ),
        *(
            (name, ctypes.c_int32)
            for name in (
                "weights_count", "registers_count", "loads_count", "results_count",
                "totals_count", "states", "outer", "vectors", "gradients", "blocks", "chunks",
                "slots",
            )
        ),
    ]  # fmt: skip


class Assembled(NamedTuple):
    """A program for the library; `struct` holds the addresses of the arrays."""

    struct: ProgramStruct
    arrays: dict[str, npt.NDArray[Any]]


def assemble(program: Program) -> Assembled:
    """Assembles a program.

    Raises:
        ValueError: the program is too long for the library.
    """
    return _assembled(str(program))


@functools.lru_cache(maxsize=256)
def _assembled(text: str) -> Assembled:
    return _Assembler(Program.parse(text)).assembled()


class _Assembler:
    """Gives each value of a program a register, and encodes its instructions."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.parts = {part: list(program.parts[part]) for part in PARTS}
        self.weights = list(program.weights)
        self.registers: list[tuple[str, int]] = []  # the place, and the index in it
        self.names: dict[str, int] = {}  # the register of each value
        self.counts: dict[str, int] = dict.fromkeys(_PLACES, 0)
        self.lists: list[int] = []

    def assembled(self) -> Assembled:
        """Returns the program for the library."""
        self._recompute()
        states = self._place_states()
        totals = self._place_carry()
        gradients = self._place_vectors()
        loads = list(self._place_loads())
        self._place_rows(_FORWARD)
        self._add("dy", "chunk")
        self._place_rows(_BACKWARD, kept=totals)
        instructions = [self._encoded(i) for part in PARTS for i in self.parts[part]]
        lengths = [len(self.parts[part]) for part in PARTS]
        if max(len(self.registers), len(instructions)) > _MOST:
            raise ValueError(f"the step has more than {_MOST} operations")
        before = [f"s{k}" for k in range(self.program.states)]
        arrays = {
            "weights": _integers(
                (*sizes, name in self.program.no_weight_decay)
                for name, sizes in self.program.weights.items()
            ),
            "registers": _integers((_PLACES.index(place), at) for place, at in self.registers),
            "instructions": _integers(instructions),
            "lists": _integers([*self.lists, 0]),
            "loads": np.array(loads, dtype=_LOAD),
            "results": np.array(
                [(self.names[value], *self._block(name), 0) for name, value in gradients.items()],
                dtype=_LOAD,
            ),
            "before": _integers(self.names[name] for name in before),
            "after": _integers(self.names[name] for name in states),
            "totals": _integers(self.names[name] for name in totals),
            "parts": _integers(itertools.accumulate(lengths, initial=0)),
        }
        sizes = {
            "weights_count": len(self.weights),
            "registers_count": len(self.registers),
            "loads_count": len(arrays["loads"]),
            "results_count": len(arrays["results"]),
            "totals_count": len(totals),
            "states": self.program.states,
            "outer": self.names["dy"],
        }
        for place in ("vector", "gradient", "block", "chunk", "slot"):
            sizes[f"{place}s"] = self.counts[place]
        addresses = {name: array.ctypes.data for name, array in arrays.items()}
        return Assembled(ProgramStruct(**addresses, **sizes), arrays)

    def _add(self, name: str, place: str, index: int | None = None) -> None:
        """Gives a value a register, a new one if `index` is None."""
        index = self.counts[place] if index is None else index
        self.counts[place] = max(self.counts[place], index + 1)
        self.names[name] = len(self.registers)
        self.registers.append((place, index))

    def _copied(self, part: str, value: str, name: str, at_begin: bool = False) -> str:
        """Adds a copy of a value to a part; returns its name."""
        copy = Instruction("copy", (name,), (value,))
        self.parts[part].insert(0 if at_begin else len(self.parts[part]), copy)
        return name

    def _results(self, parts: Iterable[str]) -> set[str]:
        return {name for part in parts for i in self.parts[part] for name in i.results}

    def _reads(self, parts: Iterable[str]) -> set[str]:
        return {name for part in parts for i in self.parts[part] for name in i.reads}

    def _recompute(self) -> None:
        """Lets the backward parts compute cheap forward values anew, so that fewer are saved."""
        makers = {name: i for part in _FORWARD for i in self.parts[part] for name in i.results}
        cheap = {name for name, i in makers.items() if i.operation in _CHEAP}
        cheap -= {*self.program.next_state, self.program.result}
        saved = self._reads(_BACKWARD) & makers.keys()

        def is_at_hand(name: str) -> bool:
            if name not in makers or name in saved:
                return True
            return name in cheap and all(map(is_at_hand, makers[name].operands))

        for name in sorted(saved & cheap, key=list(makers).index, reverse=True):
            saved.discard(name)
            if not is_at_hand(name):
                saved.add(name)
        recomputed = {name: makers[name] for name in cheap - saved}
        for part in _BACKWARD:
            self.parts[part] = _with_copies(part, self.parts[part], recomputed)

    def _place_states(self) -> list[str]:
        """Places the states, each block for itself, and the output; returns the next state."""
        rows, states = self._results(_FORWARD), list[str]()
        for index, value in enumerate(self.program.next_state):
            is_own = value in rows and value not in states
            states.append(value if is_own else self._copied("state", value, f"next.{index}"))
            self._add(f"s{index}", "before")
        result = self.program.result
        if result not in rows:
            result = self._copied("output", result, "result")
        self._add(result, "result")
        for value in states:
            if value != result:
                self._add(value, "slot")
        return states

    def _place_carry(self) -> list[str]:
        """Places what goes from step to step; returns the gradients of state blocks."""
        program = self.program
        later = self._reads(("input'",)) | set(program.totals)
        blocks = [f"ds{k}" for k in range(program.states)]
        # The next step back overwrites the carry before the part input' reads it.
        kept = {
            name: self._copied("state'", name, f"kept.{name}", at_begin=True)
            for name in blocks
            if name in later
        }
        for n, i in enumerate(self.parts["input'"]):
            operands, second = (
                tuple(kept.get(name, name) for name in names) for names in (i.operands, i.second)
            )
            self.parts["input'"][n] = i._replace(operands=operands, second=second)
        for index, (block, value) in enumerate(zip(blocks, program.carry, strict=True)):
            if self._is_read_later(block, value) or value in later:
                value = self._copied("state'", value, f"carry.{index}")
            self._add(value, "carry", index)
            self._add(block, "carry", index)
        return [kept.get(value, value) for value in program.totals]

    def _is_read_later(self, block: str, value: str) -> bool:
        """Returns whether a new carry must wait for the readers of the present one."""
        part = self.parts["state'"]
        at = next((n for n, i in enumerate(part) if i.results == (value,)), None)
        if at is None or self.program.carry.count(value) > 1:
            return True
        return any(name in i.reads for i in part[at + 1 :] for name in (block, value))

    def _place_vectors(self) -> dict[str, str]:
        """Places computed vectors; returns the gradient of each block of a vector."""
        for name in sorted(self._results(("weights",))):
            self._add(name, "vector")
        computed = {
            name
            for part in _BACKWARD
            for i in self.parts[part]
            if i.operation == "sum"
            for name in i.results
        }
        gradients = {
            name: value
            if value in computed | self._results(("weights'",))
            else self._copied("weights'", value, f"d.{name}")
            for name, value in self.program.gradients.items()
        }
        for name in sorted(computed | self._results(("weights'",))):
            self._add(name, "gradient")
        return gradients

    def _place_loads(self) -> Iterator[tuple[int, int, int, float]]:
        """Places the vectors that are blocks of weights or constants, and yields each."""
        known = set(self.names) | self._results(PARTS) | {"x", "dy"}
        for name in sorted(self._reads(PARTS) - known):
            is_weight = name.rpartition(".")[0] in self.weights
            self._add(name, "vector")
            where, number = (self._block(name), 0.0) if is_weight else ((-1, 0), float(name))
            yield self.names[name], *where, number

    def _block(self, name: str) -> tuple[int, int]:
        """Returns the numbers of a weight and its block, for `bias_ih.0`."""
        weight, _, block = name.rpartition(".")
        return self.weights.index(weight), int(block)

    def _place_rows(self, parts: Sequence[str], kept: Iterable[str] = ()) -> None:
        """Places the rows of one pass.

        Args:
            kept: values that are read after the second last part.
        """
        saved = self._reads(_BACKWARD) if parts == _FORWARD else set[str]()
        runs, last = dict[str, set[int]](), dict[str, int]()
        order = list(self._runs(parts))
        for at, (run, i) in enumerate(order):
            for name in (*i.results, *i.reads):
                runs.setdefault(name, set()).add(run)
                last[name] = at
        after = sum(len(self.parts[part]) for part in parts[:-1])
        for name in kept:
            runs.setdefault(name, set()).add(-1)
            last[name] = max(last.get(name, 0), after)
        free: dict[str, list[int]] = {"chunk": [], "block": []}
        ends = sorted((at, name) for name, at in last.items())
        for at, (_, i) in enumerate(order):
            # An elementwise operation may write where its last operand was.
            is_elementwise = i.operation in OPERATIONS
            while ends and ends[0][0] < at + is_elementwise:
                self._release(ends.pop(0)[1], free)
            for name in i.results:
                if name in self.names:
                    continue
                # A product writes all rows at once, also those of a result that nothing reads.
                place = "block" if is_elementwise and len(runs[name]) == 1 else "chunk"
                place = "slot" if name in saved else place
                self._add(name, place, free[place].pop() if free.get(place) else None)

    def _release(self, name: str, free: dict[str, list[int]]) -> None:
        place, index = self.registers[self.names[name]] if name in self.names else ("", 0)
        if place in free:
            free[place].append(index)

    def _runs(self, parts: Iterable[str]) -> Iterator[tuple[int, Instruction]]:
        """Yields each instruction with the number of its run of elementwise operations."""
        run = 0
        for part in parts:
            run += 1
            for i in self.parts[part]:
                is_matrix = i.operation in MATRIX_OPERATIONS
                run += is_matrix
                yield run, i
                run += is_matrix

    def _encoded(self, i: Instruction) -> tuple[int, ...]:
        """Returns the numbers of the struct `Instruction`."""
        code = _CODES[i.operation]
        registers = [self.names[name] for name in i.operands if name != "x"]
        if i.matrix is None:
            a, b, c = (*registers, -1, -1)[:3]
            return code, self.names[i.results[0]], a, b, c, 0, 0, 0
        second = [self.names[name] for name in i.second if name != "x"]
        results = [self.names[name] for name in i.results]
        if max(len(registers), len(second), len(results)) > _MOST_BLOCKS:
            raise ValueError(f"a product has more than {_MOST_BLOCKS} blocks")
        out, a, b = (self._list(names) for names in (results, registers, second))
        matrix = i.matrix
        where = (self.weights.index(matrix.name), matrix.first, matrix.end - matrix.first)
        return code, out, a, b, int(self._adds_below(i)), *where

    def _list(self, registers: list[int]) -> int:
        """Adds a list of registers; returns where it begins, or -1 for an empty one."""
        if not registers:
            return -1
        self.lists += registers
        return len(self.lists) - len(registers)

    def _adds_below(self, i: Instruction) -> bool:
        """Returns whether an instruction adds to the gradient of the input, rather than sets it."""
        below = (
            j
            for part in _BACKWARD
            for j in self.parts[part]
            if j.operation == "transposed" and not j.results
        )
        return i is not next(below, i)


def _with_copies(
    part: str, instructions: Iterable[Instruction], recomputed: Mapping[str, Instruction]
) -> list[Instruction]:
    """Returns a part that computes some forward values itself, before it first reads them."""
    result, names = list[Instruction](), dict[str, str]()

    def local(name: str) -> str:
        if name not in recomputed:
            return name
        if name not in names:
            names[name] = f"{part}.{name}"
            result.append(renamed(recomputed[name])._replace(results=(names[name],)))
        return names[name]

    def renamed(i: Instruction) -> Instruction:
        operands, second = (tuple(map(local, group)) for group in (i.operands, i.second))
        return i._replace(operands=operands, second=second)

    for instruction in instructions:
        result.append(renamed(instruction))
    return result


def _integers(rows: Iterable[Any]) -> npt.NDArray[np.int32]:
    return np.array([*rows], dtype=np.int32)
