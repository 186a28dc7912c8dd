"""Trains three sweeps, and puts their reports into the gallery of the site.

    python scripts/gallery.py

The architecture sweep of the README, seven cells on digits, and the LightningModule of
docs/extend.md, each with some seeds: two or three minutes on two cores.
"""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
GALLERY = ROOT / "build" / "gallery" / "gallery"
CELLS = "rnn,gru,lstm,indrnn,mingru,minlstm,lru"
SWEEPS = {
    "architecture": ["sweep=architecture"],
    "cells": ["data=digits", f"model.cell={CELLS}", "seed=range(10)", "sweep.name=cells"],
    "own-module": [
        "--config-dir", "conf", "experiment=sines", "model.net.hidden_size=4,16", "seed=range(6)",
        "trainer.max_epochs=20", "sweep.name=own-module", "hydra.launcher.processes=2",
    ],
}  # fmt: skip


def main() -> None:
    shutil.rmtree(GALLERY.parent, ignore_errors=True)
    GALLERY.mkdir(parents=True)
    program = Path(sys.executable).with_name("seqsweep")
    with tempfile.TemporaryDirectory() as temporary:
        shutil.copytree(ROOT / "tests" / "seams", temporary, dirs_exist_ok=True)
        for name, arguments in SWEEPS.items():
            subprocess.run([program, "train", "-m", *arguments], cwd=temporary, check=True)
            page = GALLERY / f"{name}.html"
            command = [program, "report", f"outputs/sweeps/{name}", "--out", page]
            subprocess.run(command, cwd=temporary, check=True)


if __name__ == "__main__":
    main()
