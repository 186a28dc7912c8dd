"""A renewal of the view writes what has changed, and nothing else."""

import re
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from seqsweep.results.tensorboard.made_files import file_name, write_made_files
from seqsweep.results.tensorboard.view import renew
from seqsweep.runs.eventfiles import MADE, write_names
from seqsweep.runs.files import write_bytes


def listing(folder: Path) -> dict[str, tuple[int, int]]:
    """Returns the inode and the time of each file of a folder."""
    found = {str(path.relative_to(folder)): path.lstat() for path in folder.rglob("*")}
    return {name: (stat.st_ino, stat.st_mtime_ns) for name, stat in found.items()}


def test_a_renewal_leaves_the_files_of_the_runs_and_a_second_one_writes_nothing(sweep):
    sweep.grid()
    sweep.add("f" * 16, {"model.hidden_size": 8, "seed": 5}, [0.4]).fail(ValueError("no"))
    sweep.plan()
    runs = {name: stat for name, stat in listing(sweep.folder).items() if "." in name}
    view = renew(sweep.folder, images=0)
    before = listing(sweep.folder)
    assert before == before | runs
    assert renew(sweep.folder, images=0) == view
    assert listing(sweep.folder) == before
    for path in sweep.folder.rglob(f"*{MADE}*"):
        path.unlink()
    renew(sweep.folder, images=0)
    assert listing(sweep.folder).keys() == before.keys()


def test_a_renewal_writes_only_the_files_of_the_changed_run(sweep, made, shown):
    """Other files beside the curves are not removed, and deleted runs disappear."""
    sweep.grid()
    sweep.plan()
    renew(sweep.folder, images=0)
    before = made(sweep.folder)
    changed = sweep.folder / f"{3:08x}{0:08x}"
    (changed / "record.json").unlink()
    (notes,) = (path / "notes.txt" for path in changed.glob("h*"))
    notes.write_text("mine")
    renew(sweep.folder, images=0)
    after = {run for name, run in made(sweep.folder).items() if name not in before}
    assert after == {"h008-L2-bi-s0"}
    for path in sorted(sweep.folder.glob("0*"))[4:]:
        if path != changed:
            shutil.rmtree(path)
    (sweep.folder / "sweep.json").unlink()
    names = ["L1-bi-s0", "L1-bi-s1", "L1-uni-s0", "L1-uni-s1", "L2-bi-s0"]
    assert shown(sweep.folder).runs == names
    assert next(changed.rglob("notes.txt")).read_text() == "mine"


def test_what_a_killed_renewal_has_left_is_removed(sweep):
    """TensorBoard reads each file with `tfevents` in its name, so a temporary one has it not."""
    sweep.grid()
    renew(sweep.folder, images=0)
    before = listing(sweep.folder).keys()
    path = next(path for path in sweep.folder.rglob(f"*{MADE}*.hparams"))
    path.unlink()

    def killed() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_bytes(path, b"half", confirm=killed)
    (left,) = listing(sweep.folder).keys() - before
    assert "tfevents" not in left
    # The name that a process has given which is dead by now.
    dead = sweep.folder / re.sub(r"\.\d+-(\w+)\.tmp$", r".999999999-\1.tmp", left)
    (sweep.folder / left).rename(dead)
    renew(sweep.folder, images=0)
    assert listing(sweep.folder).keys() == before


def test_of_many_runs_the_view_has_the_best_configs_with_all_their_seeds(sweep, made):
    """A config without some of its seeds would show a mean that is too good or too bad."""
    best = sweep.grid()
    sweep.plan()
    renew(sweep.folder, images=0)
    assert len(made(sweep.folder, "hparams")) == 24
    view = renew(sweep.folder, images=0, most=7)
    # A seed adds 0.01, and the configs are at least 0.02 apart.
    wanted = set(sorted(best, key=lambda name: best[name])[-6:])
    assert set(view.configs) == wanted
    assert view.left_out == 18
    # Plain TensorBoard, which reads the folder itself, must not mix columns of two views.
    assert set(made(sweep.folder).values()) == wanted
    # A process that renews the view of another one keeps the number of runs.
    assert renew(sweep.folder, images=None, most=1) == view


def test_a_run_that_is_asked_for_is_shown_although_others_are_better(sweep):
    best = sweep.grid()
    sweep.plan()
    worst = min(best, key=best.get)
    (folder,) = (path.parent for path in sweep.folder.glob(f"*/{worst}"))
    view = renew(folder, images=0, most=2)
    assert set(view.configs) == {worst}
    assert view.files
    assert view.left_out == 0


def test_processes_may_renew_a_view_at_the_same_time(sweep, shown, runs_at):
    """The names change meanwhile; the result is that of one process alone."""
    for size in (4, 8, 16):
        sweep.done(f"{size:02}", {"h": size}, 0.9)
    with ThreadPoolExecutor(4) as pool:
        for size in (32, 128, 1024):
            sweep.plan()
            renewals = [pool.submit(renew, sweep.folder, 0) for _ in range(8)]
            sweep.done(f"{size:02}", {"h": size}, 0.9)
            for renewal in renewals:
                renewal.result()
    sweep.plan()
    names = ["h0004", "h0008", "h0016", "h0032", "h0128", "h1024"]
    assert shown(sweep.folder).runs == names
    assert sorted(name.partition("/")[2] for name in runs_at(sweep.folder)) == names
    assert not list(sweep.folder.rglob("*.tmp"))


def test_files_are_made_where_the_curves_have_moved_meanwhile(sweep):
    sweep.done("0", {"h": 1}, 0.9)
    run = sweep.folder / "0"
    write_names(sweep.folder, {"0": "before"})

    def content() -> bytes:
        write_names(sweep.folder, {"0": "after"})  # as another process may do at any moment
        return b"made"

    name = file_name(0, "digest", "hparams")
    assert write_made_files(run, {name: content}) == [run / "after" / name]
    assert (run / "after" / name).read_bytes() == b"made"
    assert not (run / "before").exists()


def test_a_view_of_more_than_40_runs_names_the_best_20_and_the_one_with_the_names(sweep):
    for number in range(40):
        sweep.done(f"{number:02}", {"h": number}, 0.3 + number / 100)
    sweep.plan()
    assert not renew(sweep.folder, images=0).best
    sweep.done("40", {"h": 40}, 0.7)
    sweep.plan()
    best = [f"h{number:02}" for number in range(40, 20, -1)]
    assert renew(sweep.folder, images=0).best == [*best, "h00"]
