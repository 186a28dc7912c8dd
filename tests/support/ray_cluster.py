"""A Ray cluster of two nodes on this machine's loopback addresses."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import psutil

VARIABLES = {
    "RAY_AUTH_MODE": "disabled",
    "RAY_USAGE_STATS_ENABLED": "0",
    # Ray's own is 15: beside other tests its workers would hardly run.
    "RAY_worker_niceness": "0",
}


class RayCluster:
    """Two nodes with one CPU each; the first is the head, and the second has two GPUs, it says.

    The number distinguishes clusters that run at the same time.
    """

    def __init__(self, number: int = 0) -> None:
        self.head, self.second = (f"127.0.{number}.{last}" for last in (2, 3))
        # Sockets lie below this folder, and the path of a Unix socket has at most 107 characters.
        self.folder = Path(tempfile.mkdtemp(prefix="ray-", dir="/tmp"))
        self.port = _free_port(self.head)
        self.address = f"{self.head}:{self.port}"
        self._nodes: dict[str, psutil.Popen] = {}

    def start(self) -> None:
        """Starts the missing nodes, and returns when both have joined."""
        ports = (f"--port={self.port}", f"--ray-client-server-port={_free_port(self.head)}")
        head = ("--head", f"--temp-dir={self.folder}", "--include-dashboard=false", *ports)
        options = {self.head: head, self.second: (f"--address={self.address}", "--num-gpus=2")}
        for node in [node for node in options if node not in self._nodes]:
            self._nodes[node] = self._begin(node, options[node])
            self._wait(node)

    def _begin(self, node: str, options: Sequence[str]) -> psutil.Popen:
        common = ("--num-cpus=1", "--object-store-memory=80000000", "--disable-usage-stats")
        with open(self.folder / f"{node}.log", "wb") as log:
            return psutil.Popen(
                [sys.executable, "-m", "ray.scripts.scripts", "start", "--block",
                 f"--node-ip-address={node}", *common, *options],
                env={**os.environ, **VARIABLES},
                stdout=log,
                stderr=subprocess.STDOUT,
            )  # fmt: skip

    def _wait(self, node: str) -> None:
        log = self.folder / f"{node}.log"
        deadline = time.monotonic() + 200
        while "Ray runtime started" not in log.read_text():
            assert self._nodes[node].poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.1)

    def cut_power(self, node: str) -> None:
        """Kills a node's processes, all at once, as a power failure does."""
        process = self._nodes.pop(node)
        with suppress(psutil.NoSuchProcess):
            _kill([process, *process.children(recursive=True)])

    def processes(self, node: str) -> list[psutil.Process]:
        """Returns the processes of a node, among them the workers' commands."""
        return self._nodes[node].children(recursive=True)

    def end(self) -> None:
        for node in list(self._nodes):
            self.cut_power(node)
        shutil.rmtree(self.folder, ignore_errors=True)


def _kill(processes: Sequence[psutil.Process]) -> None:
    for act in (signal.SIGSTOP, signal.SIGKILL):  # none of them sees another die
        for process in processes:
            with suppress(psutil.NoSuchProcess):
                process.send_signal(act)
    psutil.wait_procs(processes, timeout=10)


def _free_port(host: str) -> int:
    with socket.socket() as probe:
        probe.bind((host, 0))
        return probe.getsockname()[1]
