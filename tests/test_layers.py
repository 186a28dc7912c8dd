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
from typing import Any, NamedTuple

import pytest
from report_pages import data, grid

import seqsweep

SOURCE = Path(seqsweep.__file__).parents[1]
PLUGINS = SOURCE / "hydra_plugins"
ROOT = Path(__file__).parents[1]

LEAVES = {
    f"seqsweep.{name}"
    for name in ("text", "pace", "seeding", "elementary", "command", "console", "output_log",
                 "arguments", "importing", "signals", "errors", "terminal_table")
}  # fmt: skip
ROOMS = {
    "data": "",
    "models": "data.batch native",
    "native": "",
    "runs": "",
    "config": "runs",
    "training": "models native data runs config",
    "results": "runs config",
    "live": "results runs",
    "sweeping": "live training results native data runs config",
    "using": "training models results data runs config",
    "extras": "sweeping using live training models native results data runs config",
    "sklearn": "sweeping using training models data runs config",
}
KNOWS = {part: {part, *others.split()} for part, others in ROOMS.items()}
"""The parts that each part may import besides the leaves."""

TORCH = (
    "data.datamodule", "data.batch", "models", "native.step", "native.networks",
    "training", "sweeping", "using", "extras", "sklearn", "seeding",
)  # fmt: skip
LIGHTNING = (
    "config.instantiate", "data.datamodule", "models.module", "training.build_run",
    "training.callbacks", "training.checkpoints", "training.engines.autograd",
    "training.exact_resume", "training.logged", "training.trainer",
    "using.own_outputs",
)  # fmt: skip
HYDRA_APP = ("sweeping.app", "sweeping.resolvers", "sweeping.launchers", "extras.search")
RICH = (
    "results", "live", "sweeping", "using", "extras", "sklearn", "training.progress_bar", "cli",
    "console", "output_log", "terminal_table",
)  # fmt: skip
VIEWS = tuple(
    f"results.{name}"
    for name in ("folder_tables", "compare", "frame", "status", "report", "figures",
                 "tensorboard")
)  # fmt: skip
STATISTICS = ("results.significance", "results.measures", "results.ranks", "results.effects")
TABLES = ("data.csv_files", "data.table_rows", "data.table_values", "data.table_sequences",
          "data.guesses", "data.column_roles", "data.labels_table")  # fmt: skip
ONNX = ("extras.export.onnx_nodes", "extras.export.onnx_file", "extras.export.onnx_cells",
        "extras.export.onnx_scaling")  # fmt: skip


class Import(NamedTuple):
    """One import: the importing module, the imported one, and if it happens at loading."""

    module: str
    imported: str
    at_top: bool


with pytest.MonkeyPatch.context() as patch:
    patch.syspath_prepend(ROOT / "scripts")
    architecture: Any = importlib.import_module("architecture")


@functools.cache
def sources() -> dict[str, Any]:
    """Reads every module, when the first test asks for them."""
    return {source.name: source for source in architecture.read_package(SOURCE)}


def imports_of(module: str) -> Iterator[Import]:
    tree: ast.Module = sources()[module].tree
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    functions = [node for node in ast.walk(tree) if isinstance(node, kinds)]
    inner, modules = {node for function in functions for node in ast.walk(function)}, set(sources())
    for node in ast.walk(tree):
        assert getattr(node, "level", 0) == 0, f"{module}: relative import"
        for name in architecture.imported_names(node, modules):
            yield Import(module, name, node not in inner)


@functools.cache
def all_imports() -> list[Import]:
    return [found for module in sources() for found in imports_of(module)]


def our_imports() -> list[Import]:
    return [found for found in all_imports() if top(found) == "seqsweep"]


def below(module: str, *parts: str) -> bool:
    """Returns whether a module is one of the parts of seqsweep, or inside one."""
    return any(f"{module}.".startswith(f"seqsweep.{part}.") for part in parts)


def top(found: Import) -> str:
    return found.imported.split(".")[0]


def test_the_reader_of_imports_finds_known_imports():
    """Ensures that the tests below read any imports at all."""
    assert Import("seqsweep.models.module", "seqsweep.models.metrics", True) in all_imports()
    assert Import("seqsweep.cli", "seqsweep.sweeping.app", False) in all_imports()
    assert Import("seqsweep.data.batch", "torch", True) in all_imports()
    parts = {module.split(".")[1] for module in sources() if module.count(".") == 2}
    plugins = {
        f"seqsweep_{name}" for name in ("sweeper", "halving", "local", "slurm", "ray", "optuna")
    }
    assert parts - plugins == KNOWS.keys()


def test_no_package_imports_one_above_it():
    for found in our_imports():
        if below(found.module, *KNOWS):
            known = KNOWS[found.module.split(".")[1]]
            assert found.imported in LEAVES or below(found.imported, *known), found


def test_a_view_of_results_computes_no_statistic_and_a_statistic_knows_no_view():
    """A view takes types and constants from the statistics, and no function."""
    for module in sources():
        if below(module, "results") and not below(module, *VIEWS):
            assert not any(
                below(found.imported, *VIEWS, "extras") or top(found) == "rich"
                for found in all_imports()
                if found.module == module
            ), module
        for node in ast.walk(sources()[module].tree):
            if below(module, *VIEWS) and isinstance(node, ast.ImportFrom):
                is_statistic = below(str(node.module), *STATISTICS)
                names = [name.name for name in node.names]
                assert not is_statistic or all(name[0].isupper() for name in names), (module, names)


def test_the_core_names_an_extra_only_in_one_table():
    """A module can be imported by its name as well, as a text."""
    extras = re.compile(r"(seqsweep[./])?(extras|sklearn|aeon)([.:/]\w+)+")
    core = KNOWS.keys() - {"extras", "sklearn", "aeon"}
    named = {
        module
        for module, source in sources().items()
        if below(module, *core)
        for node in ast.walk(source.tree)
        if isinstance(node, ast.Constant) and extras.fullmatch(str(node.value))
    }
    assert named == {"seqsweep.results.sections"}


def test_leaves_import_only_leaves_and_so_do_the_command_and_plugins_until_they_are_called():
    for found in our_imports():
        starts = found.module == "seqsweep.cli" or found.module.startswith("hydra_plugins.")
        if found.module in LEAVES or (starts and found.at_top):
            assert found.imported in LEAVES, found


def test_the_imports_have_no_cycle():
    """The imports at the top count, because others do not run while modules load."""
    graph: dict[str, set[str]] = {}
    for found in all_imports():
        if found.at_top and found.imported in sources():
            graph.setdefault(found.module, set()).add(found.imported)
    graphlib.TopologicalSorter(graph).prepare()


@pytest.mark.parametrize(
    ("package", "allowed"),
    [
        ("torch", TORCH),
        ("lightning", (*LIGHTNING, "training.loggers", "training.run_data")),
        ("hydra", ("config", *HYDRA_APP)),
        ("omegaconf", ("config", *HYDRA_APP, "training.saved_config")),
        ("rich", RICH),
        ("tensorboard", ("results.tensorboard", "runs.events")),
        ("matplotlib", ("results.figures", "results.plot_parts", "results.tensorboard.pictures")),
        ("jinja2", ("results.report.write", "using.explain_command")),
        ("pandas", ("results.frame",)),
        ("sklearn", ("sweeping.baselines", "sklearn")),
        ("aeon", ("aeon", "data.aeon_sets")),
        ("ray", ("extras.clusters.ray_workers",)),
        ("optuna", ("extras.search.study",)),
        ("pyarrow", ("using.prediction_files", *TABLES)),
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


def test_hydra_plugins_is_a_namespace_package_that_loads_no_torch():
    """An `__init__.py` in hydra_plugins would hide every other package's plugins."""
    assert not (PLUGINS / "__init__.py").exists()
    early = {top(f) for f in all_imports() if f.module.startswith("hydra_plugins.") and f.at_top}
    assert early - sys.stdlib_module_names <= {"hydra", "omegaconf", "hydra_plugins"}


STARTS = """
import sys, tempfile
from pathlib import Path
def loaded(*names):
    print([name for name in names if name in sys.modules])
import seqsweep
loaded("torch", "lightning", "hydra", "numpy")
import seqsweep.results.frame
from seqsweep.results.report.write import write_report
write_report(Path(sys.argv[1]))
loaded("torch", "numpy", "pandas")
from seqsweep.results.tensorboard.view import make_view
make_view(Path(sys.argv[1]), Path(tempfile.mkdtemp(dir=sys.argv[1])), images=0)
seqsweep.compose(["data=digits"])
import seqsweep.cli, seqsweep.results.folder_tables, seqsweep.training.planned_run
import seqsweep.sweeping.sweep
import seqsweep.sweeping.estimates, seqsweep.sweeping.launchers
import hydra_plugins.seqsweep_local.seqsweep_local
import hydra_plugins.seqsweep_sweeper.seqsweep_sweeper, seqsweep.extras.search.command
loaded("torch", "lightning", "matplotlib")
overrides = ["data=digits", "trainer.max_epochs=1", f"output_dir={sys.argv[1]}"]
seqsweep.load_run(seqsweep.train(overrides)["folder"]).predict([[[0.0] * 8] * 8])
loaded("lightning", "torch._dynamo", "sympy")
"""


@pytest.mark.slow
def test_planning_results_native_runs_and_the_command_need_no_large_imports(tmp_path):
    """The import of numpy alone would take as long as the report of a small sweep.

    Lightning takes as long as torch, and a native run has no Trainer.
    """
    grid(tmp_path, [8, 32], [1], 3)
    printed = subprocess.check_output([sys.executable, "-c", STARTS, str(tmp_path)], text=True)
    assert [line for line in printed.splitlines() if line[0] == "["] == ["[]"] * 4
    assert data(tmp_path)["configs"][0]["metrics"]["test/acc"]["low"] is not None


def test_the_page_on_the_architecture_is_up_to_date_and_its_links_lead_to_files():
    page = architecture.PAGE.read_text(encoding="utf-8")
    redrawn = architecture.redraw(page, list(sources().values()))
    assert redrawn == page, "run: python scripts/architecture.py"
    drawn = architecture.picture(list(sources().values()))
    assert drawn == architecture.PICTURE.read_text(encoding="utf-8")
    links = re.findall(r"\]\(([^)#]+)\)", page)
    assert len(links) > 10
    assert [link for link in links if not (architecture.PAGE.parent / link).is_file()] == []
