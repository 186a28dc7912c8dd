"""Starts workers in a Ray cluster and counts them.

A worker is the plain command, run by a named detached actor. Such an actor outlives the command
that created it, every later command can count it, and Ray starts it again on another node if its
own dies.
"""

import hashlib
import itertools
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from seqsweep.console import place, say_error
from seqsweep.sweeping.ray_connection import RayConnection

LOGS = Path(".ray", "logs")
"""The folder of the workers' output, inside the sweep's folder."""

PATIENCE_SECONDS = 300.0
"""The seconds that a cluster may be gone after it has answered: a head restarts slowly."""

_PAUSE_SECONDS = 5.0


@dataclass
class RayWorkers:
    """The workers of a sweep in a Ray cluster.

    Args:
        count: the wanted number of workers.
        detach: whether the command ends once the workers are started.
        address: `HOST:PORT` of the cluster's head, or `auto` for the cluster of this machine.
        cpus: the CPUs that Ray reserves for a worker; below 1, several workers share one.
        gpus: the GPUs of a worker; below 1, several workers share one.
        restarts: how often Ray starts a worker again whose node or actor has died.
        options: options of `seqsweep work` for each worker.

    Raises:
        ValueError: a number is out of range.
    """

    count: int = 1
    detach: bool = False
    address: str = "auto"
    cpus: float = 1
    gpus: float = 0
    restarts: int = 10
    options: Sequence[str] = ()
    _connection: RayConnection | None = field(default=None, init=False, repr=False)
    _has_answered: bool = field(default=False, init=False, repr=False)

    def __post_init__(self) -> None:
        for key, least in (("count", 1), ("restarts", 0), ("gpus", 0)):
            if getattr(self, key) < least:
                raise ValueError(
                    f"hydra.launcher.{key}={getattr(self, key):g}: must be at least {least}"
                )
        if self.cpus <= 0:
            raise ValueError(f"hydra.launcher.cpus={self.cpus:g}: must be above 0")
        for key, amount in (("cpus", self.cpus), ("gpus", self.gpus)):
            if amount > 1 and amount % 1:
                raise ValueError(
                    f"hydra.launcher.{key}={amount:g}: must be a whole number, or below 1"
                )
        self.options = ["--threads", str(max(1, int(self.cpus))), *self.options]

    def start(self, folder: Path, count: int, command: Sequence[str]) -> str:
        """Starts workers that run a command; returns a line that names the cluster.

        Raises:
            ValueError: no node of the cluster is large enough, or Ray is not installed.
            ConnectionError: the cluster does not answer.
        """
        logs = _new_logs(folder.resolve() / LOGS, count)
        try:
            address = self._ask(
                folder,
                "start",
                command=list(command),
                logs={log.stem: str(log) for log in logs},
                num_cpus=self.cpus,
                num_gpus=self.gpus,
                max_restarts=self.restarts,
            )
        except ValueError:  # nothing was started
            for log in logs:
                log.unlink()
            raise
        workers = f"{count} worker{'' if count == 1 else 's'}"
        names = f"namespace {namespace_of(folder)}, logs in {place(folder / LOGS)}"
        return f"Ray cluster {address}: {workers}, {names}"

    def alive(self, folder: Path) -> int:
        """Returns how many workers of this folder run or wait in the cluster.

        A failed question is repeated, because an unknown number must not count as none.

        Raises:
            ValueError: a node cannot write into the folder, or Ray is not installed.
            ConnectionError: no cluster answers, or the one that answered is gone for minutes.
        """
        began, is_said = time.monotonic(), False
        while True:
            try:
                count = self._ask(folder, "alive")
                self._has_answered = True
                return count
            except ConnectionError as error:
                if not self._has_answered or time.monotonic() - began > PATIENCE_SECONDS:
                    raise
                if not is_said:
                    say_error(f"{error}; asking again for {PATIENCE_SECONDS / 60:.0f} min")
                    is_said = True
            time.sleep(_PAUSE_SECONDS)

    def close(self) -> None:
        """Disconnects from the cluster; the workers continue."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _ask(self, folder: Path, call: str, **arguments: Any) -> Any:
        """Asks the cluster, and forgets the connection if it does not answer."""
        if self._connection is None:
            self._connection = RayConnection(self.address, namespace_of(folder))
        try:
            return self._connection.ask(call, **arguments)
        except ConnectionError:
            self.close()
            raise


def namespace_of(folder: Path) -> str:
    """Returns the namespace of a folder's workers: every command names them alike."""
    return f"seqsweep-{hashlib.sha256(str(folder.resolve()).encode()).hexdigest()[:16]}"


def _new_logs(folder: Path, count: int) -> list[Path]:
    """Creates the log files of new workers: worker-1.out and so on, after those that exist."""
    folder.mkdir(parents=True, exist_ok=True)
    logs: list[Path] = []
    for number in itertools.count(1):
        log = folder / f"worker-{number}.out"
        if not log.exists():
            log.touch()
            logs.append(log)
        if len(logs) == count:
            break
    return logs
