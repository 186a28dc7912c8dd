"""The index of a folder's records never says anything else than the records themselves."""

import json
import os
import random
import time
from typing import Any

import pytest

from seqsweep.runs import ledger
from seqsweep.runs.ledger import read_folder
from seqsweep.runs.record_index import LEAST_RUNS, LEFT_OUT, NAME, RecordIndex
from seqsweep.runs.run_folder import RunFolder

RECORDS: dict[str, dict[str, Any]] = {
    "a": {"config": {"seed": 0, "lr": 1, "betas": [0.9, 1]}, "metrics": {"val/acc": 1.0}},
    "b": {"config": {"seed": 0, "lr": 1.0, "betas": [0.9, 1.0]}, "metrics": {"val/acc": 1}},
    "c": {"config": {"seed": False, "lr": -0.0, "betas": None}, "metrics": {"val/acc": 0.1 + 0.2}},
    "d": {"config": {"lr": 0.0, "seed": 0, "betas": []}, "metrics": {"val/acc": None}},
    "e": {"config": {"seed": 2**70, "lr": "é\n\u2028"}, "metrics": {}, "note": {"deep": [{}]}},
    "f": {"config": {"seed": 1}, "status": "diverged", "epoch": 3, "error": "NaN in epoch 3"},
    "g": {"config": {"seed": 0, "lr": 2, "betas": [1]}, "metrics": {"val/acc": 0.5},
          "confusion": {"val": [[1, 2], [3, 4]]}, "classes": ["x", "y"]},
}  # fmt: skip


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder of done and other runs, which is large enough for an index."""
    monkeypatch.setattr(ledger, "LEAST_RUNS", 1)
    for name, record in RECORDS.items():
        run = RunFolder(tmp_path / name)
        run.start(record["config"], {})
        run.finish(dict(record))
        age(run)
    RunFolder(tmp_path / "h").start({"seed": 5}, {})
    RunFolder(tmp_path / "i").start({"seed": 6}, {})
    RunFolder(tmp_path / "i").fail(ValueError("no"))
    return tmp_path


def age(run: RunFolder) -> None:
    """Makes the record old enough to be indexed."""
    path, old = run.path / "record.json", time.time() - 3600
    os.utime(path, (old, old))


@pytest.fixture(autouse=True)
def no_wait(monkeypatch):
    # The time of the last change of a file cannot be set, so a new file would never be indexed.
    monkeypatch.setattr("seqsweep.runs.record_index._RACE_SECONDS", 0.0)


def plain(folder, monkeypatch):
    """The entries as they are read without an index, as texts: 1, 1.0 and True differ."""
    with monkeypatch.context() as patch:
        patch.setattr(ledger, "LEAST_RUNS", LEAST_RUNS)
        return described(folder)


def described(folder):
    return [
        (e.folder.path, e.state, e.error, json.dumps(e.config), without_matrices(e.record))
        for e in read_folder(folder)
    ]


def without_matrices(record):
    return json.dumps({key: (record or {})[key] for key in record or {} if key != LEFT_OUT})


def test_entries_are_those_of_the_records_whether_the_index_is_new_or_old(folder, monkeypatch):
    expected = plain(folder, monkeypatch)
    assert not (folder / NAME).exists()
    assert described(folder) == expected
    assert (folder / NAME).is_file()
    opened = []
    monkeypatch.setattr(RunFolder, "record", lambda run: opened.append(run.run_id))
    assert described(folder) == expected
    assert not {*opened} & {*RECORDS}, "a record was read although it has not changed"


def test_a_small_folder_has_no_index(tmp_path):
    run = RunFolder(tmp_path / "a")
    run.start({"seed": 0}, {})
    run.finish({"config": {"seed": 0}, "metrics": {}})
    read_folder(tmp_path)
    assert not (tmp_path / NAME).exists()


def test_changed_removed_and_new_records_are_seen(folder, monkeypatch):
    read_folder(folder)
    text = (folder / "a" / "record.json").read_text()
    (folder / "a" / "record.json").write_text(text.replace('"lr": 1', '"lr": 7'))  # same size
    (folder / "b" / "record.json").unlink()
    RunFolder(folder / "c").finish({"config": {"seed": 9}, "metrics": {"val/acc": 0.25}})
    RunFolder(folder / "h").finish({"config": {"seed": 5}, "metrics": {"val/acc": 0.75}})
    expected = plain(folder, monkeypatch)
    states = {path.name: state for path, state, *_ in expected}
    assert states["a"] == "damaged" and states["b"] == "incomplete" and states["h"] == "complete"
    assert described(folder) == expected
    assert described(folder) == expected


def test_a_change_that_restores_size_and_time_is_seen(folder):
    read_folder(folder)
    path = folder / "a" / "record.json"
    before = path.stat()
    path.write_text(path.read_text().replace('"lr": 1', '"lr": 7'))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert next(e.state for e in read_folder(folder) if e.folder.run_id == "a") == "damaged"


def test_a_record_written_a_moment_ago_is_not_indexed(folder, monkeypatch):
    monkeypatch.setattr("seqsweep.runs.record_index._RACE_SECONDS", 60.0)
    read_folder(folder)
    assert not (folder / NAME).exists()


def test_a_damaged_index_costs_only_time(folder, monkeypatch):
    expected = described(folder)
    whole = (folder / NAME).read_bytes()
    draw = random.Random(0)
    for _ in range(60):
        damaged = bytearray(whole)
        for _ in range(draw.randrange(1, 4)):
            damaged[draw.randrange(len(damaged))] = draw.randrange(256)
        (folder / NAME).write_bytes(bytes(damaged[: draw.randrange(len(whole) + 1)]))
        assert described(folder) == expected
    for content in (b"", b"\n\n", b"\xff\x00", b"null\n", b"00000000 \n"):
        (folder / NAME).write_bytes(content)
        assert described(folder) == expected


@pytest.mark.parametrize("kind", ["folder", "fifo", "unwritable"])
def test_an_index_that_cannot_be_read_or_written_costs_only_time(folder, monkeypatch, kind):
    expected = plain(folder, monkeypatch)
    if kind == "folder":
        (folder / NAME).mkdir()
    elif kind == "fifo":
        os.mkfifo(folder / NAME)
    else:
        monkeypatch.setattr("seqsweep.runs.record_index.write_bytes", refuse)
    assert described(folder) == expected
    assert described(folder) == expected


def refuse(*_, **__):
    raise OSError("the disk is full")


def test_the_matrices_are_read_from_the_record_itself(folder):
    read_folder(folder)
    entry = next(e for e in read_folder(folder) if e.folder.run_id == "g")
    assert entry.record is not None and LEFT_OUT not in entry.record
    assert entry.whole_record[LEFT_OUT] == {"val": [[1, 2], [3, 4]]}


def test_lines_of_runs_that_nobody_asked_for_are_kept_or_dropped(folder):
    read_folder(folder)
    for is_all, left in ((False, {"a", "b", "c", "d", "e", "f", "g"}), (True, {"a", "b"})):
        RunFolder(folder / "a").finish({"config": {"seed": len(left)}, "metrics": {}})
        index = RecordIndex(folder)
        for name in ("a", "b"):
            assert index.record(RunFolder(folder / name)) is not None
        index.write(is_all)
        lines = [json.loads(line[9:]) for line in (folder / NAME).read_bytes().splitlines()]
        assert {line[0] for line in lines if line[0]} == left
