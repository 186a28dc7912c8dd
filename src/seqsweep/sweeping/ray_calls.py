"""Connects to a Ray cluster and answers `RayWorkers`, as a program of its own.

    python -m seqsweep.sweeping.ray_calls ADDRESS NAMESPACE

Ray ends a connected process if the cluster's head dies, installs signal handlers and prints what
users do not need. So only this program is connected. It reads a question per line from stdin and
writes an answer per line to stdout, as JSON. It ends with its stdin.
"""

import ctypes
import json
import logging
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from typing import Any, TextIO

_CONNECT_SECONDS = 10.0

_PDEATHSIG = 1
"""PR_SET_PDEATHSIG of <linux/prctl.h>."""


class Cluster:
    """A connection to a Ray cluster.

    Args:
        address: `HOST:PORT` of the cluster's head, or `auto`.
        namespace: the namespace of the workers' names.

    Raises:
        ValueError: the address is wrong, or Ray is not installed.
        OSError: nothing answers at the address.
    """

    def __init__(self, address: str, namespace: str) -> None:
        try:
            import ray
        except ImportError:
            raise ValueError("hydra/launcher=ray: needs Ray: pip install 'seqsweep[ray]'") from None
        self.ray: Any = ray  # typed in part
        self.address = _find(address)
        self.ray.init(
            self.address,
            namespace=namespace,
            log_to_driver=False,
            configure_logging=False,
            logging_level=logging.ERROR,
        )
        self._beginnings: list[Any] = []

    def alive(self) -> int:
        """Returns the number of actors that run or wait for a node.

        Raises:
            ValueError: the actor of a started worker could not begin, for example because its node
                does not see the sweep's folder.
        """
        for beginning in self._ended_beginnings():
            try:
                self.ray.get(beginning)
            except self.ray.exceptions.RayActorError as error:
                _raise_if_not_begun(str(error).strip())
        return len(self.ray.util.list_named_actors())

    def start(self, command: Sequence[str], logs: Mapping[str, str], **options: Any) -> str:
        """Starts an actor for each log; returns the cluster's address.

        Args:
            command: the command of a worker.
            logs: the log file of each actor by its name.
            options: Ray's options of an actor, among them `num_cpus` and `num_gpus`.
        """
        self._check_nodes({"CPU": options["num_cpus"], "GPU": options["num_gpus"]})
        actor = self.ray.remote(Actor)
        for name, log in logs.items():
            named = actor.options(name=name, lifetime="detached", **options)
            handle = named.remote(command, log)
            self._beginnings.append(handle.__ray_ready__.remote())
        return self.address

    def _ended_beginnings(self) -> list[Any]:
        """Returns the beginnings of actors that have succeeded or failed since the last call."""
        if not self._beginnings:
            return []
        most = len(self._beginnings)
        ended, self._beginnings = self.ray.wait(self._beginnings, num_returns=most, timeout=0)
        return ended

    def _check_nodes(self, wanted: Mapping[str, float]) -> None:
        """Raises a ValueError if no node is large enough for a worker."""
        nodes = [node["Resources"] for node in self.ray.nodes() if node["Alive"]]
        if any(all(node.get(n, 0) >= amount for n, amount in wanted.items()) for node in nodes):
            return
        asked = ", ".join(f"hydra.launcher.{n.lower()}s={x:g}" for n, x in wanted.items() if x)
        known = {tuple(f"{name}: {node.get(name, 0):g}" for name in wanted) for node in nodes}
        raise ValueError(
            f"{asked}: no node of the Ray cluster {self.address} is large enough; its nodes have "
            + "; ".join(", ".join(node) for node in sorted(known))
        )


class Actor:
    """Runs a command on a node of the cluster, and ends with it.

    The constructor starts the command, because Ray repeats a constructor on another node, even if
    the process that created the actor has ended. The call of a method would be lost.

    Args:
        command: the command; its first word, a Python, is replaced by the node's own.
        log: the file that the output is appended to.
    """

    def __init__(self, command: Sequence[str], log: str) -> None:
        command = [sys.executable, *command[1:]]
        file = open(log, "a", encoding="utf-8")  # noqa: SIM115  (the thread closes it)
        threading.Thread(target=self._run, args=(command, file), daemon=True).start()

    def _run(self, command: Sequence[str], log: TextIO) -> None:
        import ray

        try:
            with log:
                _log(log, f"node {ray.util.get_node_ip_address()}: {shlex.join(command)}")
                done = subprocess.run(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    preexec_fn=_die_with_parent,
                    check=False,
                )
                _log(log, f"exit code {done.returncode}")
        finally:
            # An exit from this thread would count as a crash, and Ray would start the actor again.
            ray.kill(ray.get_runtime_context().current_actor, no_restart=True)


def _die_with_parent() -> None:
    """Lets Linux kill this process when the thread that started it ends, in whatever way."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PDEATHSIG, signal.SIGKILL)


def _log(log: TextIO, text: str) -> None:
    print(f"[{time.strftime('%Y-%m-%d %H:%M:%S')}] {text}", file=log, flush=True)


def _find(address: str) -> str:
    """Returns the `HOST:PORT` of a cluster that answers.

    Ray itself would try for two minutes, several times.
    """
    if address == "auto":
        from ray._private.services import canonicalize_bootstrap_address  # what `ray status` uses

        found = canonicalize_bootstrap_address("auto")
        if found is None:
            raise ConnectionError(
                "hydra.launcher.address=auto: this machine belongs to no running Ray cluster; "
                "expected HOST:PORT, or a machine where `ray start` was called"
            )
        address = found
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal():
        raise ValueError(f"hydra.launcher.address={address}: must be HOST:PORT or auto")
    try:
        socket.create_connection((host.strip("[]"), int(port)), _CONNECT_SECONDS).close()
    except OSError as error:
        raise ConnectionError(
            f"hydra.launcher.address={address}: no Ray cluster answers there ({error}); start one "
            "with `ray start --head`"
        ) from None
    return address


def _raise_if_not_begun(error: str) -> None:
    """Raises a ValueError if the constructor of an actor has failed."""
    if "raised in its creation task" not in error:
        return
    node = re.search(r"\bip=([^,)]+)", error)
    raise ValueError(
        f"node {node[1] if node else '?'} of the Ray cluster cannot write a worker's log "
        f"({error.splitlines()[-1]}); all nodes must see the sweep's folder at the same path"
    )


def main(address: str, namespace: str) -> None:
    """Answers the questions on stdin until it is closed."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # for what Ray prints
    cluster = None
    for line in sys.stdin:
        call, arguments = json.loads(line)
        try:
            cluster = cluster or Cluster(address, namespace)
            answer = {"answer": getattr(cluster, call)(**arguments)}
        except Exception as error:
            is_gone = isinstance(error, ConnectionError)
            answer = {"error": " ".join(str(error).split()), "is_gone": is_gone}
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
