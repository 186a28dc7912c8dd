"""A locked run writes and deletes in its folder, whatever the paths lead to meanwhile."""

import contextlib
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from seqsweep.runs import metrics_csv
from seqsweep.runs.events import EventFile
from seqsweep.runs.files import link, remove, remove_temporary, sync_folder, write_text
from seqsweep.runs.held_folders import make_folder, remove_folder, remove_tree
from seqsweep.runs.lock import RunLock, check_held
from seqsweep.runs.run_folder import RunFolder
from seqsweep.training.checkpoint_files import publish, resume_point, save_in_run, save_sealed
from seqsweep.training.loggers import EpochCSVLogger, MemberLog, log_to

ROW = {"epoch": 0, "step": 1, "train/loss": 0.5}
CHECKPOINT = {
    "epoch": 0,
    "files": {"metrics.csv": 0},
    "callbacks": {"BestAndLast": {"best_epoch": 0}},
}
FILES = ("config.yaml", "record.json", "provenance.json", "failure.json", "metrics.csv",
         "train.log", "events.out.tfevents.0000000001.h.1.0.rows", ".x.1-0.tmp")  # fmt: skip


def _say(run: Path) -> None:
    log = MemberLog(run, [])
    log.say("a line")
    log.write_lines()


def _log(run: Path) -> None:
    with log_to(MemberLog(run, [])):
        pass


WRITERS: dict[str, Callable[[Path], object]] = {
    "start": lambda run: RunFolder(run).start({}, {}),
    "reopen": lambda run: RunFolder(run).reopen(),
    "finish": lambda run: RunFolder(run).finish({"config": {}, "metrics": {}}),
    "fail": lambda run: RunFolder(run).fail(ValueError("x")),
    "interrupt": lambda run: RunFolder(run).interrupt(ValueError("x")),
    "events": lambda run: EventFile(run).write([(1, 0.0, {"a": 1.0})]),
    "rows": lambda run: EpochCSVLogger(str(run)).write([ROW]),
    "row": lambda run: metrics_csv.append_rows(run / "metrics.csv", [{**ROW, "new": 1.0}]),
    "cut rows": lambda run: metrics_csv.keep_rows(run / "metrics.csv", 0),
    "say": _say,
    "log": _log,
    "save": lambda run: save_in_run(CHECKPOINT, run / "checkpoints/next.ckpt"),
    "publish": lambda run: publish(run / "checkpoints", True),
    "resume": lambda run: resume_point(run, "autograd"),
    "write": lambda run: write_text(run / "config.yaml", "mine"),
    "link": lambda run: link(run / "config.yaml", run / "failure.json"),
    "remove": lambda run: remove(run / "checkpoints", "*.ckpt"),
    "make folder": lambda run: make_folder(run / "own"),
    "remove folder": lambda run: remove_folder(run / "empty"),
    "remove tree": lambda run: remove_tree(run / "checkpoints"),
    "remove temporary": lambda run: remove_temporary(run),
    "sync": sync_folder,
}


def fill(run: Path) -> None:
    """Makes the files of a run that has a checkpoint, with longer logs than it knows."""
    (run / "checkpoints").mkdir(parents=True)
    (run / "empty").mkdir()
    for name in FILES:
        (run / name).write_text("epoch,step\r\n0,1\r\n")
    for name in ("last.ckpt", "best.ckpt", "next.ckpt"):
        save_sealed(CHECKPOINT, run / "checkpoints" / name)


def content(folder: Path) -> dict[str, bytes]:
    paths = {str(path.relative_to(folder)): path for path in folder.rglob("*")}
    return {name: path.read_bytes() if path.is_file() else b"" for name, path in paths.items()}


@pytest.mark.parametrize("part", [".", "checkpoints"])
@pytest.mark.parametrize("writer", WRITERS)
def test_nothing_is_written_behind_a_folder_that_became_a_link(writer, part, tmp_path):
    run, other, aside = (tmp_path / name for name in ("sweep/run", "other", "sweep/aside"))
    fill(run)
    fill(other)
    before = content(other)
    with RunLock(run):
        (run / part).rename(aside)
        (run / part).symlink_to(other / part)
        with contextlib.suppress(OSError):
            WRITERS[writer](run)
    assert content(other) == before
    assert torch.load(other / "checkpoints/last.ckpt", weights_only=True)["epoch"] == 0


def test_a_run_whose_folder_was_replaced_is_told_so_before_it_writes_by_a_path(tmp_path):
    run = tmp_path / "run"
    fill(run)
    with RunLock(run):
        check_held(run)
        run.rename(tmp_path / "aside")
        with pytest.raises(OSError, match="was moved or replaced while the run trained"):
            check_held(run)
        run.symlink_to(tmp_path)
        with pytest.raises(OSError, match="was moved or replaced while the run trained"):
            check_held(run)
    assert not list((tmp_path / "aside").glob("lock"))
