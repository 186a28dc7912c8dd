"""One run's folder. A run is done if and only if its record.json says so."""

import os
import traceback
from pathlib import Path
from typing import Any, Literal

from seqsweep.runs.config_text import read_yaml, to_text
from seqsweep.runs.eventfiles import event_files, remove_event_files
from seqsweep.runs.files import (
    TEMPORARY,
    Damaged,
    read_object,
    remove,
    remove_temporary,
    say_once,
    sync,
    write_json,
    write_text,
)
from seqsweep.runs.lock import is_locked
from seqsweep.runs.sealed import read_sealed, write_sealed

State = Literal["complete", "diverged", "running", "interrupted", "failed", "incomplete", "damaged"]
"""`complete` and `diverged` are done: the same config would end the same way again. `incomplete` is
a run that was killed: nobody trains it, and nobody could say why. A `damaged` one has a record.json
that is not what was written, and is trained again."""

_OBJECTS = {"complete": ("config", "metrics"), "diverged": ("config",)}
"""The keys of a record that hold a JSON object, by status."""

_OF_A_NEW_RUN = {"checkpoints", "lock"}
"""The names in a folder in which no run has been started yet."""


class RunFolder:
    """The files of a run.

    `config.yaml  provenance.json  record.json  diagnostics.json  metrics.csv  train.log
    checkpoints/{best,last}.ckpt`, event files (see `runs.eventfiles`), failure.json after a
    failure, and a lock while it is trained. record.json is written last.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def run_id(self) -> str:
        return self.path.name

    def record(self) -> dict[str, Any] | None:
        """The record of the finished run; None while it is not finished.

        A record that is damaged counts as none, and is named on stderr.
        """
        try:
            return _read_record(self.path / "record.json")
        except (FileNotFoundError, NotADirectoryError):
            return None
        except Damaged as error:
            say_once(f"{error}; the run counts as not done")
            return None

    def damage(self) -> str | None:
        """Returns what is wrong with record.json; None where it is whole, or missing."""
        try:
            _read_record(self.path / "record.json")
        except Damaged as error:
            return str(error).removeprefix(f"{self.path}/")
        except (FileNotFoundError, NotADirectoryError):
            pass
        return None

    def failure(self) -> dict[str, Any] | None:
        """Why the last attempt ended early, unless the run has finished since."""
        path = self.path / "failure.json"
        found = read_object(path)
        if not found:
            return None
        texts, attempts = (found.get("error"), found.get("traceback", "")), found.get("attempts", 0)
        is_ours = all(isinstance(text, str) for text in texts) and isinstance(attempts, int)
        if is_ours and found.get("kind") in ("failed", "interrupted", "incomplete"):
            return found
        say_once(f"{path}: is not what a failed run writes; it counts as missing")
        return None

    def config(self) -> dict[str, Any] | None:
        """The run's config; None where it has none.

        Raises:
            ValueError: config.yaml is not a mapping in plain YAML.
        """
        path = self.path / "config.yaml"
        try:
            found = read_yaml(path)
        except FileNotFoundError:
            return None
        if found is not None and not isinstance(found, dict):
            raise Damaged(f"{path}: must be a mapping")
        return found

    def company(self) -> list[str] | None:
        """Returns the run_ids of the stack that the run began in, itself among them, if any."""
        path = self.path / "provenance.json"
        found = read_object(path).get("stack")
        if found is None:
            return None
        stack = found if isinstance(found, dict) else {}
        names = stack.get("members")
        if isinstance(names, list) and all(isinstance(name, str) for name in names):
            return names
        say_once(f"{path}: its stack is not what a run writes; it counts as missing")
        return None

    def state(self) -> State:
        # The lock first: a run that has given its lock back has written its record before.
        is_running = is_locked(self.path)
        record = self.record()
        if record is not None:
            return record["status"]
        if is_running:
            return "running"
        if self.damage() is not None:
            return "damaged"
        failure = self.failure()
        return "incomplete" if failure is None else failure["kind"]

    def start(self, config: dict[str, Any], provenance: dict[str, Any], sync: bool = True) -> None:
        """An empty folder with the config: what an unfinished attempt left behind is removed."""
        checkpoints = self.path / "checkpoints"
        checkpoints.mkdir(parents=True, exist_ok=True)
        if set(os.listdir(self.path)) - _OF_A_NEW_RUN:
            (self.path / "record.json").unlink(missing_ok=True)  # first: without it, it is not done
            remove(self.path, "metrics.csv", "diagnostics.json", TEMPORARY)
            remove_event_files(self.path)
        remove(checkpoints, "*.ckpt", TEMPORARY)
        write_text(self.path / "config.yaml", to_text(config), sync)
        write_json(self.path / "provenance.json", provenance, sync, levels=1)

    def forget_interrupt(self) -> None:
        """The run goes on: if it is killed now, nobody has interrupted it."""
        failure = self.failure()
        if failure is not None and failure["kind"] == "interrupted":
            write_json(self.path / "failure.json", failure | {"kind": "incomplete", "error": ""})

    def tidy(self) -> None:
        """Removes what only a running or killed attempt needs."""
        remove_temporary(self.path)
        remove_temporary(self.path / "checkpoints")

    def finish(self, record: dict[str, Any], synced: bool = False) -> None:
        """The run's last word: `record`, whose `status` is complete where it says nothing else.

        The logs, which grow without a sync, are on disk before it can be seen.

        Args:
            synced: everything else is on disk; if the power fails, half a record counts as none.
        """
        if not synced:
            sync([self.path / "metrics.csv", *event_files(self.path)])
        remove(self.path, "failure.json", TEMPORARY)
        remove(self.path / "checkpoints", "previous.ckpt", "next.ckpt", TEMPORARY)
        content = {"status": "complete"} | record
        write_sealed(self.path / "record.json", content, sync=not synced)

    def refuse(self, config: dict[str, Any], error: BaseException) -> None:
        """A run that could not even be built, kept as a failure."""
        self.path.mkdir(parents=True, exist_ok=True)
        write_text(self.path / "config.yaml", to_text(config))
        self.fail(error)

    def fail(self, error: BaseException) -> None:
        """An attempt that ended by an error; attempts are counted."""
        write_json(
            self.path / "failure.json",
            {
                "kind": "failed",
                "error": f"{type(error).__name__}: {error}",
                "traceback": "".join(traceback.format_exception(error)),
                "attempts": self.attempts() + 1,
            },
        )

    def interrupt(self, reason: BaseException) -> None:
        """An attempt that was told to stop; it does not count as a failed one."""
        content = {"kind": "interrupted", "error": str(reason), "attempts": self.attempts()}
        write_json(self.path / "failure.json", content)

    def attempts(self) -> int:
        """How many attempts have failed."""
        return (self.failure() or {}).get("attempts", 0)


def _read_record(path: Path) -> dict[str, Any]:
    """Returns the content of a record.json, which nobody changes.

    Raises:
        OSError: there is none, or it cannot be read.
        Damaged: it is not what `RunFolder.finish` has written.
    """
    record = read_sealed(path)
    status = record.get("status")
    if status not in ("complete", "diverged"):
        raise Damaged(f"{path}: its status must be complete or diverged")
    for key in _OBJECTS[status]:
        if not isinstance(record.get(key), dict):
            raise Damaged(f"{path}: {key} must be a JSON object")
    return record
