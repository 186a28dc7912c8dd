"""Applies `sweep.filter` to the members of a sweep.

Its expressions are a part of Python's, evaluated without `eval`.
"""

import ast
import contextlib
import itertools
import operator
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from typing import Any

from omegaconf import DictConfig, OmegaConf

from seqsweep.config.messages import with_place
from seqsweep.config.schema import Config
from seqsweep.runs.identity import flatten
from seqsweep.suggest import did_you_mean

_LARGEST_POWER = 1000  # larger ones could take all memory

_ALLOWED = (
    "it may have keys, numbers, texts in quotes, lists, true, false, null, "
    "and, or, not, in, == != < <= > >= and + - * / // % **"
)
_PLAIN = (bool, int, float, str, type(None))
_WORDS = {"true": True, "false": False, "null": None}
_FUNCTIONS: dict[type[ast.AST], Callable[..., Any]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv, ast.Mod: operator.mod, ast.Pow: operator.pow,
    ast.USub: operator.neg, ast.UAdd: operator.pos,
    ast.Eq: operator.eq, ast.NotEq: operator.ne, ast.Lt: operator.lt, ast.LtE: operator.le,
    ast.Gt: operator.gt, ast.GtE: operator.ge,
    ast.In: lambda left, right: left in right, ast.NotIn: lambda left, right: left not in right,
}  # fmt: skip
_PARTS = (ast.BoolOp, ast.UnaryOp, ast.BinOp, ast.Compare, ast.List, ast.Tuple, ast.Constant,
          ast.And, ast.Or, ast.Not, ast.Load, *_FUNCTIONS)  # fmt: skip


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
        self.text = " ".join(text.split())  # a message has one line
        try:
            # Brackets let an expression from a YAML file go over several lines.
            whole = f"(\n{text}\n)" if "\n" in text.strip() else text.strip()
            self._tree = ast.parse(whole, mode="eval").body
            self.names = frozenset(_names(self._tree))
        except (SyntaxError, ValueError, MemoryError, RecursionError) as error:
            reason = error.msg if isinstance(error, SyntaxError) else error
            raise ValueError(f"sweep.filter={self.text}: {reason}; {_ALLOWED}") from None

    def keeps(self, values: Mapping[str, Any]) -> bool:
        """Returns whether the expression is true for a config by dotted key.

        Raises:
            ValueError: a key is unknown, an operator does not take these values, or the result is
                not true or false.
        """
        try:
            return _truth(self._tree, values)
        except (ArithmeticError, TypeError, ValueError, RecursionError) as error:
            raise ValueError(f"sweep.filter={self.text}: {error}") from None


def _names(node: ast.AST) -> Iterator[str]:
    """Yields the keys of an expression; refuses everything that is not allowed."""
    if isinstance(node, (ast.Name, ast.Attribute)):
        name = ast.unparse(node)
        if name.replace(".", "_").isidentifier():
            yield from () if name in _WORDS else (name,)
            return
    if not isinstance(node, _PARTS) or type(getattr(node, "value", None)) not in _PLAIN:
        raise ValueError(f"{ast.unparse(node)} is not allowed")
    for part in ast.iter_child_nodes(node):
        yield from _names(part)


def _value(node: ast.expr, values: Mapping[str, Any]) -> Any:
    match node:
        case ast.Constant():
            return node.value
        case ast.Name() | ast.Attribute():
            name = ast.unparse(node)
            if name not in values and name not in _WORDS:
                raise ValueError(unknown_key(name, values))
            return values[name] if name in values else _WORDS[name]
        case ast.List() | ast.Tuple():
            return [_value(item, values) for item in node.elts]
        case ast.BoolOp():
            # As in Python, the parts behind the one that decides are not evaluated.
            decide = any if isinstance(node.op, ast.Or) else all
            return decide(_truth(part, values) for part in node.values)
        case ast.UnaryOp(op=ast.Not()):
            return not _truth(node.operand, values)
        case ast.UnaryOp() | ast.BinOp():
            return _calculate(node, values)
        case _:
            assert isinstance(node, ast.Compare)
            # `a < b < c` needs c only if a < b.
            operands = (_value(part, values) for part in (node.left, *node.comparators))
            pairs = zip(node.ops, itertools.pairwise(operands), strict=True)
            return all(_FUNCTIONS[type(kind)](*pair) for kind, pair in pairs)


def _calculate(node: ast.UnaryOp | ast.BinOp, values: Mapping[str, Any]) -> Any:
    parts = [_value(p, values) for p in ast.iter_child_nodes(node) if isinstance(p, ast.expr)]
    if not all(isinstance(part, (int, float)) for part in parts):
        raise ValueError(f"{ast.unparse(node)}: expected numbers")
    if isinstance(node.op, ast.Pow) and abs(parts[1]) > _LARGEST_POWER:
        raise ValueError(f"{ast.unparse(node)}: the power is too large")
    return _FUNCTIONS[type(node.op)](*parts)


_SHELL = "; in a shell an expression with > needs quotes: 'sweep.filter=model.hidden_size>8'"


def _truth(node: ast.expr, values: Mapping[str, Any]) -> bool:
    if not isinstance(value := _value(node, values), bool):
        raise ValueError(f"{ast.unparse(node)}: expected true or false, got {value!r}{_SHELL}")
    return value


def unknown_key(name: str, values: Mapping[str, Any]) -> str:
    """Returns the message for an unknown key, with the nearest right name."""
    # `hidden_size` stands for no key, but `model.hidden_size` ends with it, and `model` begins it.
    near = (key for key in values if key.endswith(f".{name}") or key.startswith(f"{name}."))
    hint = did_you_mean(next(near, name), values, cutoff=0.8)
    quotes = "" if "." in name else f"; a text needs quotes: '{name}'"
    return f"{name}: no such key{hint or quotes}"


class Rule:
    """Decides by the filter which members a sweep has.

    It also finds names in the filter that are keys of no member.

    Args:
        text: the filter; None keeps every member.
        master: the config of the whole sweep, with the node `hydra`.

    Raises:
        ValueError: the text is not a filter. All errors name the file that set the filter.
    """

    def __init__(self, text: str | None, master: DictConfig) -> None:
        self._hydra = master.hydra
        self._choices: Any = OmegaConf.to_container(master.hydra.runtime.choices)
        with self._errors_placed():
            self._filter = None if text is None else Filter(text)
        self._tried = 0
        self._last: Mapping[str, Any] = {}
        self._never_known = set(self._filter.names if self._filter else ())

    def keeps(self, overrides: Sequence[str], config: Config) -> bool:
        """Returns whether the filter is true for a member.

        Raises:
            ValueError: see `Filter.keeps`.
        """
        if self._filter is None:
            return True
        # The name of a group stands for the chosen option, as in `optimizer == 'sgd'`.
        given = (text.partition("=") for text in overrides)
        options = {group: option for group, _, option in given if group in self._choices}
        self._last = dict(flatten(config)) | self._choices | options
        self._tried += 1
        self._never_known -= self._last.keys()
        with self._errors_placed():
            return self._filter.keeps(self._last)

    def check_result(self, kept: int) -> None:
        """Refuses a filter that keeps nothing, or that names a key which no member has."""
        if self._filter is None or not self._tried:
            return
        with self._errors_placed():
            if self._never_known:
                problem = unknown_key(min(self._never_known), self._last)
                raise ValueError(f"sweep.filter={self._filter.text}: {problem}")
            if not kept:
                none = f"keeps none of {self._tried:,} runs"
                raise ValueError(f"sweep.filter={self._filter.text}: {none}")

    @contextlib.contextmanager
    def _errors_placed(self) -> Generator[None]:
        """Adds to an error of the block the file and line that set the filter."""
        try:
            yield
        except ValueError as error:
            raise with_place(error, self._hydra) from error
