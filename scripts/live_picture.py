"""Draws the live table of a sweep that is being trained as an SVG.

    python scripts/live_picture.py outputs/sweeps/architecture docs/img/live.svg --seconds 20

The sweep is watched for some seconds, which shows the rates of its workers.
"""

import argparse
import io
import re
import time
from pathlib import Path

from rich.console import Console

from seqsweep.live.table import LiveTable
from seqsweep.live.watch import WatchedFolder


def main() -> None:
    parser = argparse.ArgumentParser(description="Draws a sweep's live table as an SVG.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("picture", type=Path)
    parser.add_argument("--seconds", type=float, default=20, help="the seconds of watching (20)")
    options = parser.parse_args()
    console = Console(record=True, file=io.StringIO(), force_terminal=True, width=80)
    progress, end = WatchedFolder(options.folder).progress, time.monotonic() + options.seconds
    while time.monotonic() < end:
        progress.look()
        time.sleep(0.25)
    console.print(LiveTable(progress))
    title = f"seqsweep watch {options.folder}"
    options.picture.parent.mkdir(parents=True, exist_ok=True)
    # The picture must not load fonts from the network.
    picture = re.sub(r"@font-face \{.*?\}", "", console.export_svg(title=title), flags=re.DOTALL)
    options.picture.write_text(picture, encoding="utf-8")


if __name__ == "__main__":
    main()
