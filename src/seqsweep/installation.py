"""Lists versions, native engine, cores and GPU, for `seqsweep --version`."""

import os
import platform
import re
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, requires, version
from typing import Any

from seqsweep.native.library import describe, why_missing

_REQUIREMENT = re.compile(r"([\w.-]+)(\[[^\]]*\])?[^;]*(?:;.*extra == ['\"]([\w-]+)['\"])?")
"""A requirement in a package's metadata: its name, its extras, and the extra that needs it."""


def installation() -> dict[str, Any]:
    """Returns versions, native engine, cores and GPU for `--json`."""
    # Imported here, because a package that it needs may be missing.
    from seqsweep.sweeping.processes import cores, gpu_available

    return {
        "seqsweep": version("seqsweep"),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "native_engine": None if why_missing() else describe(),
        "packages": {name: v for group in _packages().values() for name, v in group.items()},
        "cores": cores(),
        "gpu": gpu_available(),
    }


def installation_lines() -> Iterator[str]:
    """Yields the versions, the native engine, the cores and the GPU.

    A package that is not installed is named with the command that installs it.
    """
    yield f"seqsweep {version('seqsweep')}"
    yield f"python {platform.python_version()}, {platform.system()} {platform.machine()}"
    yield why_missing() or "native engine: {variant}, {compiler}".format(**describe())
    for extra, versions in _packages().items():
        installed = ", ".join(f"{name} {each}" for name, each in versions.items() if each)
        missing = [name for name, each in versions.items() if each is None]
        what = f"'seqsweep[{extra}]'" if extra else "--force-reinstall seqsweep"
        line = f"extra {extra}: {installed}" if extra else f"packages: {installed}"
        if missing:
            line += f"{'; ' * bool(installed)}without {', '.join(missing)}: pip install {what}"
        yield line
    # Imported here, because a package that it needs may be missing.
    from seqsweep.sweeping.processes import cores, gpu_available

    limits = {name: os.environ.get(name) for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS")}
    given = "".join(f", {name}={value}" for name, value in limits.items() if value is not None)
    yield f"cores: {cores()} of {os.cpu_count()}{given}"
    yield f"GPU: {'yes' if gpu_available() else 'none; everything trains on the CPU'}"


def _packages() -> dict[str, dict[str, str | None]]:
    """Returns package versions by extra, or None; required packages are under ''."""
    groups: dict[str, dict[str, str | None]] = {}
    for text in requires("seqsweep") or []:
        match = _REQUIREMENT.match(text)
        assert match is not None, text
        # Extras of seqsweep itself are listed by their own names.
        if match[1] != "seqsweep" and match[3] not in ("test", "durability"):
            groups.setdefault(match[3] or "", {})[match[1]] = _version(match[1])
    return groups


def _version(name: str) -> str | None:
    """Returns the version of an installed package; None if it is missing."""
    try:
        return version(name)
    except PackageNotFoundError:
        return None
