"""What matches a pattern is removed, and what killed processes have left."""

from pathlib import Path

import pytest

from seqsweep.runs.files import matching, remove, remove_temporary, write_bytes


def gone(pid: int, signum: int) -> None:
    raise ProcessLookupError


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_temporary_files_are_removed_and_others_are_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever a killed process had begun: a KeyboardInterrupt here cannot tidy up either."""

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    write_bytes(tmp_path / "a.tmp", b"a file of that name")
    (tmp_path / ".hidden").touch()
    (tmp_path / "b.json").touch()
    with monkeypatch.context() as patch:
        patch.setattr("os.replace", killed)
        with pytest.raises(KeyboardInterrupt):
            write_bytes(tmp_path / "b.json", b"new")
    assert len(names(tmp_path)) == 4
    remove_temporary(tmp_path)
    assert len(names(tmp_path)) == 4  # this process may be writing it
    monkeypatch.setattr("os.kill", gone)
    remove_temporary(tmp_path)
    assert names(tmp_path) == [".hidden", "a.tmp", "b.json"]
    remove_temporary(tmp_path / "none")


def test_what_matches_is_removed_and_nothing_below(tmp_path: Path) -> None:
    (tmp_path / "events.d").mkdir()
    for name in ("events.1", "events.2", "events", "events.d/events.1", "a.csv", "b.csv"):
        (tmp_path / name).touch()
    (tmp_path / "events.3").symlink_to("nowhere")
    patterns = ("events.[0-9]", "a.csv")
    found = sorted(path.name for path in matching(tmp_path, *patterns))
    assert found == ["a.csv", "events.1", "events.2", "events.3"]
    remove(tmp_path, *patterns)
    assert names(tmp_path) == ["b.csv", "events", "events.d"]
    assert names(tmp_path / "events.d") == ["events.1"]
    assert matching(tmp_path / "none", "*") == matching(tmp_path / "events" / "none", "*") == []
