"""Applies `sweep.filter`, an expression in a subset of Python."""

import ast
import contextlib
from collections.abc import Generator, Mapping, Sequence
from typing import Any

from omegaconf import DictConfig, OmegaConf

from seqsweep.config.messages import with_place
from seqsweep.config.schema import Config
from seqsweep.runs.identity import flatten
from seqsweep.text import did_you_mean

_ALLOWED = (
    "it may have keys, numbers, texts in quotes, lists, true, false, null, "
    "and, or, not, in, == != < <= > >= and + - * / // % **"
)
_PLAIN = (bool, int, float, str, type(None))
_WORDS = {"true": True, "false": False, "null": None}
_PARTS = (
    ast.BoolOp, ast.boolop, ast.UnaryOp, ast.Not, ast.USub, ast.UAdd,
    ast.BinOp, ast.Add, ast.Sub, ast.Mult, ast.Div, ast.FloorDiv, ast.Mod, ast.Pow,
    ast.Compare, ast.Eq, ast.NotEq, ast.Lt, ast.LtE, ast.Gt, ast.GtE, ast.In, ast.NotIn,
    ast.Constant, ast.List, ast.Tuple, ast.Load,
)  # fmt: skip
_SHELL = "; in a shell an expression with > needs quotes: 'sweep.filter=model.hidden_size>8'"


class Filter:
    """An expression over config keys, with the same meaning as in Python.

    Args:
        text: the expression, such as `model.cell == 'lstm' or not model.bidirectional`.

    Raises:
        ValueError: the expression has a syntax error, or a part that is not allowed.
    """

    def __init__(self, text: str) -> None:
        self.text = " ".join(text.split())  # a message has one line
        keys = _Keys()
        try:
            # Brackets let an expression from a YAML file go over several lines.
            whole = f"(\n{text}\n)" if "\n" in text.strip() else text.strip()
            tree = ast.Expression(keys.visit(ast.parse(whole, mode="eval").body))
            self._code = compile(ast.fix_missing_locations(tree), "sweep.filter", "eval")
        except (SyntaxError, ValueError, MemoryError, RecursionError) as error:
            reason = error.msg if isinstance(error, SyntaxError) else error
            raise ValueError(f"sweep.filter={self.text}: {reason}; {_ALLOWED}") from None
        self.names = frozenset(keys.names)

    def keeps(self, values: Mapping[str, Any]) -> bool:
        """Returns whether the expression is true for a config with dotted keys.

        Raises:
            ValueError: a key is unknown, an operator does not take these values, or the result is
                not true or false.
        """

        def value(name: str) -> Any:
            if name not in values:
                raise ValueError(unknown_key(name, values))
            return values[name]

        try:
            # The code calls only `value`, and reads no attribute.
            result = eval(self._code, {"__builtins__": {}, "value": value})
        except (ArithmeticError, TypeError, ValueError) as error:
            raise ValueError(f"sweep.filter={self.text}: {error}") from None
        if not isinstance(result, bool):
            wrong = f"expected true or false, got {result!r}"
            raise ValueError(f"sweep.filter={self.text}: {wrong}{_SHELL}")
        return result


class _Keys(ast.NodeTransformer):
    """Replaces each key by a call of `value`; refuses syntax that is not in `_PARTS`."""

    def __init__(self) -> None:
        self.names: set[str] = set()

    def visit(self, node: ast.AST) -> Any:
        if isinstance(node, (ast.Name, ast.Attribute)):
            name = ast.unparse(node)
            if name in _WORDS:
                return ast.Constant(_WORDS[name])
            if name.replace(".", "_").isidentifier():
                self.names.add(name)
                return ast.Call(ast.Name("value", ast.Load()), [ast.Constant(name)], [])
        if not isinstance(node, _PARTS) or type(getattr(node, "value", None)) not in _PLAIN:
            raise ValueError(f"{ast.unparse(node)} is not allowed")
        return self.generic_visit(node)


def unknown_key(name: str, values: Mapping[str, Any]) -> str:
    """Returns the message for an unknown key, with the nearest right name."""
    # The name may be the end of a key, such as `hidden_size`, or its beginning, such as `model`.
    near = (key for key in values if key.endswith(f".{name}") or key.startswith(f"{name}."))
    hint = did_you_mean(next(near, name), values, cutoff=0.8)
    quotes = "" if "." in name else f"; a text needs quotes: '{name}'"
    return f"{name}: no such key{hint or quotes}"


class Rule:
    """Decides which members of a sweep the filter keeps.

    It also finds names in the filter that are not keys of any member. All errors are ValueErrors,
    and name the file that set the filter, if a file did.
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
        """Returns whether a member passes the filter; without a filter every member does."""
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
        """Refuses a filter that has kept nothing, or names an unknown key."""
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
        """Adds the file and line that set the filter to an error in the block."""
        try:
            yield
        except ValueError as error:
            raise with_place(error, self._hydra) from error
