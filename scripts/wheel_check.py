"""Installs the wheels in an empty environment and trains outside the checkout.

    python scripts/wheel_check.py

No compiler is in PATH. The wheel of this platform must train with the native engine. The wheel
without a library must train with autograd, say so, and name the command that builds the library.
"""

import json
import os
import platform
import sys
import tempfile
from pathlib import Path

import hydra_check
from wheels import PURE, build_wheel

SWEEP = "outputs/sweeps/architecture"


def main() -> None:
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        run(folder, sys.executable, "-m", "venv", folder / "venv")
        install(build_wheel(f"manylinux_2_17_{platform.machine()}", folder), folder)
        check_location(folder)
        if check_engine(folder, "native"):
            sys.exit("the wheel has the native engine and reports that it has none")
        check_sweep(folder)
        install(build_wheel(PURE, folder), folder, "--force-reinstall", "--no-deps")
        (note,) = check_engine(folder, "autograd")
        for command in note.rpartition(": ")[2].split(" && "):
            run(folder, *command.split())
        check_engine(folder, "native")
    print("the wheels work")


def run(folder: Path, *command: str | Path) -> str:
    """Returns the output of a command that runs as for a new user."""
    hidden = ("PYTHONPATH", "CXX", "SEQSWEEP_NATIVE")
    visible = {name: value for name, value in os.environ.items() if name not in hidden}
    # PATH has only the programs of the environment, so no compiler.
    environment = {**visible, "PATH": str(folder / "venv/bin")}
    return hydra_check.run(folder, *command, environment=environment)


def install(wheel: Path, folder: Path, *options: str) -> None:
    pip = (folder / "venv/bin/pip", "--quiet", "install", "--no-compile")
    run(folder, *pip, *options, wheel)


def check_location(folder: Path) -> None:
    """Exits unless the package is imported from the wheel, with its types."""
    location = "import seqsweep; print(seqsweep.__file__)"
    path = run(folder, folder / "venv/bin/python", "-c", location)
    if not path.startswith(str(folder)):
        sys.exit(f"seqsweep was imported from {path.strip()}, expected the wheel")
    if not Path(path.strip()).with_name("py.typed").is_file():
        sys.exit("the wheel has no py.typed: type checkers pass it over")


def check_engine(folder: Path, engine: str) -> list[str]:
    """Exits unless this engine trains; returns the lines on a missing engine."""
    seqsweep = folder / "venv/bin/seqsweep"
    print(run(folder, seqsweep, "--version"), end="")
    printed = run(folder, seqsweep, "train", "trainer.max_epochs=2", "rerun=true")
    print(printed, end="")
    (file,) = folder.glob("outputs/runs/default/*/provenance.json")
    origin = json.loads(file.read_text())
    print({key: origin.get(key) for key in ("engine", "variant", "compiler")})
    if origin["engine"] != engine:
        sys.exit(f"expected engine {engine}, got {origin['engine']}")
    return [line for line in printed.splitlines() if line.startswith("no native engine: ")]


def check_sweep(folder: Path) -> None:
    """Exits unless a sweep writes all its files and the commands on it work."""
    seqsweep = folder / "venv/bin/seqsweep"
    short = ["trainer.max_epochs=1", "model.hidden_size=4,8", "seed=0"]
    print(run(folder, seqsweep, "train", "-m", "sweep=architecture", *short))
    records = len(list(folder.glob(f"{SWEEP}/*/record.json")))
    if records != 12:
        sys.exit(f"expected 12 records, got {records}")
    for name in ("report.html", "baselines.json", "sweep.json"):
        if not (folder / SWEEP / name).exists():
            sys.exit(f"the sweep did not write {name}")
    for command in (["report", SWEEP], ["leaderboard", SWEEP], ["compare", SWEEP, SWEEP]):
        run(folder, seqsweep, *command)


if __name__ == "__main__":
    main()
