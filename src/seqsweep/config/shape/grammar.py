"""The expressions of `sweep.filter`, evaluated by rules of our own and never by `eval`."""

import ast
import operator
import warnings
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from seqsweep.suggest import did_you_mean

_LONGEST, _DEEPEST = 2000, 100
_MOST_BITS = 4096
"""The largest power of whole numbers, in bits: about 1,200 digits."""

_ALLOWED = (
    "it may have keys, numbers, texts in quotes, lists, true, false, null, "
    "and, or, not, in, == != < <= > >= and + - * / // % **"
)
_WORDS = {"true": True, "false": False, "null": None}
_ARITHMETIC: dict[type[ast.operator], tuple[str, Callable[[Any, Any], Any]]] = {
    ast.Add: ("+", operator.add),
    ast.Sub: ("-", operator.sub),
    ast.Mult: ("*", operator.mul),
    ast.Div: ("/", operator.truediv),
    ast.FloorDiv: ("//", operator.floordiv),
    ast.Mod: ("%", operator.mod),
    ast.Pow: ("**", operator.pow),
}
_ORDER: dict[type[ast.cmpop], tuple[str, Callable[[Any, Any], bool]]] = {
    ast.Lt: ("<", operator.lt),
    ast.LtE: ("<=", operator.le),
    ast.Gt: (">", operator.gt),
    ast.GtE: (">=", operator.ge),
}


class Filter:
    """An expression over config keys, with the precedence and the meaning of Python.

    The operands of `and`, `or` and `not` must be true or false, so that
    `model.num_layers == 1 or 2` is refused.

    Args:
        text: such as `model.cell == 'lstm' or not model.bidirectional`.

    Raises:
        ValueError: the text is not such an expression.
    """

    def __init__(self, text: str) -> None:
        self.text = " ".join(text[:_LONGEST].split())  # a message has one line
        try:
            self._expression = _parse(text)
            self.names = frozenset(_names(self._expression))
        except ValueError as error:
            raise ValueError(f"sweep.filter={self.text}: {error}") from None

    def keeps(self, values: Mapping[str, Any]) -> bool:
        """Returns whether the expression is true.

        Args:
            values: the config by dotted key.

        Raises:
            ValueError: a key is unknown, an operator does not take these values, or the result is
                not true or false.
        """
        try:
            return _truth(_value(self._expression, values), "the expression")
        except ArithmeticError as error:
            reason = "division by zero" if isinstance(error, ZeroDivisionError) else "too large"
            raise ValueError(f"sweep.filter={self.text}: {reason}") from error
        except ValueError as error:
            raise ValueError(f"sweep.filter={self.text}: {error}") from None


def _parse(text: str) -> ast.expr:
    if len(text) > _LONGEST:
        raise ValueError(f"must have at most {_LONGEST} characters")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of a text with a backslash, such as '\d'
            # Brackets let an expression from a YAML file go over several lines.
            text = text.strip()
            return ast.parse(f"(\n{text}\n)" if "\n" in text else text, mode="eval").body
    except SyntaxError as error:
        raise ValueError(f"cannot be read ({error.msg}); {_ALLOWED}") from None
    except (MemoryError, RecursionError):  # Python's parser has met very many brackets or signs
        raise ValueError("is nested too deeply") from None


def _names(node: ast.expr, depth: int = 0) -> Iterator[str]:
    """Yields the keys of an expression. Refuses what is not in the grammar."""
    if depth > _DEEPEST:
        raise ValueError("is nested too deeply")
    if isinstance(node, (ast.Name, ast.Attribute)):
        name = _dotted(node)
        if name not in _WORDS:
            yield name
        return
    if isinstance(node, ast.Constant):
        if not isinstance(node.value, (bool, int, float, str, type(None))):
            raise ValueError(f"{ast.unparse(node)} is not allowed; {_ALLOWED}")
        return
    for part in _parts(node):
        yield from _names(part, depth + 1)


def _parts(node: ast.expr) -> list[ast.expr]:
    """Returns the operands of an operator, or the items of a list."""
    match node:
        case ast.BoolOp():
            return node.values
        case ast.UnaryOp(op=ast.Not() | ast.USub() | ast.UAdd()):
            return [node.operand]
        case ast.BinOp() if type(node.op) in _ARITHMETIC:
            return [node.left, node.right]
        case ast.Compare() if not any(isinstance(op, (ast.Is, ast.IsNot)) for op in node.ops):
            return [node.left, *node.comparators]
        case ast.List() | ast.Tuple():
            return node.elts
        case _:
            raise ValueError(f"{ast.unparse(node)} is not allowed; {_ALLOWED}")


def _dotted(node: ast.expr) -> str:
    """Returns the key that `a.b.c` names."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        return f"{_dotted(node.value)}.{node.attr}"
    raise ValueError(f"{ast.unparse(node)} is not allowed before a dot; {_ALLOWED}")


def _value(node: ast.expr, values: Mapping[str, Any]) -> Any:
    match node:
        case ast.Constant():
            return node.value
        case ast.Name() | ast.Attribute():
            return _look_up(_dotted(node), values)
        case ast.List() | ast.Tuple():
            return [_value(item, values) for item in node.elts]
        case ast.BoolOp():
            # The loop stops at the first value that decides, as Python does.
            decides = isinstance(node.op, ast.Or)
            word = "or" if decides else "and"
            parts = (_truth(_value(part, values), word) for part in node.values)
            return decides if decides in parts else not decides
        case ast.UnaryOp(op=ast.Not()):
            return not _truth(_value(node.operand, values), "not")
        case ast.UnaryOp():
            number = _number(_value(node.operand, values), "the sign")
            return -number if isinstance(node.op, ast.USub) else +number
        case ast.BinOp():
            return _calculate(node.op, _value(node.left, values), _value(node.right, values))
        case ast.Compare():
            return _compare_all(node, values)
        case _:
            raise AssertionError("the constructor refuses all others")


def _look_up(name: str, values: Mapping[str, Any]) -> Any:
    if name in _WORDS:
        return _WORDS[name]
    if name in values:
        return values[name]
    raise ValueError(unknown_key(name, values))


def unknown_key(name: str, values: Mapping[str, Any]) -> str:
    """Returns the message for an unknown key, with the nearest right name."""
    below = [key for key in values if key.startswith(f"{name}.")]
    if below:
        return f"{name}: is a group of keys; name one of them, such as {below[0]}"
    # `hidden_size` stands for no key, but `model.hidden_size` ends with it.
    ends = [key for key in values if key.endswith(f".{name}")]
    hint = did_you_mean(ends[0] if ends else name, values, cutoff=0.8)
    quotes = "" if "." in name else f"; a text needs quotes: '{name}'"
    return f"{name}: no such key{hint or quotes}"


def _truth(value: Any, where: str) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"{where}: expected true or false, got {_shown(value)}")
    return value


def _number(value: Any, where: str) -> Any:
    if not isinstance(value, (int, float)):
        raise ValueError(f"{where}: expected a number, got {_shown(value)}")
    return value


def _calculate(kind: ast.operator, left: Any, right: Any) -> Any:
    symbol, function = _ARITHMETIC[type(kind)]
    where = f"{_shown(left)} {symbol} {_shown(right)}"
    _number(left, where)
    _number(right, where)
    if isinstance(kind, ast.Pow):
        _check_power(left, right, where)
    return function(left, right)


def _check_power(base: Any, exponent: Any, where: str) -> None:
    """Refuses powers that would take all memory, and those that are not real numbers."""
    whole = isinstance(base, int) and isinstance(exponent, int)
    if whole and exponent > 0 and base.bit_length() * exponent > _MOST_BITS:
        raise ValueError(f"{where}: the power is too large")
    if base < 0 and not float(exponent).is_integer():
        raise ValueError(f"{where}: the power is not a real number")


def _compare_all(node: ast.Compare, values: Mapping[str, Any]) -> bool:
    """Returns whether `a < b <= c` holds, comparison by comparison."""
    left = _value(node.left, values)
    for kind, part in zip(node.ops, node.comparators, strict=True):
        right = _value(part, values)
        if not _compare(kind, left, right):
            return False
        left = right
    return True


def _compare(kind: ast.cmpop, left: Any, right: Any) -> bool:
    match kind:
        case ast.Eq():
            return left == right
        case ast.NotEq():
            return left != right
        case ast.In() | ast.NotIn():
            if not isinstance(right, list) and not (isinstance(left, str) and type(right) is str):
                raise ValueError(f"{_shown(left)} in {_shown(right)}: expected a list after in")
            return (left in right) == isinstance(kind, ast.In)
        case _:
            symbol, function = _ORDER[type(kind)]
            numbers = isinstance(left, (int, float)) and isinstance(right, (int, float))
            if not numbers and not (isinstance(left, str) and isinstance(right, str)):
                where = f"{_shown(left)} {symbol} {_shown(right)}"
                raise ValueError(f"{where}: expected two numbers or two texts")
            return function(left, right)


def _shown(value: Any) -> str:
    """Returns a value as an expression has it, shortened."""
    for word, meaning in _WORDS.items():
        if value is meaning:
            return word
    if isinstance(value, int) and value.bit_length() > 128:
        return "a very large number"
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
