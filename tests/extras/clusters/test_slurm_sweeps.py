"""Sweeps on a real Slurm of two nodes, disturbed in every way, end as a local sweep does."""

import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from commands import Command, CommandServer, StartCommand
from equal_runs import count_equal_runs
from slurm_cluster import SlurmCluster
from waiting import wait_until

from seqsweep.sweeping.planned_sweep import STARTED

pytestmark = [pytest.mark.slurm, pytest.mark.slow]

RUNS = 6
# The runs take 25 s on one core, which is longer than all that a test does meanwhile.
GRID = (
    f"seed=range({RUNS})", "model.hidden_size=48", "trainer.max_epochs=500", "sweep.report=false",
)  # fmt: skip
Start = Callable[..., Command]


@pytest.fixture
def start_sweep(start_command: StartCommand) -> Start:
    def start(folder: Path, *arguments: str) -> Command:
        launcher = ("hydra/launcher=slurm", f"hydra.sweep.dir={folder}")
        return start_command("train", "-m", *launcher, *GRID, *arguments, stderr=subprocess.STDOUT)

    return start


def ended(process: Command, code: int = 0) -> str:
    output, _ = process.communicate(timeout=300)
    assert process.returncode == code, output
    return output


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory, command_server: CommandServer) -> Path:
    folder = tmp_path_factory.mktemp("local")
    sweep = command_server.start(folder, "train", "-m", "hydra.sweep.dir=sweep", *GRID)
    ended(sweep)
    return folder / "sweep"


@pytest.fixture(autouse=True)
def one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")


def epochs_of(folder: Path) -> int:
    return sum(len(p.read_text().splitlines()) - 1 for p in folder.glob("*/metrics.csv"))


def until_trains(folder: Path, epochs: int = 10) -> None:
    wait_until(lambda: epochs_of(folder) >= epochs)


def workers_on(cluster: SlurmCluster, node: str) -> list[psutil.Process]:
    return [p for p in cluster.job_processes(node) if "work" in p.cmdline()]


def test_a_sweep_survives_kills_of_all_kinds(cluster, start_sweep, tmp_path, local):
    """A sweep survives the death of its command, of a worker and of the controller."""
    folder, before = tmp_path / "sweep", cluster.jobs()
    killed = start_sweep(folder, "hydra.launcher.count=2")
    wait_until(lambda: workers_on(cluster, "n1") and workers_on(cluster, "n2"))
    wait_until(lambda: len(list(folder.glob("*/lock"))) >= 2)
    until_trains(folder)
    killed.kill()
    ended(killed, -signal.SIGKILL)
    (job,) = cluster.jobs() - before
    both = [start_sweep(folder, "hydra.launcher.count=2") for _ in range(2)]
    for worker in workers_on(cluster, "n1"):
        worker.kill()
    cluster.stop_controller()
    until_trains(folder, epochs_of(folder) + 10)
    cluster.start_controller()
    # What Slurm sends some time before the limit.
    (told,) = [e.name for e in cluster.elements("RUNNING") if e.nodes == "n2"]
    cluster.call("scancel", "--batch", "--signal=USR1", told)
    cluster.release(told)
    for output in [ended(sweep) for sweep in both]:
        assert f"workers were started before (Slurm job {job}); --start starts new ones" in output
        assert f"{RUNS} of {RUNS} runs complete" in output
    assert count_equal_runs(folder, local) == RUNS
    assert cluster.jobs() - before == {job}
    # The controller, which was down meanwhile, hears of the killed worker by and by.
    ours = f"{job}_"
    wait_until(lambda: "FAILED" in {e.state for e in cluster.elements() if e.name.startswith(ours)})
    # The worker that finds nothing left lets the next command start workers.
    wait_until(lambda: not (folder / STARTED).exists())
    log = (folder / ".slurm" / "logs" / f"{told}.out").read_text()
    assert log.index("interrupted by SIGTERM: ") < log.rindex("nothing of")
