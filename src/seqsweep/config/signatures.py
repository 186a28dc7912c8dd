"""What a `_target_` takes, read from its source without importing it.

A config is checked against the constructor that it names. Importing torch and Lightning for that
costs five seconds, so the signature is parsed from the source file; where this finds nothing (a
compiled function, an inherited `__init__`, a re-export) the target is imported after all.
"""

import ast
import functools
import importlib
import importlib.util
import inspect
import typing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Optional, Union

from seqsweep.config.reword import named
from seqsweep.suggest import nearest_or_all

_NAMES: dict[str, Any] = {
    "Any": Any, "Literal": Literal, "None": None, "bool": bool, "dict": dict, "float": float,
    "int": int, "list": list, "str": str, "tuple": tuple, "Optional": Optional, "Union": Union,
}  # fmt: skip


REQUIRED: Any = object()
"""In place of a default: there is none, or none that a config could hold."""


@dataclass(frozen=True)
class Parameter:
    """One argument: its annotation (Any where it is none of the plain types), if it may lack, and
    its default where that is a plain value."""

    annotation: Any
    required: bool
    default: Any = REQUIRED


_PLAIN = (bool, int, float, str, type(None))


@dataclass(frozen=True)
class Signature:
    """The arguments of a target; `open` when it takes `**kwargs`, so that any name may be right."""

    parameters: dict[str, Parameter]
    open: bool


@functools.cache
def signature_of(target: str) -> Signature:
    """The signature of a dotted path.

    Raises:
        ValueError: no such module, or no such name in it.
    """
    module_name, _, name = target.rpartition(".")
    path = _source_file(module_name) if module_name else None
    if path is not None:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        function = _find_function(tree, name)
        if function is not None:
            return _from_ast(function, _types_of(tree, module_name))
    return _from_import(target, module_name, name)


def _source_file(module_name: str) -> Path | None:
    """Where a module's source lies, found without importing it or its parents."""
    top, *rest = module_name.split(".")
    try:
        spec = importlib.util.find_spec(top)
    except ValueError:
        return None
    if spec is None:
        return None
    for folder in spec.submodule_search_locations or []:
        base = Path(folder, *rest)
        for path in (base / "__init__.py", base.with_suffix(".py")):
            if path.is_file():
                return path
    return Path(spec.origin) if not rest and spec.origin and spec.origin.endswith(".py") else None


def _find_function(tree: ast.Module, name: str) -> ast.FunctionDef | None:
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and node.name == name:
            return node if not node.decorator_list else None
        if isinstance(node, ast.ClassDef) and node.name == name:
            inits = [
                item
                for item in node.body
                if isinstance(item, ast.FunctionDef) and item.name == "__init__"
            ]
            return inits[0] if inits else None
    return None


def _types_of(tree: ast.Module, module_name: str) -> dict[str, Any]:
    """Returns the types that a module's annotations can name, of plain types only.

    These are Python's own, the module's aliases, and those that it imports from its package.
    """
    package = module_name.partition(".")[0]
    names = dict(_NAMES)
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            path = _source_file(node.module) if node.module.startswith(f"{package}.") else None
            aliases = _aliases(path) if path else {}
            names |= {n.asname or n.name: aliases[n.name] for n in node.names if n.name in aliases}
    return names | _aliases_in(tree)


@functools.cache
def _aliases(path: Path) -> dict[str, Any]:
    return _aliases_in(ast.parse(path.read_text(encoding="utf-8")))


def _aliases_in(tree: ast.Module) -> dict[str, Any]:
    """Module-level names for types, such as `Cell = Literal["rnn", "gru", "lstm"]`."""
    found: dict[str, Any] = {}
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            value = _annotation(node.value, _NAMES | found)
            if value is not Any:
                found[node.targets[0].id] = value
    return found


def _from_ast(function: ast.FunctionDef, names: dict[str, Any]) -> Signature:
    arguments = function.args
    positional = [*arguments.posonlyargs, *arguments.args]
    first_default = len(positional) - len(arguments.defaults)
    parameters: dict[str, Parameter] = {}
    defaults = [None] * first_default + arguments.defaults + arguments.kw_defaults
    for argument, default in zip([*positional, *arguments.kwonlyargs], defaults, strict=True):
        if argument.arg != "self":
            annotation = _annotation(argument.annotation, names)
            parameters[argument.arg] = Parameter(annotation, default is None, _plain(default))
    return Signature(parameters, open=arguments.kwarg is not None)


def _plain(default: ast.expr | None) -> Any:
    """The value of a literal, a tuple as the list that a config holds."""
    if default is None:
        return REQUIRED
    try:
        value = ast.literal_eval(default)
    except ValueError:
        return REQUIRED
    return list(value) if isinstance(value, tuple) else value


def _annotation(node: ast.expr | None, names: dict[str, Any]) -> Any:
    """A type made of plain types only; Any for every other annotation."""
    if node is None:
        return Any
    used = [
        part for part in ast.walk(node) if isinstance(part, (ast.Name, ast.Attribute, ast.Call))
    ]
    if not used or not all(isinstance(part, ast.Name) and part.id in names for part in used):
        return Any
    try:
        code = compile(ast.Expression(node), "<annotation>", "eval")
        # Only the type names above can be reached: no call and no attribute is let through.
        return eval(code, {"__builtins__": {}}, names)
    except (TypeError, SyntaxError, NameError):
        return Any


def _from_import(target: str, module_name: str, name: str) -> Signature:
    try:
        module = importlib.import_module(module_name)
    except (ImportError, ValueError) as error:
        raise ValueError(f"_target_={target}: cannot import {module_name!r}: {error}") from error
    except (Exception, SystemExit) as error:  # a user's module may raise anything
        raise ValueError(
            f"_target_={target}: importing {module_name!r} fails: {named(error)}"
        ) from error
    found = getattr(module, name, None)
    if found is None or not callable(found):
        hint = nearest_or_all(name, [key for key in vars(module) if not key.startswith("_")])
        raise ValueError(f"_target_={target}: no {name!r} in {module_name}{hint}")
    return _from_inspect(found)


def _from_inspect(found: Any) -> Signature:
    try:
        signature = inspect.signature(found)
    except (TypeError, ValueError):
        return Signature({}, open=True)
    try:
        hints = typing.get_type_hints(found.__init__ if inspect.isclass(found) else found)
    except (NameError, TypeError):
        hints = {}
    kinds = [parameter.kind for parameter in signature.parameters.values()]
    empty = inspect.Parameter.empty
    parameters = {
        name: Parameter(
            hints.get(name, Any),
            parameter.default is empty,
            parameter.default if isinstance(parameter.default, _PLAIN) else REQUIRED,
        )
        for name, parameter in signature.parameters.items()
        if parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY)
    }
    return Signature(parameters, open=inspect.Parameter.VAR_KEYWORD in kinds)
