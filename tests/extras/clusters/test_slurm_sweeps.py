"""A disturbed sweep on a real Slurm of two nodes ends as a local sweep does."""

import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from commands import Command
from equal_runs import count_equal_runs
from slurm_cluster import WORKER, SlurmCluster
from waiting import wait_until

from seqsweep.extras.clusters.slurm import SlurmJobs
from seqsweep.sweeping.planned_sweep import STARTED

pytestmark = [pytest.mark.slurm, pytest.mark.slow]

RUNS = 6
# The runs take 25 s on one core, which is longer than all that a test does meanwhile.
GRID = (
    f"seed=range({RUNS})", "model.hidden_size=48", "trainer.max_epochs=500", "sweep.report=false",
)  # fmt: skip
COMMAND = [sys.executable, "-c", WORKER, "begun"]


def ended(process: Command, code: int = 0) -> str:
    output, _ = process.communicate(timeout=300)
    assert process.returncode == code, output
    return output


def epochs_of(folder: Path) -> int:
    return sum(len(p.read_text().splitlines()) - 1 for p in folder.glob("*/metrics.csv"))


def until_trains(folder: Path, epochs: int = 10) -> None:
    wait_until(lambda: epochs_of(folder) >= epochs)


def workers_on(cluster: SlurmCluster, node: str) -> list[psutil.Process]:
    return [p for p in cluster.job_processes(node) if "work" in p.cmdline()]


def test_a_sweep_survives_kills_of_all_kinds(cluster, start_command, monkeypatch, tmp_path):
    """A sweep survives the death of its command, of a worker and of the controller."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    folder, local = tmp_path / "sweep", tmp_path / "local"

    def start(*words: str) -> Command:
        return start_command("train", "-m", *words, *GRID, stderr=subprocess.STDOUT)

    ended(start(f"hydra.sweep.dir={local}"))
    by_slurm = ("hydra/launcher=slurm", f"hydra.sweep.dir={folder}", "hydra.launcher.count=2")
    killed = start(*by_slurm)
    wait_until(lambda: workers_on(cluster, "n1") and workers_on(cluster, "n2"))
    wait_until(lambda: len(list(folder.glob("*/lock"))) >= 2)
    until_trains(folder)
    killed.kill()
    ended(killed, -signal.SIGKILL)
    (job,) = cluster.jobs()
    both = [start(*by_slurm) for _ in range(2)]
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
    assert cluster.jobs() == {job}
    # The controller, which was down meanwhile, hears of the killed worker by and by.
    wait_until(lambda: "FAILED" in {e.state for e in cluster.elements()})
    # The worker that finds nothing left lets the next command start workers.
    wait_until(lambda: not (folder / STARTED).exists())
    log = (folder / ".slurm" / "logs" / f"{told}.out").read_text()
    assert log.index("interrupted by SIGTERM: ") < log.rindex("nothing of")


def log(folder: Path) -> str:
    (path,) = folder.glob(".slurm/logs/*_0.out")
    return path.read_text()


def test_a_preempted_worker_gets_a_signal_and_starts_again(cluster, tmp_path):
    folder = tmp_path / "a sweep, 50%#"
    folder.mkdir()
    job = SlurmJobs().start(folder, 1, COMMAND).removeprefix("Slurm job ")
    wait_until(lambda: list(folder.glob(".slurm/logs/*_0.out")))
    wait_until(lambda: "begun" in log(folder))
    urgent = ("--partition=urgent", "--nodes=2", f"--output={folder}/urgent", "--wrap=sleep 2")
    cluster.call("sbatch", *urgent)
    wait_until(lambda: "DUE TO PREEMPTION" in log(folder))
    cluster.release(f"{job}_0")
    wait_until(lambda: log(folder).count("begun") == 2)
    assert log(folder).index("worker SIGTERM") < log(folder).rindex("begun")


def test_a_refusal_by_slurm_is_reported_in_one_line(cluster, tmp_path):
    with pytest.raises(ValueError, match="invalid partition specified: gone") as error:
        SlurmJobs(partition="gone").start(tmp_path, 1, COMMAND)
    assert str(error.value).startswith(f"sbatch refused {tmp_path}/.slurm/worker.sbatch: ")
    assert "\n" not in str(error.value)
    assert cluster.jobs() == set()
