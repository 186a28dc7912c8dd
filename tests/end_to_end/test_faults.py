"""A run survives a fault at each of its write calls, as SQLite tests it.

A small run is trained once for each of its calls that change a file, and that call fails: the
process is killed before or during the call, the disk is full from this call on, or permission is
denied. After each fault only whole files may have their final names, and an error must have been
raised. Then the same run is trained again and must equal an undisturbed run.

As a program, this file is the driver: it has one thread, imports torch once and forks each run.
"""

import builtins
import contextlib
import errno
import functools
import gc
import importlib.metadata
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hydra import compose, initialize_config_dir

from seqsweep.config import CONF_DIR
from seqsweep.config.from_overrides import VERSION_BASE
from seqsweep.config.schema import check
from seqsweep.errors import Damaged, RunFailed
from seqsweep.runs.ledger import read_run
from seqsweep.runs.provenance import provenance
from seqsweep.runs.run_folder import RunFolder
from seqsweep.training.checkpoint_files import load_sealed
from seqsweep.training.planned_run import PlannedRun, plan
from seqsweep.training.train import train

BENCH = Path(__file__).parents[2] / "scripts" / "bench"
OVERRIDES = (
    "data=digits",
    "model.hidden_size=4",
    "model.num_layers=2",
    "model.dropout=0.2",
    "scheduler=plateau",
    "optimizer.lr=0.03",
    "trainer.max_epochs=3",
    "trainer.limit_train_batches=2",
    "trainer.progress_bar=false",
)
FINISHED, RAISED, WRONG, STUCK = 0, 3, 4, 5
NEED_SPACE = ("open", "write", "mkdir", "link", "fsync")


@pytest.mark.slow
@pytest.mark.durability
@pytest.mark.parametrize(
    ("kind", "stride"), [("kill", 1), ("kill-half", 1), ("ENOSPC", 3), ("EACCES", 3)]
)
def test_a_run_survives_a_fault_at_every_write_call(tmp_path: Path, kind: str, stride: int) -> None:
    with tempfile.TemporaryDirectory(dir=tmp_path) as scratch:
        process = subprocess.Popen(
            [sys.executable, __file__, str(tmp_path / "runs"), kind, str(stride)],
            # Lightning's import of torch's compiler may make a folder for its cache.
            env={
                **os.environ,
                "OMP_NUM_THREADS": "1",
                "TMPDIR": scratch,
                "TORCHINDUCTOR_CACHE_DIR": str(tmp_path / "torch"),
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        try:
            printed, _ = process.communicate(timeout=280)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        assert process.returncode == 0, printed
        assert os.listdir(scratch) == []
    report = json.loads(printed.splitlines()[-1])
    assert report["calls"] > 60
    assert report["faults"] >= (15 if kind == "kill-half" else report["calls"] // (2 * stride))
    assert report["found"] == [], "\n".join(report["found"])


class Faults:
    """Counts the calls of this process that change a file, and makes one of them fail.

    Args:
        kind: `kill` ends the process before the call, `kill-half` in the middle of a write;
            `ENOSPC` refuses, from the call on, all that needs space, after half of the first write;
            `EACCES` refuses this one call; `none` only counts.
        at: the call, from 0.
    """

    def __init__(self, kind: str, at: int = -1) -> None:
        self.kind = kind
        self.at = at
        self.calls: list[tuple[str, str]] = []

    def install(self) -> None:
        """Replaces the functions that pathlib, csv, logging and TensorBoard call to write."""
        for module, name, broken in (
            (io, "open", self._open),
            (builtins, "open", self._open),
            (os, "open", self._open_descriptor),
            *[(os, name, self._call_by_path) for name in ("unlink", "remove", "mkdir", "rmdir")],
            *[(os, name, self._call_by_path) for name in ("fsync", "ftruncate", "truncate")],
            *[(os, name, self._call_by_target) for name in ("replace", "rename", "link")],
            *[(os, name, self._write) for name in ("write", "pwrite")],
        ):
            original = getattr(module, name)
            setattr(module, name, functools.partial(broken, name, original))

    def call(self, what: str, where: Any, half: Callable[[], Any] | None = None) -> None:
        """Causes the fault if this is the call that must fail; else returns."""
        number = len(self.calls)
        self.calls.append((what, _name(where)))
        if number == self.at and self.kind in ("kill", "kill-half"):
            if self.kind == "kill-half" and half is not None:
                half()
            os.kill(os.getpid(), signal.SIGKILL)
        if number == self.at and self.kind == "EACCES":
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), _name(where))
        if number >= self.at and self.kind == "ENOSPC" and what in NEED_SPACE:
            if number == self.at and half is not None:
                half()
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), _name(where))

    def _open(
        self, _: str, original: Any, path: Any, mode: str = "r", *given: Any, **named: Any
    ) -> Any:
        if not set(mode) & set("wax+"):
            return original(path, mode, *given, **named)
        self.call("open", path)
        return _File(original(path, mode, *given, **named), path, self)

    def _open_descriptor(
        self, _: str, original: Any, path: Any, flags: int, *given: Any, **named: Any
    ) -> Any:
        if flags & os.O_CREAT:
            self.call("open", path)
        return original(path, flags, *given, **named)

    def _call_by_path(self, name: str, original: Any, path: Any, *given: Any, **named: Any) -> Any:
        self.call(name, path)
        return original(path, *given, **named)

    def _call_by_target(
        self, name: str, original: Any, source: Any, target: Any, *given: Any, **named: Any
    ) -> Any:
        self.call(name, target)
        return original(source, target, *given, **named)

    def _write(self, name: str, original: Any, descriptor: int, data: Any, *given: Any) -> Any:
        half = data[: len(data) // 2]
        self.call("write", descriptor, lambda: original(descriptor, half, *given))
        return original(descriptor, data, *given)


class _File:
    """An open file whose writes are counted."""

    def __init__(self, file: Any, path: Any, faults: Faults) -> None:
        self._file = file
        self._path = path
        self._faults = faults

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)

    def __enter__(self) -> "_File":
        return self

    def __exit__(self, *error: object) -> None:
        self._file.close()

    def __iter__(self) -> Iterator[Any]:
        return iter(self._file)

    def write(self, data: Any) -> int:
        self._faults.call("write", self._path, lambda: self._write_half(data))
        return self._file.write(data)

    def _write_half(self, data: Any) -> None:
        self._file.write(data[: len(data) // 2])
        self._file.flush()


def _name(where: Any) -> str:
    if isinstance(where, int):
        where = os.path.realpath(f"/dev/fd/{where}")
    return Path(os.fsdecode(where)).name


class Driver:
    """Trains one run repeatedly in `root`, each time in its own process."""

    def __init__(self, root: Path) -> None:
        with initialize_config_dir(config_dir=str(CONF_DIR), **VERSION_BASE):
            config = compose("train", [*OVERRIDES, f"output_dir={root}"])
        self.member: PlannedRun = plan(check(config))
        self.root = root
        sys.path.append(str(BENCH))
        self.crash: Any = importlib.import_module("crash")
        provenance(1, None, {})  # asks git once, here, for all the processes
        # Each of Lightning's Trainers looks through all installed packages for callbacks.
        importlib.metadata.entry_points = functools.cache(importlib.metadata.entry_points)

    def folder(self, name: str) -> Path:
        return self.root / name / self.member.run_id

    def train(self, name: str, faults: Faults) -> tuple[int, str]:
        """Returns the exit code of the process, negative for a signal, and its output."""
        assert threading.active_count() == 1  # or a fork would be half a process
        printed = self.root / f"{name}.txt"
        pid = os.fork()
        if pid == 0:
            self._child(name, faults, printed)
        return _wait(pid), printed.read_text()

    def _child(self, name: str, faults: Faults, printed: Path) -> None:
        code = WRONG
        try:
            descriptor = os.open(printed, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            os.dup2(descriptor, 1)
            os.dup2(descriptor, 2)
            record = os.open(self.root / f"{name}.json", os.O_WRONLY | os.O_CREAT)
            write = os.write
            faults.install()
            code = self._train(name)
            write(record, json.dumps(faults.calls).encode())
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)

    def _train(self, name: str) -> int:
        try:
            train(self.member, self.root / name)
        except (RunFailed, OSError):
            return RAISED
        return FINISHED

    def try_fault(self, kind: str, at: int, call: tuple[str, str]) -> list[str]:
        """Returns the problems after the call `at` failed, and after the run was finished."""
        name = f"{kind}-{at}"
        code, printed = self.train(name, Faults(kind, at))
        found = [*self._ended_badly(kind, call, code, name), *self._broken(name, kind, call)]
        if "Traceback" in printed:
            found.append(f"a traceback is printed, ending in {printed.strip().splitlines()[-1]}")
        code, printed = self.train(name, Faults("none"))
        if code != FINISHED:
            found.append(f"not finished afterwards: {code} {printed[-2000:]}")
        else:
            found += [f"afterwards: {what}" for what in self._unequal(name)]
        if not found:
            shutil.rmtree(self.root / name)
        return [f"{kind} at call {at} ({' '.join(call)}): {what}" for what in found]

    def _ended_badly(self, kind: str, call: tuple[str, str], code: int, name: str) -> list[str]:
        """Returns a problem unless the process was killed, an error raised or the run is whole."""
        if kind.startswith("kill"):
            return [] if code == -signal.SIGKILL else [f"ended with {code} and was not killed"]
        if code == RAISED:
            left = (self.folder(name) / "lock").exists() and call != ("unlink", "lock")
            return ["the lock is left"] if left else []
        if code != FINISHED:
            return [f"ended with {code}"]
        # A folder that is there already, a filesystem without hard links, a log for people.
        is_harmless = call[0] in ("mkdir", "link") or call[1] == "train.log"
        # A second name of the lock file, which the end of the run removes: see `_unequal`.
        is_harmless |= call[0] == "unlink" and call[1].startswith(".lock.")
        if call == ("unlink", "lock"):  # nobody holds it, and the next reader removes it
            is_harmless = read_run(RunFolder(self.folder(name))).state == "complete"
        if not is_harmless:
            return ["no error was raised"]
        return self._unequal(name)

    def _broken(self, name: str, kind: str, call: tuple[str, str]) -> list[str]:
        """Returns the files that have their final names and are not whole."""
        folder = self.folder(name)
        found: list[str] = []
        for path in folder.rglob("*.json"):
            with contextlib.suppress(ValueError):
                json.loads(path.read_text())
                continue
            found.append(f"{path.name} is not whole JSON")
        config = folder / "config.yaml"
        reference = self.folder("reference") / config.name
        if config.exists() and config.read_bytes() != reference.read_bytes():
            found.append("config.yaml is not whole")
        for path in folder.glob("checkpoints/*.ckpt"):
            try:
                load_sealed(path)
            except Damaged as error:
                found.append(str(error))
        torn = kind == "kill-half" and call == ("write", "metrics.csv")  # a log; cut off later
        if not torn:
            found += _half_rows(folder / "metrics.csv")
        return found

    def _unequal(self, name: str) -> list[str]:
        folder, reference = self.folder(name), self.folder("reference")
        left = [p.name for p in folder.rglob("*") if p.suffix == ".tmp" or p.name == "lock"]
        checkpoints = [{p.name for p in f.glob("checkpoints/*")} for f in (folder, reference)]
        found = [f"{name} is left" for name in left]
        if checkpoints[0] != checkpoints[1]:
            found.append(f"checkpoints {checkpoints[0]}")
        return found + self.crash.differences(folder, reference)


def _half_rows(path: Path) -> list[str]:
    if not path.exists():
        return []
    lines = path.read_text().splitlines(keepends=True)
    whole = all(line.endswith("\n") and line.count(",") == lines[0].count(",") for line in lines)
    return [] if whole else [f"metrics.csv has half a row: {lines[-1]!r}"]


def _wait(pid: int, seconds: float = 180) -> int:
    """Waits for a child. Returns its exit code, or STUCK if it had to be killed."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.002)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    return STUCK


def drive(root: Path, kind: str, stride: int) -> None:
    """Prints as JSON the number of calls of a run, the number of faults and the problems."""
    root.mkdir()
    driver = Driver(root)
    # What a run imports late or computes once is done here, once for all the processes.
    train(driver.member, root / "warm")
    for thread in set(threading.enumerate()) - {threading.main_thread()}:
        thread.join(30)  # one that keeps a lock's time ends a moment after the run
    gc.freeze()  # a collection in a fork would copy every page
    code, printed = driver.train("reference", Faults("none"))
    assert code == FINISHED, printed
    calls = [(what, name) for what, name in json.loads((root / "reference.json").read_text())]
    chosen = [at for at, (what, _) in enumerate(calls) if _concerns(kind, what)][::stride]
    found: list[str] = []
    for at in chosen:
        found += driver.try_fault(kind, at, calls[at])
    print(json.dumps({"calls": len(calls), "faults": len(chosen), "found": found}))


def _concerns(kind: str, what: str) -> bool:
    return {"kill-half": what == "write", "ENOSPC": what in NEED_SPACE}.get(kind, True)


if __name__ == "__main__":
    drive(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
