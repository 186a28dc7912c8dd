"""Draws the packages and their imports into docs/architecture.md.

`python scripts/architecture.py` writes the picture and the table between the two markers of the
page. tests/test_layers.py fails when the page is out of date.
"""

import ast
import graphlib
from collections.abc import Iterator
from pathlib import Path

from code_figures import Source, own_imports, read_source

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "architecture.md"
BEGIN = "<!-- drawn by scripts/architecture.py: begin -->"
END = "<!-- drawn by scripts/architecture.py: end -->"

PACKAGE = "seqsweep"
PLUGINS = "hydra_plugins"
Graph = dict[str, set[str]]

BANDS = {
    "extras": ("aeon", "extras", "sklearn"),
    "results": ("live", "results", "using"),
    "core": ("config", "data", "models", "native", "runs", "sweeping", "training"),
}
"""The packages of each band. Parts in no band lead a user to them: commands, plugins, imports."""


def read_package(folder: Path) -> list[Source]:
    """Reads the modules below `folder`, such as src: the package and Hydra's plugins."""
    return [
        read_source(path, folder / name)
        for name in (PACKAGE, PLUGINS)
        for path in sorted((folder / name).rglob("*.py"))
    ]


def part_of(module: str) -> str:
    """Returns the part of a module: its package, or itself if it has none."""
    names = module.split(".")
    if names[0] == PLUGINS:
        return PLUGINS
    return names[1] if len(names) > 1 else "import seqsweep"


def imports_of_parts(sources: list[Source]) -> Graph:
    """Returns the packages that each part imports, inside functions too.

    Modules beside the packages that import no package are left out: any module may use them.
    """
    modules = {source.name for source in sources}
    packages = {part_of(name) for name in modules if name.count(".") > 1} | {PLUGINS}
    graph: Graph = {package: set() for package in packages}
    for source in sources:
        part = part_of(source.name)
        imported = {part_of(own.imported) for own in own_imports(source, modules)}
        graph.setdefault(part, set()).update(imported & packages - {part})
    return {part: graph[part] for part in graph if part in packages or graph[part]}


def transitive_reduction(graph: Graph) -> Graph:
    """Leaves out every arrow that follows from others.

    With a → b and b → c there is no arrow a → c.

    Raises:
        graphlib.CycleError: two parts import each other.
    """
    reached: Graph = {}
    for part in graphlib.TopologicalSorter(graph).static_order():
        reached[part] = set(graph[part]).union(*(reached[other] for other in graph[part]))
    return {
        part: {other for other in others if not any(other in reached[third] for third in others)}
        for part, others in graph.items()
    }


def mermaid(graph: Graph) -> Iterator[str]:
    """Yields the lines of a flowchart, sorted by name within each band."""
    yield "```mermaid"
    yield "flowchart TD"
    for part in sorted(graph.keys() - {part for band in BANDS.values() for part in band}):
        yield f'    {node(part)}["{part}"]'
    for band, parts in BANDS.items():
        yield f'    subgraph {band}_band["{band}"]'
        for part in parts:
            yield f'        {node(part)}["{part}"]'
        yield "    end"
    for part in sorted(graph):
        for other in sorted(graph[part]):
            yield f"    {node(part)} --> {node(other)}"
    yield "```"


def node(part: str) -> str:
    return part.replace(" ", "_")


def table(sources: list[Source], graph: Graph) -> Iterator[str]:
    """Yields a row for each package and each module beside the packages."""
    yield "| | | imports |"
    yield "|---|---|---|"
    for source in sources:
        path = "/".join(source.name.split(".")[1:])
        if source.name.startswith(f"{PLUGINS}.") or not path:
            continue
        if source.is_package or "/" not in path:
            name = f"{path}/" if source.is_package else f"{path}.py"
            title = (ast.get_docstring(source.tree) or "").partition("\n")[0]
            imports = ", ".join(sorted(graph.get(path, ())))
            yield f"| `{name}` | {title} | {imports} |"


def redraw(page: str, sources: list[Source]) -> str:
    """Returns the page with a new picture and a new table between its markers."""
    before, _, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not end:
        raise SystemExit(f"{PAGE}: expected the lines {BEGIN!r} and {END!r}")
    graph = imports_of_parts(sources)
    lines = [BEGIN, *mermaid(transitive_reduction(graph)), "", *table(sources, graph), END]
    return before + "\n".join(lines) + after


def main() -> None:
    page = PAGE.read_text(encoding="utf-8")
    PAGE.write_text(redraw(page, read_package(ROOT / "src")), encoding="utf-8")


if __name__ == "__main__":
    main()
