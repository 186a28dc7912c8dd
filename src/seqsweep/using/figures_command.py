"""The command `seqsweep figures`: draws the figures of a folder for a paper."""

import itertools
from collections.abc import Sequence
from pathlib import Path

from seqsweep.arguments import folder_parser
from seqsweep.console import say, say_error
from seqsweep.results.across_sets import across_values
from seqsweep.results.figures.draw import draw_all, draw_ranks
from seqsweep.results.figures.paper_tables import as_latex, as_markdown, config_table, sets_table
from seqsweep.results.findings import Findings
from seqsweep.results.plot_parts import WIDTHS, paper_style, write_drawing
from seqsweep.runs.files import remove_temporary, write_text
from seqsweep.runs.ledger import read_folder
from seqsweep.text import count

_TEXT = """\
Draws the figures of a sweep or of one run for a paper, as SVG and PDF, each with its caption in a
text file: intervals, main effects, learning curves, a confusion matrix and, over several data
sets, the critical-difference diagram.
"""


def figures_command(arguments: Sequence[str]) -> int:
    """Runs the command `figures`: writes the files. Returns the exit code."""
    words = "a sweep's folder, any folder of runs, or the folder of one run"
    parser = folder_parser("figures", _TEXT, words)
    words = "the folder of the files, made if necessary; FOLDER/figures by default"
    parser.add_argument("--out", metavar="DIR", help=words)
    words = "the width in columns of a page: 1 is 85 mm (default), 2 is 175 mm"
    parser.add_argument("--columns", type=int, choices=WIDTHS, default=1, help=words)
    words = "also write the table: table.tex (with booktabs) and table.md"
    parser.add_argument("--tables", action="store_true", help=words)
    words = "over data sets: compare the values of this key; validation chooses the config of each"
    parser.add_argument("--best-by", metavar="KEY", help=words)
    options = parser.parse(arguments)
    folder: Path = options.folder
    entries = read_folder(folder)
    if not any(entry.state == "complete" for entry in entries):
        raise ValueError(f"{folder}: has no complete run ({count(len(entries), 'run')})")
    if options.out == "":
        raise ValueError("--out=: must name a folder")
    out = folder / "figures" if options.out is None else Path(options.out)
    if out.exists() and not out.is_dir():
        raise ValueError(f"--out={out}: is a file; expected a folder")
    with paper_style():
        if options.best_by:
            across = across_values(entries, options.best_by)
            made, table = {"ranks": draw_ranks(across, options.columns)}, sets_table(across)
        else:
            findings = Findings(folder, entries)
            made = draw_all(findings, options.columns)
            table = sets_table(findings.across) if findings.across else config_table(findings)
        out.mkdir(parents=True, exist_ok=True)
        remove_temporary(out)
        for drawing in itertools.chain(*(one for one in made.values() if not isinstance(one, str))):
            for path in write_drawing(drawing, out):
                say(str(path))
    if options.tables:
        for name, text in (("table.tex", as_latex(table)), ("table.md", as_markdown(table))):
            write_text(out / name, text, sync=False)
            say(str(out / name))
    left_out: dict[str, list[str]] = {}
    for name, reason in made.items():
        if isinstance(reason, str):
            left_out.setdefault(reason, []).append(name)
    for reason, names in left_out.items():
        say_error(f"left out: {', '.join(names)}: {reason}")
    return 0
