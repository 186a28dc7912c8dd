"""Finds the optional packages (extras) that add a section to a report."""

import importlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from seqsweep.results.report.parts import Section
from seqsweep.runs.files import read_json
from seqsweep.runs.ledger import Entry

_EXTRAS = {"search.json": "extras.search.section"}
"""The module of each extra, by the file whose presence adds its section to a report."""


def extra_contents(folder: Path) -> list[Any]:
    """Returns the contents of the folder's files that add a section."""
    contents = [read_json(folder / name) for name in _EXTRAS]
    return [content for content in contents if content is not None]


def extra_sections(folder: Path, entries: Sequence[Entry]) -> list[Section]:
    """Returns the sections of all extras that have one for this folder."""
    sections = [extra.find_section(folder, entries) for extra in _extras_of(folder)]
    return [section for section in sections if section is not None]


def extra_lines(folder: Path, entries: Sequence[Entry]) -> list[str]:
    """Returns the lines that extras add below a leaderboard in a terminal."""
    return [line for extra in _extras_of(folder) for line in extra.table_lines(folder, entries)]


def _extras_of(folder: Path) -> Iterator[Any]:
    # An extra is imported only for a folder that needs it.
    return (
        importlib.import_module(f"seqsweep.{module}")
        for name, module in _EXTRAS.items()
        if (folder / name).is_file()
    )
