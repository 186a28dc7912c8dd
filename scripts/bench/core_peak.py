"""Measures the speed of this core: torch.mm, and fused multiply-adds in registers.

    python scripts/bench/core_peak.py

docs/benchmarks/steps.csv gives the cost of a step as a multiple of a floor, the time of its
products at the speed of this core. torch's product library does not reach the core's peak
everywhere (MKL uses AVX2 on AMD processors that have AVX-512), so both speeds are printed. A loop
of independent fused multiply-adds in registers measures the peak, for AVX2, and for AVX-512 if the
processor has it. It needs a C compiler (`cc`). Each figure is the best of many turns on one thread.
"""

import ctypes
import subprocess
import tempfile
import time
from collections.abc import Callable
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
# The processor's flags, the compiler's options, the bits and the floats of a vector.
VARIANTS = {
    "AVX2": (("avx2", "fma"), ["-mavx2", "-mfma"], "256", 8),
    "AVX-512": (("avx512f",), ["-mavx512f"], "512", 16),
}
ROUNDS, TURNS = 2_000_000, 20


def main() -> None:
    torch.set_num_threads(1)
    print(f"torch.mm 512: {torch_speed(512):6.0f} Gflop/s")
    for name in VARIANTS:
        speed = speed_of(name)
        text = "not on this processor" if speed is None else f"{speed / 1e9:6.0f} Gflop/s"
        print(f"{name + ':':13} {text}")


def torch_speed(size: int) -> float:
    """Returns the Gflop/s of a square product in float32."""
    square = torch.rand(size, size)
    return 2 * size**3 / least_seconds(lambda: torch.mm(square, square), 200) / 1e9


def least_seconds(action: Callable[[], object], turns: int) -> float:
    """Returns the least wall time of some calls."""
    times: list[float] = []
    for _ in range(turns):
        began = time.perf_counter()
        action()
        times.append(time.perf_counter() - began)
    return min(times)


def core_speed() -> float | None:
    """Returns the core's peak in operations a second; None if the core has no variant."""
    return max(filter(None, map(speed_of, VARIANTS)), default=None)


def speed_of(name: str) -> float | None:
    """Returns the operations a second of one variant; None if this processor lacks it."""
    flags, options, bits, floats = VARIANTS[name]
    known = Path("/proc/cpuinfo").read_text(encoding="utf-8").split()
    if not all(flag in known for flag in flags):
        return None
    with tempfile.TemporaryDirectory() as folder:
        source, library = Path(folder, "peak.c"), Path(folder, "peak.so")
        source.write_text(SOURCE)
        defines = [
            f"-DV=__m{bits}", f"-DSET=_mm{bits}_set1_ps", f"-DFMA=_mm{bits}_fmadd_ps",
        ]  # fmt: skip
        command = ["cc", "-O3", "-shared", "-fPIC", *options, *defines]
        subprocess.run([*command, str(source), "-o", str(library)], check=True)
        run = ctypes.CDLL(str(library)).peak
        run.argtypes, run.restype = [ctypes.c_long], ctypes.c_float
        least = least_seconds(lambda: run(ROUNDS), TURNS)
    return ROUNDS * 12 * floats * 2 / least


if __name__ == "__main__":
    main()
