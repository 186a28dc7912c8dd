"""`hydra/launcher=ray` on a real cluster of two nodes, which tests cut off and kill."""

import json
import os
import re
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch
from commands import Command, CommandServer, StartCommand
from ray_cluster import VARIABLES, RayCluster

from seqsweep.runs.lock import holder_of
from seqsweep.sweeping.ray_calls import Cluster
from seqsweep.sweeping.ray_connection import RayConnection
from seqsweep.sweeping.ray_workers import LOGS, RayWorkers

pytestmark = [pytest.mark.slow, pytest.mark.ray]


EPOCHS = 250  # seconds, in which a test can kill something
SWEEP = (
    "data=digits",
    "data.batch_size=16",
    "model.hidden_size=64",
    "seed=0,1,2,3",
    f"trainer.max_epochs={EPOCHS}",
    "sweep.report=false",
)
SEARCH = (
    "train", "-m", "hydra/sweeper=optuna", "data=digits", "trainer.max_epochs=20",
    "model.hidden_size=int(interval(4,16))", "optimizer.lr=tag(log,interval(0.001,0.1))",
    "hydra.sweeper.budget.trials=8", "hydra.sweeper.parallel=4", "hydra.sweeper.confirm.top=0",
    "sweep.report=false",
)  # fmt: skip


@pytest.fixture(scope="module")
def two_nodes() -> Iterator[RayCluster]:
    cluster = RayCluster(int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")))
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.end()


@pytest.fixture
def cluster(two_nodes: RayCluster, monkeypatch: pytest.MonkeyPatch) -> RayCluster:
    """The cluster with both nodes, also after a test that has killed one."""
    for name, value in VARIABLES.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    two_nodes.start()
    return two_nodes


@pytest.fixture
def sweep(start_command: StartCommand, cluster: RayCluster) -> StartCommand:
    """Starts the sweep with workers in the cluster."""

    def begin(count: int = 2, *arguments: str) -> Command:
        address = f"hydra.launcher.address={cluster.address}"
        launcher = ("hydra/launcher=ray", address, f"hydra.launcher.count={count}")
        return start_command("train", "-m", *SWEEP, *launcher, "output_dir=ray", *arguments)

    return begin


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory, command_server: CommandServer) -> Path:
    """The folder of the same sweep without a cluster."""
    folder = tmp_path_factory.mktemp("local")
    ended(command_server.start(folder, "train", "-m", *SWEEP))
    return folder


def ended(process: Command) -> str:
    """Waits for the end of a command, which must succeed; returns its output."""
    out, err = process.communicate(timeout=300)
    assert (process.returncode, err) == (0, ""), out + err
    return out


def wait_for(value: Callable[[], Any]) -> Any:
    """Returns the first value that is true."""
    deadline = time.monotonic() + 200
    while not (found := value()):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return found


def runs(folder: Path) -> dict[str, Path]:
    return {path.parent.name: path.parent for path in folder.rglob("metrics.csv")}


def assert_equal(folder: Path, local: Path) -> None:
    """Checks that two sweeps have the same weights and metrics, to the bit."""
    assert runs(folder).keys() == runs(local).keys()
    for name, run in runs(folder).items():
        other = runs(local)[name]
        assert (run / "metrics.csv").read_bytes() == (other / "metrics.csv").read_bytes()
        for checkpoint in ("best.ckpt", "last.ckpt"):
            one, two = (
                torch.load(path / "checkpoints" / checkpoint, weights_only=True)["state_dict"]
                for path in (run, other)
            )
            assert one.keys() == two.keys()
            assert all(torch.equal(one[key], two[key]) for key in one)


def beginnings(folder: Path) -> dict[str, list[str]]:
    """Returns the nodes on which each worker has begun, as Ray names them."""
    logs = folder.rglob("worker-*.out")
    return {log.stem: re.findall(r"(?m)^\[.*\] node (\S+):", log.read_text()) for log in logs}


def wait_for_training(cluster: RayCluster, nodes: Sequence[str], folder: Path) -> psutil.Process:
    """Waits until a node trains a run; returns the command of its worker."""

    def search() -> psutil.Process | None:
        epochs = {
            run: (run / "metrics.csv").read_text().count("\n") for run in runs(folder).values()
        }
        holders = [holder_of(run) for run, rows in epochs.items() if rows > 2]
        pids = {holder.pid for holder in holders if holder}
        commands = [p for node in nodes for p in cluster.processes(node)] if pids else []
        return next((command for command in commands if command.pid in pids), None)

    return wait_for(search)


def assert_idle(cluster: RayCluster, folder: Path) -> None:
    """Checks that nothing of a sweep is left in the cluster, once its workers have ended."""
    (sweep,) = (path.parent for path in folder.rglob("sweep.json"))
    workers = RayWorkers(address=cluster.address)
    try:
        wait_for(lambda: workers.alive(sweep) == 0)
    finally:
        workers.close()


def test_both_nodes_take_part_and_results_equal_those_of_this_machine(
    sweep: StartCommand, cluster: RayCluster, local: Path, tmp_path: Path
) -> None:
    out = ended(sweep())
    assert "4 of 4 runs complete" in out
    assert f"Ray cluster {cluster.address}: 2 workers" in out
    assert sorted(beginnings(tmp_path).values()) == [[cluster.head], [cluster.second]]
    assert_equal(tmp_path, local)
    assert_idle(cluster, tmp_path)


def test_a_dead_node_leaves_its_run_to_the_other(
    sweep: StartCommand, cluster: RayCluster, local: Path, tmp_path: Path
) -> None:
    process = sweep()
    wait_for_training(cluster, [cluster.second], tmp_path)
    cluster.cut_power(cluster.second)
    assert "4 of 4 runs complete" in ended(process)
    assert_equal(tmp_path, local)
    logs = [(run / "train.log").read_text() for run in runs(tmp_path).values()]
    assert sorted(len(re.findall(" INFO run .* from ", log)) for log in logs) == [1, 1, 1, 2], logs
    # Ray has started the dead node's worker again; it finds nothing to do and ends.
    wait_for(lambda: [cluster.second, cluster.head] in beginnings(tmp_path).values())
    assert_idle(cluster, tmp_path)


def test_the_same_command_twice_after_a_killed_one_starts_no_worker(
    sweep: StartCommand, cluster: RayCluster, local: Path, tmp_path: Path
) -> None:
    first = sweep()
    wait_for_training(cluster, [cluster.head, cluster.second], tmp_path)
    os.kill(first.pid, signal.SIGKILL)
    for process in [sweep(), sweep()]:
        assert "4 of 4 runs complete" in ended(process)
    assert sorted(beginnings(tmp_path)) == ["worker-1", "worker-2"]
    logs = [(run / "train.log").read_text() for run in runs(tmp_path).values()]
    assert [log.count(" INFO epoch 0 ") for log in logs] == [1] * 4
    assert [log.count(" INFO done: ") for log in logs] == [1] * 4
    assert_equal(tmp_path, local)
    assert_idle(cluster, tmp_path)


def test_a_worker_of_this_machine_beside_ray_trains_each_epoch_once(
    sweep: StartCommand,
    start_command: StartCommand,
    cluster: RayCluster,
    local: Path,
    tmp_path: Path,
) -> None:
    process = sweep(1)
    wait_for_training(cluster, [cluster.head, cluster.second], tmp_path)
    (folder,) = (path.parent for path in tmp_path.rglob("sweep.json"))
    assert "training " in ended(start_command("work", str(folder), "--threads", "1"))
    assert "4 of 4 runs complete" in ended(process)
    logs = [(run / "train.log").read_text() for run in runs(tmp_path).values()]
    expected = [str(epoch) for epoch in range(EPOCHS)]
    assert [re.findall(r" INFO epoch (\d+) ", log) for log in logs] == [expected] * 4
    assert_equal(tmp_path, local)
    assert_idle(cluster, tmp_path)


def test_a_search_by_workers_of_both_nodes_has_the_trials_of_this_machine(
    start_command: StartCommand, cluster: RayCluster, tmp_path: Path
) -> None:
    launcher = ("hydra/launcher=ray", f"hydra.launcher.address={cluster.address}")
    workers = ("hydra.launcher.count=2", "output_dir=ray")
    assert "8 of 8 trials" in ended(start_command(*SEARCH, *launcher, *workers))
    ended(start_command(*SEARCH, "output_dir=local"))
    found, expected = (
        [trial for path in (tmp_path / name).rglob("search.json")
         for trial in json.loads(path.read_text())["trials"]]
        for name in ("ray", "local")
    )  # fmt: skip
    assert [trial["params"] for trial in found] == [trial["params"] for trial in expected]
    assert_equal(tmp_path / "ray", tmp_path / "local")
    nodes = [node for nodes in beginnings(tmp_path).values() for node in nodes]
    assert sorted(nodes) == [cluster.head, cluster.second]


@pytest.mark.parametrize("victim", ["command", "actor"])
def test_the_only_worker_is_started_again_after_it_was_killed(
    sweep: StartCommand, cluster: RayCluster, local: Path, tmp_path: Path, victim: str
) -> None:
    """Ray starts a killed actor again; a new actor takes the place of a killed command."""
    process = sweep(1)
    command = wait_for_training(cluster, [cluster.head, cluster.second], tmp_path)
    killed = command if victim == "command" else command.parent()
    assert killed is not None
    killed.kill()
    wait_for(lambda: not command.is_running())
    assert "4 of 4 runs complete" in ended(process)
    counts = [len(nodes) for nodes in beginnings(tmp_path).values()]
    assert counts == ([1, 1] if victim == "command" else [2])
    assert_equal(tmp_path, local)
    assert_idle(cluster, tmp_path)


def test_workers_have_their_own_gpus_and_see_no_others(cluster: RayCluster, tmp_path: Path) -> None:
    workers = RayWorkers(2, address=cluster.address, cpus=0.5, gpus=1)
    code = "import os; print('GPUs:', os.environ['CUDA_VISIBLE_DEVICES'])"
    try:
        line = workers.start(tmp_path, 2, ["python", "-c", code])
        wait_for(lambda: workers.alive(tmp_path) == 0)
    finally:
        workers.close()
    assert line.startswith(f"Ray cluster {cluster.address}: 2 workers")
    logs = [log.read_text() for log in (tmp_path / LOGS).iterdir()]
    assert sorted(re.findall("GPUs: (.*)", "".join(logs))) == ["0", "1"]
    assert all(log.endswith("exit code 0\n") for log in logs)
    assert {node for nodes in beginnings(tmp_path).values() for node in nodes} == {cluster.second}


def test_workers_that_no_node_can_have_are_refused(cluster: RayCluster, tmp_path: Path) -> None:
    workers = RayWorkers(address=cluster.address, gpus=8)
    try:
        with pytest.raises(ValueError, match=r"launcher.gpus=8: no node .* CPU: 1, GPU: 2"):
            workers.start(tmp_path, 1, ["python", "-c", "pass"])
        assert workers.alive(tmp_path) == 0
    finally:
        workers.close()
    assert list((tmp_path / LOGS).iterdir()) == []


def test_a_node_that_does_not_see_the_folder_is_reported(
    cluster: RayCluster, tmp_path: Path
) -> None:
    connection = RayConnection(cluster.address, "test")
    log = str(tmp_path / "missing" / "worker-1.out")
    options = {"num_cpus": 1, "num_gpus": 0, "max_restarts": 10}
    try:
        connection.ask("start", command=["python"], logs={"worker-1": log}, **options)
        with pytest.raises(ValueError, match=r"node 127\S+ .* must see the sweep's folder"):
            wait_for(lambda: connection.ask("alive") is None)  # which it never is
    finally:
        connection.close()


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("127.0.0.1:1", r"launcher.address=127.0.0.1:1: no Ray cluster answers there \(.*\)"),
        ("here", "launcher.address=here: must be HOST:PORT or auto"),
    ],
)
def test_a_wrong_address_is_refused_at_once(
    start_command: StartCommand, tmp_path: Path, address: str, message: str
) -> None:
    launcher = ("hydra/launcher=ray", f"hydra.launcher.address={address}")
    process = start_command("train", "-m", *SWEEP, *launcher)
    _, err = process.communicate(timeout=200)
    assert process.returncode == 2
    assert re.search(message, err), err
    assert len(err.splitlines()) == 1
    assert not list(tmp_path.rglob("config.yaml"))


def test_a_missing_ray_is_named_with_its_cure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ValueError, match=r"needs Ray: pip install 'seqsweep\[ray\]'"):
        Cluster("auto", "test")


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("count", 0, "launcher.count=0: must be at least 1"),
        ("cpus", 0, "launcher.cpus=0: must be above 0"),
        ("cpus", 1.5, "launcher.cpus=1.5: must be a whole number, or below 1"),
        ("gpus", -1, "launcher.gpus=-1: must be at least 0"),
    ],
)
def test_a_number_out_of_range_is_refused(key: str, value: float, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        RayWorkers(**{key: value})  # pyright: ignore[reportArgumentType]
