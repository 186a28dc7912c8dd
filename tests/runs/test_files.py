"""A file is whole or not there, whatever call fails on the way."""

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from seqsweep.runs.files import (
    link,
    read_json,
    temporary_name,
    write_bytes,
)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("failing", ["os.fsync", "os.replace", "builtins.open"])
@pytest.mark.parametrize("old", [b"old", None])
def test_a_write_that_fails_changes_nothing(tmp_path, replaced, failing, old):
    path = tmp_path / "a.bin"
    if old is not None:
        path.write_bytes(old)
    with replaced(failing), pytest.raises(OSError, match=r"No space left[^>]*a\.bin'$"):
        write_bytes(path, b"new")
    assert names(tmp_path) == ([] if old is None else ["a.bin"])
    assert old is None or path.read_bytes() == old


def test_a_write_is_synced_before_it_has_its_name_and_whole_without_a_sync(tmp_path, replaced):
    path, seen = tmp_path / "a.bin", list[bytes]()

    def look(_: int) -> None:
        seen.extend(file.read_bytes() for file in tmp_path.iterdir() if file != path)
        assert not path.exists()

    with replaced("os.fsync", by=look):
        write_bytes(path, b"content")
    assert seen == [b"content"]
    with replaced("os.fsync"):
        write_bytes(path, b"new", sync=False)
    assert path.read_bytes() == b"new"
    with replaced("os.replace"), pytest.raises(OSError, match="No space left"):
        write_bytes(path, b"newer", sync=False)
    assert path.read_bytes() == b"new"
    assert names(tmp_path) == ["a.bin"]


def test_half_a_json_file_counts_as_missing(tmp_path: Path) -> None:
    """Every cut of an object is noticed, also one inside a letter of two bytes."""
    whole = json.dumps({"a": [1, 2], "b": {"c": "ä"}}, ensure_ascii=False).encode()
    path = tmp_path / "a.json"
    for content in [b"\xff\xfe", *(whole[:length] for length in range(len(whole)))]:
        path.write_bytes(content)
        assert read_json(path) is None, content
    path.write_bytes(whole)
    assert read_json(path) == {"a": [1, 2], "b": {"c": "ä"}}
    assert read_json(tmp_path / "none.json") is None
    assert read_json(path / "none.json") is None


@pytest.mark.parametrize("hard_links", [True, False], ids=["hard links", "no hard links"])
@pytest.mark.parametrize("old", [b"old", None], ids=["over an old one", "new"])
def test_a_linked_file_has_the_content_of_its_source(tmp_path, replaced, hard_links, old):
    source, target = tmp_path / "next", tmp_path / "best"
    source.write_bytes(b"new")
    if old is not None:
        target.write_bytes(old)
    with replaced(*[] if hard_links else ["os.link"]):
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

    def write(content: bytes) -> None:
        for _ in range(50):
            write_bytes(tmp_path / "report.html", content, sync=False)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(write, contents))
    assert (tmp_path / "report.html").read_bytes() in contents
    assert names(tmp_path) == ["report.html"]


@pytest.mark.parametrize("write", [write_bytes, lambda path, data: link(path.parent / "a", path)])
@pytest.mark.parametrize("target", ["outside", "nowhere"])
def test_a_link_under_the_temporary_name_is_not_followed(tmp_path, replaced, write, target):
    folder, outside = tmp_path / "folder", tmp_path / "outside"
    folder.mkdir()
    outside.write_bytes(b"of another")
    (folder / "a").write_bytes(b"source")
    path = folder / "b"
    path.write_bytes(b"old")
    with replaced("os.urandom", by=bytes):  # the name is known for once
        Path(temporary_name(path)).symlink_to(tmp_path / target)
        with pytest.raises(FileExistsError):
            write(path, b"new")
    assert outside.read_bytes() == b"of another"
    assert names(tmp_path) == ["folder", "outside"]
    assert path.read_bytes() == b"old"


def test_a_link_that_fails_leaves_the_old_file(tmp_path, replaced):
    (tmp_path / "next").write_bytes(b"new")
    (tmp_path / "best").write_bytes(b"old")
    with replaced("os.replace"), pytest.raises(OSError, match="No space left"):
        link(tmp_path / "next", tmp_path / "best")
    assert (tmp_path / "best").read_bytes() == b"old"
    assert names(tmp_path) == ["best", "next"]


def test_what_a_killed_writer_of_a_file_has_left_goes_with_the_next_write(tmp_path):
    program = "from seqsweep.runs.files import temporary_name; print(temporary_name('a*b'))"
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    leftover = ended.stdout.decode().strip()
    living = Path(temporary_name(tmp_path / "a*b")).name
    for name in (leftover, living, leftover.replace("a*b", "axb"), ".a*b.x.tmp"):
        (tmp_path / name).touch()
    write_bytes(tmp_path / "a*b", b"new")
    assert set(names(tmp_path)) == {"a*b", living, leftover.replace("a*b", "axb"), ".a*b.x.tmp"}
