"""Installs the oldest versions that pyproject.toml allows into .venv-floors, for `make floors`.

    python scripts/floors.py [--torch]

The package is installed with its extra `test`; of two lower bounds the higher one counts. Without
`--torch`, torch is that of this program's Python, because the oldest build may have 3 GB.
"""

import sys
import tomllib
from importlib.metadata import version

from hydra_check import CHECKOUT, run
from packaging.requirements import Requirement
from packaging.version import Version

FOLDER = CHECKOUT / ".venv-floors"
INSTALL = (FOLDER / "bin" / "pip", "--disable-pip-version-check", "install", "--no-compile")


def main() -> None:
    floors = read_floors()
    run(CHECKOUT, sys.executable, "-m", "venv", "--clear", FOLDER)
    if "--torch" not in sys.argv:
        floors["torch"] = version("torch").partition("+")[0]
    constraints = FOLDER / "floors.txt"
    constraints.write_text("".join(f"{name}=={floor}\n" for name, floor in floors.items()))
    run(CHECKOUT, *INSTALL, "--editable", ".[test]", "-c", constraints)


def read_floors() -> dict[str, str]:
    """Returns the oldest allowed version of each package that pyproject.toml names."""
    floors: dict[str, str] = {}
    for name, bounds in ((each.name, each.specifier) for each in read_requirements()):
        for floor in (each.version for each in bounds if each.operator == ">="):
            floors[name] = max(floors.get(name, "0"), floor, key=Version)
    return floors


def read_requirements(*extras: str) -> list[Requirement]:
    """Returns the requirements of the package and of these extras, by default of all extras."""
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    optional = project["optional-dependencies"]
    listed = [project["dependencies"], *(optional[extra] for extra in extras or optional)]
    return [Requirement(text) for texts in listed for text in texts]


if __name__ == "__main__":
    main()
