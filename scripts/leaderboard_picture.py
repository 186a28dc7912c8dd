"""Draws a sweep's leaderboard as an SVG, for the README.

python scripts/leaderboard_picture.py outputs/sweeps/architecture docs/img/leaderboard.svg
"""

import argparse
import io
import re
from pathlib import Path

from rich.console import Console

from seqsweep.results.leaderboard import leaderboard
from seqsweep.results.tables import leaderboard_table, print_table
from seqsweep.runs.ledger import read_folder


def main() -> None:
    parser = argparse.ArgumentParser(description="Draws a sweep's leaderboard as an SVG.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("picture", type=Path)
    options = parser.parse_args()
    console = Console(record=True, file=io.StringIO(), force_terminal=True)
    print_table(console, leaderboard_table(leaderboard(read_folder(options.folder)), top=10))
    title = f"seqsweep leaderboard {options.folder} --top 10"
    options.picture.parent.mkdir(parents=True, exist_ok=True)
    picture = re.sub(r"@font-face \{.*?\}", "", console.export_svg(title=title), flags=re.DOTALL)
    options.picture.write_text(picture, encoding="utf-8")  # without fonts from the network


if __name__ == "__main__":
    main()
