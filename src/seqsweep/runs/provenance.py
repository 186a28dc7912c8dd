"""Collects the origin of a result: versions, machine, code, command line.

No environment variable is recorded, because some hold secrets.
"""

import functools
import hashlib
import os
import platform
import subprocess
import time
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path

from seqsweep.command import command_line
from seqsweep.runs.files import JsonObject

_PACKAGES = ("seqsweep", "torch", "lightning", "hydra-core", "omegaconf", "numpy", "tensorboard")


def provenance(
    threads: int,
    data_fingerprint: str | None,
    engine: JsonObject,
    data_files: Mapping[str, str] | None = None,
) -> JsonObject:
    """Returns the content of a run's provenance.json.

    Args:
        engine: the engine, and what affects its rounding: instruction set, BLAS, devices.
        data_files: absolute paths by key of `data.source`; the paths in the config may be relative.
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
    return metadata.version("seqsweep")


@functools.cache
def _environment() -> JsonObject:
    """Returns the entries that do not change while the process runs."""
    return {
        "python": platform.python_version(),
        "packages": {name: metadata.version(name) for name in _PACKAGES},
        "platform": platform.platform(),
        "cpu": _cpu_name(),
        "cpu_count": os.cpu_count(),
        **checkout(Path(__file__)),
    }


def _cpu_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


@functools.cache
def checkout(file: Path) -> dict[str, str | None]:
    """Returns the commit of a file's git checkout, and a digest of uncommitted changes."""
    if _git(file, "ls-files", "--error-unmatch", str(file)) is None:  # the file is in no checkout
        return {"git_commit": None, "git_diff": None}
    # Only a digest is kept, because the diff itself may be large and private.
    diff = _git(file, "diff", "HEAD") or ""
    digest = hashlib.sha256(diff.encode()).hexdigest() if diff else None
    return {"git_commit": _git(file, "rev-parse", "HEAD"), "git_diff": digest}


def _git(file: Path, *arguments: str) -> str | None:
    """Returns git's output in a file's folder; None if git fails."""
    command = ["git", "-C", str(file.parent), *arguments]
    try:
        result = subprocess.run(command, capture_output=True, text=True, check=True, timeout=10)
    except (OSError, subprocess.SubprocessError):
        return None
    return result.stdout.strip()
