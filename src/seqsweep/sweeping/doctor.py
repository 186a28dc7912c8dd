"""The command `seqsweep doctor`: checks the installation, and says how to mend what is wrong."""

import importlib
import importlib.metadata
import os
import platform
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

from hydra.core.plugins import Plugins
from hydra.plugins.launcher import Launcher
from hydra.plugins.sweeper import Sweeper
from packaging.requirements import Requirement
from rich.markup import escape

from seqsweep.arguments import Parser
from seqsweep.config.from_overrides import compose
from seqsweep.console import PlainConsole
from seqsweep.native.library import describe, why_missing
from seqsweep.runs.lock import RunLock
from seqsweep.sweeping.forming import gpu_available

State = Literal["ok", "note", "fault"]

_EXTRA = re.compile(r"extra == ['\"]([\w-]+)['\"]")
_GIGABYTE = 10**9
_LITTLE_SPACE = 1  # gigabytes; a run takes some 100 kB

_TRIAL = (
    "data=temporal_order", "data.source.length=12", "model.cell=gru", "model.hidden_size=16",
    "optimizer.lr=0.01", "trainer.max_epochs=20", "trainer.progress_bar=false", "diagnostics=false",
)  # fmt: skip
"""The training that proves the installation; guessing gives 0.25."""


class Finding(NamedTuple):
    """The result of one check, with the cure of a fault."""

    state: State
    name: str
    text: str


def doctor(arguments: Sequence[str]) -> int:
    """Prints a line for each finding. Returns 1 after a fault."""
    text = "Checks the installation and trains a small network in a temporary folder."
    parser = Parser("doctor", text)
    words = "where runs will be written (outputs)"
    parser.add_argument("--output-dir", type=Path, default=Path("outputs"), help=words)
    folder: Path = parser.parse(arguments).output_dir
    checks: dict[str, Callable[[], Iterator[Finding]]] = {
        "packages": check_packages,
        "hydra": check_plugins,
        "engine": check_engine,
        "devices": check_devices,
        "folder": lambda: check_folder(folder),
        "training": check_training,
    }
    console, faults = PlainConsole(), 0
    for name, check in checks.items():
        for finding in _guarded(name, check):
            faults += finding.state == "fault"
            style = {"ok": "green", "note": "yellow", "fault": "bold red"}[finding.state]
            line = f"[{style}]{finding.state:5}[/]  {finding.name:12}  {escape(finding.text)}"
            console.print(line, soft_wrap=True, highlight=False)
    result = "no faults found" if not faults else f"{faults} fault{'s' * (faults > 1)} found"
    console.print(result, highlight=False)
    return int(faults > 0)


def _guarded(name: str, check: Callable[[], Iterator[Finding]]) -> Iterator[Finding]:
    """Yields the findings of a check; its own error is a fault too."""
    try:
        yield from check()
    except Exception as error:  # a broken installation can fail in any way
        yield Finding("fault", name, f"{type(error).__name__}: {error}")


def check_packages() -> Iterator[Finding]:
    """Compares the installed packages with those that seqsweep requires."""
    version = platform.python_version()
    yield Finding("ok", "python", f"{version}, {platform.system()} {platform.machine()}")
    extras: dict[str, list[Requirement]] = {}
    for text in importlib.metadata.requires("seqsweep") or []:
        requirement = Requirement(text)
        extra = _EXTRA.search(str(requirement.marker or ""))
        if extra is not None:
            extras.setdefault(extra[1], []).append(requirement)
        elif requirement.marker is None or requirement.marker.evaluate():
            yield _package(requirement)
    for extra, requirements in sorted(extras.items()):
        missing = [r.name for r in requirements if _installed(r.name) is None]
        if extra == "dev":
            continue
        if missing:
            how = f"pip install 'seqsweep[{extra}]'"
            yield Finding("note", "extra", f"{extra}: {', '.join(missing)} is missing; {how}")
        else:
            yield Finding("ok", "extra", f"{extra}: {', '.join(r.name for r in requirements)}")


def _package(requirement: Requirement) -> Finding:
    version = _installed(requirement.name)
    how = f"pip install '{requirement.name}{requirement.specifier}'"
    if version is None:
        return Finding("fault", "package", f"{requirement.name} is missing; {how}")
    if not requirement.specifier.contains(version, prereleases=True):
        text = f"{requirement.name} {version}: must be {requirement.specifier}; {how}"
        return Finding("fault", "package", text)
    return Finding("ok", "package", f"{requirement.name} {version}")


def _installed(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def check_plugins() -> Iterator[Finding]:
    """Looks for the launchers and sweepers that Hydra finds, which must include ours."""
    for kind, ours in ((Sweeper, "SeqsweepSweeper"), (Launcher, "LocalLauncher")):
        names = sorted(found.__name__ for found in Plugins.instance().discover(kind))
        text = f"{kind.__name__.lower()}s: {', '.join(names)}"
        if ours in names:
            yield Finding("ok", "hydra", text)
        else:
            how = "install seqsweep again: pip install --force-reinstall --no-deps seqsweep"
            yield Finding("fault", "hydra", f"{text}; {ours} is missing; {how}")


def check_engine() -> Iterator[Finding]:
    """Looks for the native library."""
    missing = why_missing()
    if missing is None:
        yield Finding("ok", "engine", "native: {variant}, {compiler}".format(**describe()))
    else:
        yield Finding("note", "engine", missing)


def check_devices() -> Iterator[Finding]:
    """Counts the cores, threads and GPUs that training can use."""
    cores = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count()
    limits = {name: os.environ.get(name) for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS")}
    shown = "".join(f", {name}={value}" for name, value in limits.items() if value is not None)
    yield Finding("ok", "cpu", f"{cores} of {os.cpu_count()} cores{shown}")
    if not gpu_available("auto"):
        yield Finding("ok", "gpu", "none; everything trains on the CPU")
        return
    import torch  # takes seconds, so only where there may be a GPU

    count = torch.cuda.device_count()
    names = sorted({torch.cuda.get_device_name(index) for index in range(count)})
    yield Finding("ok", "gpu", f"{count}: {', '.join(names)}")


def check_folder(folder: Path) -> Iterator[Finding]:
    """Writes, renames and locks a file where runs will be written, and removes it again."""
    existing = next(p for p in (folder.absolute(), *folder.absolute().parents) if p.exists())
    how = "choose another folder: output_dir=..."
    if not existing.is_dir():
        yield Finding("fault", "folder", f"{existing} is not a folder; {how}")
        return
    try:
        with tempfile.TemporaryDirectory(dir=existing, prefix=".seqsweep-doctor-") as scratch:
            path = Path(scratch)
            (path / "a").write_bytes(b"x")
            (path / "a").replace(path / "b")
            with RunLock(path):
                pass
    except OSError as error:
        yield Finding("fault", "folder", f"{existing}: {error.strerror}; {how}")
        return
    free = shutil.disk_usage(existing).free / _GIGABYTE
    text = f"{existing}: writable, {free:,.1f} GB free"
    if free < _LITTLE_SPACE:
        yield Finding("note", "folder", f"{text}; a sweep may need more: see seqsweep plan")
    else:
        yield Finding("ok", "folder", text)


def check_training() -> Iterator[Finding]:
    """Trains a small network, then asks for it again, which must train nothing."""
    from seqsweep.sweeping.api import train  # imports the whole application

    with tempfile.TemporaryDirectory(prefix="seqsweep-doctor-") as scratch:
        config = compose([*_TRIAL, f"output_dir={scratch}"])
        start = time.perf_counter()
        record = train(config)
        seconds = time.perf_counter() - start
        accuracy = record["metrics"]["test/acc"]
        text = f"test accuracy {accuracy:.2f} after {seconds:.1f} s (guessing: 0.25)"
        if accuracy < 0.5:
            yield Finding("fault", "training", f"{text}; the network has not learned")
            return
        # A second training would measure other seconds.
        if train(config)["train_seconds"] == record["train_seconds"]:
            yield Finding("ok", "training", text)
        else:
            yield Finding("fault", "training", f"{text}; a complete run was trained again")
