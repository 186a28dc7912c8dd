"""The folder for TensorBoard: which runs it has, and that the sweep's folder stays as it is."""

import os
import shutil
import stat
from pathlib import Path

import pytest

from seqsweep.results.tensorboard.view import make_view
from seqsweep.runs.events import EventFile


@pytest.fixture
def target(tmp_path_factory):
    return tmp_path_factory.mktemp("view")


def listing(folder: Path) -> dict[str, tuple[int, int]]:
    """Returns the inode and the time of each file of a folder."""
    found = {str(path.relative_to(folder)): path.lstat() for path in folder.rglob("*")}
    return {name: (stat.st_ino, stat.st_mtime_ns) for name, stat in found.items()}


def test_a_view_writes_nothing_into_the_sweep_and_links_to_its_curves(sweep, target, runs_at):
    """Plain TensorBoard therefore goes on to show each run once, by its id."""
    sweep.grid()
    sweep.add("f" * 16, {"model.hidden_size": 8, "seed": 5}, [0.4])
    sweep.plan()
    before = listing(sweep.folder)
    view = make_view(sweep.folder, target, images=1)
    assert listing(sweep.folder) == before
    assert runs_at(sweep.folder) == sorted(sweep.configs)
    assert sorted(view.configs) == sorted(path.name for path in target.iterdir())
    assert (view.unfinished, view.has_curves) == (1, True)
    links = {path.resolve() for path in target.rglob("*.rows") if path.is_symlink()}
    assert links == set(sweep.folder.rglob("*.rows"))


def test_of_many_runs_the_view_has_the_best_configs_with_all_their_seeds(sweep, target, tmp_path):
    """A config without some of its seeds would look better or worse than it is."""
    best = sweep.grid()
    view = make_view(sweep.folder, target, images=0, most=7)
    # A seed adds 0.01, and the configs are at least 0.02 apart.
    assert set(view.configs) == set(sorted(best, key=lambda name: best[name])[-6:])
    assert view.left_out == 18
    assert len(make_view(sweep.folder, tmp_path, images=0, most=1).configs) == 2


def test_a_run_that_is_asked_for_is_shown_although_others_are_better(sweep, target):
    best = sweep.grid()
    sweep.plan()
    worst = min(best, key=best.__getitem__)
    number = list(best).index(worst)
    folder = sweep.folder / list(sweep.configs)[number]
    sweep.add("f" * 16, {"seed": 5}, [])
    view = make_view(folder, target, images=0, most=2)
    assert (set(view.configs), view.left_out, view.unfinished) == ({worst}, 0, 0)


def test_a_view_of_more_than_40_runs_names_the_best_40(sweep, target, tmp_path):
    for number in range(40):
        sweep.done(f"{number:02}", {"h": number}, 0.3 + number / 100)
    assert not make_view(sweep.folder, tmp_path, images=0).best
    sweep.done("40", {"h": 40}, 0.7)
    best = make_view(sweep.folder, target, images=0).best
    assert best == [f"h={number:02}" for number in range(40, 0, -1)]


def test_only_a_regular_file_of_the_run_is_shown(sweep, target, runs_at):
    """A link may lead out of the sweep, and TensorBoard would wait for a FIFO for ever."""
    sweep.done("0", {"h": 4}, 0.5)
    run = sweep.done("1", {"h": 8}, 0.5).path
    outside = target.parent / "outside"
    EventFile(sweep.add("2", {"h": 8}, []).path).write([(6, 1.7e9, {"secret": 0.5})])
    shutil.move(sweep.folder / "2", outside)
    (run / "mine").symlink_to(outside)
    (run / "events.out.tfevents.9").symlink_to(next(outside.glob("*.rows")))
    os.mkfifo(run / "events.out.tfevents.8")
    make_view(sweep.folder, target, images=0)
    assert runs_at(target) == ["h=4", "h=8"]
    names = [path.name for path in (target / "h=8").iterdir()]
    assert [name for name in names if not name.endswith((".rows", ".seqsweep"))] == []
    assert stat.S_ISFIFO((run / "events.out.tfevents.8").lstat().st_mode)


def test_a_runs_event_file_never_takes_the_place_of_what_the_view_writes(sweep, target, tmp_path):
    sweep.grid()
    (tmp_path / "first").mkdir()
    make_view(sweep.folder, tmp_path / "first", images=0)
    files = (tmp_path / "first").rglob("*")
    (made,) = {path.name for path in files if path.is_file() and not path.is_symlink()}
    run = next(path.parent for path in sweep.folder.glob("*/config.yaml"))
    (run / made).write_bytes(b"of the run")
    before = listing(sweep.folder)
    make_view(sweep.folder, target, images=0)
    assert listing(sweep.folder) == before and (run / made).read_bytes() == b"of the run"
    assert all(not path.is_symlink() for path in target.rglob(made))
