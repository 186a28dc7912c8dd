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
