"""Installs the wheels in an empty environment and trains outside the checkout.

    python scripts/wheel_check.py

No compiler is in PATH. The wheel of this platform must train with the native engine. The wheel
without a library must train with autograd, say so, and name the command that builds the library.
"""

import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

CHECKOUT = Path(__file__).parents[1]
SWEEP = "outputs/sweeps/architecture"


def main() -> None:
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        run([sys.executable, "-m", "venv", folder / "venv"], folder)
        install(build_wheel(f"manylinux_2_17_{platform.machine()}", folder), folder)
        check_location(folder)
        if check_engine(folder, "native"):
            sys.exit("the wheel has the native engine and reports that it has none")
        check_sweep(folder)
        install(build_wheel("any", folder), folder, "--force-reinstall", "--no-deps")
        (note,) = check_engine(folder, "autograd")
        for command in note.rpartition(": ")[2].split(" && "):
            run(command.split(), folder)
        check_engine(folder, "native")
    print("the wheels work")


def run(
    command: Sequence[str | Path], folder: Path, **variables: str
) -> subprocess.CompletedProcess[str]:
    """Runs a command as a new user would, or exits if it fails."""
    print("$", " ".join(map(str, command)), flush=True)
    hidden = ("PYTHONPATH", "CXX", "SEQSWEEP_NATIVE")
    visible = {name: value for name, value in os.environ.items() if name not in hidden}
    # PATH has only the programs of the environment, so no compiler.
    environment = {**visible, "OMP_NUM_THREADS": "1", "PATH": str(folder / "venv/bin"), **variables}
    process = subprocess.run(
        command, cwd=folder, env=environment, text=True, capture_output=True, check=False
    )
    if process.returncode != 0:
        sys.exit(f"exit code {process.returncode}\n{process.stdout}{process.stderr}")
    return process


def build_wheel(tag: str, folder: Path) -> Path:
    """Builds the wheel of a platform with ziglang; that of `any` has no library."""
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", "wheel"]
    output = folder / tag
    run([*pip, "--no-deps", "--wheel-dir", output, CHECKOUT], folder, SEQSWEEP_WHEEL=tag)
    (wheel,) = output.glob(f"*-py3-none-{tag}.whl")
    return wheel


def install(wheel: Path, folder: Path, *options: str) -> None:
    run([folder / "venv/bin/pip", "--quiet", "install", *options, wheel], folder)


def check_location(folder: Path) -> None:
    """Exits unless the package is imported from the wheel, with its types."""
    location = "import seqsweep; print(seqsweep.__file__)"
    path = run([folder / "venv/bin/python", "-c", location], folder).stdout
    if not path.startswith(str(folder)):
        sys.exit(f"seqsweep was imported from {path.strip()}, expected the wheel")
    if not Path(path.strip()).with_name("py.typed").is_file():
        sys.exit("the wheel has no py.typed: type checkers pass it over")


def check_engine(folder: Path, engine: str) -> list[str]:
    """Exits unless this engine trains; returns the lines on a missing engine."""
    seqsweep = folder / "venv/bin/seqsweep"
    print(run([seqsweep, "--version"], folder).stdout, end="")
    process = run([seqsweep, "train", "trainer.max_epochs=2", "rerun=true"], folder)
    print(process.stdout + process.stderr, end="")
    (file,) = folder.glob("outputs/runs/default/*/provenance.json")
    origin = json.loads(file.read_text())
    print({key: origin.get(key) for key in ("engine", "variant", "compiler")})
    if origin["engine"] != engine:
        sys.exit(f"expected engine {engine}, got {origin['engine']}")
    return [line for line in process.stdout.splitlines() if line.startswith("no native engine: ")]


def check_sweep(folder: Path) -> None:
    """Exits unless a sweep writes all its files and the commands on it work."""
    seqsweep = folder / "venv/bin/seqsweep"
    short = ["trainer.max_epochs=1", "model.hidden_size=4,8", "seed=0"]
    print(run([seqsweep, "train", "-m", "sweep=architecture", *short], folder).stdout)
    records = len(list(folder.glob(f"{SWEEP}/*/record.json")))
    if records != 12:
        sys.exit(f"expected 12 records, got {records}")
    for name in ("report.html", "baselines.json", "names.json"):
        if not (folder / SWEEP / name).exists():
            sys.exit(f"the sweep did not write {name}")
    for command in (["report", SWEEP], ["leaderboard", SWEEP], ["compare", SWEEP, SWEEP]):
        run([seqsweep, *command], folder)


if __name__ == "__main__":
    main()
