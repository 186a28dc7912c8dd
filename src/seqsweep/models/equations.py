"""The equations of a cell's program, for `explain`."""

import collections

from seqsweep.native.program import FORWARD, Instruction, Program, as_number

# `()` puts a sum or a product in parentheses.
_ARITHMETIC = {
    "neg": "-{:()}", "add": "{} + {}", "sub": "{} - {:()}", "mul": "{:()} * {:()}",
    "div": "{:()} / {:()}", "fma": "{:()} * {:()} + {}", "fms": "{:()} * {:()} - {:()}",
    "fnma": "{2} - {0:()} * {1:()}",
}  # fmt: skip
_COMPARISONS = {"lt": "{:()} < {:()}", "le": "{:()} <= {:()}", "eq": "{:()} == {:()}"}


class _Text(str):
    def __format__(self, form: str) -> str:
        return f"({self})" if form and " " in self else str(self)


def equations_of(program: Program) -> tuple[str, ...]:
    """Returns the equations of one step, with W[1] for a block of rows.

    A value that is read once has no equation of its own, unless it is a function of a sum.
    """
    targets = {program.result: "h"}
    for index, name in enumerate(program.next_state):
        targets.setdefault(name, f"s{index}")
    texts = {f"s{n}": f"{targets[name]}_{{t-1}}" for n, name in enumerate(program.next_state)}
    texts["x"] = "x_t"
    for weight, (rows, _) in program.weights.items():
        name = short_name(weight)
        texts |= {f"{weight}.{n}": f"{name}[{n}]" if rows > 1 else name for n in range(rows)}
    instructions = [i for part in FORWARD for i in program.parts[part]]
    reads = [name for i in instructions for name in (*i.operands * len(i.results), *i.second)]
    numbers = {name: as_number(name) for name in (*reads, *targets)}
    texts |= {name: f"{number:g}" for name, number in numbers.items() if number is not None}
    uses, lines, names = collections.Counter(reads), list[str](), set[str]()
    for instruction, place, name in ((i, *p) for i in instructions for p in enumerate(i.results)):
        texts[name] = text = _text(instruction, place, texts)
        is_function = instruction.matrix is None and instruction.operation not in _ARITHMETIC
        if name in targets or uses[name] != 1 or (is_function and " " in text):
            names |= {name} - targets.keys()
            texts[name] = f"{targets[name]}_t" if name in targets else f"v{len(names)}"
            lines.append(f"{texts[name]} = {text}")
    # The other targets are blocks of the state before, weights or numbers.
    others = [name for name in targets if all(name not in i.results for i in instructions)]
    return (*lines, *(f"{targets[name]}_t = {texts[name]}" for name in others))


def short_name(weight: str) -> str:
    """Returns the name of a weight in the equations."""
    return weight.replace("weight_", "W_").replace("bias_", "b_")


def _text(instruction: Instruction, place: int, texts: dict[str, str]) -> str:
    """Returns the text of one result of an instruction."""
    values, matrix = [_Text(texts[name]) for name in instruction.operands], instruction.matrix
    if matrix is None:
        function = f"{instruction.operation}({', '.join(['{}'] * len(values))})"
        return (_ARITHMETIC | _COMPARISONS).get(instruction.operation, function).format(*values)
    rows = texts[f"{matrix.name}.{matrix.first + place}"]
    columns = f"{values[0]:()}" if len(values) == 1 else f"[{', '.join(values)}]"
    starts = [texts[name] for name in instruction.second[place : place + 1]]
    return " + ".join([f"{rows} {columns}", *starts])
