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
    "RAY_ADDRESS": "",
    # The default of a minute is how long a node outlives a dead head.
    "RAY_gcs_rpc_server_reconnect_timeout_s": "10",
}
NODES = ("127.0.0.2", "127.0.0.3")


class RayCluster:
    """Two nodes of one CPU each; the first one is the head."""

    def __init__(self) -> None:
        # Sockets lie below this folder, and the path of a Unix socket has at most 107 characters.
        self.folder = Path(tempfile.mkdtemp(prefix="ray-", dir="/tmp"))
        self.port = _free_port(NODES[0])
        self.address = f"{NODES[0]}:{self.port}"
        self.nodes: dict[str, psutil.Process] = {}

    def start(self) -> None:
        """Starts the missing nodes, and returns when both have joined."""
        ports = (f"--port={self.port}", f"--ray-client-server-port={_free_port(NODES[0])}")
        head = ("--head", f"--temp-dir={self.folder}", "--include-dashboard=false")
        options = {
            NODES[0]: (*head, *ports),
            NODES[1]: (f"--address={self.address}",),
        }
        for node in NODES:
            if node not in self.nodes:
                self.nodes[node] = self._begin(node, options[node])
                self._wait(node)

    def _begin(self, node: str, options: Sequence[str]) -> psutil.Process:
        common = ("--num-cpus=1", "--object-store-memory=80000000", "--disable-usage-stats")
        with open(self.folder / f"{node}.log", "ab") as log:
            process = psutil.Popen(
                [sys.executable, "-m", "ray.scripts.scripts", "start", "--block",
                 f"--node-ip-address={node}", *common, *options],
                env={**os.environ, **VARIABLES},
                stdout=log,
                stderr=subprocess.STDOUT,
            )  # fmt: skip
        return process

    def _wait(self, node: str) -> None:
        log = self.folder / f"{node}.log"
        deadline = time.monotonic() + 60
        while "Ray runtime started" not in log.read_text():
            assert self.nodes[node].is_running(), log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.1)

    def cut_power(self, node: str) -> None:
        """Kills a node's processes, all at once, as a power failure does."""
        process = self.nodes.pop(node)
        with suppress(psutil.NoSuchProcess):
            _kill([process, *process.children(recursive=True)])

    def end(self) -> None:
        for node in reversed(NODES):
            if node in self.nodes:
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
