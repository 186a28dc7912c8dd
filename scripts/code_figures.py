"""Prints figures of a source tree, such as sizes, comments and imports.

`python scripts/code_figures.py [FOLDER]`, where FOLDER is a package (src/seqsweep by default).
`--rooms` prints the lines of each part of seqsweep beside its budget, `--above` only the parts that
are above their budget.
The figures come from `ast` and `tokenize` alone, so any package can be measured in the same way
without installing it.
"""

import argparse
import ast
import io
import math
import re
import statistics
import tokenize
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

Function = ast.FunctionDef | ast.AsyncFunctionDef
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
DEFINITIONS = (*FUNCTIONS, ast.ClassDef)
LAYOUT = {
    *(tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT),
    *(tokenize.ENCODING, tokenize.ENDMARKER),
}
IGNORE = re.compile(r"#\s*(type|pyright):\s*ignore")

ROOMS = {
    "config": (2400, "seqsweep/config"),
    "data": (6250, "seqsweep/data"),
    "models": (2950, "seqsweep/models"),
    "native": (1950, "seqsweep/native"),
    "training": (5750, "seqsweep/training"),
    "runs": (3250, "seqsweep/runs"),
    "sweeping": (3050, "seqsweep/sweeping"),
    "live": (760, "seqsweep/live"),
    "results": (7250, "seqsweep/results"),
    "using": (3550, "seqsweep/using"),
    "extras": (4390, "seqsweep/extras seqsweep/sklearn seqsweep/aeon.py"),
    "commands": (2350, "hydra_plugins seqsweep"),
}
"""The budget in lines and the paths of each part; a file belongs to the first matching part."""


class Import(NamedTuple):
    """An import of a module of the same package."""

    imported: str
    is_local: bool


@dataclass(frozen=True)
class Source:
    """The text and the syntax tree of a file; tokens are read when asked for."""

    name: str
    is_package: bool
    text: str
    tree: ast.Module

    @cached_property
    def comments(self) -> list[str]:
        return [token.string for token in self._tokens if token.type == tokenize.COMMENT]

    @cached_property
    def code_lines(self) -> int:
        in_code: set[int] = set()
        for token in self._tokens:
            if token.type != tokenize.COMMENT and token.type not in LAYOUT:
                in_code.update(range(token.start[0], token.end[0] + 1))
        return len(in_code - self.docstring_lines)

    @cached_property
    def docstring_lines(self) -> set[int]:
        return {line for node in docstring_nodes(self.tree) for line in lines_of(node)}

    @cached_property
    def _tokens(self) -> list[tokenize.TokenInfo]:
        return list(tokenize.generate_tokens(io.StringIO(self.text).readline))


def read_source(path: Path, folder: Path) -> Source:
    """Reads a file of the package in `folder`."""
    with tokenize.open(path) as file:
        text = file.read()
    parts = path.relative_to(folder.parent).with_suffix("").parts
    name = ".".join(parts).removesuffix(".__init__")
    return Source(name, path.name == "__init__.py", text, ast.parse(text))


def lines_of(node: ast.stmt) -> range:
    assert node.end_lineno is not None
    return range(node.lineno, node.end_lineno + 1)


def docstring_node(node: ast.AST) -> ast.stmt | None:
    """Returns the statement that is the docstring of a module, class or function."""
    if isinstance(node, (ast.Module, *DEFINITIONS)) and ast.get_docstring(node, clean=False):
        return node.body[0]
    return None


def docstring_nodes(tree: ast.Module) -> Iterator[ast.stmt]:
    """Yields all docstrings, also those of attributes (below an assignment)."""
    for node in ast.walk(tree):
        if isinstance(node, (ast.Module, *DEFINITIONS)):
            yield from (statement for statement in node.body if is_text(statement))


def is_text(statement: ast.stmt) -> bool:
    if not isinstance(statement, ast.Expr) or not isinstance(statement.value, ast.Constant):
        return False
    return isinstance(statement.value.value, str)


def functions_of(source: Source) -> list[Function]:
    return [node for node in ast.walk(source.tree) if isinstance(node, FUNCTIONS)]


def length_of(function: Function) -> int:
    """Returns the number of lines of a function, without its docstring."""
    docstring = docstring_node(function)
    return len(lines_of(function)) - (len(lines_of(docstring)) if docstring else 0)


def own_imports(source: Source, modules: set[str]) -> Iterator[Import]:
    """Yields the imports of modules of the same package."""
    local: set[ast.AST] = set()
    for node in ast.walk(source.tree):
        if isinstance(node, FUNCTIONS):
            local.update(ast.walk(node))
    for node in ast.walk(source.tree):
        for name in imported_names(node, source, modules):
            if name in modules:
                yield Import(name, node in local)


def imported_names(node: ast.AST, source: Source, modules: set[str]) -> set[str]:
    """Returns the modules that a statement imports; none if it is not an import."""
    if isinstance(node, ast.Import):
        return {alias.name for alias in node.names}
    if not isinstance(node, ast.ImportFrom):
        return set()
    base = node.module or ""
    if node.level:
        # A relative import counts from the package: from the name itself in `__init__.py`.
        parents = source.name.split(".")
        kept = len(parents) - node.level + source.is_package
        base = ".".join([*parents[:kept], *([node.module] if node.module else [])])
    names = {f"{base}.{alias.name}" for alias in node.names}
    return {name if name in modules else base for name in names}


def percent(part: float, whole: float) -> str:
    return f"{100 * part / whole:.3g}" if whole else "-"


def spread(values: Sequence[int]) -> str:
    """Returns median, 90th percentile and maximum."""
    ordered = sorted(values)
    p90 = ordered[math.ceil(0.9 * len(values)) - 1]
    return f"{statistics.median(values):g} / {p90} / {ordered[-1]}"


def figures(folder: Path) -> dict[str, str]:
    """Returns all figures of the package in `folder`, by name."""
    paths = sorted(folder.rglob("*.py"))
    if not paths:
        raise SystemExit(f"{folder}: expected a folder with Python files")
    sources = [read_source(path, folder) for path in paths]
    code = sum(source.code_lines for source in sources)
    return size_figures(sources, code) | text_figures(sources, code) | structure_figures(sources)


def size_figures(sources: Sequence[Source], code: int) -> dict[str, str]:
    lines = [len(source.text.splitlines()) for source in sources]
    functions = [function for source in sources for function in functions_of(source)]
    return {
        "files": str(len(sources)),
        "code lines": f"{code:,}",
        "file, median / max lines": f"{statistics.median(lines):g} / {max(lines)}",
        "functions": f"{len(functions):,}",
        "function, median / p90 / max lines": spread([length_of(f) for f in functions]),
    }


def text_figures(sources: Sequence[Source], code: int) -> dict[str, str]:
    comments = [comment for source in sources for comment in source.comments]
    explaining = sum(not IGNORE.search(comment) for comment in comments)
    nodes = [node for source in sources for node in ast.walk(source.tree)]
    # Modules are left out, because their first lines are titles and would raise the median.
    docstrings = [ast.get_docstring(node) for node in nodes if isinstance(node, DEFINITIONS)]
    words = [len(text.splitlines()[0].split()) for text in docstrings if text]
    docstring_lines = sum(len(source.docstring_lines) for source in sources)
    return {
        "comments per 100 code lines": percent(explaining, code),
        "docstring lines per 100 code lines": percent(docstring_lines, code),
        "first docstring line, median words": f"{statistics.median(words or [0]):g}",
    }


def structure_figures(sources: Sequence[Source]) -> dict[str, str]:
    modules = {source.name for source in sources}
    imports = {source.name: list(own_imports(source, modules)) for source in sources}
    every = [own for theirs in imports.values() for own in theirs]
    local = sum(own.is_local for own in every)
    return {
        "local of own imports": f"{local} of {len(every)}",
    }


def rooms(folder: Path) -> dict[str, tuple[int, int, int]]:
    """Returns the lines, files and budget of each part of the source in `folder`."""
    sizes = {name: (0, 0, budget) for name, (budget, _) in ROOMS.items()}
    for path in sorted(folder.rglob("*.py")):
        inside = {path.relative_to(folder), *path.relative_to(folder).parents}
        names = (name for name, (_, paths) in ROOMS.items() if inside & {*map(Path, paths.split())})
        name = next(names)
        lines, files, budget = sizes[name]
        sizes[name] = lines + len(path.read_text(encoding="utf-8").splitlines()), files + 1, budget
    return sizes


def print_rooms(folder: Path, only_above: bool) -> None:
    """Prints a line for each part, and one for their sum."""
    sizes = rooms(folder)
    columns = list(zip(*sizes.values(), strict=True))
    sizes["sum"] = (sum(columns[0]), sum(columns[1]), sum(columns[2]))
    for name, (lines, files, budget) in sizes.items():
        above = f"  {lines - budget:,} above" if lines > budget else ""
        if above or not only_above:
            print(f"{name:12}{lines:7,} lines{files:5} files, budget {budget:6,}{above}")


def main() -> None:
    parser = argparse.ArgumentParser(description="Prints figures of a package's source.")
    for name in ("rooms", "above"):
        parser.add_argument(f"--{name}", action="store_true", help="lines and budgets, by part")
    default = Path(__file__).parents[1] / "src" / "seqsweep"
    parser.add_argument("folder", nargs="?", type=Path, default=default, help="a package's folder")
    options = parser.parse_args()
    folder: Path = options.folder.resolve()
    if options.rooms or options.above:
        print_rooms(folder.parent, options.above)
        return
    print(f"| | {folder.name} |\n|---|---|")
    for name, value in figures(folder).items():
        print(f"| {name} | {value} |")


if __name__ == "__main__":
    main()
