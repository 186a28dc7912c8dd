"""Checks that the C++ source gives equal bits everywhere, and uses memory correctly.

    python scripts/native_check.py

tests/native/program.cpp draws first weights, trains small networks and prints a hash of the weights
of each. This machine's compiler and ziglang compile it for each instruction set of x86-64, also
with AddressSanitizer and UndefinedBehaviorSanitizer. ziglang compiles it for arm64 too, which
qemu-user runs here.

scripts/native_runs.py trains whole runs: with torch's code for each instruction set, with each
variant of the library, and on processors that qemu-user emulates, without AVX and without AVX-512.
"""

import concurrent.futures
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import nn

from seqsweep.models.initial import draw_first_weights
from seqsweep.models.tracing import trace
from seqsweep.native.assembly import assemble
from seqsweep.native.build import (
    HERE,
    SOURCE,
    Command,
    Target,
    compile_flags,
    find_compiler,
    run,
    zig,
)
from seqsweep.native.library import runnable_variants
from seqsweep.native.program import packaged_program, program_names

sys.path.append(str(Path(__file__).parents[1] / "tests" / "support"))

import example_cells
import odd_cells

PROGRAM = Path(__file__).parents[1] / "tests" / "native" / "program.cpp"
WARNINGS = ("-Wall", "-Wextra", "-Werror")
SANITIZERS = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-O1", "-g1")
# For the check that is switched off here, gcc keeps variables on another stack, which it does not
# align for AVX-512.
RUN_OPTIONS = {"ASAN_OPTIONS": "detect_stack_use_after_return=0"}
ARM = Target("aarch64", "linux", "aarch64-linux-musl")  # with musl the file needs no others
QEMU = "qemu-aarch64"
RUNS = Path(__file__).with_name("native_runs.py")
TORCH_LEVELS = ("default", "avx2", "avx512")
# Intel's of 2010, without AVX, and of 2013, with AVX2 and FMA; each with its kernels of OpenBLAS,
# which numpy might else take for the machine that emulates.
PROCESSORS = {"Westmere": "Nehalem", "Haswell": "Haswell"}
EMULATOR = "qemu-x86_64"
KINDS = {
    "weights": "Weight", "registers": "Register", "instructions": "Instruction", "loads": "Load",
    "results": "Load",
}  # fmt: skip
"""The structs of instructions.h in the arrays of an assembled program."""


class Case(NamedTuple):
    """One way to compile the program or to train, and its emulator."""

    name: str
    command: list[str]
    runner: tuple[str, ...] = ()
    environment: dict[str, str] | None = None


def main() -> None:
    compiler = find_compiler()
    if compiler is None or compiler == zig():
        sys.exit("native-check needs a C++ compiler besides ziglang")
    for emulator in (QEMU, EMULATOR):
        if shutil.which(emulator) is None:
            sys.exit(f"{emulator} not found: apt-get install qemu-user")
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "programs.h").write_text(tables_of_programs(), encoding="utf-8")
        hashes = compare(make_cases(compiler), lambda case: check(case, Path(folder)), "builds")
    expected = f"first weights {first_weights_hash():016x}"
    if hashes[0] != expected:
        sys.exit(f"seqsweep draws other first weights\n{expected}\n{hashes[0]}")
    compare(make_run_cases(), train, "ways to train")


def compare(cases: Sequence[Case], run_case: Callable[[Case], str], noun: str) -> list[str]:
    """Returns the lines that all cases print; exits if they differ."""
    reference = ""
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for case, output in zip(cases, pool.map(run_case, cases), strict=True):
            digest = hashlib.sha256(output.encode()).hexdigest()[:16]
            print(f"{case.name:32} {digest}", flush=True)
            reference = reference or output
            if output != reference:
                sys.exit(f"{case.name}: differs\n{first_difference(reference, output)}")
    lines = reference.splitlines()
    print(f"{len(lines)} hashes are equal in {len(cases)} {noun}")
    return lines


def make_cases(compiler: Command) -> list[Case]:
    """Returns the cases, the slowest first."""
    variants = runnable_variants()
    for variant in HERE.variants:
        if variant not in variants:
            print(f"{variant}: not checked, this CPU does not run it")
    arm = [*compile_flags(zig(), "portable", ARM), *WARNINGS]
    cases = [Case("ziglang, arm64", arm, (QEMU,))]
    name = Path(compiler[0]).name
    for variant in variants:
        flags = [*compile_flags(compiler, variant, HERE), *WARNINGS]
        of_zig = [*compile_flags(zig(), variant, HERE), *WARNINGS]
        cases += [
            Case(f"{name}, {variant}, sanitizers", [*flags, *SANITIZERS]),
            Case(f"{name}, {variant}", flags),
            Case(f"ziglang, {variant}", of_zig),
        ]
    return cases


def check(case: Case, folder: Path) -> str:
    """Compiles the program and returns what it prints; exits if either fails."""
    path = folder / case.name.replace(" ", "-")
    run([*case.command, f"-I{SOURCE}", f"-I{folder}", str(PROGRAM), "-o", str(path)])
    return output_of(case, [str(path)], RUN_OPTIONS)


def tables_of_programs() -> str:
    """Returns C++ with the programs of our cells and of others."""
    lines, structs = ["namespace {", "using namespace seqsweep;"], list[str]()
    programs = {name.replace("-", "_"): packaged_program(name) for name in program_names()}
    programs |= {c.__name__: trace(c, 3, 4) for c in (*example_cells.CELLS, *odd_cells.CELLS)}
    for table, each in programs.items():
        program = assemble(each)
        for part, rows in program.arrays.items():
            kind = KINDS.get(part, "int32_t")
            values = ", ".join(_initializer(row) for row in rows.tolist()) or "{}"
            lines.append(f"const {kind} {table}_{part}[] = {{{values}}};")
        sizes = [str(getattr(program.struct, field[0])) for field in program.struct._fields_[10:]]
        arrays = [f"{table}_{part}" for part in program.arrays]
        structs.append("{" + ", ".join([*arrays, *sizes]) + "}")
    lines.append(f"const Program programs[] = {{{', '.join(structs)}}};")
    return "\n".join(
        [*lines, f"constexpr int program_count = {len(programs)};", "}  // namespace\n"]
    )


def _initializer(row: Any) -> str:
    """Returns a number, or the fields of a struct, as C++ writes them."""
    if isinstance(row, (list, tuple)):
        return "{" + ", ".join(map(_initializer, row)) + "}"
    return f"{row.hex()}f" if isinstance(row, float) else str(row)


def make_run_cases() -> list[Case]:
    """Returns the ways to train whole runs, the slowest first."""
    program = [sys.executable, str(RUNS)]
    cases = [
        Case(name, program, (EMULATOR, "-cpu", name), {"OPENBLAS_CORETYPE": kernels})
        for name, kernels in PROCESSORS.items()
    ]
    highest = TORCH_LEVELS.index(torch.backends.cpu.get_cpu_capability().lower())
    variants = runnable_variants()
    # Torch does not see the variant, nor the variant torch, so not every pair is trained.
    for level in TORCH_LEVELS[: highest + 1]:
        # The C library has code of its own for AVX2 and FMA.
        tunables = {"GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX2,-FMA"} if level == "default" else {}
        for variant in variants if level == "default" else variants[:1]:
            environment = {"ATEN_CPU_CAPABILITY": level, "SEQSWEEP_NATIVE": variant, **tunables}
            cases.append(Case(f"torch {level}, {variant}", program, (), environment))
    return cases


def train(case: Case) -> str:
    """Trains the runs in one way and returns their hashes; exits if that fails."""
    return output_of(case, case.command, {"OMP_NUM_THREADS": "1", **(case.environment or {})})


def output_of(case: Case, command: list[str], environment: dict[str, str]) -> str:
    """Returns what a command prints; exits if it fails."""
    process = subprocess.run(
        [*case.runner, *command],
        env=os.environ | environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if process.returncode:
        output = process.stderr or process.stdout
        sys.exit(f"{case.name}: exit code {process.returncode}\n{output}")
    return process.stdout


def first_weights_hash() -> int:
    """Returns the FNV-1a hash of the weights that the program draws first."""
    layer = nn.GRU(5, 33)
    torch.manual_seed(7)
    draw_first_weights(layer)
    value = 14695981039346656037
    for weight in layer.parameters():
        for byte in weight.detach().numpy().astype("<f4").tobytes():
            value = (value ^ byte) * 1099511628211 % 2**64
    return value


def first_difference(expected: str, output: str) -> str:
    """Returns the first pair of lines that differ."""
    pairs = zip(expected.splitlines(), output.splitlines(), strict=False)
    return next((f"{one}\n{other}" for one, other in pairs if one != other), "lines are missing")


if __name__ == "__main__":
    main()
