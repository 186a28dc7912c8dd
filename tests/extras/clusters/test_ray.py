"""`hydra/launcher=ray` on a real cluster of two nodes, which tests cut off and kill."""

import os
import re
import signal
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import psutil
import pytest
from commands import Command, CommandServer, StartCommand
from equal_runs import count_equal_runs
from ray_cluster import VARIABLES, RayCluster
from waiting import wait_until

from seqsweep.extras.clusters.ray_workers import RayActors
from seqsweep.runs.lock import holder_of

pytestmark = [pytest.mark.slow, pytest.mark.ray]
SWEEP = (
    "data=digits", "data.batch_size=16", "seed=0,1,2,3", "trainer.max_epochs=250",
    "sweep.report=false",
)  # fmt: skip
# The four large runs take 45 s on one core, and the processes for which a test waits some 5 s each.
LARGE, SMALL = "model.hidden_size=256", "model.hidden_size=32"


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
    def begin(*arguments: str) -> Command:
        address = f"hydra.launcher.address={cluster.address}"
        launcher = ("hydra/launcher=ray", address, "hydra.launcher.count=2")
        return start_command("train", "-m", *SWEEP, *launcher, "output_dir=ray", *arguments)

    return begin


@pytest.fixture
def local(
    tmp_path_factory: pytest.TempPathFactory, command_server: CommandServer
) -> Callable[[str], Path]:
    """Trains the sweep of this size without a cluster; returns the folder."""

    def train(size: str) -> Path:
        folder = tmp_path_factory.mktemp("local")
        ended(command_server.start(folder, "train", "-m", *SWEEP, size))
        return folder

    return train


def ended(process: Command) -> str:
    """Waits for the end of a command, which must succeed; returns its output."""
    out, err = process.communicate(timeout=300)
    assert (process.returncode, err) == (0, ""), out + err
    return out


def beginnings(folder: Path) -> dict[str, list[str]]:
    """Returns the nodes on which each worker has begun, as Ray names them."""
    logs = folder.rglob("worker-*.out")
    return {log.stem: re.findall(r"(?m)^node (\S+):", log.read_text()) for log in logs}


def wait_for_training(cluster: RayCluster, nodes: Sequence[str], folder: Path) -> psutil.Process:
    """Waits until a node trains a run; returns the command of its worker."""

    def search() -> psutil.Process | None:
        paths = folder.rglob("metrics.csv")
        epochs = {path.parent: path.read_text().count("\n") for path in paths}
        holders = [holder_of(run) for run, rows in epochs.items() if rows > 2]
        pids = {holder.pid for holder in holders if holder}
        commands = [p for node in nodes for p in cluster.processes(node)] if pids else []
        return next((command for command in commands if command.pid in pids), None)

    return wait_until(search)


def test_a_sweep_survives_its_command_a_worker_an_actor_and_a_node(sweep, cluster, local, tmp_path):
    first = sweep(LARGE)
    wait_for_training(cluster, [cluster.second], tmp_path)
    os.kill(first.pid, signal.SIGKILL)
    both = [sweep(LARGE), sweep(LARGE)]
    # Ray starts a killed actor again.
    actor = wait_for_training(cluster, [cluster.head], tmp_path).parent()
    assert actor is not None
    actor.kill()
    wait_until(lambda: [cluster.head] * 2 in beginnings(tmp_path).values())
    cluster.cut_power(cluster.second)
    # The actor ends with its command, so the one of the lost node finds a free CPU.
    wait_for_training(cluster, [cluster.head], tmp_path).kill()
    wait_until(lambda: [cluster.second, cluster.head] in beginnings(tmp_path).values())
    for process in both:
        out = ended(process)
        assert f"workers were started before (Ray cluster {cluster.address}); --start " in out
        assert "4 of 4 runs complete" in out
    assert sorted(beginnings(tmp_path)) == ["worker-1", "worker-2"]
    assert count_equal_runs(tmp_path, local(LARGE)) == 4


def test_a_detached_command_returns_and_the_workers_use_both_nodes(sweep, cluster, local, tmp_path):
    assert f"Ray cluster {cluster.address}: 2 workers, logs in" in ended(sweep(SMALL, "--detach"))
    wait_until(lambda: len(list(tmp_path.glob("ray/**/record.json"))) == 4)
    assert sorted(beginnings(tmp_path).values()) == [[cluster.head], [cluster.second]]
    assert count_equal_runs(tmp_path, local(SMALL)) == 4


def test_workers_have_their_own_gpus_and_see_no_others(cluster, tmp_path):
    actors = RayActors(cluster.address, cpus=0.5, gpus=1)
    code = "import os; print('GPUs:', os.environ['CUDA_VISIBLE_DEVICES'])"
    code += "; import sys; print('begins', os.getcwd(), sys.flags.safe_path)"
    before = signal.getsignal(signal.SIGTERM)
    assert actors.start(tmp_path, 2, ["python", "-c", code]) == f"Ray cluster {cluster.address}"
    assert signal.getsignal(signal.SIGTERM) is before
    logs = list((tmp_path / actors.logs).iterdir())
    wait_until(lambda: all(log.read_text().endswith("exit code 0\n") for log in logs))
    texts = "".join(log.read_text() for log in logs)
    assert texts.count(f"begins {Path.cwd()} True\n") == 2
    gpus = re.findall("GPUs: (.*)", texts)
    assert sorted(gpus) == ["0", "1"]
    assert {node for nodes in beginnings(tmp_path).values() for node in nodes} == {cluster.second}


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"gpus": 8}, r"launcher.gpus=8: no node .* CPU: 1, GPU: 0; CPU: 1, GPU: 2"),
    ({"address": "127.0.0.1:1"}, r"127.0.0.1:1: no Ray cluster answers \(.*refused\); must be HO"),
]


@pytest.mark.parametrize(("values", "message"), WRONG)
def test_a_wrong_argument_is_refused(cluster, tmp_path, values, message):
    with pytest.raises((ValueError, ConnectionError), match=message):
        RayActors(**{"address": cluster.address, **values}).start(tmp_path, 1, ["python"])
    assert not any(beginnings(tmp_path).values())
