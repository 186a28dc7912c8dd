"""Translates operations of torch into operations of programs.

Operands are values or numbers. The gradients at ties, kinks and NaN follow from the way in which an
operation is written here, and are those of torch.
"""

import math
from collections.abc import Callable
from typing import Any

from seqsweep.models.graph import Value

Operand = Value | float


class Untraceable(ValueError):
    """A cell has no program."""


def _apply(operation: str, *operands: Operand) -> Value:
    graph = next(operand.graph for operand in operands if isinstance(operand, Value))
    return graph.apply(operation, *operands)


def _named(operation: str) -> Callable[..., Value]:
    """Returns the torch operation that has the same name and meaning here."""
    return lambda *operands: _apply(operation, *operands)


def _constant(name: str, operand: Operand) -> float:
    number = operand.number if isinstance(operand, Value) else operand
    if number is None:
        raise Untraceable(f"{name} must be a number")
    return number


def _only_number(tensor: Any) -> float:
    if tensor.numel() != 1:
        raise Untraceable("a tensor of several numbers must be a weight in `shapes`")
    return tensor.item()


def _not_equal(a: Operand, b: Operand) -> Value:
    return 1 - _apply("eq", a, b)


def _power(a: Operand, exponent: Operand) -> Value:
    power, base = _constant("the exponent", exponent), a
    if not isinstance(base, Value) or abs(power) not in (0.5, *range(33)):
        raise Untraceable(f"the exponent must be a whole number or 0.5, got {power}")
    if abs(power) == 0.5:
        result = base.apply("sqrt")
    else:
        result = math.prod([base] * int(abs(power)), start=base.graph.value(1))
    return result if power >= 0 else 1 / result


def _clamp(
    a: Value, low: Operand | None = None, high: Operand | None = None, compare: str = "lt"
) -> Value:
    """Returns a within bounds. A `maximum` would halve the gradient at a bound."""
    if low is not None:
        low = _constant("a bound", low)
        a = _apply("where", _apply(compare, a, low), low, a)
    if high is not None:
        high = _constant("a bound", high)
        a = _apply("where", _apply(compare, high, a), high, a)
    return a


def _softplus(a: Value, beta: float = 1, threshold: float = 20) -> Value:
    if beta != 1 or threshold < 20:
        raise Untraceable("beta must be 1, and threshold at least 20")
    return a.apply("softplus")


def _log1p(a: Value) -> Value:
    """Returns log(1 + a), to which a small number adds what the sum rounds away."""
    total = a + 1
    lost = _apply("where", _apply("lt", a.apply("abs"), 1), a - (total - 1), 0)
    return total.apply("log") + lost


def _gelu(a: Value, approximate: str = "none") -> Value:
    if approximate != "tanh":
        raise Untraceable("approximate must be 'tanh'")
    scale = math.sqrt(2 / math.pi)
    half = a * 0.5
    return half * (a * (a * a * (0.044715 * scale) + scale)).apply("tanh") + half


def _elu(a: Value, alpha: float = 1, scale: float = 1, input_scale: float = 1) -> Value:
    below = (_clamp(a * input_scale, None, 0).apply("exp") - 1) * (alpha * scale)
    return _apply("where", _apply("lt", 0, a), a * scale, below)


_SAME = (
    "neg", "abs", "sqrt", "exp", "log", "tanh", "sigmoid", "relu", "sin", "cos", "sign", "maximum",
    "minimum", "lt", "le", "eq", "where",
)  # fmt: skip

ELEMENTWISE: dict[str, Callable[..., Operand]] = {
    **{name: _named(name) for name in _SAME},
    "add": lambda a, b, alpha=1: a + b * alpha,
    "sub": lambda a, b, alpha=1: a - b * alpha,
    "rsub": lambda a, b, alpha=1: b - a * alpha,
    "mul": lambda a, b: a * b,
    "div": lambda a, b: a / b,
    "addcmul": lambda a, b, c, value=1: a + b * c * value,
    "addcdiv": lambda a, b, c, value=1: a + b / c * value,
    "lerp": lambda a, b, weight: a + weight * (b - a),
    "gt": lambda a, b: _apply("lt", b, a),
    "ge": lambda a, b: _apply("le", b, a),
    "ne": _not_equal,
    "bitwise_and": lambda a, b: a * b,
    "bitwise_or": _named("maximum"),
    "bitwise_xor": _not_equal,
    "bitwise_not": lambda a: 1 - a,
    "logical_and": lambda a, b: _not_equal(a, 0) * _not_equal(b, 0),
    "logical_or": lambda a, b: _apply("maximum", _not_equal(a, 0), _not_equal(b, 0)),
    "logical_xor": lambda a, b: _not_equal(_not_equal(a, 0), _not_equal(b, 0)),
    "logical_not": lambda a: _apply("eq", a, 0),
    "masked_fill": lambda a, mask, value: _apply("where", mask, value, a),
    "pow": _power,
    "reciprocal": lambda a: 1 / a,
    "rsqrt": lambda a: 1 / a.apply("sqrt"),
    "clamp": _clamp,
    "clamp_min": _clamp,
    "clamp_max": lambda a, high: _clamp(a, None, high),
    "hardtanh": lambda a, low=-1, high=1: _clamp(a, low, high, "le"),
    "hardsigmoid": lambda a: _clamp(a + 3, 0, 6, "le") / 6,
    "hardswish": lambda a: a * _clamp(a + 3, 0, 6, "le") / 6,
    "threshold": lambda a, bound, value: _apply("where", _apply("le", a, bound), value, a),
    "leaky_relu": lambda a, slope=0.01: _apply("where", _apply("lt", 0, a), a, a * slope),
    "elu": _elu,
    "celu": lambda a, alpha=1: _elu(a, alpha, 1, 1 / alpha),
    "softplus": _softplus,
    "log_sigmoid_forward": lambda a: -(-a).apply("softplus"),
    "log1p": _log1p,
    "expm1": lambda a: (a * 0.5).apply("tanh") * (a.apply("exp") + 1),  # without cancellation
    "silu": lambda a: a * a.apply("sigmoid"),
    "mish": lambda a: a * a.apply("softplus").apply("tanh"),
    "gelu": _gelu,
    "copy": lambda a, source: source,
    "fill": lambda a, value: value,
    "zero": lambda a: 0,
}
# The elementwise operations whose results may be masks.
BOOLEAN = {name for name in ELEMENTWISE if name.startswith(("bitwise_", "logical_"))} | {
    "lt", "le", "eq", "gt", "ge", "ne", "where", "masked_fill", "copy", "fill",
}  # fmt: skip

# Operations over the units, which programs do not have.
OVER_UNITS = {"mean", "sum", "var", "std", "amax", "_softmax", "_log_softmax", "native_layer_norm"}

# The operations that only move numbers.
MOVING = {
    "view", "_unsafe_view", "reshape", "expand", "unsqueeze", "squeeze", "permute", "transpose",
    "t", "split", "split_with_sizes", "slice", "select", "unbind", "cat", "stack", "repeat",
    "alias", "clone", "_to_copy", "detach",
}  # fmt: skip

# The operations that make constants: from their arguments to the number.
CONSTANTS: dict[str, Callable[..., float]] = {
    **dict.fromkeys(("zeros", "zeros_like", "new_zeros"), lambda *_: 0),
    **dict.fromkeys(("ones", "ones_like", "new_ones"), lambda *_: 1),
    **dict.fromkeys(("empty", "empty_like", "new_empty"), lambda *_: math.nan),
    **dict.fromkeys(("full", "full_like"), lambda _, number: number),
    "new_full": lambda tensor, size, number: number,
    "scalar_tensor": lambda number: number,
    "lift_fresh": _only_number,
}
