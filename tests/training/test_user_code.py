"""The digest of a user's own code changes with its text, and with nothing else."""

import importlib
import importlib.metadata
import importlib.util
import sys
import types
from collections.abc import Callable, Iterator
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any

import pytest

from seqsweep.training.user_code import code_of

NET = '''\
"""A network."""

import json
from typing import TYPE_CHECKING

import torch

import helper  # beside it
from parts.cells import Cell

if TYPE_CHECKING:
    import space.inner.deep


class Net(Cell):
    """Text with # no comment

    and a blank line."""

    scale = helper.SCALE
    text = f"""{
        scale

    } # no comment

    """
    number = f"{scale!r:>{9}}"
'''
OPTIONAL = "try:\n    import missing\nexcept ImportError:\n    missing = None\n"
TOP = "try:\n    from . import profile\nexcept ImportError:\n    import profile\n"
FILES = {
    "net.py": NET,
    "helper.py": f"{TOP}\n\ndef f():\n    import late\n\n\nSCALE = 1\n",
    "late.py": "A = 1\n",
    "unused.py": "A = 1\n",
    "profile.py": "A = 1\n",  # the standard library has a module of this name
    "parts/__init__.py": "",
    "parts/cells.py": "from . import other\n\n\nclass Cell:\n    pass\n",
    "parts/other.py": f"import parts.cells\n\n{OPTIONAL}",  # and parts.cells imports this module
    "space/inner/deep.py": "A = 1\n",
}

Digests = Callable[..., dict[str, str]]


@pytest.fixture
def digests(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Digests]:
    """`digests({"net.py": text})` writes files and imports them anew."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)

    def forget() -> None:
        for name in ("net", "helper", "profile", "parts", "parts.cells", "parts.other"):
            sys.modules.pop(name, None)
        importlib.invalidate_caches()

    def call(files: dict[str, str], **sections: Any) -> dict[str, str]:
        for name, text in files.items():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text(text)
        forget()
        return code_of(sections or {"model": {"_target_": "net.Net"}})

    call(FILES)
    yield call
    forget()


def test_the_class_of_a_cell_counts_like_a_target(digests: Digests) -> None:
    network = {"_target_": "seqsweep.models.classifier.RNNClassifier"}
    assert digests({}, model=network | {"cell": "net.Net"}) == digests({})
    assert digests({}, model=network | {"cell": "gru"}) == {}


@pytest.mark.parametrize("name", FILES)
def test_the_digest_of_a_changed_file_changes_and_no_other(digests: Digests, name: str) -> None:
    """Files that are not imported at the top do not count."""
    before = digests({})
    assert before.keys() == FILES.keys() - {"late.py", "unused.py"}
    after = digests({name: f"{FILES[name]}\nB = 2\n"})
    changed = [file for file in before if before[file] != after[file]]
    assert changed == ([] if name in ("late.py", "unused.py") else [name])


@pytest.mark.parametrize(
    ("old", "new", "is_seen"),
    [
        # Comments, layout and what describes the code change nothing.
        ("import helper  # beside it", "import helper", False),
        ("    scale =", "\n    # a reason\n\n    scale =", False),
        ("\n", "\r\n", False),
        ('"""A network."""', "", False),
        ("helper.SCALE\n", 'helper.SCALE\n    """The scale."""\n', False),
        ("scale\n\n    }", "scale\n    }", False),
        # Each other change is seen, also of what looks like a comment or a docstring.
        ("} # no comment", "} # a comment", True),
        ("helper.SCALE\n", 'helper.SCALE\n    unit = """The scale."""\n', True),
        ("helper.SCALE", "helper.SCALE * 1", True),
        ("import json\n", "", True),
    ],
)
def test_a_change_is_seen_unless_it_is_layout_or_a_description(digests, old, new, is_seen):
    before = digests({})
    assert NET.replace(old, new) != NET
    assert (digests({"net.py": NET.replace(old, new)}) != before) == is_seen


def test_values_that_differ_have_digests_that_differ(digests: Digests) -> None:
    values = ["1", "1.0", "True", "'1'", "b'1'", "[1]", "(1,)", "[[], 1]", "[1, []]", "-1", "1j"]
    found = {digests({"helper.py": f"SCALE = {value}\n"})["helper.py"] for value in values}
    assert len(found) == len(values)


def test_the_digest_is_the_same_under_every_python(digests: Digests) -> None:
    """Python 3.12.1 adds an empty text to the f-string `number`, and 3.12 has type parameters."""
    assert digests({})["net.py"][:16] == "a7f021511db4ac33"


class Finder:
    """The import hook of an editable package, which maps its name to its folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def find_spec(self, name: str, path: object, target: object = None) -> ModuleSpec | None:
        file, folders = self.folder / "__init__.py", [str(self.folder)]
        found = importlib.util.spec_from_file_location(
            name, file, submodule_search_locations=folders
        )
        return found if name == "outside" else None


def test_a_helper_of_an_editable_package_counts_by_its_text(
    digests: Digests, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "meta_path", [*sys.meta_path, Finder(tmp_path / "elsewhere")])
    files = {
        "elsewhere/__init__.py": "",
        "elsewhere/ops.py": "from .more import f\n",
        "elsewhere/more.py": "def f():\n    return 1\n",
        "net.py": "from outside.ops import f\n\n\nclass Net:\n    pass\n",
    }
    names = ["outside", "outside.ops", "outside.more"]
    first = digests(files)
    assert first.keys() == {f"outside/{x}.py" for x in ("__init__", "ops", "more")} | {"net.py"}
    for name in names:
        del sys.modules[name]
    second = digests({"elsewhere/more.py": "def f():\n    return 2\n"})
    assert [name for name in first if first[name] != second[name]] == ["outside/more.py"]
    for name in names:
        del sys.modules[name]


def test_loggers_and_a_source_with_a_fingerprint_do_not_count(digests: Digests) -> None:
    ours = "seqsweep.data.datamodule.SequenceDataModule"
    sections: dict[str, Any] = {
        "logger": {"mine": {"_target_": "net.Net"}},
        "data": {"_target_": ours, "source": {"_target_": "net.Net", "x": {"_target_": "net.X"}}},
        "optimizer": {"_target_": "torch.optim.NAdam"},
        "callbacks": {"lr": {"_target_": "lightning.pytorch.callbacks.LearningRateMonitor"}},
        "scheduler": {"_target_": "functools.partial"},
    }
    assert digests({}, **sections) == {}
    sections["data"] |= {"_target_": "net.Net"}
    assert "net.py" in digests({}, **sections)
    assert "net.py" in digests({}, callbacks={"mine": [{"_target_": "net.Net"}]})


def test_an_installed_package_counts_by_its_version_and_a_class_without_a_file_is_refused(
    digests: Digests, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = digests({}, model={"_target_": "rich.text.Text"})
    assert code == {"rich": importlib.metadata.version("rich")}
    code = digests({"net.py": "import pytorch_lightning\n\n\nclass Net:\n    pass\n"})
    assert code["pytorch-lightning"] == importlib.metadata.version("pytorch-lightning")
    monkeypatch.setitem(sys.modules, "made_here", types.ModuleType("made_here"))
    message = r"model\._target_=made_here\.Net: must be in a \.py file or an installed package"
    with pytest.raises(ValueError, match=message):
        digests({}, model={"_target_": "made_here.Net"})


def test_the_code_of_a_process_is_what_it_imported(digests: Digests, tmp_path: Path) -> None:
    before = digests({})
    importlib.import_module("net")
    model = {"_target_": "net.Net"}
    assert code_of({"model": model}) == before
    (tmp_path / "helper.py").write_text("SCALE = 2\n")
    assert code_of({"model": model}) == before
    importlib.reload(sys.modules["helper"])
    assert code_of({"model": model}) != before


def test_a_package_that_a_counted_file_imports_counts_by_its_version(
    digests: Digests, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The package's own files do not count; nor do the standard library and torch."""
    for version in ("1", "2"):
        folder = f"v{version}/site-packages"
        info = f"{folder}/Packed-{version}.dist-info"
        monkeypatch.syspath_prepend(tmp_path / folder)
        found = digests(
            {
                f"{folder}/packed/__init__.py": "import rich\n",
                f"{folder}/packed/ops.py": "",
                f"{info}/METADATA": f"Name: Packed\nVersion: {version}\n",
                f"{info}/top_level.txt": "packed\n",
                "net.py": "import json, torch, packed.ops\n\n\nclass Net:\n    pass\n",
            }
        )
        for name in ("packed", "packed.ops", "net"):
            del sys.modules[name]
        assert found == {"Packed": version, "net.py": found["net.py"]}
