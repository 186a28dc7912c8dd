"""The start of a run, from a checkpoint or in an empty folder."""

import functools
import glob
import json
import logging
import re
from pathlib import Path

from seqsweep.config.question import DIGITS
from seqsweep.config.schema import Config
from seqsweep.errors import KilledTooOften
from seqsweep.runs.files import JsonObject, folders_with, read_bytes, read_object, write_bytes
from seqsweep.runs.identity import CODE, FlatConfig, is_below, is_own_module, without_influence
from seqsweep.runs.lock_files import Holder
from seqsweep.runs.provenance import checkout, provenance
from seqsweep.runs.record import NO_RECORD
from seqsweep.runs.run_folder import RunFolder
from seqsweep.training.checkpoint_files import load_sealed, logs, resume_point, say
from seqsweep.training.engine import PROGRAM, program_digest
from seqsweep.training.engines.protocol import Member
from seqsweep.training.planned_run import PlannedRun
from seqsweep.training.run_data import data_files
from seqsweep.training.user_code import code_of, differing, first_file

log = logging.getLogger(__name__)

MOST_KILLED = 3
"""The number of processes killed in a row, without a new epoch, after which a run has failed."""

_LENGTH = "trainer.max_epochs"
_SCHEDULER_LENGTH = "scheduler.max_epochs"


def begin(run: PlannedRun, folder: RunFolder, engine: JsonObject, sync: bool = True) -> Path | None:
    """Prepares a run's folder; returns the checkpoint to resume from, or None.

    Without a checkpoint, earlier results are removed, and config.yaml and provenance.json written.
    Then the checkpoints of a shorter run of the same config are copied, if there is one.

    Args:
        engine: the engine and other facts that decide the last bits, for provenance.json.
        sync: False if the caller syncs the folder before its first checkpoint.
    """
    is_new = not (folder.path / "config.yaml").exists()
    # A new folder has nothing to tidy, and a sweep creates thousands of them.
    if not is_new:
        folder.reopen()
    reruns, kind = run.config["rerun"], engine["engine"]
    program = program_digest(run.config, kind)
    # A run with `rerun` starts again, and a new folder has no checkpoint to look for.
    checkpoint = None if reruns or is_new else resume_point(folder.path, kind)
    if checkpoint is not None:
        recorded = read_object(folder.path / "provenance.json").get(PROGRAM)
        if program != recorded:
            raise ValueError(
                f"{folder.path}: model.cell={run.config['model']['cell']} is now traced to another "
                "program than when the run began, by another torch or seqsweep; rerun=true starts "
                "again"
            )
    if checkpoint is None:
        source = run.config["data"].get("source")
        files = data_files(source) if isinstance(source, dict) else {}
        numerics = engine if program is None else engine | {PROGRAM: program}
        origin = provenance(run.config["threads"], run.data_fingerprint, numerics, files)
        if CODE in run.config:
            file = first_file(run.config)
            origin[CODE] = {"files": code_of(run.config)} | (checkout(file) if file else {})
            if is_new:
                _say_what_changed(run, folder.path, origin[CODE]["files"])
        folder.start(run.config, origin, sync)
        if not reruns and _take_over_shorter_run(run, folder.path, program):
            # The copied files may be damaged or come from another engine.
            checkpoint = resume_point(folder.path, kind)
            if checkpoint is None:
                folder.start(run.config, origin, sync)
    return checkpoint


def count_killed(member: Member, checkpoint: Path | None, killed: Holder | None) -> int:
    """Returns how many processes were killed in a row without a new epoch.

    `killed` is the dead process from which the run's lock was taken over, if any.

    Raises:
        KilledTooOften: `MOST_KILLED` processes were killed, so the run has failed.
    """
    if killed is None:
        return 0
    epochs = 0 if checkpoint is None else load_sealed(checkpoint)["epoch"] + 1
    member.log.say(f"{killed} was killed or stood still while it trained this run", "WARNING")
    count = member.folder.count_killed(epochs)
    if count >= MOST_KILLED:
        raise KilledTooOften(
            f"{count} processes were killed while they trained the run; the last was {killed}"
        )
    return count


@functools.cache
def _finished_runs(root: Path) -> dict[str, list[tuple[Path, Config]]]:
    """Returns folders and configs of runs with all their epochs, by `_key`.

    Runs have the same key if their results can differ only by the number of epochs or user code.
    """
    finished: dict[str, list[tuple[Path, Config]]] = {}
    for folder in (root, *namesakes(root)):
        for path in folders_with(folder, "record.json"):
            record = RunFolder(path).record() or NO_RECORD
            # A run that has stopped early is not the beginning of a longer run.
            if record.status == "complete" and record.epochs == record.config[_LENGTH]:
                key = _key(record.config, record.data_fingerprint)
                finished.setdefault(key, []).append((path, record.config))
    return finished


def namesakes(folder: Path) -> list[Path]:
    """Returns the other sweep folders whose names differ only in the hash.

    These folders hold related questions, such as the same sweep with more epochs.
    """
    match = re.fullmatch(rf"(.+-)[0-9a-f]{{{DIGITS}}}", folder.name)
    if match is None:
        return []
    others = sorted(folder.parent.glob(f"{glob.escape(match[1])}{'[0-9a-f]' * DIGITS}"))
    return [other for other in others if other.name != folder.name]


def _key(config: FlatConfig, data_fingerprint: str | None) -> str:
    ignored = (*without_influence(config), _LENGTH, _SCHEDULER_LENGTH, CODE)
    kept = {key: value for key, value in config.items() if not is_below(key, ignored)}
    return json.dumps([kept, data_fingerprint], sort_keys=True)


def _relatives(run: PlannedRun, root: Path) -> list[tuple[Path, Config]]:
    return _finished_runs(root).get(_key(run.flat, run.data_fingerprint), [])


def forget_finished_runs() -> None:
    """Lets the next run read the finished runs again."""
    _finished_runs.cache_clear()


def _say_what_changed(run: PlannedRun, folder: Path, code: dict[str, str]) -> None:
    """Prints once which files of the user's code have changed since the last run."""
    origins = [
        path / "provenance.json"
        for path, config in _relatives(run, folder.parent)
        if path.parent == folder.parent and config[_LENGTH] == run.flat[_LENGTH]
    ]
    if origins:
        last = max(origins, key=lambda path: path.stat().st_mtime_ns)
        changed = differing((read_object(last).get(CODE) or {}).get("files") or {}, code)
        if changed and changed not in _changes_said:
            _changes_said.add(changed)
            name = last.parent.name
            say(f"new run: the code has changed since run {name} of this config: {changed}")


_changes_said: set[str] = set()


def _take_over_shorter_run(run: PlannedRun, folder: Path, program: str | None) -> bool:
    """Copies the files of a shorter run of the same config; returns whether it did.

    The epochs of the shorter run must equal the first epochs of this run. They differ if the
    scheduler depends on `max_epochs`: then nothing is copied, and a message says so.
    """
    mine = run.flat
    # Data without a fingerprint may have changed. A module of the user may have a scheduler that
    # depends on `max_epochs`.
    is_unknown = run.data_fingerprint is None or is_own_module(mine)
    relatives = [] if is_unknown else _relatives(run, folder.parent)
    # The longest run comes first, because it leaves the fewest epochs to train.
    for path, config in sorted(relatives, key=lambda pair: pair[1][_LENGTH], reverse=True):
        if config[_LENGTH] >= mine[_LENGTH] or config.get(CODE) != mine.get(CODE):
            continue
        if program != read_object(path / "provenance.json").get(PROGRAM):
            continue
        if config.get(_SCHEDULER_LENGTH) != mine.get(_SCHEDULER_LENGTH):
            say(
                f"{path} has {config[_LENGTH]} epochs of this config, but its scheduler depends on "
                "max_epochs: training from the start"
            )
        elif _copy(path, folder):
            log.info("resuming after the %d epochs of %s", config[_LENGTH], path)
            return True
    return False


def _copy(source: Path, target: Path) -> bool:
    """Copies a run's logs and checkpoints; False if a checkpoint is missing."""
    checkpoints = [source / "checkpoints" / name for name in ("best.ckpt", "last.ckpt")]
    if not all(path.is_file() for path in checkpoints):
        return False
    for path in [*logs(source), *checkpoints]:
        write_bytes(target / path.relative_to(source), read_bytes(path), sync=False)
    return True
