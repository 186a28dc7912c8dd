"""Makes the program of a step from its graph: derivative, parts, fused instructions."""

import collections
from collections.abc import Iterable, Mapping, Sequence

from seqsweep.models.derivatives import Gradients
from seqsweep.models.graph import Graph
from seqsweep.native.program import FORWARD, PARTS, Instruction, Program, as_number

Part = list[Instruction]

# The operations that take in a `mul` that is their left, or their right, operand.
_FUSED = {"add": ("fma", "fma"), "sub": ("fms", "fnma")}


def build_program(
    graph: Graph, weights: Mapping[str, tuple[int, int]], next_state: Sequence[str], result: str
) -> Program:
    """Returns the program of a step and of its derivative.

    Args:
        graph: the instructions of the step; those of the derivative are added.
        weights: see `Program`.
        next_state: the values that are the blocks of the next state. A block that no step reads is
            left out, so that it needs not be computed step by step.
        result: the value that is the output.
    """
    read = _ancestors(graph.instructions, [*next_state, result])
    kept = [index for index in range(len(next_state)) if f"s{index}" in read] or [0]
    blocks, next_state = next_state, [next_state[index] for index in kept]
    step, in_state = list(graph.instructions), _ancestors(graph.instructions, blocks)
    forward = {name for instruction in step for name in instruction.results}
    gradients = Gradients(graph, dict(zip(kept, next_state, strict=True)), result)
    begin = 1 + max((n for n, i in enumerate(step) if in_state.intersection(i.results)), default=-1)
    gradients.pass_back(step[begin:])
    by_state = gradients.so_far()  # from the output and the step after alone
    gradients.pass_back(step[:begin])
    carry = [gradients.of(f"s{index}") for index in kept]
    carry = [g.name if g.number == 0 else g.apply("without_tiny").name for g in carry]
    whole = [gradients.of(name).name for name in next_state]
    by_block = {name: by_state.of(name).name for name in blocks}
    totals = [g for g in by_block.values() if "dy" in graph.sources[g]]
    if not any(by_block[name] in totals for name in next_state):
        totals = whole  # the output reads the state through blocks that no step reads
    vectors = {
        f"{name}.{index}": gradients.of(f"{name}.{index}").name
        for name, (rows, columns) in weights.items()
        for index in range(0 if columns else rows)
    }
    # What is fused depends on `whole` even where it is not among the totals.
    roots = [*next_state, result, *carry, *{*whole, *totals}, *vectors.values()]
    parts = _partition(graph, forward, next_state, [*carry, *totals], roots)
    uses = collections.Counter(roots)
    uses.update(name for part in parts.values() for i in part for name in i.reads)
    parts = {name: _fuse(_merge_starts(part, uses), uses) for name, part in parts.items()}
    names = _final_names(parts)
    for place, index in enumerate(kept):
        names |= {f"s{index}": f"s{place}", f"ds{index}": f"ds{place}"}

    return Program(
        weights=dict(weights),
        states=len(kept),
        parts={name: _rename_part(part, names) for name, part in parts.items()},
        next_state=_rename(next_state, names),
        result=names.get(result, result),
        carry=_rename(carry, names),
        totals=_rename(totals, names),
        gradients=dict(zip(vectors, _rename(vectors.values(), names), strict=True)),
    )


def _rename(values: Iterable[str], names: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(names.get(value, value) for value in values)


def _rename_part(part: Part, names: Mapping[str, str]) -> tuple[Instruction, ...]:
    return tuple(
        instruction._replace(
            results=_rename(instruction.results, names),
            operands=_rename(instruction.operands, names),
            second=_rename(instruction.second, names),
        )
        for instruction in part
    )


def _ancestors(instructions: Sequence[Instruction], roots: Iterable[str]) -> set[str]:
    """Returns the roots and the names of all values that they depend on."""
    needed = set(roots)
    for instruction in reversed(instructions):
        if not needed.isdisjoint(instruction.results):
            needed.update(instruction.reads)
    return needed


def _partition(
    graph: Graph,
    forward: set[str],
    next_state: Sequence[str],
    carry: Sequence[str],
    roots: Sequence[str],
) -> dict[str, Part]:
    """Puts each instruction that is needed into its part; see `Program`."""
    effects = [name for i in graph.instructions if not i.results for name in i.reads]
    needed = _ancestors(graph.instructions, [*roots, *effects])
    live = [i for i in graph.instructions if not i.results or not needed.isdisjoint(i.results)]
    in_state, in_carry = _ancestors(live, next_state), _ancestors(live, carry)
    parts: dict[str, Part] = {part: [] for part in PARTS}
    first_reader: dict[str, int] = {}
    for instruction in reversed(live):
        results = set(instruction.results)
        sources = frozenset[str]().union(*(graph.sources[name] for name in instruction.reads))
        if not sources:
            part = "weights"
        elif results & forward:
            is_sequential = not in_state.isdisjoint(results)
            part = "input" if "state" not in sources else "state" if is_sequential else "output"
        elif "sum" in sources:
            part = "weights'"
        elif "ds" in sources:
            part = "input'" if in_carry.isdisjoint(results) else "state'"
        elif "dy" in sources:
            is_for_input = not results and instruction.operation == "transposed"
            part = "input'" if is_for_input else "output'"
        else:  # what depends on forward values alone is computed where it is first read
            part = PARTS[min(first_reader[name] for name in results)]
        parts[part].append(instruction)
        for name in instruction.reads:
            first_reader[name] = min(first_reader.get(name, len(PARTS)), PARTS.index(part))
    return {name: part[::-1] for name, part in parts.items()}


def _merge_starts(part: Part, uses: Mapping[str, int]) -> Part:
    """Lets a product start from values that are added to its results.

    Of two products that are added, the later starts from the earlier.
    """
    for product in reversed(part):
        if product.operation not in ("product", "transposed") or not product.results:
            continue
        readers = [i for name in product.results for i in part if name in i.reads]
        is_read_once = all(uses[name] == 1 for name in product.results)
        if not is_read_once or {i.operation for i in readers} != {"add"}:
            continue
        if len(readers) != len(product.results):
            continue
        pairs = zip(product.results, readers, strict=True)
        starts = tuple(i.operands[i.operands[0] == name] for name, i in pairs)
        results = tuple(i.results[0] for i in readers)
        merged = product._replace(results=results, second=starts)
        rest = [merged if i is product else i for i in part if i not in readers]
        if all(as_number(start) is None for start in starts):
            # A start may depend on another result of the product, which then cannot have it.
            part = _in_order(rest) or part
    return part


def _in_order(part: Part) -> Part | None:
    """Moves instructions behind those that they read; returns None if that is impossible."""
    missing = {name for i in part for name in i.results}
    ordered: Part = []
    while part:
        late: Part = []
        for instruction in part:
            if missing.isdisjoint(instruction.reads):
                ordered.append(instruction)
                missing.difference_update(instruction.results)
            else:
                late.append(instruction)
        if len(late) == len(part):
            return None
        part = late
    return ordered


def _fuse(part: Part, uses: Mapping[str, int]) -> Part:
    """Lets sums take in a `mul` that nothing else reads, the left first."""
    products = {i.results[0]: i for i in part if i.operation == "mul" and uses[i.results[0]] == 1}
    fused: Part = []
    for instruction in part:
        operands = instruction.operands
        taken = [index for index, name in enumerate(operands) if name in products]
        if instruction.operation in _FUSED and taken:
            index = taken[0]
            product = products[operands[index]]
            fused.remove(product)
            instruction = instruction._replace(
                operation=_FUSED[instruction.operation][index],
                operands=(*product.operands, operands[1 - index]),
            )
        fused.append(instruction)
    return fused


def _final_names(parts: Mapping[str, Part]) -> dict[str, str]:
    """Numbers the results in the order of the parts: v0 .. forward, g0 .. backward."""
    names: dict[str, str] = {}
    for is_forward, letter in ((True, "v"), (False, "g")):
        chosen = [part for name, part in parts.items() if (name in FORWARD) == is_forward]
        results = [result for part in chosen for i in part for result in i.results]
        names |= {result: f"{letter}{index}" for index, result in enumerate(results)}
    return names
