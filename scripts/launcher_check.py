"""Trains a sweep with launchers of other packages, a job for each run.

    python scripts/launcher_check.py          # joblib, submitit and ray
    python scripts/launcher_check.py joblib

Each launcher gets an environment in .venv-launcher with its package. All other packages are those
of the Python that runs this program. The records must equal those of `hydra/launcher=local`.
"""

import json
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from hydra_check import CHECKOUT, make_environment, train

FOLDER = CHECKOUT / ".venv-launcher"
SWEEP = ("data=digits", "seed=0,1", "trainer.max_epochs=2", "sweep.report=false")
TIMES = ("train_seconds", "samples_per_s", "digest")


class Launcher(NamedTuple):
    """A launcher's packages, installed without dependencies, and the arguments that choose it."""

    packages: tuple[str, ...]
    arguments: tuple[str, ...]


# The name `ray` belongs to seqsweep's own launcher, so a file gives the other one a name.
RAY_FILE = """
_target_: hydra_plugins.hydra_ray_launcher.ray_launcher.RayLauncher
ray:
  init: {num_cpus: 2, include_dashboard: false, log_to_driver: false, logging_level: 40}
  remote: {}
"""
LAUNCHERS = {
    "joblib": Launcher(
        ("hydra-joblib-launcher==1.2.0",), ("hydra/launcher=joblib", "hydra.launcher.n_jobs=2")
    ),
    "submitit": Launcher(
        ("hydra-submitit-launcher==1.2.0", "submitit==1.5.4"), ("hydra/launcher=submitit_local",)
    ),
    "ray": Launcher(
        ("hydra-ray-launcher==1.2.2",), ("--config-dir", "own", "hydra/launcher=hydra_ray")
    ),
}


def main() -> None:
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        own = folder / "ray" / "own" / "hydra" / "launcher"
        own.mkdir(parents=True)
        (own / "hydra_ray.yaml").write_text(RAY_FILE)
        local = records(Path(sys.executable), folder / "local")
        for name in sys.argv[1:] or LAUNCHERS:
            launcher = LAUNCHERS[name]
            python = make_environment(FOLDER, "--no-deps", *launcher.packages)
            if records(python, folder / name, *launcher.arguments) != local:
                sys.exit(f"{name}: the records differ from those of hydra/launcher=local")
            print(f"{launcher.packages[0]} works", flush=True)


def records(python: Path, folder: Path, *arguments: str) -> Mapping[str, Any]:
    """Returns the records of a sweep by run_id, without the measured times."""
    folder.mkdir(exist_ok=True)
    train(python, folder, "-m", *arguments, *SWEEP)
    paths = list(folder.glob("outputs/sweeps/*/*/record.json"))
    if len(paths) != 2:
        sys.exit(f"{folder.name}: expected 2 records, got {len(paths)}")
    found = {path.parent.name: json.loads(path.read_text()) for path in paths}
    return {
        run_id: {key: value for key, value in record.items() if key not in TIMES}
        for run_id, record in found.items()
    }


if __name__ == "__main__":
    main()
