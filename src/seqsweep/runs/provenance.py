"""Where a result comes from: versions, machine, code, command line."""

import functools
import os
import platform
import subprocess
import time
from importlib import metadata
from pathlib import Path
from typing import Any

from seqsweep.command import command_line

_PACKAGES = ("seqsweep", "torch", "lightning", "hydra-core", "omegaconf", "numpy", "tensorboard")


def provenance(threads: int, data_fingerprint: str | None) -> dict[str, Any]:
    """What a run's provenance.json holds. No environment variable is recorded."""
    return {
        "command": command_line(),
        "started": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "data_fingerprint": data_fingerprint,
        "threads": threads,
        **_environment(),
    }


@functools.cache
def _environment() -> dict[str, Any]:
    """What does not change while the process runs."""
    return {
        "python": platform.python_version(),
        "packages": {name: metadata.version(name) for name in _PACKAGES},
        "platform": platform.platform(),
        "cpu": _cpu_name(),
        "cpu_count": os.cpu_count(),
        "git": _git_commit(),
    }


def _cpu_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def _git_commit() -> str | None:
    """The commit of the code that runs, marked `-dirty` where files differ from it."""
    folder = Path(__file__).parent
    command = ["git", "-C", str(folder), "describe", "--always", "--dirty", "--abbrev=40"]
    try:
        result = subprocess.run(command, capture_output=True, text=True, check=True, timeout=10)
    except (OSError, subprocess.SubprocessError):
        return None
    return result.stdout.strip()
