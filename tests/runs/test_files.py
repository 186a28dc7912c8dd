"""A file is whole or not there, whatever call fails on the way."""

import errno
import json
import os
import threading
from pathlib import Path
from typing import Any

import pytest

from seqsweep.runs.files import link, read_json, sync, write_bytes, write_json, write_text


def no_space(*_: Any, **__: Any) -> Any:
    raise OSError(errno.ENOSPC, "No space left on device")


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("failing", ["os.fsync", "os.replace", "builtins.open"])
@pytest.mark.parametrize("old", [b"old", None])
def test_a_write_that_fails_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: str, old: bytes | None
) -> None:
    path = tmp_path / "a.bin"
    if old is not None:
        path.write_bytes(old)
    with monkeypatch.context() as patch:
        patch.setattr(failing, no_space)
        with pytest.raises(OSError, match="No space left"):
            write_bytes(path, b"new")
    assert names(tmp_path) == ([] if old is None else ["a.bin"])
    assert old is None or path.read_bytes() == old


def test_the_content_is_synced_before_it_has_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, seen = tmp_path / "a.bin", list[bytes]()

    def sync(_: int) -> None:
        seen.extend(file.read_bytes() for file in tmp_path.iterdir() if file != path)
        assert not path.exists()

    monkeypatch.setattr("os.fsync", sync)
    write_bytes(path, b"content")
    assert seen == [b"content"]


def test_a_write_without_a_sync_is_whole_or_not_there_as_well(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(b"old")
    monkeypatch.setattr("os.fsync", no_space)
    write_bytes(path, b"new", sync=False)
    assert path.read_bytes() == b"new"
    with monkeypatch.context() as patch:
        patch.setattr("os.replace", no_space)
        with pytest.raises(OSError, match="No space left"):
            write_bytes(path, b"newer", sync=False)
    assert path.read_bytes() == b"new"
    assert names(tmp_path) == ["a.bin"]


def test_sync_skips_missing_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[int] = []
    monkeypatch.setattr("os.fsync", lambda descriptor: synced.append(os.fstat(descriptor).st_ino))
    paths = [tmp_path / name for name in ("a", "none", "b")]
    paths[0].write_bytes(b"a")
    paths[2].write_bytes(b"b")
    sync(paths)
    assert synced == [paths[0].stat().st_ino, paths[2].stat().st_ino]


def test_text_and_json_come_back(tmp_path: Path) -> None:
    write_text(tmp_path / "a.txt", "ä\n")
    assert (tmp_path / "a.txt").read_bytes() == "ä\n".encode()
    value = {"a": [1, 0.1, None, True], "b": "ä"}
    write_json(tmp_path / "a.json", value)
    assert read_json(tmp_path / "a.json") == value


@pytest.mark.parametrize("value", [float("nan"), float("inf"), {"a": object()}])
def test_what_json_cannot_hold_leaves_the_old_file(tmp_path: Path, value: Any) -> None:
    write_json(tmp_path / "a.json", 1)
    with pytest.raises((ValueError, TypeError)):
        write_json(tmp_path / "a.json", value)
    assert read_json(tmp_path / "a.json") == 1
    assert names(tmp_path) == ["a.json"]


def test_half_a_json_file_counts_as_missing(tmp_path: Path) -> None:
    """Every cut of an object is noticed, also one inside a letter of two bytes."""
    whole = json.dumps({"a": [1, 2], "b": {"c": "ä"}}, ensure_ascii=False).encode()
    path = tmp_path / "a.json"
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        assert read_json(path) is None, length
    path.write_bytes(whole)
    assert read_json(path) == {"a": [1, 2], "b": {"c": "ä"}}
    path.write_bytes(b"\xff\xfe")
    assert read_json(path) is None


def test_a_missing_json_file_is_none(tmp_path: Path) -> None:
    assert read_json(tmp_path / "none.json") is None
    (tmp_path / "file").touch()
    assert read_json(tmp_path / "file" / "none.json") is None


@pytest.mark.parametrize("hard_links", [True, False], ids=["hard links", "no hard links"])
@pytest.mark.parametrize("old", [b"old", None], ids=["over an old one", "new"])
def test_a_linked_file_has_the_content_of_its_source(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hard_links: bool, old: bytes | None
) -> None:
    source, target = tmp_path / "next", tmp_path / "best"
    source.write_bytes(b"new")
    if old is not None:
        target.write_bytes(old)
    if not hard_links:
        monkeypatch.setattr("pathlib.Path.hardlink_to", no_space)
    for _ in range(2):  # POSIX: rename does nothing where both names are links to one file
        link(source, target)
        assert target.read_bytes() == b"new"
        assert names(tmp_path) == ["best", "next"]
    assert source.samefile(target) == hard_links
    write_bytes(source, b"newer")  # a new file under the source's name: the target keeps its own
    assert target.read_bytes() == b"new"


def test_two_writers_of_a_file_use_two_temporary_names(tmp_path: Path) -> None:
    """A report is asked for while its sweep writes it; the file is whole, one of the two."""
    contents = [bytes([number]) * 300_000 for number in range(2)]
    errors: list[OSError] = []

    def write(content: bytes) -> None:
        for _ in range(50):
            try:
                write_bytes(tmp_path / "report.html", content, sync=False)
            except OSError as error:
                errors.append(error)

    threads = [threading.Thread(target=write, args=[content]) for content in contents]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert (tmp_path / "report.html").read_bytes() in contents
    assert names(tmp_path) == ["report.html"]


@pytest.mark.parametrize(
    ("failing", "hard_links"),
    [("os.replace", True), ("os.replace", False), ("os.fsync", False)],
)
def test_a_link_that_fails_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: str, hard_links: bool
) -> None:
    source, target = tmp_path / "next", tmp_path / "best"
    source.write_bytes(b"new")
    target.write_bytes(b"old")
    with monkeypatch.context() as patch:
        if not hard_links:
            patch.setattr("pathlib.Path.hardlink_to", no_space)
        patch.setattr(failing, no_space)
        with pytest.raises(OSError, match="No space left"):
            link(source, target)
    assert target.read_bytes() == b"old"
    assert names(tmp_path) == ["best", "next"]
