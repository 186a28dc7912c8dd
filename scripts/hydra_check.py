"""Runs what depends on Hydra under the oldest and the newest version that pyproject.toml admits.

    python scripts/hydra_check.py                       # both
    python scripts/hydra_check.py 'hydra-core==1.3.8'   # or any other

Each version gets an environment in .venv-hydra that holds Hydra and what it needs; everything else
is that of the Python that runs this.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

CHECKOUT = Path(__file__).parents[1]
FOLDER = CHECKOUT / ".venv-hydra"
ENDS = ("hydra-core==1.3.2", "hydra-core>=1.4.0rc3,<1.5")
TESTS = ("tests/config", "tests/test_conf.py", "tests/test_launcher.py")
SWEEP = ("data=digits", "trainer.max_epochs=2", "model.hidden_size=4,8", "sweep.report=false")


def main() -> None:
    for wanted in sys.argv[1:] or ENDS:
        python = make_environment(wanted)
        print(check_versions(python), flush=True)
        subprocess.run([python, "-m", "pytest", "-q", *TESTS], cwd=CHECKOUT, check=True)
        with tempfile.TemporaryDirectory() as temporary:
            check_sweeps(python, Path(temporary))
        print(f"{wanted} works", flush=True)


def make_environment(wanted: str) -> Path:
    """An environment that sees this one's packages, with the wanted Hydra in front of them."""
    python = FOLDER / "bin" / "python"
    subprocess.run([sys.executable, "-m", "venv", "--clear", "--without-pip", FOLDER], check=True)
    query = [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]
    found = subprocess.run(query, check=True, capture_output=True, text=True).stdout
    packages = Path(found.strip())
    shared = [path for path in sys.path if Path(path).name == "site-packages"]
    (packages / "shared.pth").write_text("\n".join([str(CHECKOUT / "src"), *shared]) + "\n")
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    target = ["install", "--pre", "--target", packages]
    subprocess.run([*pip, *target, wanted], check=True)
    return python


def check_versions(python: Path) -> str:
    """Returns the versions, as `Hydra 1.4.0rc3, OmegaConf 2.4.1rc1`; exits if they are wrong."""
    code = (
        "import hydra, omegaconf, seqsweep; "
        "print(hydra.__file__, seqsweep.__file__, sep='\\n'); "
        "print(f'Hydra {hydra.__version__}, OmegaConf {omegaconf.__version__}')"
    )
    command = [python, "-c", code]
    lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    places = [Path(line) for line in lines[:2]]
    if not places[0].is_relative_to(FOLDER) or not places[1].is_relative_to(CHECKOUT / "src"):
        sys.exit(f"Hydra or seqsweep comes from elsewhere: {places}")
    return lines[2]


def check_sweeps(python: Path, folder: Path) -> None:
    """A sweep by each launcher and sweeper: all trained, once, and no warning on stderr."""
    ways = {
        "stacked": (),
        "basic": ("hydra/launcher=basic",),
        "hydra": ("hydra/launcher=basic", "hydra/sweeper=basic"),
    }
    for name, options in ways.items():
        arguments = [*SWEEP, *options, f"output_dir={name}"]
        print(train(python, folder, "-m", *arguments).strip().rpartition("\n")[2], flush=True)
        records = len(list(folder.glob(f"{name}/sweeps/*/*/record.json")))
        if records != 2:
            sys.exit(f"{name}: 2 runs were asked for, {records} have a record")
    again = train(python, folder, "-m", *SWEEP, "output_dir=hydra")
    if "2 done, 0 to train" not in again:
        sys.exit(f"the same sweep again is not the same: {again}")
    print(train(python, folder, "data=digits", "trainer.max_epochs=1"))


def train(python: Path, folder: Path, *arguments: str) -> str:
    """Returns the output of `seqsweep train`; exits if the command fails or writes to stderr."""
    command = [python, "-m", "seqsweep", "train", *arguments]
    print("$ seqsweep train", " ".join(arguments), flush=True)
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        command, cwd=folder, env=environment, text=True, capture_output=True, check=False
    )
    if done.returncode != 0 or done.stderr:
        sys.exit(f"exit code {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


if __name__ == "__main__":
    main()
