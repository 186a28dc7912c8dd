"""Builds the wheel, installs it in an empty environment and trains from a folder far from here.

python scripts/wheel_check.py
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

CHECKOUT = Path(__file__).parents[1]


def run(command: list[str | Path], folder: Path) -> str:
    """Runs to the end, in `folder`, with the environment of a newcomer; returns what it printed."""
    print("$", " ".join(map(str, command)), flush=True)
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    environment.pop("PYTHONPATH", None)
    result = subprocess.run(
        command, cwd=folder, env=environment, text=True, capture_output=True, check=False
    )
    if result.returncode != 0:
        sys.exit(f"exit code {result.returncode}\n{result.stdout}{result.stderr}")
    return result.stdout


def main() -> None:
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
        run([*pip, "wheel", "--no-deps", "--wheel-dir", folder, CHECKOUT], folder)
        (wheel,) = folder.glob("*.whl")
        run([sys.executable, "-m", "venv", folder / "venv"], folder)
        run([folder / "venv/bin/pip", "--quiet", "install", wheel], folder)
        seqsweep = folder / "venv/bin/seqsweep"
        print(run([seqsweep, "train", "trainer.max_epochs=2"], folder))
        short = ["trainer.max_epochs=1", "model.hidden_size=4,8", "seed=0"]
        print(run([seqsweep, "train", "-m", "sweep=architecture", *short], folder))
        records = len(list(folder.glob("outputs/sweeps/architecture/*/record.json")))
        if records != 12:
            sys.exit(f"12 runs were asked for, {records} have a record")
        sweep = "outputs/sweeps/architecture"
        for name in ("report.html", "baselines.json", "names.json"):
            if not (folder / sweep / name).exists():
                sys.exit(f"the sweep has left no {name}")
        for command in (["report", sweep], ["leaderboard", sweep], ["compare", sweep, sweep]):
            run([seqsweep, *command], folder)
        location = "import seqsweep; print(seqsweep.__file__)"
        where = run([folder / "venv/bin/python", "-c", location], folder)
        if not where.startswith(temporary):
            sys.exit(f"seqsweep was imported from {where.strip()}, not from the wheel")
    print("the wheel works")


if __name__ == "__main__":
    main()
