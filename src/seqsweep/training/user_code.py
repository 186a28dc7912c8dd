"""Identifies the user's own code that a config names. Imports no torch (which is slow).

The source text of this code is a part of a run's identity, because different code gives different
results. The modules that it imports count too: by their text, or in site-packages by the version of
their package. These imports are found in the source text, because what a process has imported
depends on what it did before. Imports inside functions do not count, and files that the code reads
do not count either.
"""

import ast
import functools
import hashlib
import json
import sys
from collections.abc import Iterator, Mapping
from importlib import metadata
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any, NamedTuple

from seqsweep.config.instantiate import locate
from seqsweep.importing import INSTALLED, STANDARD_LIBRARY, find_module
from seqsweep.runs.identity import (
    CODE,
    DATA_MODULE,
    WITHOUT_INFLUENCE,
    Config,
    is_below,
    targets,
)

_NOT_OF_USERS = ("seqsweep", "torch", "lightning", "hydra", "omegaconf", "numpy")
"""Packages that are not the user's code; provenance.json has their versions."""


class Source(NamedTuple):
    """A module's file as this process first saw it."""

    path: Path
    name: str
    """The path from the folder in which Python finds the module, equal on every machine."""
    digest: str
    spec: Any
    """The import spec, which is new after each import; None before the first import."""


Code = tuple[dict[str, Source], dict[str, str]]
"""Files by their modules' names, and versions of installed packages by the packages' names."""

_known: dict[str, Code] = {}
"""The code of each module that a target has named (see `_code`)."""


def with_code(config: Config) -> Config:
    """Adds a digest of the user's code to a config that names such code."""
    code = code_of(config)
    if not code:
        return config
    text = json.dumps(code, sort_keys=True)
    return config | {CODE: hashlib.sha256(text.encode()).hexdigest()[:16]}


def code_of(config: Config) -> dict[str, str]:
    """Returns digests of the user's files and versions of packages, by name.

    Loggers do not count. A data source does not count either, because its data have a fingerprint.

    Raises:
        ValueError: a target cannot be imported, is neither in a .py file nor in an installed
            package, or one of its files is not valid Python.
    """
    code: dict[str, str] = {}
    for target, key in _foreign(config):
        module = _module_of(target, key)
        sources, versions = _code(module)
        if not sources and not versions:
            raise ValueError(
                f"{key}={target}: must be in a .py file or an installed package, because a run is "
                "identified by its code too; move it into a module such as mine.py"
            )
        code |= versions | {source.name: source.digest for source in sources.values()}
    return dict(sorted(code.items()))


def differing(code: Mapping[str, str], other: Mapping[str, str]) -> str:
    """Returns the names of the files that differ: `mine.py, parts/cell.py`."""
    names = sorted(code.keys() | other.keys())
    return ", ".join(name for name in names if code.get(name) != other.get(name))


def first_file(config: Config) -> Path | None:
    """Returns the first file of the user's code; None without such code."""
    modules = (_module_of(target, key) for target, key in _foreign(config))
    sources = (source for module in modules for source in _code(module)[0].values())
    return next((source.path.absolute() for source in sources), None)


def _foreign(config: Config) -> list[tuple[str, str]]:
    """Returns the targets of the user's own code, each with its first key."""
    ignored = WITHOUT_INFLUENCE
    if (config.get("data") or {}).get("_target_") == DATA_MODULE:
        ignored += ("data.source",)
    found: dict[str, str] = {}
    for key, target in targets(config):
        top = target.partition(".")[0]
        is_foreign = top not in _NOT_OF_USERS and top not in sys.stdlib_module_names
        if is_foreign and not is_below(key, ignored):
            found.setdefault(target, key)
    return list(found.items())


def _module_of(target: str, key: str) -> str:
    """Returns the name of the module that a target names."""
    name = target.rpartition(".")[0]
    if name not in sys.modules:
        locate(target, key)
    while name not in sys.modules:
        name = name.rpartition(".")[0]
    return name


def _code(module: str) -> Code:
    """Returns the code of a module; empty if no file is known.

    The files are read again only after a new import, because the old code runs until then.
    """
    known = _known.get(module)
    if known is None or any(_spec(name) is not source.spec for name, source in known[0].items()):
        known = _known[module] = _read(module)
    return known


def _read(module: str) -> Code:
    """Reads a module and the modules that it imports, and those that they import."""
    sources: dict[str, Source] = {}
    versions: dict[str, str] = {}
    # The module itself is the imported one, even if sys.path has another one by now.
    loaded = {name: _spec(name) for name in _with_packages(module)}
    path = _origin(loaded[module])
    if module == "__main__" or not path.is_file():
        return sources, versions
    root = path.parents[module.count(".") + (path.name == "__init__.py")]
    waiting = [module]
    while waiting:
        for name in _with_packages(waiting.pop()):
            if name in sources or name.partition(".")[0] in _NOT_OF_USERS:
                continue
            path = _origin(loaded.get(name) or find_module(name, str(root)))
            if INSTALLED & set(path.parts):
                if found := _installed_versions(name):
                    versions |= found
                    break  # the version counts for all modules of the package
            elif STANDARD_LIBRARY in path.parents:
                break
            if path.suffix == ".py" and path.is_file():
                is_package = path.name == "__init__.py"
                short = name.replace(".", "/") + ("/__init__.py" if is_package else ".py")
                try:
                    tree = ast.parse(path.read_bytes(), path)
                except (SyntaxError, ValueError) as error:
                    raise ValueError(f"{path}: {error}") from None
                sources[name] = Source(path, short, _digest(tree), _spec(name))
                waiting += _imports(tree, name if is_package else name.rpartition(".")[0])
    return sources, versions


def _with_packages(module: str) -> list[str]:
    """Returns the names that an import of a.b.c imports: a, a.b, a.b.c."""
    parts = module.split(".")
    return [".".join(parts[: end + 1]) for end in range(len(parts))]


def _imports(tree: ast.Module, package: str) -> Iterator[str]:
    """Yields the dotted names of imports outside of functions: modules, or objects in them."""
    waiting: list[ast.AST] = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - node.level + 1]
            base = [*(above if node.level else ()), *filter(None, [node.module])]
            yield from (".".join([*base, alias.name]).lstrip(".") for alias in node.names)
        elif not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            waiting += ast.iter_child_nodes(node)


def _digest(tree: ast.Module) -> str:
    """Returns the sha256 of a program without its layout, comments and docstrings.

    It is equal in every version of Python, which `ast.dump` and `ast.unparse` are not.
    """
    digest = hashlib.sha256()
    waiting: list[Any] = [tree]  # a recursive function could not read a sum of 1,000 terms
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.JoinedStr):  # Python 3.12.1 adds empty texts to some f-strings
            node.values = [x for x in node.values if getattr(x, "value", None) != ""]
        if isinstance(node, ast.AST):
            # Newer versions have more fields, which are empty unless the program uses them.
            fields = [pair for pair in ast.iter_fields(node) if pair[1] not in (None, [])]
            text = " ".join([type(node).__name__, *(name for name, _ in fields)])
            waiting += [value for _, value in fields]
        elif isinstance(node, list):
            items = [item for item in node if not _is_description(item)]
            text = f"[{len(items)}"
            waiting += items
        else:
            text = ascii(node)  # which characters `repr` escapes depends on the version
        digest.update(f"{text}\n".encode())
    return digest.hexdigest()


def _is_description(node: Any) -> bool:
    """Returns whether a statement is only a text, such as a docstring."""
    value = node.value if isinstance(node, ast.Expr) else None
    return isinstance(value, ast.Constant) and isinstance(value.value, str)


def _installed_versions(module: str) -> dict[str, str]:
    """Returns the versions of the installed packages that provide a module, by name."""
    names = _distributions(tuple(sys.path)).get(module.partition(".")[0], ())
    return {name: metadata.version(name) for name in names}


@functools.lru_cache(maxsize=8)
def _distributions(path: tuple[str, ...]) -> Mapping[str, list[str]]:
    """Returns the packages that provide each module; `path` is sys.path, on which they depend."""
    return metadata.packages_distributions()


def _spec(module: str) -> Any:
    return getattr(sys.modules.get(module), "__spec__", None)


def _origin(spec: ModuleSpec | None) -> Path:
    return Path(getattr(spec, "origin", None) or "")
