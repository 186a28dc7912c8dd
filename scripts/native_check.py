"""Checks that the C++ source gives equal bits everywhere and stays within its memory.

    python scripts/native_check.py

tests/native/program.cpp trains small networks and prints a hash of the weights of each. This
machine's compiler and ziglang compile it for each instruction set of x86-64, also with
AddressSanitizer and UndefinedBehaviorSanitizer. ziglang compiles it for arm64 too, which qemu-user
runs here.
"""

import concurrent.futures
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

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

PROGRAM = Path(__file__).parents[1] / "tests" / "native" / "program.cpp"
WARNINGS = ("-Wall", "-Wextra", "-Werror")
SANITIZERS = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-O1", "-g")
# For the check that is switched off here, gcc keeps variables on another stack, which it does not
# align for AVX-512.
RUN_OPTIONS = {"ASAN_OPTIONS": "detect_stack_use_after_return=0"}
ARM = Target("aarch64", "linux", "aarch64-linux-musl")  # with musl the file needs no others
QEMU = "qemu-aarch64"


class Case(NamedTuple):
    """One way to compile the program, and the command that runs it."""

    name: str
    command: list[str]
    runner: tuple[str, ...] = ()


class Result(NamedTuple):
    """The output of a case, and its seconds."""

    output: str
    compile_seconds: float
    run_seconds: float


def main() -> None:
    compiler = find_compiler()
    if compiler is None or compiler == zig():
        sys.exit("native-check needs a C++ compiler besides ziglang")
    if shutil.which(QEMU) is None:
        sys.exit(f"{QEMU} not found: apt-get install qemu-user")
    cases = make_cases(compiler)
    reference = ""
    with (
        tempfile.TemporaryDirectory() as folder,
        concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool,
    ):
        results = pool.map(lambda case: check(case, Path(folder)), cases)
        for case, result in zip(cases, results, strict=True):
            digest = hashlib.sha256(result.output.encode()).hexdigest()[:16]
            seconds = f"{result.compile_seconds:5.1f} s  {result.run_seconds:5.1f} s"
            print(f"{case.name:32} {seconds}  {digest}", flush=True)
            reference = reference or result.output
            if result.output != reference:
                sys.exit(f"{case.name}: differs\n{first_difference(reference, result.output)}")
    print(f"{len(reference.splitlines())} hashes are equal in {len(cases)} builds")


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


def check(case: Case, folder: Path) -> Result:
    """Compiles and runs the program; exits if either fails."""
    path = folder / case.name.replace(" ", "-")
    begin = time.perf_counter()
    run([*case.command, f"-I{SOURCE}", str(PROGRAM), "-o", str(path)])
    compiled = time.perf_counter()
    process = subprocess.run(
        [*case.runner, path],
        env=os.environ | RUN_OPTIONS, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if process.returncode:
        output = process.stderr or process.stdout
        sys.exit(f"{case.name}: exit code {process.returncode}\n{output}")
    return Result(process.stdout, compiled - begin, time.perf_counter() - compiled)


def first_difference(expected: str, output: str) -> str:
    """Returns the first pair of lines that differ."""
    pairs = zip(expected.splitlines(), output.splitlines(), strict=False)
    return next((f"{one}\n{other}" for one, other in pairs if one != other), "lines are missing")


if __name__ == "__main__":
    main()
