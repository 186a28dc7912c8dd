"""Where a result comes from: versions, machine, code, command line. No environment variable."""

import functools
import hashlib
import os
import platform
import subprocess
import time
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

from seqsweep.command import command_line

_PACKAGES = ("seqsweep", "torch", "lightning", "hydra-core", "omegaconf", "numpy", "tensorboard")


def provenance(
    threads: int,
    data_fingerprint: str | None,
    engine: dict[str, Any],
    data_files: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """What a run's provenance.json holds.

    Args:
        threads: of torch.
        data_fingerprint: of the sequences.
        engine: what torch says of the machine: instruction set, BLAS, devices.
        data_files: absolute paths by key of `data.source`, whose own may be relative.
    """
    return {
        "command": command_line(),
        "started": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "data_fingerprint": data_fingerprint,
        "data_files": dict(data_files or {}),
        "threads": threads,
        **engine,
        **_environment(),
    }


@functools.cache
def version() -> str:
    """The version of this program."""
    return metadata.version("seqsweep")


@functools.cache
def _environment() -> dict[str, Any]:
    """What does not change while the process runs."""
    return {
        "python": platform.python_version(),
        "packages": {name: metadata.version(name) for name in _PACKAGES},
        "platform": platform.platform(),
        "cpu": _cpu_name(),
        "cpu_count": os.cpu_count(),
        **_code(),
    }


def _cpu_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def _code() -> dict[str, str | None]:
    """The commit of this package's checkout, and a digest of what differs from it; else None."""
    if _git("ls-files", "--error-unmatch", __file__) is None:  # installed, not a checkout
        return {"git_commit": None, "git_diff": None}
    diff = _git("diff", "HEAD") or ""
    digest = hashlib.sha256(diff.encode()).hexdigest() if diff else None
    return {"git_commit": _git("rev-parse", "HEAD"), "git_diff": digest}


def _git(*arguments: str) -> str | None:
    command = ["git", "-C", str(Path(__file__).parent), *arguments]
    try:
        result = subprocess.run(command, capture_output=True, text=True, check=True, timeout=10)
    except (OSError, subprocess.SubprocessError):
        return None
    return result.stdout.strip()
