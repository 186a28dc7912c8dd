"""SlurmJobs on a real Slurm: what starts, what queues again, and what Slurm refuses."""

import sys
from pathlib import Path

import pytest
from slurm_cluster import WORKER
from waiting import wait_until

from seqsweep.extras.clusters.slurm import SlurmJobs

pytestmark = [pytest.mark.slurm, pytest.mark.slow]

COMMAND = [sys.executable, "-c", WORKER, "begun"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "a sweep, 50%#"
    folder.mkdir()
    return folder


def log(folder: Path) -> str:
    (path,) = folder.glob(".slurm/logs/*_0.out")
    return path.read_text()


def test_a_preempted_worker_gets_a_signal_and_starts_again(cluster, folder):
    job = SlurmJobs().start(folder, 1, COMMAND).removeprefix("Slurm job ")
    wait_until(lambda: list(folder.glob(".slurm/logs/*_0.out")))
    wait_until(lambda: "begun" in log(folder))
    urgent = ("--partition=urgent", "--nodes=2", f"--output={folder}/urgent", "--wrap=sleep 2")
    cluster.call("sbatch", *urgent)
    wait_until(lambda: "DUE TO PREEMPTION" in log(folder))
    cluster.release(f"{job}_0")
    wait_until(lambda: log(folder).count("begun") == 2)
    assert log(folder).index("worker SIGTERM") < log(folder).rindex("begun")


def test_a_refusal_by_slurm_is_reported_in_one_line(cluster, folder):
    before = cluster.jobs()
    with pytest.raises(ValueError, match="invalid partition specified: gone") as error:
        SlurmJobs(partition="gone").start(folder, 1, COMMAND)
    assert str(error.value).startswith(f"sbatch refused {folder}/.slurm/worker.sbatch: ")
    assert "\n" not in str(error.value)
    assert cluster.jobs() == before
