"""The digest of a user's own code changes with its text, and with nothing else."""

import importlib
import importlib.metadata
import sys
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from seqsweep.training.user_code import code_of

NET = '''\
"""A network."""

import helper  # beside it
from parts.cells import Cell


class Net(Cell):
    """Text with # no comment

    and a blank line."""

    scale = helper.SCALE
    text = f"""{
        scale

    } # no comment

    """
'''
FILES = {
    "net.py": NET,
    "helper.py": "def f():\n    import late\n\n\nSCALE = 1\n",
    "late.py": "A = 1\n",
    "unused.py": "A = 1\n",
    "parts/__init__.py": "",
    "parts/cells.py": "from . import other\n\n\nclass Cell:\n    pass\n",
    "parts/other.py": "try:\n    import missing\nexcept ImportError:\n    missing = None\n",
}

Digests = Callable[..., dict[str, str]]


@pytest.fixture
def digests(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Digests]:
    """`digests({"net.py": text})` writes files and imports them anew."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)

    def forget() -> None:
        for name in ("net", "helper", "parts", "parts.cells", "parts.other"):
            sys.modules.pop(name, None)
        importlib.invalidate_caches()

    def call(files: dict[str, str], **sections: Any) -> dict[str, str]:
        for name, text in files.items():
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / name).write_text(text)
        forget()
        return code_of(sections or {"model": {"_target_": "net.Net"}})

    call(FILES)
    yield call
    forget()


@pytest.mark.parametrize("name", FILES)
def test_the_digest_of_a_changed_file_changes_and_no_other(digests: Digests, name: str) -> None:
    """Files that are not imported at the top do not count."""
    before = digests({})
    after = digests({name: f"{FILES[name]}\nB = 2\n"})
    changed = [file for file in before if before[file] != after[file]]
    assert changed == ([] if name in ("late.py", "unused.py") else [name])


@pytest.mark.parametrize(
    ("old", "new", "is_seen"),
    [
        # Comments and blank lines of the code change nothing.
        ("import helper  # beside it", "import helper", False),
        ("    scale =", "\n    # a reason\n\n    scale =", False),
        ("\n", "\r\n", False),
        ("import helper", "# coding: utf-8\nimport helper", False),
        # Each other change is seen, also of what looks like a comment in a text.
        ("# no comment\n\n    and", "# a comment\n\n    and", True),
        ("} # no comment", "} # a comment", True),
        ('comment\n\n    """', 'comment\n    """', True),
        ("scale\n\n    }", "scale\n    }", True),
        ("    scale = helper.SCALE", "    scale =  helper.SCALE", True),
    ],
)
def test_a_change_is_seen_unless_it_is_a_comment_or_a_blank_line(digests, old, new, is_seen):
    before = digests({})
    assert NET.replace(old, new) != NET
    assert (digests({"net.py": NET.replace(old, new)}) != before) == is_seen


def test_the_digest_is_the_same_under_every_python(digests: Digests) -> None:
    """Python 3.12 reads an f-string as many tokens, and earlier versions as one."""
    assert digests({})["net.py"][:16] == "b75fedb11aad9fdc"


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
