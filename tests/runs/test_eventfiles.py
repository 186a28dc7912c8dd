"""A run's event files are found, and the process that wrote the last one."""

from pathlib import Path

from seqsweep.runs.eventfiles import all_event_files, event_files, writer_of

ROW_FILE = "events.out.tfevents.1.host.2.3.rows"
OTHER = "events.out.tfevents.1.host.2.5"


def make(run: Path, *names: str) -> None:
    for name in names:
        path = run / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)


def test_the_event_files_of_a_run_lie_directly_in_its_folder(tmp_path: Path) -> None:
    make(tmp_path, OTHER, ROW_FILE, f"version_0/{OTHER}", "metrics.csv")
    assert event_files(tmp_path) == [tmp_path / ROW_FILE, tmp_path / OTHER]
    assert writer_of(tmp_path) == ("host", 2)
    assert writer_of(tmp_path / "version_0") is None


def test_files_below_keep_their_folder_unless_the_run_has_no_others(tmp_path: Path) -> None:
    make(tmp_path, f"a/b/{OTHER}", f"c/{OTHER}", f"checkpoints/{OTHER}")
    of = {"": [tmp_path / "a" / "b" / OTHER], "c": [tmp_path / "c" / OTHER]}
    assert all_event_files(tmp_path) == of
    make(tmp_path, ROW_FILE)
    assert list(all_event_files(tmp_path)) == ["", "a/b", "c"]
