"""The start of a run, from a checkpoint or in an empty folder."""

import functools
import logging
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from seqsweep.config.question import namesakes
from seqsweep.runs.eventfiles import event_folder
from seqsweep.runs.files import folders_with, read_object
from seqsweep.runs.identity import CODE, WITHOUT_INFLUENCE, flatten, is_below, run_id
from seqsweep.runs.lock_files import Holder
from seqsweep.runs.provenance import checkout, provenance
from seqsweep.runs.run_folder import RunFolder
from seqsweep.training.checkpoints import load_sealed, logs, resume_point, say
from seqsweep.training.engines.ending import Member
from seqsweep.training.planned_run import PlannedRun
from seqsweep.training.run_data import data_files
from seqsweep.training.user_code import code_of, differing, first_file

log = logging.getLogger(__name__)

MOST_KILLED = 3
"""The number of processes killed in a row, without a new epoch, after which a run has failed."""

_LENGTH = "trainer.max_epochs"
_SCHEDULER_LENGTH = "scheduler.max_epochs"


class KilledTooOften(Exception):
    """Each process that trained a run was killed before it had trained another epoch."""


def begin(
    member: PlannedRun, folder: RunFolder, engine: dict[str, Any], sync: bool = True
) -> Path | None:
    """Prepares a run's folder; returns the checkpoint to resume from, or None.

    Without a checkpoint the folder is emptied, and config.yaml and provenance.json are written.

    Args:
        engine: the engine, and what else decides the last bits of the results; for provenance.json.
        sync: False if the caller syncs the folder before its first checkpoint.
    """
    is_new = not (folder.path / "config.yaml").exists()
    # A new folder has nothing to tidy, and a sweep creates thousands of them.
    if not is_new:
        folder.reopen()  # first of all, so that no record describes checkpoints that go on
        folder.tidy()
        folder.forget_interrupt()
    reruns, kind = member.config["rerun"], engine["engine"]
    # A run with `rerun` starts again, and a new folder has no checkpoint to look for.
    checkpoint = None if reruns or is_new else resume_point(folder.path, kind)
    if checkpoint is None:
        files = data_files(member.config["data"])
        origin = provenance(member.config["threads"], member.data_fingerprint, engine, files)
        if CODE in member.config:
            origin[CODE] = _origin_of_code(member)
            if is_new:
                _say_what_changed(origin[CODE], folder.path)
        folder.start(member.config, origin, sync)
        if not reruns and take_over_shorter_run(member, folder.path):
            # The copied files may be damaged or come from another engine.
            checkpoint = resume_point(folder.path, kind)
            if checkpoint is None:
                folder.start(member.config, origin, sync)
    return checkpoint


def count_killed(member: Member, checkpoint: Path | None, killed: Holder | None) -> int:
    """Counts that the process that trained a run before was killed, if it was.

    Returns how many were killed in a row without a new epoch of this run.

    Raises:
        KilledTooOften: so many were killed that the run has failed.
    """
    if killed is None:
        return 0
    epochs = 0 if checkpoint is None else load_sealed(checkpoint)["epoch"] + 1
    member.log.say(f"{killed} was killed or stood still while it trained this run", "WARNING")
    count = member.folder.count_killed(epochs)
    if count >= MOST_KILLED:
        raise KilledTooOften(
            f"{count} processes were killed while they trained it; the last was {killed}"
        )
    return count


def _origin_of_code(member: PlannedRun) -> dict[str, Any]:
    """Returns the user's own code for provenance.json: its files, their commit and its changes.

    `config_id` is equal for runs that differ in nothing else.
    """
    others = {key: value for key, value in member.config.items() if key != CODE}
    file = first_file(member.config)
    return {
        "files": code_of(member.config),
        "config_id": run_id(others, member.data_fingerprint),
        **({} if file is None else checkout(file)),
    }


def _say_what_changed(code: Mapping[str, Any], folder: Path) -> None:
    """Names the files that differ from the config's last run, once."""
    name, before = _last_code(folder.parent).get(code["config_id"], (None, {}))
    if name is not None:
        changed = differing(before, code["files"])
        if changed and changed not in _changes_said:
            _changes_said.add(changed)
            say(f"new run: the code has changed since run {name} of this config: {changed}")


_changes_said: set[str] = set()


@functools.cache
def _last_code(root: Path) -> dict[str, tuple[str, dict[str, str]]]:
    """Returns the last run's name and code files in a folder, for each `config_id`."""
    found: dict[str, tuple[str, dict[str, str]]] = {}
    paths = folders_with(root, "provenance.json")
    for path in sorted(paths, key=lambda path: (path / "provenance.json").stat().st_mtime_ns):
        match read_object(path / "provenance.json").get(CODE):
            case {"config_id": str(name), "files": dict(files)}:
                found[name] = (path.name, files)
            case _:
                pass
    return found


def take_over_shorter_run(member: PlannedRun, folder: Path) -> bool:
    """Copies the files of a run of the same config with fewer epochs, if any.

    The epochs of the shorter run must equal the first epochs of this run. They differ if the
    scheduler depends on `max_epochs`: then nothing is copied, and a message says so.
    """
    finished = _finished_runs(folder.parent, member.config["trainer"]["max_epochs"])
    shorter = [one for one in finished if _is_shorter(one[1], member)]
    # The longest run comes first, because it leaves the fewest epochs to train.
    for path, run in sorted(shorter, key=lambda one: one[1]["config"][_LENGTH], reverse=True):
        differing = _differing(run["config"], dict(flatten(member.config)))
        if differing == {_LENGTH, _SCHEDULER_LENGTH}:
            say(
                f"{path} has {run['epochs']} epochs of this config, but its scheduler depends on "
                "max_epochs: training from the start"
            )
        elif differing == {_LENGTH} and _copy(path, folder):
            log.info("resuming after the %d epochs of %s", run["epochs"], path)
            return True
    return False


def forget_finished_runs() -> None:
    """Clears the list of finished runs, so that the next run reads them again."""
    _finished_runs.cache_clear()
    _last_code.cache_clear()


@functools.cache
def _finished_runs(root: Path, epochs: int) -> list[tuple[Path, dict[str, Any]]]:
    """Returns the complete runs of a folder that have fewer epochs.

    The folder and its namesakes are read once.
    """
    shorter: list[tuple[Path, dict[str, Any]]] = []
    for folder in (root, *namesakes(root)):
        # Each worker reads all records once, and keeps only those that a run may begin with.
        for path in folders_with(folder, "record.json"):
            record = RunFolder(path).record() or {"status": None}
            if record["status"] == "complete" and record["config"].get(_LENGTH, 0) < epochs:
                shorter.append((path, record))
    return shorter


def _is_shorter(run: dict[str, Any], member: PlannedRun) -> bool:
    """Returns whether a run has fewer epochs and has not stopped early."""
    epochs = run["config"].get(_LENGTH, 0)
    return (
        run["data_fingerprint"] == member.data_fingerprint is not None
        and run["epochs"] == epochs < member.config["trainer"]["max_epochs"]
    )


def _differing(one: dict[str, Any], other: dict[str, Any]) -> set[str]:
    """Returns the keys that differ between two configs and influence the result."""
    keys = {key for key in (*one, *other) if not is_below(key, WITHOUT_INFLUENCE)}
    return {key for key in keys if one.get(key) != other.get(key)}


def _copy(source: Path, target: Path) -> bool:
    """Copies a run's logs and checkpoints; False if one is missing."""
    checkpoints = [source / "checkpoints" / name for name in ("best.ckpt", "last.ckpt")]
    if not all(path.is_file() for path in checkpoints):
        return False
    events = event_folder(target)
    events.mkdir(exist_ok=True)
    for path in logs(source):
        folder = target if path.name == "metrics.csv" else events
        shutil.copy2(path, folder / path.name)
    for path in checkpoints:
        shutil.copy2(path, target / "checkpoints" / path.name)
    return True
