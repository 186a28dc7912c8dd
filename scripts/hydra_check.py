"""Runs the tests of Hydra with its oldest and its newest admitted version.

    python scripts/hydra_check.py                       # both versions of pyproject.toml
    python scripts/hydra_check.py 'hydra-core==1.3.8'   # any other version

Each version gets an environment in .venv-hydra with Hydra and its dependencies. All other packages
are those of the Python that runs this program. At the end seqsweep's search and
hydra-optuna-sweeper are tried in one environment.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

CHECKOUT = Path(__file__).parents[1]
FOLDER = CHECKOUT / ".venv-hydra"
ENDS = ("hydra-core==1.3.4", "hydra-core>=1.4.0rc3,<1.5")
TESTS = ("tests/config", "tests/test_conf.py", "tests/test_launcher.py")
AS_IT_IS = {"SEQSWEEP_HYDRA_AS_IT_IS": "1"}  # see tests/support/faster_hydra.py
SWEEP = ("data=digits", "trainer.max_epochs=2", "model.hidden_size=4,8", "sweep.report=false")


# hydra-optuna-sweeper takes the name `optuna` for all Hydra apps of an environment. In seqsweep
# this name belongs to seqsweep's own sweeper, so a file gives the other one a name. Without a seed,
# its four trials may all draw one value.
OPTUNA_SWEEPER = ("hydra-optuna-sweeper==1.4.0rc3", "hydra-core==1.4.0rc3", "omegaconf==2.4.1rc1")
OPTUNA_FILE = """
defaults: [{sampler: tpe}, _self_]
sampler: {seed: 1}
_target_: hydra_plugins.hydra_optuna_sweeper.optuna_sweeper.OptunaSweeper
direction: maximize
storage: null
study_name: null
n_trials: 4
n_jobs: 2
max_failure_rate: 0.0
params: null
custom_search_space: null
"""
SPACE = (
    "data=digits", "trainer.max_epochs=2", "model.hidden_size=int(interval(4,8))",
    "sweep.report=false",
)  # fmt: skip


def main() -> None:
    for version in sys.argv[1:] or ENDS:
        python = make_environment(FOLDER, "--pre", version)
        check_modules(python, FOLDER, "hydra", "omegaconf")
        pytest = [python, "-m", "pytest", "-q", *TESTS]
        subprocess.run(pytest, cwd=CHECKOUT, env=os.environ | AS_IT_IS, check=True)
        with tempfile.TemporaryDirectory() as temporary:
            check_sweeps(python, Path(temporary))
        print(f"{version} works", flush=True)
    python = make_environment(FOLDER, "--pre", "--no-deps", *OPTUNA_SWEEPER)
    with tempfile.TemporaryDirectory() as temporary:
        check_optuna_sweepers(python, Path(temporary))
    print(f"{OPTUNA_SWEEPER[0]} works", flush=True)


def make_environment(folder: Path, *requirements: str) -> Path:
    """Makes an environment with some packages in front of this environment's; returns its Python.

    Args:
        folder: the folder of the environment.
        requirements: the packages, and options of pip.
    """
    python = folder / "bin" / "python"
    subprocess.run([sys.executable, "-m", "venv", "--clear", "--without-pip", folder], check=True)
    query = [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]
    packages = Path(subprocess.check_output(query, text=True).strip())
    shared = [path for path in sys.path if Path(path).name == "site-packages"]
    (packages / "shared.pth").write_text("\n".join([str(CHECKOUT / "src"), *shared]) + "\n")
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    # To compile all modules of torch takes longer than to run the few that a check needs.
    install = [*pip, "install", "--no-compile", "--target", packages]
    subprocess.run([*install, *requirements], check=True)
    return python


def check_modules(python: Path, folder: Path, *names: str) -> None:
    """Prints the versions of modules; exits unless an environment's folder holds them."""
    modules = ", ".join(names)
    code = f"import {modules}\nfor m in ({modules},): print(m.__file__, m.__version__)"
    for line in run(CHECKOUT, python, "-c", code).splitlines():
        if not line.startswith(str(folder)):
            sys.exit(f"expected a module in {folder}, got {line}")
        print(line, flush=True)


def check_sweeps(python: Path, folder: Path) -> None:
    """Exits unless each launcher and sweeper trains a sweep once, without warnings on stderr."""
    ways = {
        "pool": (),
        "basic": ("hydra/launcher=basic",),
        "hydra": ("hydra/launcher=basic", "hydra/sweeper=basic"),
    }
    for name, options in ways.items():
        arguments = [*SWEEP, *options, f"output_dir={name}"]
        print(train(python, folder, "-m", *arguments).strip().rpartition("\n")[2], flush=True)
        records = len(list(folder.glob(f"{name}/sweeps/*/*/record.json")))
        if records != 2:
            sys.exit(f"{name}: expected 2 records, got {records}")
    again = train(python, folder, "-m", *SWEEP, "output_dir=hydra")
    if "2 done, 0 to train" not in again:
        sys.exit(f"the same sweep again: expected 2 done, 0 to train, got {again}")
    print(train(python, folder, "data=digits", "trainer.max_epochs=1"))


def check_optuna_sweepers(python: Path, folder: Path) -> None:
    """Exits unless seqsweep's own search and hydra-optuna-sweeper work beside each other."""
    own = folder / "own" / "hydra" / "sweeper"
    own.mkdir(parents=True)
    (own / "published.yaml").write_text(OPTUNA_FILE)
    trials = ("hydra.sweeper.budget.trials=2", "hydra.sweeper.confirm.top=0")
    ours = train(python, folder, "-m", "hydra/sweeper=optuna", *trials, *SPACE, "sweep.name=ours")
    if "search: 2 trials, 2 complete" not in ours:
        sys.exit(f"hydra/sweeper=optuna: expected seqsweep's search, got\n{ours}")
    chosen = ("--config-dir", "own", "-m", "hydra/sweeper=published", "sweep.name=published")
    theirs = train(python, folder, *chosen, *SPACE, logs=True)
    board = theirs[theirs.index("by val/acc") :]
    records = len(list(folder.glob("outputs/sweeps/published/*/record.json")))
    if not 2 <= records <= 4 or "hidden_" not in board:
        sys.exit(f"published: expected 2 to 4 records and a leaderboard, got {records}\n{theirs}")


def train(python: Path, folder: Path, *arguments: str, logs: bool = False) -> str:
    """Returns the output of `seqsweep train`; see `run`."""
    return run(folder, python, "-m", "seqsweep", "train", *arguments, logs=logs)


def run(
    folder: Path,
    *command: str | Path,
    logs: bool = True,
    environment: Mapping[str, str] = os.environ,
) -> str:
    """Returns the output of a command; exits if the command fails.

    Args:
        logs: whether lines on stderr are allowed, such as those of Optuna, or count as a failure.
    """
    print("$", *command, flush=True)
    # Without the second variable, Ray writes a token into the user's home folder.
    variables = {**environment, "OMP_NUM_THREADS": "1", "RAY_AUTH_MODE": "disabled"}
    process = subprocess.run(
        command, cwd=folder, env=variables, text=True, capture_output=True, check=False
    )
    if process.returncode != 0 or (process.stderr and not logs):
        sys.exit(f"exit code {process.returncode}\n{process.stdout}{process.stderr}")
    return process.stdout


if __name__ == "__main__":
    main()
