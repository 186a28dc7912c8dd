"""Starts commands as forks of a process that has imported torch."""

import fcntl
import inspect
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO

import psutil

ENVIRONMENT = {"OMP_NUM_THREADS": "1", "COLUMNS": "200", "PYTHONSAFEPATH": ""}
"""The variables of each command, besides those of this process.

A test that calls `seqsweep work` in its own process leaves PYTHONSAFEPATH there.
"""

SHARED = "SEQSWEEP_COMMAND_SERVER"
"""A variable with the folder of a server that several runs of pytest share."""

SLOWLY = """
import time
from seqsweep.training.engines.native import pool_data
train = pool_data.run
def train_slowly(*arguments):
    time.sleep(0.05)
    return train(*arguments)
pool_data.run = train_slowly
"""
"""Code for `before`: no task of a pool takes less than 50 ms.

A run of a hundred epochs is still under way when a test looks at it, on a fast machine too.
"""


def connected(path: Path) -> TextIO:
    """Connects to the server; raises an OSError if it has ended."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(path))
        stream = connection.makefile("rw")
    if stream.readline() != "ready\n":
        raise ConnectionResetError(path)
    return stream


class CommandServer:
    """A process that has imported what commands need, and forks them. Ends with its block.

    The processes of pytest-xdist share what is imported: the server of the first one forks one for
    each of them, while it lives.
    """

    def __init__(self, shared: Path) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        with (shared / "server.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # one of them starts it, and the others wait
            try:
                self._stream = connected(shared / "server")
            except OSError:
                (shared / "server").unlink(missing_ok=True)
                self._process = subprocess.Popen(
                    [sys.executable, Path(__file__).with_name("command_server.py"), shared],
                    # pandas imports pyarrow, whose allocator would start a thread that no fork has.
                    env={**os.environ, **ENVIRONMENT,
                         "JE_ARROW_MALLOC_CONF": "background_thread:false"},
                    stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                )  # fmt: skip
                assert self._process.stdout and self._process.stdout.readline() == b"ready\n"
                self._stream = connected(shared / "server")
        self._lock = threading.Lock()

    def __enter__(self) -> "CommandServer":
        return self

    def __exit__(self, *error: object) -> None:
        self._stream.close()
        if self._process is not None:
            with self._process:
                self._process.kill()

    def ask(self, **request: Any) -> int:
        """Returns the server's answer: a pid or a status."""
        with self._lock:
            self._stream.write(json.dumps(request) + "\n")
            self._stream.flush()
            return int(self._stream.readline())

    def start(
        self,
        folder: Path,
        *arguments: str,
        before: str = "",
        environment: Mapping[str, str] | None = None,
        **streams: Any,
    ) -> "Command":
        """Starts `seqsweep ARGUMENTS` in a folder.

        Args:
            before: Python code that the process runs first, when it has imported seqsweep.
            environment: variables besides those of this process.
            streams: `stdin`, `stdout` and `stderr` of `subprocess.Popen`.
        """
        variables = {**os.environ, **ENVIRONMENT, **(environment or {})}
        options = {
            "cwd": folder, "env": variables, "text": True, "stdin": subprocess.DEVNULL,
            "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **streams,
        }  # fmt: skip
        return Command(self, before, arguments, **options)


class Command(subprocess.Popen[str]):
    """A command that the server has forked, in a session of its own.

    It looks like a child of this process, because the server tells how it has ended.
    """

    def __init__(
        self, server: CommandServer, before: str, arguments: Sequence[str], **options: Any
    ) -> None:
        self._server, self._before = server, before
        super().__init__(arguments, **options)

    def _execute_child(self, *arguments: Any) -> None:
        """Lets the server fork the command, with the pipes that `Popen` has made."""
        execute = inspect.signature(subprocess.Popen._execute_child)  # pyright: ignore
        options = execute.bind(self, *arguments).arguments
        own = f"/proc/{os.getpid()}/fd"
        self.pid = self._server.ask(
            arguments=[str(argument) for argument in options["args"]],
            before=self._before,
            cwd=str(options["cwd"]),
            environment=dict(options["env"]),
            streams=[
                (f"{own}/{options['p2cread']}", os.O_RDONLY),
                (f"{own}/{options['c2pwrite']}", os.O_WRONLY),
                (f"{own}/{options['errwrite']}", os.O_WRONLY),
            ],
        )
        self._child_created = True
        pipes = ("p2cread", "p2cwrite", "c2pread", "c2pwrite", "errread", "errwrite")
        self._close_pipe_fds(*(options[name] for name in pipes))  # pyright: ignore

    def _try_wait(self, wait_flags: int) -> tuple[int, int]:
        """Returns the pid and the status of the command once it has ended, else 0 and 0."""
        if wait_flags & os.WNOHANG and not self.has_ended():
            return 0, 0
        return self.pid, self._server.ask(ended=self.pid)

    def _internal_poll(self, *_: Any, **__: Any) -> int | None:
        if self.returncode is None and self.has_ended():
            self.wait()
        return self.returncode

    def has_ended(self) -> bool:
        return psutil.Process(self.pid).status() == psutil.STATUS_ZOMBIE

    def wait_for_stop(self) -> None:
        """Waits until a signal has stopped the command; fails if it ends instead."""
        while psutil.Process(self.pid).status() != psutil.STATUS_STOPPED:
            assert not self.has_ended(), self.communicate()
            time.sleep(0.01)


StartCommand = Callable[..., Command]
"""The type of the fixture `start_command`."""
