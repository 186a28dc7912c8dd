"""Describes the sections of a report; finds extras and packages that add one."""

import importlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

from seqsweep.console import say_error
from seqsweep.runs.files import read_json
from seqsweep.runs.ledger import Entry

TEMPLATES = Path(__file__).with_name("report") / "templates"

Figure = dict[str, Any]

_EXTRAS = {"search.json": "extras.search.section"}
"""The module of each extra, by the file whose presence adds its section to a report."""


@dataclass(frozen=True)
class Section:
    """One section of the page.

    Args:
        name: The id of the section in the page.
        title: The text of the link to the section.
        content: The section's fields in report.json.
        figures: The section's figures, by the name of their place in the page.
        view: The variables of the template.
        chosen_by: The run_ids of a search's trials. A trial does not count if its config also has
            runs with fresh seeds.
        html: What an installed package has written for its section.
        is_shown: Whether the page has the section. report.json has its findings in any case.
        template: The file of the section's Jinja template, by default that of its name.
    """

    name: str
    title: str
    content: Mapping[str, Any] = field(default_factory=dict[str, Any])
    figures: Mapping[str, Figure] = field(default_factory=dict[str, Figure])
    view: Mapping[str, Any] = field(default_factory=dict[str, Any])
    chosen_by: Collection[str] = ()
    html: str = ""
    is_shown: bool = True
    template: Path | None = None


def extra_contents(folder: Path) -> list[Any]:
    """Returns the contents of the folder's files that add a section."""
    contents = [read_json(folder / name) for name in _EXTRAS]
    return [content for content in contents if content is not None]


def extra_sections(folder: Path, entries: Sequence[Entry]) -> list[Section]:
    """Returns the sections of all extras that have one for this folder."""
    sections = [extra.find_section(folder, entries) for extra in _extras_of(folder)]
    return [section for section in sections if section is not None]


def installed() -> list[EntryPoint]:
    """Returns the functions of installed packages that write a section, by their names."""
    return sorted(entry_points(group="seqsweep.sections"))


def installed_sections(points: Sequence[EntryPoint], content: Mapping[str, Any]) -> list[Section]:
    """Returns the sections that functions of installed packages write.

    A function takes the content of report.json, and returns HTML, or "" for no section. If it
    raises an error, one line tells it, and the report is written without the section.
    """
    sections: list[Section] = []
    for point in points:
        try:
            html = point.load()(content)
        except Exception as error:
            what = f"{type(error).__name__}: {error}"
            say_error(f"report: without the section {point.name} of {point.value}: {what}")
            continue
        title = point.name.replace("_", " ").capitalize()
        template = TEMPLATES / "installed.html.j2"
        # The prefix keeps the id apart from those of our sections.
        name, is_shown = f"of-{point.name}", bool(html)
        sections.append(Section(name, title, html=html, is_shown=is_shown, template=template))
    return sections


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
