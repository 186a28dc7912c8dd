"""SlurmWorkers on a real Slurm: what starts, what counts as alive, and what queues again."""

import sys
from pathlib import Path

import pytest
from slurm_cluster import SlurmCluster, until

from seqsweep.sweeping import slurm
from seqsweep.sweeping.slurm import SlurmWorkers
from seqsweep.sweeping.slurm_script import Request

pytestmark = [pytest.mark.slurm, pytest.mark.slow]

WORKER = """
import os, signal, sys, time
def end(signum, frame):
    print("ended", flush=True)
    raise SystemExit(85)
signal.signal(signal.SIGTERM, end)
print("begun", flush=True)
for _ in range(600):
    time.sleep(0.1)
"""
COMMAND = [sys.executable, "-c", WORKER]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "a sweep, 50%#"
    folder.mkdir()
    return folder


def log(folder: Path, element: str) -> str:
    """Returns what an element of the first job has printed."""
    (path,) = folder.glob(f".slurm/logs/*_{element}.out")
    return path.read_text()


def begun(folder: Path, *elements: str) -> bool:
    """Returns whether the workers of these elements have begun."""
    logs = list(folder.glob(".slurm/logs/*.out"))
    return len(logs) >= len(elements) and all("begun" in log(folder, e) for e in elements)


def test_workers_start_on_both_nodes_and_count_until_they_end(
    cluster: SlurmCluster, folder: Path
) -> None:
    workers = SlurmWorkers(2)
    assert workers.alive(folder) == 0
    line = workers.start(folder, 2, COMMAND)
    (job,) = cluster.jobs() & {line.split()[2].rstrip(":")}
    assert line == f"Slurm job {job}: 2 workers, logs in {folder}/.slurm/logs"
    assert workers.alive(folder) == 2
    assert SlurmWorkers(2).alive(folder.parent) == 0  # another folder's
    until(lambda: begun(folder, "0", "1"), 20, "both have begun")
    assert {e.nodes for e in cluster.running()} == {"n1", "n2"}
    cluster.call("scancel", job)
    until(lambda: workers.alive(folder) == 0, 20, "no worker alive")


def test_a_script_submitted_by_hand_counts(cluster: SlurmCluster, folder: Path) -> None:
    workers = SlurmWorkers(1)
    job = workers.start(folder, 1, COMMAND).split()[2].rstrip(":")
    cluster.call("scancel", job)
    until(lambda: workers.alive(folder) == 0, 20, "no worker alive")
    cluster.call("sbatch", str(folder / ".slurm" / "worker.sbatch"))
    assert workers.alive(folder) == 1


def test_a_cancelled_worker_ends_and_the_other_one_continues(
    cluster: SlurmCluster, folder: Path
) -> None:
    workers = SlurmWorkers(2)
    job = workers.start(folder, 2, COMMAND).split()[2].rstrip(":")
    until(lambda: begun(folder, "0", "1"), 20, "both have begun")
    cluster.call("scancel", f"{job}_0")
    until(lambda: workers.alive(folder) == 1, 20, "one worker alive")
    until(lambda: "ended" in log(folder, "0"), 10, "the worker was told")
    assert "ended" not in log(folder, "1")
    states = {e.name: e.state for e in cluster.elements()}
    assert (states[f"{job}_0"], states[f"{job}_1"]) == ("CANCELLED", "RUNNING")


def test_a_preempted_worker_is_told_and_starts_again(cluster: SlurmCluster, folder: Path) -> None:
    workers = SlurmWorkers(1)
    job = workers.start(folder, 1, COMMAND).split()[2].rstrip(":")
    until(lambda: begun(folder, "0"), 20, "it has begun")
    urgent = ("--partition=urgent", "--nodes=2", f"--output={folder}/urgent", "--wrap=sleep 2")
    cluster.call("sbatch", *urgent)
    until(lambda: "DUE TO PREEMPTION" in log(folder, "0"), 20, "it was preempted")
    assert workers.alive(folder) == 1  # it will run again
    cluster.release(f"{job}_0")
    until(lambda: log(folder, "0").count("begun") == 2, 30, "it has begun again")
    assert log(folder, "0").index("ended") < log(folder, "0").rindex("begun")


def test_at_the_time_limit_a_worker_is_told_and_queues_again(
    cluster: SlurmCluster, folder: Path
) -> None:
    # Slurm knows no limit below a minute, so the notice comes early instead.
    workers = SlurmWorkers(1, request=Request(time=1, options={"signal": "B:USR1@57"}))
    job = workers.start(folder, 1, COMMAND).split()[2].rstrip(":")
    until(lambda: begun(folder, "0") and "ended" in log(folder, "0"), 50, "it was told")
    assert workers.alive(folder) == 1
    cluster.release(f"{job}_0")
    until(lambda: log(folder, "0").count("begun") == 2, 30, "it has begun again")


def test_a_worker_killed_hard_is_not_alive(cluster: SlurmCluster, folder: Path) -> None:
    workers = SlurmWorkers(1)
    job = workers.start(folder, 1, COMMAND).split()[2].rstrip(":")
    until(lambda: begun(folder, "0"), 20, "it has begun")
    for process in cluster.job_processes():
        if process.name().startswith("python"):
            process.kill()
    until(lambda: workers.alive(folder) == 0, 20, "no worker alive")
    assert {e.name: e.state for e in cluster.elements()}[f"{job}_0"] == "FAILED"


def test_a_controller_that_does_not_answer_is_not_an_empty_queue(
    cluster: SlurmCluster, folder: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setattr(slurm, "PATIENCE_SECONDS", 4.0)
    monkeypatch.setattr(slurm, "_PAUSE_SECONDS", 1.0)
    workers = SlurmWorkers(1)
    workers.start(folder, 1, COMMAND)
    assert workers.alive(folder) == 1
    cluster.stop_controller()
    with pytest.raises(ConnectionError, match="Unable to contact slurm controller"):
        workers.alive(folder)
    printed = capsys.readouterr().err
    assert printed.count("asking Slurm again for 0 minutes") == 1  # said at the first failure
    monkeypatch.setattr(slurm, "PATIENCE_SECONDS", 60.0)
    with pytest.raises(ConnectionError, match="Unable to contact slurm controller"):
        SlurmWorkers(1).alive(folder)  # which has had no answer yet, and does not wait for one
    cluster.start_controller()
    assert workers.alive(folder) == 1  # asked until the controller answers


def test_what_slurm_refuses_is_told_in_one_line(cluster: SlurmCluster, folder: Path) -> None:
    before = cluster.jobs()
    with pytest.raises(ValueError, match="invalid partition specified: gone") as error:
        SlurmWorkers(1, request=Request(partition="gone")).start(folder, 1, COMMAND)
    assert str(error.value).startswith(f"sbatch refused {folder}/.slurm/worker.sbatch: ")
    assert "\n" not in str(error.value)
    assert cluster.jobs() == before


def test_a_worker_sees_the_gpus_that_it_has_asked_for(cluster: SlurmCluster, folder: Path) -> None:
    show = [sys.executable, "-c", "import os; print('gpus', os.environ['CUDA_VISIBLE_DEVICES'])"]
    SlurmWorkers(1, request=Request(gpus=2, memory="100M")).start(folder, 1, show)
    until(lambda: list(folder.glob(".slurm/logs/*_0.out")), 20, "it has begun")
    until(lambda: log(folder, "0") == "gpus 0,1\n", 20, "it has printed its GPUs")
