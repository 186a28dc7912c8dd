"""Imports what commands need, and forks a process for each command.

A new Python takes seconds to import torch and Lightning; a fork of one that has them does not. Each
command is still a process of its own: with its arguments, current folder, environment and output.
The server reads one line of JSON for each command from stdin and answers with the exit code.
"""

import gc
import importlib
import json
import os
import pkgutil
import runpy
import sys
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_dir

import seqsweep
from seqsweep.config import CONF_DIR
from seqsweep.config.hydra_version import VERSION_BASE

SUPPORT = Path(__file__).parents[1] / "support"

LATE = (
    "lightning.pytorch", "sklearn.linear_model", "sklearn.neighbors",
    "tensorboard.plugins.hparams.summary_v2",
)  # fmt: skip
"""Packages that commands import in functions."""

NEVER = (
    "seqsweep.__main__",  # would start the command
    "seqsweep.aeon",  # no command imports it, and numba takes seconds
    "seqsweep.using.export.onnx_file",  # onnxruntime starts threads
)


def become(request: dict[str, Any]) -> None:
    """Makes this process what `python -m seqsweep ARGUMENTS` is when it starts."""
    os.chdir(request["cwd"])
    os.environ.clear()
    os.environ.update(request["environment"])
    sys.path[0] = request["cwd"]
    sys.argv = ["seqsweep", *request["arguments"]]
    for descriptor, path in enumerate((os.devnull, request["out"], request["err"])):
        opened = os.open(path, os.O_WRONLY | os.O_CREAT if descriptor else os.O_RDONLY)
        os.dup2(opened, descriptor)
        os.close(opened)


def compose_faster() -> None:
    """Reads the config files once for all forks; see tests/support/faster_hydra.py."""
    sys.path.insert(0, str(SUPPORT))
    import faster_hydra

    sys.path.remove(str(SUPPORT))
    faster_hydra.install()
    with initialize_config_dir(config_dir=str(CONF_DIR), **VERSION_BASE):
        compose("train", [])


def serve() -> None:
    """Runs commands until stdin ends; a fork returns when its command has ended."""
    modules = [found.name for found in pkgutil.walk_packages(seqsweep.__path__, "seqsweep.")]
    for name in (*LATE, *modules):
        if name not in NEVER:
            importlib.import_module(name)
    compose_faster()
    gc.freeze()  # a collection in a fork would copy every page
    threads = list(Path("/proc/self/task").iterdir())
    assert len(threads) == 1, "a fork has only the thread that forks"
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            become(json.loads(line))
            runpy.run_module("seqsweep", run_name="__main__", alter_sys=True)
            return
        _, status = os.waitpid(pid, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


serve()
