"""Runs the workers of a sweep as detached actors of a Ray cluster.

An actor runs the plain command of a worker. A detached actor outlives the command that created it,
and Ray restarts the actor on another node if its node dies. The creating command is connected to
the cluster only while it creates the actors, so the command continues if the cluster ends.
"""

import logging
import os
import shlex
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

from seqsweep.runs.files import refuse_links

_CONNECT_SECONDS = 10.0

_BEGIN_SECONDS = 10.0
"""The longest wait for the actors to begin, which shows whether their nodes see the folder."""


@dataclass
class RayActors:
    """Starts workers on a folder in a Ray cluster.

    Args:
        address: `HOST:PORT` of the cluster's head, or `auto` for the cluster of this machine.
        cpus: the CPUs that Ray reserves for a worker; below 1, several workers share a CPU.
        gpus: the GPUs of a worker; below 1, several workers share a GPU.
        restarts: how often Ray restarts a worker after its node or its process has died.
    """

    address: str = "auto"
    cpus: float = 1
    gpus: float = 0
    restarts: int = 10
    logs: Path = field(default=Path(".ray", "logs"), init=False)
    options: Sequence[str] = field(init=False)

    def __post_init__(self) -> None:
        self.options = ["--threads", str(max(1, int(self.cpus)))]

    def start(self, folder: Path, count: int, command: Sequence[str]) -> str:
        """Starts workers that run a command; returns `Ray cluster HOST:PORT`.

        Raises:
            ValueError: Ray is not installed, the address is not valid, no node is large enough
                for a worker, or a node cannot write into the folder.
            ConnectionError: no cluster answers.
        """
        path = folder.resolve()
        with _connected(self.address, namespace=str(path)) as ray:
            address = ray.get_runtime_context().gcs_address
            self._check_nodes(ray, address)
            size = {"num_cpus": self.cpus, "num_gpus": self.gpus, "max_restarts": self.restarts}
            actors: list[Any] = []
            for log in _new_logs(path / self.logs, count):
                actor = ray.remote(Actor).options(name=log.stem, lifetime="detached", **size)
                actors.append(actor.remote(command, str(log), os.getcwd()))
            _check_beginnings(ray, actors)
        return f"Ray cluster {address}"

    def _check_nodes(self, ray: Any, address: str) -> None:
        """Raises a ValueError if no node is large enough for a worker."""
        wanted = {"CPU": self.cpus, "GPU": self.gpus}
        nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
        if not any(all(node.get(n, 0) >= x for n, x in wanted.items()) for node in nodes):
            sizes = sorted({f"CPU: {n.get('CPU', 0):g}, GPU: {n.get('GPU', 0):g}" for n in nodes})
            raise ValueError(
                f"hydra.launcher.cpus={self.cpus:g}, hydra.launcher.gpus={self.gpus:g}: no node of "
                f"the Ray cluster {address} is large enough; its nodes have {'; '.join(sizes)}"
            )


class Actor:
    """Runs a command on a node, and ends when the command ends.

    The constructor starts the command, because Ray repeats a constructor on another node, even if
    the process that created the actor has ended. A method call would be lost.

    Args:
        command: the command; its first word, a Python, is replaced by the node's Python.
        directory: the current folder of the command, if the node has this folder.
    """

    def __init__(self, command: Sequence[str], log: str, directory: str) -> None:
        command = [sys.executable, *command[1:]]
        self._directory = directory if os.path.isdir(directory) else None
        # The thread closes the file.
        file = open(log, "a", encoding="utf-8", opener=refuse_links)  # noqa: SIM115
        threading.Thread(target=self._run, args=(command, file), daemon=True).start()

    def _run(self, command: Sequence[str], log: TextIO) -> None:
        import ray

        try:
            with log:
                node = ray.util.get_node_ip_address()
                print(f"node {node}: {shlex.join(command)}", file=log, flush=True)
                done = subprocess.run(
                    command,
                    cwd=self._directory,
                    env=os.environ | {"PYTHONSAFEPATH": "1"},
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    check=False,
                )
                print(f"exit code {done.returncode}", file=log)
        finally:
            # An exit from this thread would count as a crash, and Ray would start the actor again.
            ray.kill(ray.get_runtime_context().current_actor, no_restart=True)


@contextmanager
def _connected(address: str, namespace: str) -> Generator[Any]:
    """Connects to a cluster while the block runs; yields the module `ray`."""
    try:
        import ray
    except ImportError:
        raise ValueError("hydra/launcher=ray: needs Ray: pip install 'seqsweep[ray]'") from None
    before = signal.getsignal(signal.SIGTERM)  # Ray installs its own handler
    try:
        if address != "auto":  # Ray itself would wait minutes for an answer
            _check_address(address)
        ray.init(
            address,
            namespace=namespace,
            log_to_driver=False,
            configure_logging=False,
            logging_level=logging.ERROR,
        )
        yield ray
    except ConnectionError as error:
        raise ConnectionError(
            f"hydra.launcher.address={address}: no Ray cluster answers ({error}); must be "
            "HOST:PORT, or auto on a machine where `ray start` was called"
        ) from None
    finally:
        ray.shutdown()
        signal.signal(signal.SIGTERM, before)


def _check_address(address: str) -> None:
    """Raises an error if an address is wrong, or nothing answers."""
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal():
        raise ValueError(f"hydra.launcher.address={address}: must be HOST:PORT or auto")
    try:
        socket.create_connection((host.strip("[]"), int(port)), _CONNECT_SECONDS).close()
    except OSError as error:
        raise ConnectionError(str(error)) from None


def _check_beginnings(ray: Any, actors: Sequence[Any]) -> None:
    """Raises a ValueError if a started actor cannot write its log."""
    beginnings = [actor.__ray_ready__.remote() for actor in actors]
    ended, _ = ray.wait(beginnings, num_returns=len(beginnings), timeout=_BEGIN_SECONDS)
    for beginning in ended:
        try:
            ray.get(beginning)
        except ray.exceptions.RayActorError as error:
            # With any other error, the actor has begun and its command has already ended.
            if "raised in its creation task" in str(error):
                raise ValueError(
                    "a node of the Ray cluster cannot write a worker's log "
                    f"({str(error).strip().splitlines()[-1]}); all nodes must see the sweep's "
                    "folder at the same path"
                ) from None


def _new_logs(folder: Path, count: int) -> list[Path]:
    """Creates the log files of new workers, numbered after the existing files."""
    folder.mkdir(parents=True, exist_ok=True)
    first = len(list(folder.iterdir())) + 1
    logs = [folder / f"worker-{number}.out" for number in range(first, first + count)]
    for log in logs:
        open(log, "a", encoding="utf-8", opener=refuse_links).close()
    return logs
