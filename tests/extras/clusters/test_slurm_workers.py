"""SlurmJobs on a real Slurm: what starts, what queues again, and what Slurm refuses."""

import sys
from pathlib import Path

import pytest
from slurm_cluster import WORKER, until

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
    until(lambda: list(folder.glob(".slurm/logs/*_0.out")), "it has a log")
    until(lambda: "begun" in log(folder), "it has begun")
    urgent = ("--partition=urgent", "--nodes=2", f"--output={folder}/urgent", "--wrap=sleep 2")
    cluster.call("sbatch", *urgent)
    until(lambda: "DUE TO PREEMPTION" in log(folder), "it was preempted")
    cluster.release(f"{job}_0")
    until(lambda: log(folder).count("begun") == 2, "it has begun again")
    assert log(folder).index("worker SIGTERM") < log(folder).rindex("begun")


def test_a_refusal_by_slurm_is_reported_in_one_line(cluster, folder):
    before = cluster.jobs()
    with pytest.raises(ValueError, match="invalid partition specified: gone") as error:
        SlurmJobs(partition="gone").start(folder, 1, COMMAND)
    assert str(error.value).startswith(f"sbatch refused {folder}/.slurm/worker.sbatch: ")
    assert "\n" not in str(error.value)
    assert cluster.jobs() == before


def test_a_worker_sees_the_gpus_that_it_has_asked_for(cluster, folder):
    show = [sys.executable, "-c", "import os; print('gpus', os.environ['CUDA_VISIBLE_DEVICES'])"]
    SlurmJobs(gpus=2, memory="100M").start(folder, 1, show)
    until(lambda: list(folder.glob(".slurm/logs/*_0.out")), "it has begun")
    until(lambda: log(folder) == "gpus 0,1\n", "it has printed its GPUs")
