"""Identifies the user's own code that a config names. Imports no torch (which is slow).

The source text of this code is a part of a run's identity, because different code gives different
results. If a module imports other modules of its folder, their text counts too. These imports are
found in the source text. Imports inside functions do not count, and files that the code reads do
not count either.
"""

import ast
import functools
import hashlib
import io
import json
import sys
import tokenize
from collections.abc import Iterator, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

from seqsweep.config.instantiate import locate
from seqsweep.runs.identity import CODE, WITHOUT_INFLUENCE, is_below
from seqsweep.training.run_data import DATA_MODULE

_NOT_OF_USERS = ("seqsweep", "torch", "lightning", "hydra", "omegaconf", "numpy")
"""Packages that are not the user's code; provenance.json has their versions."""

_INSTALLED = {"site-packages", "dist-packages"}

_LAYOUT = {tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER}


class Source(NamedTuple):
    """A module's file as this process first saw it."""

    path: Path
    name: str
    """The path from the folder in which Python finds the module, equal on every machine."""
    digest: str
    spec: Any
    """The import spec, which is new after each import; None before the first import."""


_distributions = functools.cache(metadata.packages_distributions)

_known: dict[str, dict[str, Source]] = {}
"""The files of each module and of its imports, by the modules' names (see `_sources`)."""


def with_code(config: dict[str, Any]) -> dict[str, Any]:
    """Adds a digest of the user's code to a config that names such code."""
    code = code_of(config)
    if not code:
        return config
    text = json.dumps(code, sort_keys=True)
    return config | {CODE: hashlib.sha256(text.encode()).hexdigest()[:16]}


def code_of(config: Mapping[str, Any]) -> dict[str, str]:
    """Returns digests of the user's files and versions of packages, by name.

    Loggers do not count. A data source does not count either, because its data have a fingerprint.

    Raises:
        ValueError: a target cannot be imported, is neither in a .py file nor in an installed
            package, or one of its files is not valid Python.
    """
    code: dict[str, str] = {}
    for target, key in _foreign(config):
        module = _module_of(target, key)
        sources = _sources(module)
        code |= {source.name: source.digest for source in sources.values()}
        code |= {} if sources else _package(module, target, key)
    return dict(sorted(code.items()))


def differing(code: Mapping[str, str], other: Mapping[str, str]) -> str:
    """Returns the names of the files that differ: `mine.py, parts/cell.py`."""
    names = sorted(code.keys() | other.keys())
    return ", ".join(name for name in names if code.get(name) != other.get(name))


def first_file(config: Mapping[str, Any]) -> Path | None:
    """Returns the first file of the user's code; None without such code."""
    modules = (_module_of(target, key) for target, key in _foreign(config))
    sources = (source for module in modules for source in _sources(module).values())
    return next((source.path.absolute() for source in sources), None)


def targets(node: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    """Yields the dotted key and value of every `_target_` of a config."""
    items = node.items() if isinstance(node, dict) else ()
    items = enumerate(node) if isinstance(node, list) else items
    for name, value in items:
        path = f"{key}.{name}" if key else str(name)
        if name == "_target_":
            yield path, value
        elif isinstance(value, (dict, list)):
            yield from targets(value, path)


def _foreign(config: Mapping[str, Any]) -> list[tuple[str, str]]:
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
        locate(target, key.removesuffix("._target_"))
    while name not in sys.modules:
        name = name.rpartition(".")[0]
    return name


def _sources(module: str) -> dict[str, Source]:
    """Returns a module's files by module; empty unless the user wrote the module.

    The files are read again only after a new import, because the old code runs until then.
    """
    known = _known.get(module)
    if known is None or any(_spec(name) is not source.spec for name, source in known.items()):
        origin = _origin(module)
        is_source = origin.suffix == ".py" and origin.is_file() and module != "__main__"
        is_own = is_source and not _INSTALLED & set(origin.parts)
        known = _known[module] = _read(module, origin) if is_own else {}
    return known


def _read(module: str, origin: Path) -> dict[str, Source]:
    """Reads a module, and the modules that it imports from the same folder."""
    root = origin.parents[module.count(".") + (origin.name == "__init__.py")]
    sources: dict[str, Source] = {}
    waiting = [module]
    while waiting:
        # An import of a.b.c first runs a and a.b.
        parts = waiting.pop().split(".")
        for name in (".".join(parts[: end + 1]) for end in range(len(parts))):
            path = None if name in sources else _file(root, name)
            if path is None:
                continue
            with tokenize.open(path) as file:  # reads every line end as \n
                text = file.read()
            try:
                waiting += _imports(text, name, path)
                short = path.relative_to(root).as_posix()
                sources[name] = Source(path, short, _digest(text), _spec(name))
            except (SyntaxError, tokenize.TokenError) as error:
                raise ValueError(f"{path}: {error}") from None
    return sources


def _file(root: Path, module: str) -> Path | None:
    """Returns the file of a module below a folder, if any."""
    path = root.joinpath(*module.split("."))
    files = (path / "__init__.py", path.with_name(f"{path.name}.py"))
    return next((file for file in files if file.is_file()), None)


def _imports(text: str, module: str, path: Path) -> Iterator[str]:
    """Yields the dotted names of imports outside of functions: modules, or objects in them."""
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    waiting: list[ast.AST] = [ast.parse(text, path)]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - node.level + 1]
            base = [*(above if node.level else ()), *filter(None, [node.module])]
            yield from (".".join([*base, alias.name]) for alias in node.names)
        elif not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            waiting += ast.iter_child_nodes(node)


def _digest(text: str) -> str:
    """Returns the sha256 of a program without comments and blank lines."""
    lines = text.split("\n")
    filled: set[int] = set()
    depth = first = 0
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        (row, _), (last, _) = token.start, token.end
        # Before Python 3.12 an f-string is one token, so it counts as one token in every version.
        name = tokenize.tok_name[token.type]
        if name.endswith("STRING_START"):
            first, depth = (row if depth == 0 else first), depth + 1
        elif name.endswith("STRING_END"):
            depth, row = depth - 1, first
        if token.type == tokenize.COMMENT and depth == 0:
            lines[row - 1] = lines[row - 1].removesuffix(token.string).rstrip()
        elif token.type not in _LAYOUT:
            filled.update(range(row, last + 1))
    kept = [line for row, line in enumerate(lines, 1) if row in filled or line.strip()]
    return hashlib.sha256("\n".join(kept).encode()).hexdigest()


def _package(module: str, target: str, key: str) -> dict[str, str]:
    """Returns the versions of the installed packages that provide a module, by name."""
    names = _distributions().get(module.partition(".")[0], ())
    if not names or not _INSTALLED & set(_origin(module).parts):
        raise ValueError(
            f"{key}={target}: must be in a .py file or an installed package, because a run is "
            "identified by its code too; move it into a module such as mine.py"
        )
    return {name: metadata.version(name) for name in names}


def _spec(module: str) -> Any:
    return getattr(sys.modules.get(module), "__spec__", None)


def _origin(module: str) -> Path:
    return Path(getattr(_spec(module), "origin", None) or "")
