"""Wrong input of a cluster's launcher gives exit code 2 and one message, before any job."""

from collections.abc import Callable
from pathlib import Path

import pytest

Refused = Callable[..., str]

SWEEP = ("train", "-m", "hydra/launcher=slurm", "data=digits", "seed=0,1")


@pytest.fixture(autouse=True)
def programs(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is all of PATH, with an `sbatch` that must not be called."""
    folder = tmp_path_factory.mktemp("programs")
    (folder / "sbatch").write_text("#!/bin/sh\nexit 9\n")
    (folder / "sbatch").chmod(0o755)
    monkeypatch.setenv("PATH", str(folder))
    return folder


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("count=0", "hydra.launcher.count=0: must be at least 1"),
        ("count=x", "hydra.launcher.count: Value 'x' of type 'str' could not be converted to Int"),
        ("tiem=3", "hydra.launcher.tiem: no such key in hydra.launcher; did you mean 'time'?"),
        ("options=3", "hydra.launcher.options=3: must be a mapping"),
    ],
)
def test_a_wrong_value_of_the_launcher_is_named(
    refused: Refused, override: str, message: str
) -> None:
    assert refused(*SWEEP, f"hydra.launcher.{override}").startswith(message)


def test_a_machine_without_slurm_is_told(refused: Refused, programs: Path) -> None:
    (programs / "sbatch").unlink()
    assert refused(*SWEEP) == (
        "hydra/launcher=slurm: no `sbatch` in PATH; run the command on a machine that submits jobs "
        "to Slurm"
    )


@pytest.mark.parametrize("name", ["slurm", "ray"])
def test_callbacks_of_hydra_do_not_move_the_sweep_to_this_machine(
    refused: Refused, name: str
) -> None:
    callback = "+hydra.callbacks.log._target_=hydra.experimental.callbacks.LogJobReturnCallback"
    assert refused(*SWEEP, f"hydra/launcher={name}", callback).startswith(
        f"hydra/launcher={name}: trains runs of seqsweep, without hydra.callbacks"
    )


def test_a_sweeper_that_plans_nothing_for_workers_is_refused(refused: Refused) -> None:
    message = "hydra/launcher=slurm: needs a sweeper of seqsweep"
    assert refused(*SWEEP, "sweep.name=x", "hydra/sweeper=basic") == message


@pytest.mark.parametrize("launcher", ["local", "basic"])
def test_a_launcher_of_this_machine_cannot_be_left_alone(refused: Refused, launcher: str) -> None:
    sweep = ("train", "-m", "data=digits", "seed=0,1", f"hydra/launcher={launcher}")
    assert refused(*sweep, "--detach") == (
        "--detach: needs a launcher whose workers outlive the command, such as "
        "hydra/launcher=slurm; on this machine use `nohup seqsweep train -m ... &`"
    )
    assert refused(*sweep, "--start").startswith(
        "--start: needs a launcher that starts workers, such as hydra/launcher=slurm; "
    )
