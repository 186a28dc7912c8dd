"""A run is done if and only if its record.json says so."""

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from seqsweep.runs.documents import sealed
from seqsweep.runs.identity import SEMANTICS
from seqsweep.runs.ledger import read_run
from seqsweep.runs.record import NO_RECORD, Record
from seqsweep.runs.run_folder import RunFolder

RUN_ID = "0123456789abcdef"
RESULT = {"run_id": RUN_ID, "metrics": {"val/acc": 0.5}, "config": {"seed": 0}}


@pytest.fixture
def folder(tmp_path) -> RunFolder:
    """A run that was started and not finished."""
    folder = RunFolder(tmp_path / RUN_ID)
    folder.start({"seed": 0}, {"threads": 1})
    return folder


def failed(folder: RunFolder, message: str) -> None:
    try:
        raise RuntimeError(message)
    except RuntimeError as error:
        folder.fail(error)


def test_a_run_is_complete_with_its_record_only(folder):
    assert (folder.state(), folder.record(), folder.problem()) == ("incomplete", None, None)
    failed(folder, "lost")
    assert folder.state() == "failed"
    for name in ("best.ckpt", "last.ckpt", "previous.ckpt", "next.ckpt"):
        (folder.path / "checkpoints" / name).touch()
    folder.finish(RESULT)
    assert (folder.state(), folder.failure()) == ("complete", None)
    left = {path.name for path in (folder.path / "checkpoints").iterdir()}
    assert left == {"best.ckpt", "last.ckpt"}
    content = sealed({"semantics": SEMANTICS, "status": "complete"} | RESULT)
    assert folder.record() == Record.of(content)


def text_of(
    written: Mapping[str, object] | None = None,
    changed: Mapping[str, object] | None = None,
    seal: Callable[..., dict[str, object]] = sealed,
) -> str:
    """A record with other keys, `written` before it is sealed and `changed` afterwards."""
    record = RESULT | {"semantics": SEMANTICS, "status": "complete"} | dict(written or {})
    return json.dumps(seal(record) | dict(changed or {}))


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (text_of()[:-9], "not JSON"),
        (json.dumps({"status": "complete", "deep": json.loads("[" * 60 + "]" * 60)}), "50 levels"),
        ("[]", "not a JSON object"),
        (text_of(seal=dict), "no digest"),
        (text_of({}, {"metrics": {"val/acc": 0.6}}), "match its digest"),
        (text_of({"status": "running"}), "must be complete, diverged or pruned"),
        (text_of({"metrics": "x"}), "metrics must be"),
        (text_of({"config": None}), "config must be"),
        (text_of({"run_id": "0123456789abcdee"}), "is the record of run 0123456789abcdee"),
    ],
)  # fmt: skip
def test_a_damaged_record_counts_as_none_and_is_named(content, why, folder, capsys):
    path = folder.path / "record.json"
    path.write_text(content)
    assert (folder.state(), folder.record()) == ("damaged", None)
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"seqsweep: {path}: ")
    assert why in line


def test_a_record_of_another_version_counts_as_none_and_is_not_damaged(folder, capsys):
    """The digest may be of another kind."""
    content = text_of({"semantics": SEMANTICS - 1}, {"digest": "of another kind"})
    (folder.path / "record.json").write_text(content)
    assert (folder.state(), folder.record()) == ("of another version", None)
    assert capsys.readouterr().err == ""
    # The provenance of a run without a record tells its version.
    (folder.path / "record.json").unlink()
    (folder.path / "provenance.json").write_text(f'{{"semantics": {SEMANTICS - 1}}}')
    assert folder.state() == "of another version"
    assert read_run(folder).error == "an unknown version of seqsweep"


def test_every_flipped_bit_of_a_record_is_noticed(folder):
    folder.finish(RESULT)
    path = folder.path / "record.json"
    whole = path.read_bytes()
    for place in range(len(whole)):
        changed = bytearray(whole)
        changed[place] ^= 1
        path.write_bytes(changed)
        record = folder.record()
        assert record is None or record.content == json.loads(whole)  # a blank may be another blank


@pytest.mark.parametrize("kind", ["fifo", "folder", "device"])
@pytest.mark.parametrize("name", ["record.json", "config.yaml", "provenance.json", "lock"])
def test_what_is_not_a_regular_file_is_not_opened(kind, name, folder, capsys):
    """A FIFO would keep its reader for ever, and /dev/zero has no end."""
    path = folder.path / name
    path.unlink(missing_ok=True)
    make = {"fifo": os.mkfifo, "folder": Path.mkdir, "device": lambda p: p.symlink_to("/dev/zero")}
    make[kind](path)
    entry = read_run(folder)
    assert entry.record is NO_RECORD
    is_damaged = name in ("record.json", "config.yaml")
    assert entry.state == ("damaged" if is_damaged else "incomplete")
    if name not in ("lock", "provenance.json"):
        assert f"{path}: must be a regular file, but is a " in capsys.readouterr().err


def test_start_clears_what_an_attempt_left_and_nothing_else(folder):
    left = ("record.json", "metrics.csv", "events.out.tfevents.1.host", "checkpoints/best.ckpt")
    foreign = ("notes.md", "checkpoints/keep.txt", "plots/a.png")
    for name in (*left, *foreign):
        path = folder.path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("old", encoding="utf-8")
    folder.start({"seed": 1}, {"threads": 2})
    assert [name for name in left if (folder.path / name).exists()] == []
    assert [name for name in foreign if not (folder.path / name).exists()] == []
    assert folder.config() == {"seed": 1}
    provenance = (folder.path / "provenance.json").read_text(encoding="utf-8")
    assert json.loads(provenance) == {"semantics": SEMANTICS, "threads": 2}


def test_the_record_is_the_first_to_go_when_a_run_starts_again(folder, replaced):
    """Killed in the middle, a run that has lost its checkpoints does not count as done."""
    for name in ("metrics.csv", "checkpoints/best.ckpt", "checkpoints/last.ckpt"):
        (folder.path / name).touch()
    folder.finish(RESULT)
    unlink, removed = os.unlink, list[Path]()

    def killed(path: Path, dir_fd: int | None = None) -> None:
        if removed:
            raise KeyboardInterrupt
        removed.append(path)
        unlink(path, dir_fd=dir_fd)

    with replaced("os.unlink", by=killed), pytest.raises(KeyboardInterrupt):
        folder.start({"seed": 0}, {})
    assert folder.state() == "incomplete"


def test_the_logs_are_on_disk_before_the_record_is_seen(folder, replaced):
    synced: list[str] = []

    def fsync(descriptor: int) -> None:
        assert not (folder.path / "record.json").exists()
        inode = os.fstat(descriptor).st_ino
        synced.extend(path.name for path in folder.path.iterdir() if path.stat().st_ino == inode)

    for name in ("metrics.csv", "events.out.tfevents.1", "events.out.tfevents.2"):
        (folder.path / name).write_text("rows", encoding="utf-8")
    with replaced("os.fsync", by=fsync):
        folder.finish(RESULT)
    assert sorted(synced[:-1]) == ["events.out.tfevents.1", "events.out.tfevents.2", "metrics.csv"]
    assert synced[-1].startswith(".record.json.") and synced[-1].endswith(".tmp")


def test_failures_are_counted_and_tell_the_last_error(folder, capsys):
    failed(folder, "first")
    folder.start({"seed": 0}, {})  # the next attempt
    failed(folder, "second")
    failure = folder.failure()
    assert failure is not None and failure["attempts"] == 2
    assert failure["error"] == "RuntimeError: second"
    assert "test_run_folder.py" in failure["traceback"]
    path = folder.path / "failure.json"
    path.write_text('{"kind": "failed", "error": 5}')  # is not ours
    assert (folder.state(), folder.attempts()) == ("incomplete", 0)
    assert str(path) in capsys.readouterr().err


def test_a_kill_after_an_interrupt_is_not_an_interrupt(tmp_path):
    folder = RunFolder(tmp_path / "run")
    folder.start({}, {})
    folder.fail(ValueError("no"))
    folder.interrupt(KeyboardInterrupt("interrupted by SIGINT"))
    assert folder.state() == "interrupted"
    folder.reopen()  # goes on, and is killed
    assert folder.state() == "incomplete"
    assert folder.attempts() == 1
