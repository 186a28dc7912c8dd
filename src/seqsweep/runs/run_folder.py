"""The folder of one run, with its files and states.

A run is done if and only if it has a record.json that is not damaged.
"""

import traceback
from pathlib import Path

from seqsweep.errors import Damaged
from seqsweep.runs.documents import read_yaml, to_text, write_sealed
from seqsweep.runs.events import PREFIX, event_files
from seqsweep.runs.files import (
    TEMPORARY,
    JsonObject,
    read_object,
    remove,
    remove_temporary,
    say_once,
    sync,
    sync_folder,
    write_json,
    write_text,
)
from seqsweep.runs.held_folders import list_folder, make_checkpoints, remove_tree, unlink
from seqsweep.runs.identity import SEMANTICS, Config
from seqsweep.runs.lock import check_held, is_locked
from seqsweep.runs.provenance import version
from seqsweep.runs.record import (
    OfAnotherVersion,
    Record,
    State,
    is_of_another_version,
    read_record,
)

OWN = "own"  # the folder for files of the user's code
_OF_A_NEW_RUN = {"checkpoints", "lock"}
"""The names that a folder may contain before its run has begun."""


class RunFolder:
    """The folder of a run, with methods for its states and files.

    It holds `config.yaml  provenance.json  record.json  diagnostics.json  metrics.csv  train.log
    checkpoints/{best,last}.ckpt`, event files (see `runs.events`), failure.json after a
    failure, loggers.json of fed loggers (see `training.fed_loggers`), `own` with the files of the
    user's code, and a lock during training. record.json ends the training. The methods that write
    raise LockLost if the lock is lost.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def run_id(self) -> str:
        return self.path.name

    def record(self) -> Record | None:
        """Returns the record of the run; None while it is not finished.

        A damaged record counts as missing, and is named on stderr. A record of another version
        counts as missing, too.
        """
        try:
            return read_record(self.path / "record.json")
        except (FileNotFoundError, NotADirectoryError, OfAnotherVersion):
            return None
        except Damaged as error:
            say_once(f"{error}; the run counts as not done")
            return None

    def problem(self) -> tuple[State, str] | None:
        """Returns the state `damaged` or `of another version`, and a text; else None.

        The text says what is wrong with record.json, or which version wrote the run.
        """
        try:
            read_record(self.path / "record.json")
            is_other = False
        except Damaged as error:
            return "damaged", str(error).removeprefix(f"{self.path}/")
        except OfAnotherVersion:
            is_other = True
        except OSError:  # the run has not ended, so its provenance.json decides
            is_other = is_of_another_version(read_object(self.path / "provenance.json"))
        return ("of another version", self._writer()) if is_other else None

    def _writer(self) -> str:
        """Returns the version of seqsweep that wrote the run."""
        match read_object(self.path / "provenance.json"):
            case {"packages": {"seqsweep": str(name)}, "semantics": semantics} if name == version():
                return f"seqsweep {name} with semantics {semantics}, now {SEMANTICS}"
            case {"packages": {"seqsweep": str(name)}}:
                return f"seqsweep {name}"
            case _:
                return "an unknown version of seqsweep"

    def failure(self) -> JsonObject | None:
        """Returns the content of failure.json: why the last attempt ended early; or None."""
        path = self.path / "failure.json"
        failure = read_object(path)
        if not failure:
            return None
        texts = (failure.get("error"), failure.get("traceback", ""))
        attempts = failure.get("attempts", 0)
        # The file may be damaged or written by another program. All readers rely on these types.
        is_ours = all(isinstance(text, str) for text in texts) and isinstance(attempts, int)
        if is_ours and failure.get("kind") in ("failed", "interrupted", "incomplete"):
            return failure
        say_once(f"{path}: is not what a failed run writes; it counts as missing")
        return None

    def config(self) -> Config | None:
        """Returns the run's config; None if config.yaml is missing.

        Raises:
            ValueError: config.yaml is not a mapping in plain YAML.
        """
        path = self.path / "config.yaml"
        try:
            config = read_yaml(path)
        except FileNotFoundError:
            return None
        if config is not None and not isinstance(config, dict):
            raise Damaged(f"{path}: must be a mapping")
        return config

    def state(self) -> State:
        """Returns the current state of the run."""
        # The lock is read first: a run writes its record before it releases its lock.
        is_running = is_locked(self.path)
        record = self.record()
        if record is not None:
            return record.status
        if is_running:
            return "running"
        # A damaged record counts only if no process runs, because a process may soon replace it.
        if (problem := self.problem()) is not None:
            return problem[0]
        failure = self.failure()
        return "incomplete" if failure is None else failure["kind"]

    def check_held(self) -> None:
        """Raises LockLost if this process has lost the lock of the run."""
        check_held(self.path)

    def start(self, config: Config, provenance: JsonObject, sync: bool = True) -> None:
        """Removes earlier results and checkpoints; writes config.yaml and provenance.json."""
        self.check_held()
        self.path.mkdir(parents=True, exist_ok=True)
        checkpoints = make_checkpoints(self.path)
        if set(list_folder(self.path)) - _OF_A_NEW_RUN:
            # The record goes first, so that the run no longer counts as done.
            unlink(self.path / "record.json")
            remove(self.path, "metrics.csv", "diagnostics.json", f"{PREFIX}*", TEMPORARY)
            remove_tree(self.path / OWN)
        remove(checkpoints, "*.ckpt", TEMPORARY)
        write_text(self.path / "config.yaml", to_text(config), sync, self.check_held)
        origin = {"semantics": SEMANTICS, **provenance}
        write_json(self.path / "provenance.json", origin, sync, 1, self.check_held)

    def reopen(self) -> None:
        """Removes the record and temporary files; an interrupted run becomes incomplete."""
        path = self.path / "record.json"
        # The record goes first, so that no old record describes new checkpoints.
        if path.exists():
            self.check_held()
            unlink(path)
            sync_folder(self.path)
        remove_temporary(self.path)
        remove_temporary(self.path / "checkpoints")
        failure = self.failure()
        if failure is not None and failure["kind"] == "interrupted":
            self._write_failure(failure | {"kind": "incomplete", "error": ""})

    def finish(self, record: JsonObject, synced: bool = False) -> None:
        """Writes the record, after which the run is done.

        The logs are written without a sync, so they are forced to disk before the record appears.

        Args:
            record: the content; its `status` is `complete` by default.
            synced: whether all other files are on disk already. Then the record is not synced,
                because a record damaged by a power failure counts as missing.
        """
        if not synced:
            sync([self.path / "metrics.csv", *event_files(self.path)])
        self.check_held()
        # A finished run has no failure, so failure.json is removed before the record appears.
        remove(self.path, "failure.json", TEMPORARY)
        remove(self.path / "checkpoints", "previous.ckpt", "next.ckpt", TEMPORARY)
        content = {"semantics": SEMANTICS, "status": "complete"} | record
        write_sealed(self.path / "record.json", content, not synced, self.check_held)

    def refuse(self, config: Config, error: BaseException) -> None:
        """Writes config.yaml and failure.json of a run that cannot be built."""
        self.path.mkdir(parents=True, exist_ok=True)
        write_text(self.path / "config.yaml", to_text(config), confirm=self.check_held)
        self.fail(error)

    def fail(self, error: BaseException) -> None:
        """Writes the error that ended an attempt, and counts the attempt."""
        self._write_failure(
            {
                "kind": "failed",
                "error": f"{type(error).__name__}: {error}",
                "traceback": "".join(traceback.format_exception(error)),
                "attempts": self.attempts() + 1,
            }
        )

    def interrupt(self, reason: BaseException) -> None:
        """Writes that a signal ended an attempt, which does not count as failed."""
        content = {"kind": "interrupted", "error": str(reason), "attempts": self.attempts()}
        self._write_failure(content)

    def count_killed(self, epochs: int) -> int:
        """Records that a process was killed while it trained the run.

        Returns how many processes in a row were killed without a new epoch. The attempt does not
        count as failed.
        """
        failure = self.failure() or {}
        match failure.get("killed"):
            case {"count": int(before), "epochs": int(reached)} if reached >= epochs:
                count = before + 1
            case _:
                count = 1
        content = {"kind": "incomplete", "error": "", "attempts": failure.get("attempts", 0)}
        self._write_failure(content | {"killed": {"count": count, "epochs": epochs}})
        return count

    def _write_failure(self, content: JsonObject) -> None:
        self.check_held()
        write_json(self.path / "failure.json", content, confirm=self.check_held)

    def attempts(self) -> int:
        """Returns the number of failed attempts."""
        return (self.failure() or {}).get("attempts", 0)
