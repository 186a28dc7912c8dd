"""Reads the signature of a `_target_` from its source, without importing it.

A config is checked against the constructors that it names. Importing torch and Lightning for this
check would take five seconds, so signatures are parsed from the source files. If parsing finds none
(a compiled or decorated function, an inherited `__init__`, a re-export), the target is imported.
"""

import ast
import contextlib
import functools
import inspect
import re
import typing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Optional, TypedDict, Union

from seqsweep.config.instantiate import locate
from seqsweep.importing import find_module, prepare_import

_NAMES: dict[str, Any] = {
    "Any": Any, "Literal": Literal, "None": None, "bool": bool, "dict": dict, "float": float,
    "int": int, "list": list, "str": str, "tuple": tuple, "type": type, "Optional": Optional,
    "Union": Union,
}  # fmt: skip


REQUIRED: Any = object()
"""The `default` of a parameter without a default, or with one that a config cannot hold."""


@dataclass(frozen=True)
class Parameter:
    """One argument of a target."""

    annotation: Any  # the type; Any if it is not made of plain types
    required: bool
    default: Any = REQUIRED


_PLAIN = (bool, int, float, str, type(None))


@dataclass(frozen=True)
class Signature:
    """The arguments of a target; `open` if it also takes `**kwargs`."""

    parameters: dict[str, Parameter]
    open: bool


@functools.cache
def signature_of(target: str) -> Signature:
    """Returns the signature of a class or function by its dotted path.

    Raises:
        ValueError: importing the module fails, or the module lacks the name.
    """
    prepare_import(target)
    module_name, _, name = target.rpartition(".")
    path = _source_file(module_name) if module_name else None
    with contextlib.suppress(SyntaxError):  # the import below fails too, and names the module
        tree = ast.parse(path.read_text(encoding="utf-8") if path else "")
        function = _find_function(tree, name)
        if function is not None:
            return _from_ast(function, _types_of(tree, module_name))
    return _from_inspect(target)


def _source_file(module_name: str) -> Path | None:
    """Returns the source file of a module without importing it; None if none is found."""
    spec = find_module(module_name)
    return Path(spec.origin) if spec and spec.origin and spec.origin.endswith(".py") else None


def _find_function(tree: ast.Module | ast.ClassDef, name: str) -> ast.FunctionDef | None:
    """Returns a function, or a class's `__init__`; None if importing is needed."""
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and node.name == name:
            # A decorator may change the signature, so a decorated function is imported.
            return node if name == "__init__" or not node.decorator_list else None
        if isinstance(node, ast.ClassDef) and node.name == name:
            return _find_function(node, "__init__")
    return None


def _types_of(tree: ast.Module, module_name: str) -> dict[str, Any]:
    """Returns the plain types that a module's annotations can name, by name.

    These are Python's own types, the module's aliases, and aliases imported from its own package.
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
    """Returns a module's type aliases, such as `Cell = Literal["rnn", "gru", "lstm"]`.

    A TypedDict of plain types counts as an alias.
    """
    aliases: dict[str, Any] = {}
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            value = _annotation(node.value, _NAMES | aliases)
            if value is not Any:
                aliases[node.targets[0].id] = value
        if isinstance(node, ast.ClassDef) and "TypedDict" in map(ast.unparse, node.bases):
            aliases[node.name] = _typed_dict(node, _NAMES | aliases)
    return aliases


def _typed_dict(node: ast.ClassDef, names: dict[str, Any]) -> Any:
    """Returns the TypedDict of a class statement."""
    fields = {
        item.target.id: _annotation(item.annotation, names)
        for item in node.body
        if isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name)
    }
    make: Any = TypedDict  # type checkers accept only literal fields
    return make(node.name, fields, total=False)


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
    """Returns the value of a literal default, a tuple as a list; otherwise REQUIRED."""
    if default is None:
        return REQUIRED
    try:
        value = ast.literal_eval(default)
    except ValueError:
        return REQUIRED
    return list(value) if isinstance(value, tuple) else value


def _annotation(node: ast.expr | None, names: dict[str, Any]) -> Any:
    """Returns the type of an annotation; Any if it is not plain."""
    if node is None:
        return Any
    used = [
        part for part in ast.walk(node) if isinstance(part, (ast.Name, ast.Attribute, ast.Call))
    ]
    if not used or not all(isinstance(part, ast.Name) and part.id in names for part in used):
        return Any
    try:
        code = compile(ast.Expression(node), "<annotation>", "eval")
        # The expression has no calls and no attributes, so it reaches only the types in `names`.
        return eval(code, {"__builtins__": {}}, names)
    except (TypeError, SyntaxError, NameError):
        return Any


def _from_inspect(target: str) -> Signature:
    found = locate(target, "_target_")
    if not callable(found):
        raise ValueError(f"_target_={target}: must be a class or a function")
    try:
        signature = inspect.signature(found)
    except (TypeError, ValueError):
        return Signature({}, open=True)
    try:
        hints = typing.get_type_hints(found.__init__ if inspect.isclass(found) else found)
    # Names under `if TYPE_CHECKING` do not exist at run time; then all types are unknown.
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


_FLAGS: dict[str, Any] = {"foreach": None, "maximize": False, "differentiable": False}
_ADAM = _FLAGS | {"amsgrad": False, "capturable": False, "fused": None}
TORCH_OPTIMIZERS: dict[str, tuple[float, dict[str, Any]]] = {
    "Adam": (1e-3, _ADAM | {"decoupled_weight_decay": False}),
    "AdamW": (1e-3, _ADAM),
    "SGD": (1e-3, _FLAGS | {"dampening": 0, "fused": None}),
    "RMSprop": (1e-2, _FLAGS | {"centered": False, "capturable": False}),
}
"""The default lr of each torch class, and the arguments that only the torch class has.

Each of these arguments has the value with which `training.optimizers` computes the same.
"""


def with_our_optimizer(section: Any) -> Any:
    """Returns the section `optimizer` with a torch class replaced by our function.

    `torch.optim.Adam` is then the same run as `optimizer=adam`, and every engine can train it. A
    class with an argument that our function lacks, such as `amsgrad=true`, is not replaced.
    """
    if not isinstance(section, dict):
        return section
    match = re.fullmatch(r"torch\.optim\.(?:\w+\.)?(\w+)", str(section.get("_target_")))
    if match is None or match[1] not in TORCH_OPTIMIZERS:
        return section
    lr, neutral = TORCH_OPTIMIZERS[match[1]]
    # These values change the computation, and only torch's class supports them.
    if any(name in neutral and value != neutral[name] for name, value in section.items()):
        return section
    kept = {name: value for name, value in section.items() if name not in neutral}
    target = f"seqsweep.training.optimizers.{match[1].lower()}"
    # torch has defaults for lr, but our functions require it.
    return {"lr": lr} | kept | {"_target_": target}
