"""Imports what commands need, and forks a process for each command.

A new Python takes seconds to import torch and Lightning; a fork of one that has them does not. Each
command is still a process of its own: with its arguments, current folder, environment and output.
It forks a server for each connection, too. That one reads requests and answers each with a number,
one line of JSON each: the pid of a new command, or the status with which a command has ended.
tests/support/commands.py asks it.
"""

import atexit
import gc
import importlib
import json
import os
import pkgutil
import runpy
import select
import signal
import socket
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

import faster_hydra
from hydra import compose, initialize_config_dir

import seqsweep
from seqsweep.config import CONF_DIR
from seqsweep.config.from_overrides import VERSION_BASE
from seqsweep.config.schema import check

LATE = (
    "lightning.pytorch", "sklearn.linear_model", "sklearn.neighbors",
    "tensorboard.plugins.hparams.summary_v2",
)  # fmt: skip
"""Packages that commands import in functions."""

NEVER = (
    "seqsweep.__main__",  # would start the command
    "seqsweep.aeon",  # no command imports it, and numba takes seconds
    "seqsweep.extras.export.onnx_file",  # onnxruntime starts threads
)


def compose_faster() -> None:
    """Reads the config files and the signatures that they name once for all forks.

    See tests/support/faster_hydra.py.
    """
    faster_hydra.install()
    with initialize_config_dir(config_dir=str(CONF_DIR), **VERSION_BASE):
        for data in ("random", "digits"):
            check(compose("train", [f"data={data}", "model.hidden_size=8"]))


def become(request: dict[str, Any], streams: Sequence[int]) -> None:
    """Makes this process what `python -m seqsweep ARGUMENTS` is when it starts."""
    os.setsid()
    os.chdir(request["cwd"])
    os.environ.clear()
    os.environ.update(request["environment"])
    # With PYTHONSAFEPATH, Python does not look for modules in the current folder.
    is_safe = request["environment"].get("PYTHONSAFEPATH")
    sys.path[:1] = [] if is_safe else [request["cwd"]]
    sys.argv = ["seqsweep", *request["arguments"]]
    for descriptor, stream in enumerate(streams):
        os.dup2(stream, descriptor)
        os.close(stream)


def start(request: dict[str, Any]) -> int:
    """Forks a command; returns its pid, and 0 in the command itself."""
    streams = [os.open(path, flags) for path, flags in request["streams"]]
    pid = os.fork()
    if pid == 0:
        become(request, streams)
        return 0
    for stream in streams:
        os.close(stream)
    return pid


def serve(path: str) -> dict[str, Any] | None:
    """Forks a server for each connection; returns the request in the fork that shall serve it.

    The server of a connection answers its requests until it is closed.
    """
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the system buries the servers of connections
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(path)
        listening.listen()
        print("ready", flush=True)
        while True:
            if sys.stdin in select.select([listening, sys.stdin], [], [])[0]:
                return None  # who started it has ended
            connection, _ = listening.accept()
            if os.fork() == 0:
                break
            connection.close()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    stream = connection.makefile("rw")
    connection.close()
    print("ready", file=stream, flush=True)
    for line in stream:
        request = json.loads(line)
        if "ended" in request:
            _, answer = os.waitpid(request["ended"], 0)
        elif (answer := start(request)) == 0:
            stream.close()
            return request
        print(answer, file=stream, flush=True)
    return None


def main() -> None:
    modules = [found.name for found in pkgutil.walk_packages(seqsweep.__path__, "seqsweep.")]
    for name in (*LATE, *modules):
        if name not in NEVER:
            importlib.import_module(name)
    compose_faster()
    gc.freeze()  # a collection in a fork would copy every page
    threads = list(Path("/proc/self/task").iterdir())
    assert len(threads) == 1, "a fork has only the thread that forks"
    request = serve(f"{sys.argv[1]}/server")
    if request is None:
        os._exit(0)
    exec(request["before"], {"__name__": "before"})
    try:
        runpy.run_module("seqsweep", run_name="__main__", alter_sys=True)
    except SystemExit as end:
        leave(end)


def leave(end: SystemExit) -> NoReturn:
    """Ends this process as the interpreter does, but without taking all objects apart.

    That would copy every page which this process shares with the server.
    """
    threading._shutdown()  # pyright: ignore
    atexit._run_exitfuncs()  # pyright: ignore
    if isinstance(end.code, str):
        print(end.code, file=sys.stderr)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(end.code if isinstance(end.code, int) else int(end.code is not None))


main()
