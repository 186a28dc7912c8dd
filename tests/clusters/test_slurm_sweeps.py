"""Sweeps on a real Slurm of two nodes, disturbed in every way, end as a local sweep does."""

import json
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
import torch
from commands import Command, CommandServer, StartCommand
from slurm_cluster import SlurmCluster, until

pytestmark = [pytest.mark.slurm, pytest.mark.slow]

RUNS = 6
GRID = (
    f"seed=range({RUNS})", "model.hidden_size=48", "trainer.max_epochs=80", "sweep.report=false",
)  # fmt: skip
Start = Callable[..., Command]


@pytest.fixture
def start_sweep(start_command: StartCommand) -> Start:
    """Starts the sweep in a folder, with workers in the cluster."""

    def start(folder: Path, *arguments: str) -> Command:
        launcher = ("hydra/launcher=slurm", f"hydra.sweep.dir={folder}")
        return start_command("train", "-m", *launcher, *GRID, *arguments, stderr=subprocess.STDOUT)

    return start


def ended(process: Command) -> tuple[int, str]:
    """Waits for the end of a command; returns the exit code and the output."""
    output, _ = process.communicate(timeout=300)
    return process.returncode, output


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory, command_server: CommandServer) -> Path:
    """The folder of the same sweep, trained without Slurm."""
    folder = tmp_path_factory.mktemp("local")
    sweep = command_server.start(folder, "train", "-m", "hydra.sweep.dir=sweep", *GRID)
    code, output = ended(sweep)
    assert code == 0, output
    return folder / "sweep"


@pytest.fixture(autouse=True)
def one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")


def run_folders(folder: Path) -> list[Path]:
    return sorted(path.parent for path in folder.glob("*/config.yaml"))


def assert_equal(folder: Path, expected: Path) -> None:
    """Asserts that two sweeps have the same weights and metrics, to the bit."""
    names = [path.name for path in run_folders(expected)]
    assert len(names) == RUNS
    assert [path.name for path in run_folders(folder)] == names
    for name in names:
        one, other = folder / name, expected / name
        assert json.loads((one / "record.json").read_text())["status"] == "complete"
        assert (one / "metrics.csv").read_bytes() == (other / "metrics.csv").read_bytes()
        for file in ("best.ckpt", "last.ckpt"):
            for first, second in zip(
                *map(weights, (one / "checkpoints" / file, other / "checkpoints" / file)),
                strict=True,
            ):
                assert torch.equal(first, second)  # fmt: skip


def weights(checkpoint: Path) -> Iterator[torch.Tensor]:
    yield from torch.load(checkpoint, weights_only=True)["state_dict"].values()


def attempts(folder: Path) -> list[list[str]]:
    """Returns where each run's attempts began: at the start or at a checkpoint."""
    return [
        [
            line.partition(" from ")[2].partition(": {")[0]
            for line in (run / "train.log").read_text().splitlines()
            if f"run {run.name} from " in line
        ]
        for run in run_folders(folder)
    ]


def trained_once(folder: Path) -> bool:
    return attempts(folder) == [["the start"]] * RUNS


def epochs_of(folder: Path) -> int:
    """Returns how many epochs of the sweep are trained."""
    return sum(len(p.read_text().splitlines()) - 1 for p in folder.glob("*/metrics.csv"))


def until_trains(folder: Path, epochs: int = 10) -> None:
    until(lambda: epochs_of(folder) >= epochs, 120, f"{epochs} epochs are trained")


def workers_on(cluster: SlurmCluster, node: str) -> list[psutil.Process]:
    return [p for p in cluster.job_processes(node) if "work" in p.cmdline()]


def nodes_of(cluster: SlurmCluster, job: str) -> set[str]:
    """Returns the nodes that ran a job, by the words of Slurm."""
    words = cluster.call("scontrol", "show", "job", job).split()
    return {word.removeprefix("NodeList=") for word in words if word.startswith("NodeList=")}


def the_job(cluster: SlurmCluster, before: set[str]) -> str:
    """Returns the number of the only job that was submitted since."""
    (job,) = cluster.jobs() - before
    return job


def test_two_nodes_train_what_a_local_sweep_does(
    cluster: SlurmCluster, start_sweep: Start, tmp_path: Path, local: Path
) -> None:
    before = cluster.jobs()
    code, output = ended(start_sweep(tmp_path / "sweep", "hydra.launcher.count=2"))
    assert code == 0, output
    job = the_job(cluster, before)
    assert f"Slurm job {job}: 2 workers" in output
    assert f"{RUNS} of {RUNS} runs complete" in output
    assert_equal(tmp_path / "sweep", local)
    assert nodes_of(cluster, job) == {"n1", "n2"}
    logs = [p.read_text() for p in (tmp_path / "sweep" / ".slurm" / "logs").iterdir()]
    assert len(logs) == 2
    assert all("training " in log for log in logs)
    assert trained_once(tmp_path / "sweep")


def test_a_node_that_dies_leaves_its_runs_to_the_other_one(
    cluster: SlurmCluster, start_sweep: Start, tmp_path: Path, local: Path
) -> None:
    folder = tmp_path / "sweep"
    sweep = start_sweep(folder, "hydra.launcher.count=2")
    until(lambda: workers_on(cluster, "n1") and workers_on(cluster, "n2"), 120, "both work")
    until(lambda: sum(p.exists() for p in folder.glob("*/lock")) >= 2, 120, "both train")
    until_trains(folder)
    cluster.kill_node("n1")
    code, output = ended(sweep)
    assert code == 0, output
    assert_equal(folder, local)


def test_a_killed_driver_leaves_workers_that_the_same_command_counts(
    cluster: SlurmCluster, start_sweep: Start, tmp_path: Path, local: Path
) -> None:
    folder, before = tmp_path / "sweep", cluster.jobs()
    killed = start_sweep(folder, "hydra.launcher.count=2")
    until_trains(folder)
    killed.kill()
    assert ended(killed)[0] == -signal.SIGKILL
    both = [start_sweep(folder, "hydra.launcher.count=2") for _ in range(2)]
    for code, output in [ended(sweep) for sweep in both]:
        assert code == 0, output
        assert f"{RUNS} of {RUNS} runs complete" in output
    job = the_job(cluster, before)
    assert [
        entry["job"] for entry in json.loads((folder / ".slurm" / "jobs.json").read_text())
    ] == [int(job)]
    assert trained_once(folder)
    assert_equal(folder, local)


def test_a_preempted_and_a_killed_worker_do_not_stop_the_sweep(
    cluster: SlurmCluster, start_sweep: Start, tmp_path: Path, local: Path
) -> None:
    folder, before = tmp_path / "sweep", cluster.jobs()
    sweep = start_sweep(folder, "hydra.launcher.count=2")
    until(lambda: workers_on(cluster, "n1") and workers_on(cluster, "n2"), 120, "both work")
    job = the_job(cluster, before)
    until_trains(folder)
    preempted, other = sorted(cluster.running(), key=lambda element: element.nodes)
    cluster.call("scontrol", "requeue", preempted.name)
    for worker in workers_on(cluster, other.nodes):
        worker.kill()
    cluster.release(preempted.name)
    code, output = ended(sweep)
    assert code == 0, output
    states = {e.name: e.state for e in cluster.elements() if e.name.startswith(f"{job}_")}
    assert states[other.name] == "FAILED"
    assert_equal(folder, local)
    assert cluster.jobs() - before == {job}


def test_a_cancelled_worker_leaves_its_runs_and_a_told_one_queues_again(
    cluster: SlurmCluster, start_sweep: Start, tmp_path: Path, local: Path
) -> None:
    folder, before = tmp_path / "sweep", cluster.jobs()
    sweep = start_sweep(folder, "hydra.launcher.count=2")
    until(lambda: workers_on(cluster, "n1") and workers_on(cluster, "n2"), 120, "both work")
    job = the_job(cluster, before)
    until_trains(folder)
    cluster.call("scancel", f"{job}_0")
    # What Slurm sends some time before the limit.
    cluster.call("scancel", "--batch", "--signal=USR1", f"{job}_1")
    cluster.release(f"{job}_1")
    code, output = ended(sweep)
    assert code == 0, output
    states = {e.name: e.state for e in cluster.elements()}
    assert states[f"{job}_0"] == "CANCELLED"
    log = (folder / ".slurm" / "logs" / f"{job}_1.out").read_text()
    _, told, later = log.partition("interrupted by SIGTERM: ")
    assert told
    assert "nothing of" in later
    assert_equal(folder, local)
    assert cluster.jobs() - before == {job}


def test_new_workers_start_where_all_were_cancelled(
    cluster: SlurmCluster, start_sweep: Start, tmp_path: Path, local: Path
) -> None:
    folder, before = tmp_path / "sweep", cluster.jobs()
    sweep = start_sweep(folder)
    until_trains(folder)
    first = the_job(cluster, before)
    cluster.call("scancel", first)
    code, output = ended(sweep)
    assert code == 0, output
    second = the_job(cluster, before | {first})
    jobs = json.loads((folder / ".slurm" / "jobs.json").read_text())
    assert [(entry["job"], entry["workers"]) for entry in jobs] == [
        (int(first), 1), (int(second), 1)
    ]  # fmt: skip
    assert_equal(folder, local)


def test_workers_that_cannot_start_end_the_command(
    cluster: SlurmCluster, start_sweep: Start, tmp_path: Path
) -> None:
    folder, before = tmp_path / "sweep", cluster.jobs()
    code, output = ended(start_sweep(folder, 'hydra.launcher.setup=["exit 3"]'))
    assert code == 1, output
    assert f"{RUNS} of {RUNS} runs did not complete ({RUNS} not started)" in output
    started = [e for e in cluster.elements() if e.name.partition("_")[0] not in before]
    assert [element.state for element in started] == ["FAILED"] * 2  # tried twice, like a run


def test_a_local_worker_and_one_of_slurm_share_a_sweep(
    cluster: SlurmCluster,
    start_sweep: Start,
    start_command: StartCommand,
    tmp_path: Path,
    local: Path,
) -> None:
    folder = tmp_path / "sweep"
    sweep = start_sweep(folder)
    until((folder / "sweep.json").exists, 120, "the sweep is planned")
    worker = start_command("work", str(folder), "--threads", "1", stderr=subprocess.STDOUT)
    for code, output in (ended(worker), ended(sweep)):
        assert code == 0, output
    (log,) = (folder / ".slurm" / "logs").iterdir()
    assert "training " in log.read_text()
    assert trained_once(folder)
    assert_equal(folder, local)


def test_a_detached_command_returns_and_the_workers_continue(
    cluster: SlurmCluster, start_sweep: Start, tmp_path: Path, local: Path
) -> None:
    folder, before = tmp_path / "sweep", cluster.jobs()
    code, output = ended(start_sweep(folder, "hydra.launcher.detach=true"))
    assert "Slurm job" in output
    assert code == 0, output
    assert epochs_of(folder) < RUNS * 80
    job = the_job(cluster, before)
    until(lambda: {e.state for e in cluster.elements() if e.name == f"{job}_0"} == {"COMPLETED"},
          180, "the worker has ended")  # fmt: skip
    assert_equal(folder, local)
