"""Imports point in one direction, and torch is imported only where it belongs."""

import ast
import functools
import graphlib
import importlib
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

import seqsweep

SOURCE = Path(seqsweep.__file__).parents[1]
PLUGINS = SOURCE / "hydra_plugins"
ROOT = Path(__file__).parents[1]

LEAVES = {
    f"seqsweep.{name}"
    for name in ("suggest", "seeding", "elementary", "command", "console", "output_log",
                 "arguments", "importing", "signals")
}  # fmt: skip
ROOMS = {
    "data": "",
    "models": "data.batch",
    "native": "",
    "runs": "",
    "config": "runs",
    "training": "models native data runs config",
    "results": "runs",
    "live": "results runs",
    "sweeping": "live training results native data runs config",
    "using": "training models results data runs config",
    "extras": "sweeping using live training models native results data runs config",
    "sklearn": "sweeping using training models data runs config",
}
KNOWS = {part: {part, *others.split()} for part, others in ROOMS.items()}
"""What a part may import besides the leaves."""

TORCH = (
    "data.datamodule", "data.batch", "models", "native.step", "native.networks",
    "training", "sweeping", "using", "extras", "sklearn", "seeding",
)  # fmt: skip
HYDRA_APP = ("sweeping.app", "sweeping.resolvers", "sweeping.hydra_jobs", "extras.search")
RICH = (
    "results", "live", "sweeping", "using", "extras", "sklearn", "training.progress_bar", "cli",
    "console", "output_log",
)  # fmt: skip
ONNX = ("extras.export.onnx_nodes", "extras.export.onnx_file", "extras.export.onnx_scaling")
ARRAYS_ONLY = (
    "sequences", "raw", "tasks", "readers", "ts", "bundled", "prepare",
    "checks", "fitted", "info", "files", "lists", "folds", "tables", "vocabulary", "text",
    "transforms",
)  # fmt: skip


class Import(NamedTuple):
    """One import: the importing module, the imported one, and if it happens at loading."""

    module: str
    imported: str
    at_top: bool


def module_name(path: Path) -> str:
    return ".".join(path.relative_to(SOURCE).with_suffix("").parts).removesuffix(".__init__")


MODULES = {module_name(path): path for path in SOURCE.rglob("*.py")}


def imports_of(module: str) -> Iterator[Import]:
    tree = ast.parse(MODULES[module].read_text(encoding="utf-8"))
    inner = {
        node
        for function in ast.walk(tree)
        if isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))
        for node in ast.walk(function)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}: relative import"
            parent = node.module or ""
            members = [f"{parent}.{alias.name}" for alias in node.names]
            names = [name if name in MODULES else parent for name in members]
        else:
            continue
        for name in names:
            yield Import(module, name, node not in inner)


@functools.cache
def all_imports() -> list[Import]:
    """Reads the imports of every module, when the first test asks for them."""
    return [found for module in MODULES for found in imports_of(module)]


def below(module: str, *parts: str) -> bool:
    """Returns whether a module is one of the parts of seqsweep, or inside one."""
    return any(f"{module}.".startswith(f"seqsweep.{part}.") for part in parts)


def ours(found: Import) -> bool:
    return found.imported.split(".")[0] == "seqsweep"


def top(found: Import) -> str:
    return found.imported.split(".")[0]


def unwanted(found: Import) -> bool:
    known = KNOWS[found.module.split(".")[1]]
    return found.imported not in LEAVES and not below(found.imported, *known)


def test_the_reader_of_imports_finds_known_imports():
    """Ensures that the tests below read any imports at all."""
    assert Import("seqsweep.models.module", "seqsweep.models.metrics", True) in all_imports()
    assert Import("seqsweep.cli", "seqsweep.sweeping.app", False) in all_imports()
    assert Import("seqsweep.data.batch", "torch", True) in all_imports()
    parts = {module.split(".")[1] for module in MODULES if module.count(".") == 2}
    plugins = {
        f"seqsweep_{name}" for name in ("sweeper", "halving", "local", "slurm", "ray", "optuna")
    }
    assert parts - plugins == KNOWS.keys()


def test_no_package_imports_one_above_it():
    inside = [found for found in all_imports() if ours(found) and below(found.module, *KNOWS)]
    assert [found for found in inside if unwanted(found)] == []


def test_the_core_names_an_extra_only_in_one_table():
    """A module can be imported by its name as well, as a text."""
    extras = re.compile(r"(seqsweep[./])?(extras|sklearn|aeon)([.:/]\w+)+")
    core = KNOWS.keys() - {"extras", "sklearn", "aeon"}
    named = {
        module
        for module, path in MODULES.items()
        if below(module, *core)
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and extras.fullmatch(str(node.value))
    }
    assert named == {"seqsweep.results.report.extra_sections"}


def test_leaves_import_only_leaves():
    theirs = [found for found in all_imports() if found.module in LEAVES and ours(found)]
    assert [found for found in theirs if found.imported not in LEAVES] == []


def test_the_command_and_the_plugins_import_packages_only_when_called():
    starts = [
        found
        for found in all_imports()
        if found.module == "seqsweep.cli" or found.module.startswith("hydra_plugins.")
    ]
    early = [found for found in starts if found.at_top and ours(found)]
    assert [found for found in early if found.imported not in LEAVES] == []


def test_the_imports_have_no_cycle():
    """Only imports at the top count, because others do not run while modules load."""
    graph: dict[str, set[str]] = {}
    for found in all_imports():
        if found.at_top and found.imported in MODULES:
            graph.setdefault(found.module, set()).add(found.imported)
    graphlib.TopologicalSorter(graph).prepare()


@pytest.mark.parametrize(
    ("package", "allowed"),
    [
        ("torch", TORCH),
        ("lightning", ("data.datamodule", "models.metrics", "models.module", "training")),
        ("hydra", ("config", *HYDRA_APP)),
        ("omegaconf", ("config", *HYDRA_APP, "training.saved_config")),
        ("rich", RICH),
        ("tensorboard", ("results.tensorboard", "runs.events")),
        ("matplotlib", ("results.tensorboard.figures",)),
        ("jinja2", ("results.report.write",)),
        ("pandas", ("results.frame",)),
        ("sklearn", ("sweeping.baselines", "sklearn")),
        ("aeon", ("aeon", "data.aeon_sets")),
        ("ray", ("extras.clusters.ray_workers",)),
        ("optuna", ("extras.search.study",)),
        ("pyarrow", ("using.prediction_files", "data")),
        ("onnx", ONNX),
        ("onnxruntime", ("extras.export.onnx_file",)),
    ],
)
def test_a_dependency_is_imported_only_where_it_belongs(package, allowed):
    users = [found for found in all_imports() if top(found) == package]
    assert users
    outside = [found for found in users if not below(found.module, *allowed)]
    if package in ("hydra", "omegaconf", "rich"):  # the plugins are Hydra's
        outside = [found for found in outside if not found.module.startswith("hydra_plugins.")]
    assert outside == []


def test_modules_of_data_import_no_torch_before_batches():
    modules = {f"seqsweep.data.{name}" for name in ARRAYS_ONLY}
    assert modules <= MODULES.keys()
    used = {top(found) for found in all_imports() if found.module in modules}
    assert used - sys.stdlib_module_names - {"seqsweep"} <= {"numpy"}


def test_hydra_plugins_is_a_namespace_package_that_loads_no_torch():
    """An `__init__.py` in hydra_plugins would hide every other package's plugins."""
    assert not (PLUGINS / "__init__.py").exists()
    early = {top(f) for f in all_imports() if f.module.startswith("hydra_plugins.") and f.at_top}
    assert early - sys.stdlib_module_names <= {"hydra", "omegaconf", "hydra_plugins"}


@pytest.mark.slow
def test_planning_tables_and_the_command_start_without_torch():
    code = """
import sys
import seqsweep.cli, seqsweep.results.tables, seqsweep.training.planned_run, seqsweep.sweeping.sweep
import seqsweep.sweeping.forming, seqsweep.sweeping.hydra_jobs
import hydra_plugins.seqsweep_local.seqsweep_local
import hydra_plugins.seqsweep_sweeper.seqsweep_sweeper, seqsweep.extras.search.command
print([name for name in ("torch", "lightning") if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_page_on_the_architecture_is_up_to_date_and_its_links_lead_to_files(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "scripts")
    architecture = importlib.import_module("architecture")
    path = ROOT / "docs" / "architecture.md"
    page = path.read_text(encoding="utf-8")
    sources = architecture.read_package(ROOT / "src")
    assert architecture.redraw(page, sources) == page, "run: python scripts/architecture.py"
    links = re.findall(r"\]\(([^)#]+)\)", page)
    assert len(links) > 20
    assert [link for link in links if not (path.parent / link).is_file()] == []
