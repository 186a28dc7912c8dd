"""The speed of this core: products by torch.mm beside its fused multiply-adds in registers.

    python scripts/bench/core_peak.py

docs/benchmarks.md gives what a sweep takes as a multiple of a floor: the time of its products at
the speed of torch.mm. torch's product library does not reach the core's own peak everywhere (MKL
uses AVX2 on AMD processors that have AVX-512), so both are printed. The peak needs a C compiler
(`cc`): a loop of independent fused multiply-adds in registers, for AVX2 and for AVX-512 where the
processor has it. One thread, the best of many turns.
"""

import ctypes
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import torch

SOURCE = """
#include <immintrin.h>
/* Runs n rounds of 12 independent fused multiply-adds and returns a sum of the results. */
float peak(long n) {
    V a[12], b = SET(1.000001f), c = SET(1e-9f);
    for (int i = 0; i < 12; i++) a[i] = SET(1.0f + i);
    for (long r = 0; r < n; r++)
#pragma GCC unroll 12
        for (int i = 0; i < 12; i++) a[i] = FMA(a[i], b, c);
    float sum = 0;
    for (int i = 0; i < 12; i++) sum += ((float *)&a[i])[0];
    return sum;
}
"""
VARIANTS = {  # flags of the processor, options of the compiler, floats in a vector
    "AVX2": (("avx2", "fma"), ["-mavx2", "-mfma"], "256", 8),
    "AVX-512": (("avx512f",), ["-mavx512f"], "512", 16),
}
ROUNDS, TURNS = 2_000_000, 20


def main() -> None:
    torch.set_num_threads(1)
    print(f"torch.mm 512: {torch_speed(512):6.0f} Gflop/s")
    for name in VARIANTS:
        speed = speed_of(name)
        print(
            f"{name + ':':13} "
            + (speed if isinstance(speed, str) else f"{speed / 1e9:6.0f} Gflop/s")
        )


def torch_speed(size: int) -> float:
    """Gflop/s of a square product of float32."""
    square, best = torch.rand(size, size), float("inf")
    for _ in range(200):
        start = time.perf_counter()
        torch.mm(square, square)
        best = min(best, time.perf_counter() - start)
    return 2 * size**3 / best / 1e9


def core_speed() -> float | None:
    """Returns the core's peak in floating-point operations a second, None where it is unknown."""
    found = [speed for name in VARIANTS if isinstance(speed := speed_of(name), float)]
    return max(found, default=None)


def speed_of(name: str) -> float | str:
    """Returns the operations a second of fused multiply-adds, or why they cannot be measured."""
    flags, options, bits, floats = VARIANTS[name]
    known = Path("/proc/cpuinfo").read_text(encoding="utf-8").split()
    if not all(flag in known for flag in flags):
        return "not on this processor"
    compiler = shutil.which("cc")
    if compiler is None:
        return "no C compiler (cc) to measure it with"
    with tempfile.TemporaryDirectory() as folder:
        source, library = Path(folder, "peak.c"), Path(folder, "peak.so")
        source.write_text(SOURCE)
        defines = [
            f"-DV=__m{bits}", f"-DSET=_mm{bits}_set1_ps", f"-DFMA=_mm{bits}_fmadd_ps",
        ]  # fmt: skip
        command = [compiler, "-O3", "-shared", "-fPIC", *options, *defines]
        subprocess.run([*command, str(source), "-o", str(library)], check=True)
        run = ctypes.CDLL(str(library)).peak
        run.argtypes, run.restype = [ctypes.c_long], ctypes.c_float
        best = float("inf")
        for _ in range(TURNS):
            start = time.perf_counter()
            run(ROUNDS)
            best = min(best, time.perf_counter() - start)
    return ROUNDS * 12 * floats * 2 / best


if __name__ == "__main__":
    main()
