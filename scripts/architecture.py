"""Draws the packages and their imports for docs/architecture.md.

`python scripts/architecture.py` writes the picture docs/img/architecture.svg, and the table between
the two markers of the page. tests/test_layers.py fails when one of them is out of date.
"""

import ast
import graphlib
from collections.abc import Iterator
from pathlib import Path
from statistics import fmean
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "architecture.md"
PICTURE = ROOT / "docs" / "img" / "architecture.svg"
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
COLOURS = {"extras": "#fbe3cf", "results": "#dcefdc", "core": "#d9e7f5"}
WIDTH = 760
MARKER = (
    '<rect width="100%" height="100%" fill="#fff"/><defs><marker id="head" refX="6" refY="4"'
    ' markerWidth="8" markerHeight="8" orient="auto"><path d="M0 0L8 4L0 8z" fill="#777"/>'
    "</marker></defs>"
)
"""The ground, white also on dark pages, and the head of each arrow."""


class Source(NamedTuple):
    """The syntax tree of a module."""

    name: str
    is_package: bool
    tree: ast.Module


def read_package(folder: Path) -> list[Source]:
    """Reads the modules below `folder`, such as src: the package and Hydra's plugins."""
    sources: list[Source] = []
    paths = [sorted((folder / name).rglob("*.py")) for name in (PACKAGE, PLUGINS)]
    for path in (*paths[0], *paths[1]):
        name = ".".join(path.relative_to(folder).with_suffix("").parts).removesuffix(".__init__")
        tree = ast.parse(path.read_text(encoding="utf-8"))
        sources.append(Source(name, path.name == "__init__.py", tree))
    return sources


def imported_names(node: ast.AST, modules: set[str]) -> set[str]:
    """Returns the modules that a statement imports; none if it is not an import."""
    if isinstance(node, ast.Import):
        return {alias.name for alias in node.names}
    if not isinstance(node, ast.ImportFrom):
        return set()
    base = node.module or ""
    names = {f"{base}.{alias.name}" for alias in node.names}
    return {name if name in modules else base for name in names}


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
        imported = {
            name for node in ast.walk(source.tree) for name in imported_names(node, modules)
        }
        parts = {part_of(name) for name in imported & modules}
        graph.setdefault(part, set()).update(parts & packages - {part})
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


def draw(graph: Graph) -> str:
    """Returns a picture in SVG: each part stands above all that it imports."""
    heights: dict[str, int] = {}
    for part in graphlib.TopologicalSorter(graph).static_order():
        heights[part] = 1 + max((heights[other] for other in graph[part]), default=-1)
    highest = max(heights.values())
    places: dict[str, tuple[float, int]] = {}
    for height in range(highest, -1, -1):
        # A part stands below the parts that import it, so that few arrows cross.
        row = sorted(part for part, own in heights.items() if own == height)
        above = {part: [places[o][0] for o in graph if part in graph[o]] for part in row}
        row.sort(key=lambda part: fmean(above[part] or [WIDTH]))
        for index, part in enumerate(row):
            x = WIDTH * (index + 0.5 + 0.5 * (len(row) % 2 == height % 2)) / (len(row) + 0.5)
            places[part] = x, 25 + 70 * (highest - height)
    lines = [
        _arrow(places[part], places[other])
        for part in sorted(graph)
        for other in sorted(graph[part])
    ]
    lines += [_box(part, *places[part]) for part in sorted(graph)]
    size = f'viewBox="0 0 {WIDTH} {50 + 70 * highest}" font-family="sans-serif" font-size="14"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} text-anchor="middle">'
    return "\n".join([head, MARKER, *lines, "</svg>", ""])


def _arrow(start: tuple[float, int], end: tuple[float, int]) -> str:
    (x, y), (to_x, to_y) = start, end
    curve = f"M{x:.0f} {y + 15}C{x:.0f} {y + 50},{to_x:.0f} {to_y - 55},{to_x:.0f} {to_y - 20}"
    return f'<path d="{curve}" fill="none" stroke="#777" marker-end="url(#head)"/>'


def _box(part: str, x: float, y: int) -> str:
    colour = next((COLOURS[band] for band, parts in BANDS.items() if part in parts), "#eee")
    width = 30 + 8 * len(part)
    box = f'<rect x="{x - width / 2:.0f}" y="{y - 15}" width="{width}" height="30" rx="5"'
    return f'{box} fill="{colour}" stroke="#777"/><text x="{x:.0f}" y="{y + 5}">{part}</text>'


def table(sources: list[Source]) -> Iterator[str]:
    """Yields a row for each package."""
    yield "| | |"
    yield "|---|---|"
    for source in sources:
        path = "/".join(source.name.split(".")[1:])
        if source.name.startswith(f"{PLUGINS}.") or not path:
            continue
        if source.is_package:
            name = f"{path}/"
            title = (ast.get_docstring(source.tree) or "").partition("\n")[0]
            yield f"| `{name}` | {title} |"


def redraw(page: str, sources: list[Source]) -> str:
    """Returns the page with a new table between its markers."""
    before, _, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not end:
        raise SystemExit(f"{PAGE}: expected the lines {BEGIN!r} and {END!r}")
    return before + "\n".join([BEGIN, *table(sources), END]) + after


def picture(sources: list[Source]) -> str:
    """Returns the picture without the arrows that follow from others."""
    return draw(transitive_reduction(imports_of_parts(sources)))


def main() -> None:
    page, sources = PAGE.read_text(encoding="utf-8"), read_package(ROOT / "src")
    PAGE.write_text(redraw(page, sources), encoding="utf-8")
    PICTURE.write_text(picture(sources), encoding="utf-8")


if __name__ == "__main__":
    main()
