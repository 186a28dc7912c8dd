"""The library's functions equal those of NumPy in float64, and its multiply-add rounds once."""

import ctypes
from collections.abc import Sequence
from fractions import Fraction

import numpy as np
import numpy.typing as npt
import pytest
import torch

from seqsweep.native.library import library
from seqsweep.native.program import OPERATIONS

Array = npt.NDArray[np.float32]


def call(name: str, *arrays: Array) -> Array:
    unused = [arrays[0]] * (3 - len(arrays))
    return by_library("operation", OPERATIONS.index(name), *arrays, *unused)


def multiply_add(a: Array, b: Array, c: Array, way: int) -> Array:
    return by_library("multiply_add", way, a, b, c)


def by_library(name: str, which: int, *arrays: Array) -> Array:
    found = library()
    assert found is not None
    out = np.empty_like(arrays[0])
    pointers = [ctypes.c_void_p(each.ctypes.data) for each in (*arrays, out)]
    getattr(found.handle, f"seqsweep_{name}")(which, ctypes.c_int64(out.size), *pointers)
    return out


def floats(values: Sequence[float]) -> Array:
    return np.array(values, dtype=np.float32)


def from_bits(bits: npt.ArrayLike) -> Array:
    return np.asarray(bits, dtype=np.uint32).view(np.float32)


def numbers(low: float, high: float) -> Array:
    """Returns floats of all sizes between two bounds, zeros and subnormal ones included."""
    generator = np.random.default_rng(0)
    bits = generator.integers(0, 2**32, 200_000, dtype=np.uint32)
    edges = floats([0.0, -0.0, 1e-45, -1e-45, 1e-39, -1e-39, 1.0, -1.0, low, high])
    spread = generator.uniform(low, high, 200_000).astype(np.float32)
    near = (1 + generator.uniform(-1e-3, 1e-3, 1000)).astype(np.float32)
    x = np.concatenate([bits.view(np.float32), spread, edges, near])
    return x[np.isfinite(x) & (x >= low) & (x <= high)]


def ulps(found: Array, exact: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Returns the error in units of the last place of the exact value."""
    spacing = np.spacing(np.abs(exact).astype(np.float32).clip(1e-45)).astype(np.float64)
    return np.abs(found.astype(np.float64) - exact) / spacing


def sigmoid(x: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return 1 / (1 + np.exp(-x))


@pytest.mark.parametrize(
    ("name", "exact", "low", "high", "bound"),
    [
        ("exp", np.exp, -103.0, 88.7, 2.0),
        ("log", np.log, 1e-45, 3e38, 2.0),
        ("tanh", np.tanh, -20.0, 20.0, 6.0),
        ("sigmoid", sigmoid, -80.0, 80.0, 3.0),
    ],
)
def test_the_error_of_a_function_is_a_few_units_of_the_last_place(name, exact, low, high, bound):
    x = numbers(low, high)
    assert ulps(call(name, x), exact(x.astype(np.float64))).max() <= bound


def test_angles_up_to_8192_and_softplus_are_exact_to_the_last_places_of_their_size():
    """A sine near 0, and a softplus of a very negative number, have an absolute error alone."""
    x = numbers(-8192.0, 8192.0)
    exact = x.astype(np.float64)
    for name, values in (("sin", np.sin(exact)), ("cos", np.cos(exact))):
        assert np.abs(call(name, x) - values).max() <= 1e-7
    small = np.abs(x) < 0.7
    assert ulps(call("sin", x)[small], np.sin(exact[small])).max() <= 2
    assert np.array_equal(call("sin", -x), -call("sin", x))
    x = numbers(-80.0, 3e38)
    exact = np.logaddexp(0, x.astype(np.float64))
    assert (np.abs(call("softplus", x) - exact) / exact.clip(min=1)).max() <= 2e-7


def test_functions_of_infinity_nan_zero_and_subnormal_numbers():
    x = floats([np.inf, -np.inf, np.nan, 0, -0.0, 1e-45, -1e-45, 1, 200, -200])
    for name in ("exp", "log", "tanh", "sigmoid"):
        exact = getattr(torch.from_numpy(x).double(), name)().float()
        np.testing.assert_allclose(call(name, x), exact, rtol=1e-6, atol=1e-37, err_msg=name)
    assert np.signbit(call("tanh", x)[4])
    x = numbers(-3e38, 3e38)
    assert np.abs(call("tanh", x)).max() <= 1
    assert call("sigmoid", x).min() >= 0 and call("sigmoid", x).max() <= 1


def test_operations_equal_those_of_torch_with_ties_infinity_and_nan():
    edges = floats([np.nan, np.inf, -np.inf, 0.0, -0.0, 1.5, -1.5, 0.3, 2e-39, 3e38])
    a, b = (np.ascontiguousarray(part.ravel()) for part in np.meshgrid(edges, edges))
    x, y = torch.from_numpy(a), torch.from_numpy(b)
    mask = call("lt", a, b)
    for name, found, expected in (
        ("neg", call("neg", a), -x), ("abs", call("abs", a), x.abs()),
        ("sqrt", call("sqrt", a), x.double().sqrt().float()), ("relu", call("relu", a), x.relu()),
        ("sign", call("sign", a), x.sgn()), ("copy", call("copy", a), x),
        ("add", call("add", a, b), x + y), ("sub", call("sub", a, b), x - y),
        ("mul", call("mul", a, b), x * y), ("div", call("div", a, b), x / y),
        ("maximum", call("maximum", a, b), x.maximum(y)),
        ("minimum", call("minimum", a, b), x.minimum(y)),
        ("lt", mask, (x < y).float()), ("le", call("le", a, b), (x <= y).float()),
        ("eq", call("eq", a, b), (x == y).float()),
        ("where", call("where", mask, a, b), torch.where(x < y, x, y)),
    ):  # fmt: skip
        np.testing.assert_array_equal(found, expected.numpy(), err_msg=name)
    tiny = floats([2.0**-90, 2.0**-91, -(2.0**-91), 1.0, np.inf, np.nan])
    np.testing.assert_array_equal(call("without_tiny", tiny), tiny * floats([1, 0, 0, 1, 1, 1]))


def rounded(value: Fraction) -> float:
    """The float32 nearest to an exact number, ties to the even one."""
    if value == 0:
        return 0.0
    size = abs(value)
    guess = size.numerator.bit_length() - size.denominator.bit_length()
    exponent = max(-149, (guess if Fraction(2) ** guess <= size else guess - 1) - 23)
    scaled = value / Fraction(2) ** exponent
    whole = round(scaled)  # Python's round takes a tie to the even one
    result = float(whole) * 2.0**exponent
    return result if abs(result) < 2.0**128 else float(np.copysign(np.inf, result))


@pytest.mark.sampled(1)
@pytest.mark.parametrize("way", [0, 1, 2])
def test_a_multiply_add_is_rounded_once(way: int):
    generator = np.random.default_rng(1)
    a, b, c = from_bits(generator.integers(0, 2**32, (3, 4000), dtype=np.uint32))
    # Sums that cancel, ties, and products next to a subnormal sum.
    near = np.float32(1) + from_bits(generator.integers(0, 2**12, 4000) + 0x3F800000) - 1
    a = np.concatenate([a, near, near, near * np.float32(1e-20)])
    b = np.concatenate([b, near[::-1], near[::-1], near[::-1] * np.float32(1e-20)])
    tiny = from_bits(generator.integers(0, 2**20, 4000))
    c = np.concatenate([c, -near, near * np.float32(2.0**-24), tiny])
    finite = np.isfinite(a) & np.isfinite(b) & np.isfinite(c)
    a, b, c = (np.ascontiguousarray(each[finite]) for each in (a, b, c))
    exact = [
        rounded(Fraction(float(x)) * Fraction(float(y)) + Fraction(float(z)))
        for x, y, z in zip(a, b, c, strict=True)
    ]
    np.testing.assert_array_equal(multiply_add(a, b, c, way), floats(exact))
