"""The figures of a small source tree match those counted by hand."""

import importlib
from pathlib import Path

SCRIPTS = Path(__file__).parents[1] / "scripts"

ONE = '''"""The module one."""

from pkg import two  # to have an import


class Shape:
    """A shape with sides."""

    def area(self, side: int) -> int:
        # The square is the only shape.
        if side:
            for _ in range(side):
                pass
        return side * side

    def _hidden(self, a, b, c, d, e, f, g):
        return [x for x in (a, b, c, d, e, f, g)]  # type: ignore
'''
TWO = """def public(x: int) -> int:
    from pkg.one import Shape

    return Shape().area(x)
"""


def test_the_figures_of_two_modules_are_right(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(SCRIPTS)
    code_figures = importlib.import_module("code_figures")
    package = tmp_path / "pkg"
    package.mkdir()
    (package / "one.py").write_text(ONE)
    (package / "two.py").write_text(TWO)
    (package / "__init__.py").write_text("")
    assert code_figures.figures(package) == {
        "files": "3",
        "code lines": "12",
        "file, median / max lines": "4 / 17",
        "functions": "3",
        "function, median / p90 / max lines": "4 / 6 / 6",
        "nesting, max; functions with 4 or more, %": "2; 0",
        "comments per 100 code lines": "16.7",
        "docstring lines per 100 code lines": "16.7",
        "public names with a docstring, %": "33.3",
        "first docstring line, median words": "4",
        "comprehensions per 100 functions": "33.3",
        "import cycles; files in them": "0; 0",
        "local of own imports": "1 of 2",
        "type-ignores; per 1,000 code lines": "1; 83.3",
        "functions fully annotated, %": "66.7",
        "functions of more than 6 arguments, %": "33.3",
    }
