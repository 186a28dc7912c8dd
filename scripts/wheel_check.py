"""Installs the wheels in an empty environment and trains from a folder far from here.

    python scripts/wheel_check.py

No compiler is in PATH. First the wheel of this platform, which trains with the native engine; then
the one without a library, which trains with PyTorch, says so, and names a command that mends it.
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
            sys.exit("the wheel has an engine and says that it has none")
        check_sweep(folder)
        install(build_wheel("any", folder), folder, "--force-reinstall", "--no-deps")
        (note,) = check_engine(folder, "stacked")
        for command in note.rpartition(": ")[2].split(" && "):
            run(command.split(), folder)
        check_engine(folder, "native")
    print("the wheels work")


def run(
    command: Sequence[str | Path], folder: Path, **variables: str
) -> subprocess.CompletedProcess[str]:
    """Runs to the end, in `folder`, in the environment of a newcomer; exits if it fails."""
    print("$", " ".join(map(str, command)), flush=True)
    hidden = ("PYTHONPATH", "CXX", "SEQSWEEP_NATIVE")
    kept = {name: value for name, value in os.environ.items() if name not in hidden}
    # Nothing but the environment's own programs: no compiler.
    environment = {**kept, "OMP_NUM_THREADS": "1", "PATH": str(folder / "venv/bin"), **variables}
    done = subprocess.run(
        command, cwd=folder, env=environment, text=True, capture_output=True, check=False
    )
    if done.returncode != 0:
        sys.exit(f"exit code {done.returncode}\n{done.stdout}{done.stderr}")
    return done


def build_wheel(tag: str, folder: Path) -> Path:
    """Returns the wheel of a platform: `any` has no library; for others ziglang compiles it."""
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", "wheel"]
    place = folder / tag
    run([*pip, "--no-deps", "--wheel-dir", place, CHECKOUT], folder, SEQSWEEP_WHEEL=tag)
    (wheel,) = place.glob(f"*-py3-none-{tag}.whl")
    return wheel


def install(wheel: Path, folder: Path, *options: str) -> None:
    run([folder / "venv/bin/pip", "--quiet", "install", *options, wheel], folder)


def check_location(folder: Path) -> None:
    """Exits unless the package is that of the wheel, and typed."""
    location = "import seqsweep; print(seqsweep.__file__)"
    where = run([folder / "venv/bin/python", "-c", location], folder).stdout
    if not where.startswith(str(folder)):
        sys.exit(f"seqsweep was imported from {where.strip()}, not from the wheel")
    if not Path(where.strip()).with_name("py.typed").is_file():
        sys.exit("the wheel has no py.typed: type checkers pass it over")


def check_engine(folder: Path, engine: str) -> list[str]:
    """Exits unless that engine trains. Returns the lines on a missing engine."""
    seqsweep = folder / "venv/bin/seqsweep"
    print(run([seqsweep, "--version"], folder).stdout, end="")
    done = run([seqsweep, "train", "trainer.max_epochs=2", "rerun=true"], folder)
    print(done.stdout + done.stderr, end="")
    (file,) = folder.glob("outputs/runs/default/*/provenance.json")
    origin = json.loads(file.read_text())
    print({key: origin.get(key) for key in ("engine", "variant", "compiler")})
    if origin["engine"] != engine:
        sys.exit(f"{origin['engine']} has trained, not {engine}")
    return [line for line in done.stdout.splitlines() if line.startswith("no native engine: ")]


def check_sweep(folder: Path) -> None:
    """Exits unless a sweep leaves what it should, and the commands on it work."""
    seqsweep = folder / "venv/bin/seqsweep"
    short = ["trainer.max_epochs=1", "model.hidden_size=4,8", "seed=0"]
    print(run([seqsweep, "train", "-m", "sweep=architecture", *short], folder).stdout)
    records = len(list(folder.glob(f"{SWEEP}/*/record.json")))
    if records != 12:
        sys.exit(f"12 runs were asked for, {records} have a record")
    for name in ("report.html", "baselines.json", "names.json"):
        if not (folder / SWEEP / name).exists():
            sys.exit(f"the sweep has left no {name}")
    for command in (["report", SWEEP], ["leaderboard", SWEEP], ["compare", SWEEP, SWEEP]):
        run([seqsweep, *command], folder)


if __name__ == "__main__":
    main()
