"""Starts workers on this machine, which share its cores and GPUs. Imports no torch.

Each has its own process group, so that Ctrl-C reaches it once, through the process that started it.
"""

import contextlib
import itertools
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import Any

from seqsweep.command import quoted_value
from seqsweep.runs.files import refuse_links
from seqsweep.runs.identity import targets
from seqsweep.signals import ENDING, handled
from seqsweep.sweeping.queue import SweepMember

MOST_PROCESSES = max(64, os.cpu_count() or 1)
"""The most worker processes that one command starts."""


def number_of_processes(value: Any) -> int:
    """Returns the number of processes for a value of `hydra.launcher.processes`.

    Raises:
        ValueError: the value is neither `auto` nor an allowed number.
    """
    if value == "auto":
        return max(1, len(visible_gpus()))
    if type(value) is not int or not 1 <= value <= MOST_PROCESSES:
        given = f"hydra.launcher.processes={quoted_value(value)}"
        raise ValueError(f"{given}: must be 1 to {MOST_PROCESSES}, or auto (one for each GPU)")
    return value


def cores() -> int:
    """Returns the number of cores that this process may use."""
    # A container or a batch system may allow fewer cores than the machine has.
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def has_gpu_driver() -> bool:
    """Returns whether the driver of a GPU is here, which torch may not support."""
    files = ("/dev/nvidiactl", "/dev/dxg", "/dev/kfd")  # of NVIDIA, of Windows (WSL), of AMD
    return sys.platform == "darwin" or any(map(os.path.exists, files))


def gpu_available() -> bool:
    """Returns whether torch sees a GPU; imports torch only if a driver is here."""
    if not has_gpu_driver():
        return False
    from seqsweep.training.devices import takes_gpu

    return takes_gpu("auto")


def visible_gpus() -> list[str]:
    """Returns the GPUs that this process may use, as CUDA_VISIBLE_DEVICES names them."""
    given = os.environ.get("CUDA_VISIBLE_DEVICES")
    if given is not None:  # as in CUDA, a name that is empty or -1 ends the list
        return list(itertools.takewhile(lambda name: name not in ("", "-1"), given.split(",")))
    if not gpu_available():
        return []
    import torch  # counting starts no GPU

    return list(map(str, range(torch.cuda.device_count())))


def run_workers(
    command: Sequence[str], processes: int, threads: int | None = None, log: Path | None = None
) -> tuple[list[int], int | None]:
    """Runs a worker's command in some processes, each with a share of cores and GPUs.

    Signals that end this process are passed on, and the call returns when all workers have ended.

    Args:
        threads: the option --threads of each worker; None shares the cores.
        log: the file to which the workers' output is appended; None leaves it where ours goes.

    Returns:
        The exit codes (128 plus the number of the signal that killed a worker), and the number of
        the last signal that was passed on.
    """
    words = [*command, "--threads", str(threads or max(1, cores() // processes))]
    workers: list[subprocess.Popen[bytes]] = []
    received: list[int] = []

    def pass_on(signum: int, frame: FrameType | None) -> None:
        received.append(signum)
        for worker in workers:
            worker.send_signal(signum)  # has no effect on a worker that has ended

    gpus = visible_gpus()
    with handled(ENDING, pass_on), contextlib.ExitStack() as end:
        output = None if log is None else end.enter_context(open(log, "ab", opener=refuse_links))
        for i in range(processes):
            # The workers get the GPUs in turn, and share them if there are fewer.
            share = gpus[i::processes] or gpus[i % max(1, len(gpus)) :][:1]
            own = {"CUDA_VISIBLE_DEVICES": ",".join(share)} if share else {}
            workers.append(
                subprocess.Popen(
                    words, env={**os.environ, "PYTHONSAFEPATH": "1", **own},
                    stdin=subprocess.DEVNULL, stdout=output, stderr=output, process_group=0,
                )
            )  # fmt: skip
            end.callback(workers[-1].terminate)
            if received:  # perhaps before this worker could get the signal
                workers[-1].terminate()
                break
        codes = [worker.wait() for worker in workers]
    return [code if code >= 0 else 128 - code for code in codes], received[-1] if received else None


def worker_command(
    runs: Sequence[SweepMember], folder: Path, options: Sequence[str] = ()
) -> list[str]:
    """Returns the command of a worker, which allows the user's classes that the runs name.

    A worker alone does not trust the classes in sweep.json, because others may have written it.
    """
    # This import is late, because reading the packaged configs takes a while.
    from seqsweep.training.saved_config import own_targets

    values = {target for run in runs for _, target in targets(run.config)}
    foreign = sorted(values - own_targets())
    allowed = [word for target in foreign for word in ("--allow", target)]
    return [sys.executable, "-m", "seqsweep", "work", str(folder.resolve()), *options, *allowed]
