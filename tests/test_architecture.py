"""The picture in docs/architecture.md shows the current imports of the packages."""

import importlib
import re
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "architecture.md"


@pytest.fixture
def architecture(monkeypatch) -> Any:
    monkeypatch.syspath_prepend(ROOT / "scripts")
    return importlib.import_module("architecture")


def test_the_architecture_page_is_up_to_date_with_the_script(architecture):
    page = PAGE.read_text(encoding="utf-8")
    sources = architecture.read_package(ROOT / "src")
    assert architecture.redraw(page, sources) == page, "run: python scripts/architecture.py"


def test_every_link_of_the_architecture_page_leads_to_a_file():
    links = re.findall(r"\]\(([^)#]+)\)", PAGE.read_text(encoding="utf-8"))
    assert len(links) > 20
    assert [link for link in links if not (PAGE.parent / link).is_file()] == []


def test_arrows_are_the_imports_without_indirect_ones(architecture, tmp_path):
    texts = {
        "seqsweep/top/one.py": "from seqsweep.middle import two\nimport seqsweep.bottom.three\n",
        "seqsweep/middle/two.py": "def f():\n    from seqsweep.bottom.three import g\n",
        "seqsweep/bottom/three.py": "import json\n",
        "seqsweep/leaf.py": "",
        "hydra_plugins/plugin.py": "import seqsweep.top.one\n",
    }
    for name, text in texts.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    arrows = architecture.imports_of_parts(architecture.read_package(tmp_path))
    assert arrows == {
        "hydra_plugins": {"top"},
        "top": {"middle", "bottom"},
        "middle": {"bottom"},
        "bottom": set(),
    }
    assert architecture.transitive_reduction(arrows) == arrows | {"top": {"middle"}}
