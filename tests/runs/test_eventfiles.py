"""Which event files a run has, wherever in its folder they lie."""

from pathlib import Path

import pytest

from seqsweep.runs.eventfiles import (
    MADE,
    NAMES,
    event_files,
    event_folder,
    made_folder,
    read_names,
    remove_event_files,
    write_names,
)
from seqsweep.runs.lock import RunLock

ROW_FILE = "events.out.tfevents.1.host.2.3.rows"
WRITER_FILE = "events.out.tfevents.1.host.2.4.writer.rows"
MADE_FILE = f"events.out.tfevents.0{MADE}0123.hparams"
FOREIGN = "events.out.tfevents.1.host.2.5"


@pytest.fixture
def run(tmp_path: Path) -> Path:
    folder = tmp_path / "sweep" / "0123456789abcdef"
    folder.mkdir(parents=True)
    return folder


def make(run: Path, *names: str) -> None:
    for name in names:
        path = run / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)


def listing(run: Path) -> set[str]:
    return {str(path.relative_to(run)) for path in run.rglob("*") if path.is_file()}


def test_a_name_moves_what_is_ours_and_nothing_else(run: Path) -> None:
    version = f"lightning_logs/version_0/{FOREIGN}"
    make(run, ROW_FILE, f"h8/{WRITER_FILE}", f"h8/{MADE_FILE}", version, "h8/notes.txt")
    write_names(run.parent, {run.name: "h08"})
    moved = {f"h08/{name}" for name in (ROW_FILE, WRITER_FILE, MADE_FILE)}
    assert listing(run) == {*moved, version, "h8/notes.txt"}
    assert [path.name for path in event_files(run)] == [ROW_FILE, WRITER_FILE]
    assert event_folder(run) == made_folder(run) == run / "h08"
    write_names(run.parent, {run.name: "h008"})
    assert not (run / "h08").exists()
    assert (run.parent / NAMES).read_text() == f'{{\n  "{run.name}": "h008"\n}}\n'


def test_the_file_of_a_writer_that_may_be_open_stays(run: Path) -> None:
    """It is reopened by its path: a second file would begin there, without a header."""
    make(run, f"h8/{ROW_FILE}", f"h8/{WRITER_FILE}")
    with RunLock(run):
        write_names(run.parent, {run.name: "h08"})
        assert {path.parent.name for path in event_files(run)} == {"h8"}
    write_names(run.parent, {run.name: "h08"})
    assert {path.parent.name for path in event_files(run)} == {"h08"}


def test_a_run_from_the_start_keeps_the_files_of_others(run: Path) -> None:
    make(run, ROW_FILE, f"h8/{ROW_FILE}", f"h8/{MADE_FILE}", f"version_0/{FOREIGN}", FOREIGN)
    remove_event_files(run)
    assert listing(run) == {f"version_0/{FOREIGN}"}
    assert not (run / "h8").exists()


@pytest.mark.parametrize(
    ("there", "folder"),
    [
        ([], "h8"),
        ([f"version_0/{FOREIGN}"], "version_0"),  # of a logger of the user's own
        ([FOREIGN], ""),
        ([f"h8/{ROW_FILE}", f"version_0/{FOREIGN}"], "h8"),
    ],
)
def test_made_files_belong_beside_the_curves(run: Path, there: list[str], folder: str) -> None:
    write_names(run.parent, {run.name: "h8"})
    make(run, *there)
    assert made_folder(run) == run / folder


def test_no_link_in_a_folder_leads_out_of_it(run: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    make(tmp_path, f"elsewhere/{ROW_FILE}")
    (run / "h8").symlink_to(tmp_path / "elsewhere")
    make(run, ROW_FILE)
    write_names(run.parent, {run.name: "h8"})
    assert event_files(run) == [run / ROW_FILE]
    assert event_folder(run) == run
    (run.parent / NAMES).write_text('{"0": "h')
    assert read_names(run.parent) == {}
