"""What stands beside the runs for people: renewed when runs end, never in the way of the sweep."""

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from seqsweep.config.schema import Config
from seqsweep.runs.record import RunFolder
from seqsweep.training import summary
from seqsweep.training.planning import Member, plan
from seqsweep.training.summary import Renewing, write_summary


def end_run(folder: Path, name: str, size: int) -> None:
    config = {"model.hidden_size": size, "seed": 0, "monitor": "val/acc"}
    run = RunFolder(folder / name)
    run.start(config, {})
    run.finish(
        {"run_id": name, "config": config, "metrics": {"val/acc": 0.5}, "best_epoch": 0,
         "epochs": 1, "steps": 1, "params": 1, "train_seconds": 1.0}
    )  # fmt: skip


def wait_until(condition: Callable[[], Any]) -> None:
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_the_report_is_renewed_when_a_run_has_ended(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(summary, "SHARE", 1.0)
    report = tmp_path / "report.html"
    with Renewing(tmp_path, every=0.01):
        time.sleep(0.05)
        assert not report.exists()  # nothing has ended
        end_run(tmp_path, "a", 4)
        wait_until(lambda: list(tmp_path.glob("a/*.hparams")))
        first = report.stat().st_mtime_ns
        end_run(tmp_path, "b", 8)
        wait_until(lambda: report.stat().st_mtime_ns != first)
    last = report.stat().st_mtime_ns
    end_run(tmp_path, "c", 16)
    time.sleep(0.05)
    assert report.stat().st_mtime_ns == last


def test_what_cannot_be_written_meanwhile_stops_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    tried = threading.Event()

    def full(folder: Path, images: int | None) -> None:
        tried.set()
        raise OSError("no space left")

    monkeypatch.setattr(summary, "_write", full)
    with Renewing(tmp_path, every=0.01) as renewing:
        end_run(tmp_path, "a", 4)
        assert tried.wait(20)
        assert renewing.thread.is_alive()


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")  # that is what is tested
def test_a_process_forked_meanwhile_is_free(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The fork waits for a renewal that is under way: a lock that it holds would never be freed."""
    lock, started = threading.Lock(), threading.Event()

    def write(folder: Path, images: int | None) -> None:
        with lock:
            started.set()
            time.sleep(0.2)

    monkeypatch.setattr(summary, "_write", write)
    with Renewing(tmp_path, every=0.01):
        end_run(tmp_path, "a", 4)
        assert started.wait(20)
        child = os.fork()
        if child == 0:
            os._exit(0 if lock.acquire(timeout=1) else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


@pytest.fixture
def member(checked: Callable[..., Config]) -> Member:
    return plan(checked("data=random", "data.batch_size=8", "data.source.num_sequences=40"))


@pytest.mark.slow
def test_the_end_writes_all(member: Member, tmp_path: Path) -> None:
    end_run(tmp_path, "a", 4)
    assert write_summary([member], tmp_path) == []
    names = {"report.html", "report.csv", "report.json", "baselines.json"}
    assert names <= {path.name for path in tmp_path.iterdir()}
    assert list(tmp_path.glob("a/*.hparams"))


def test_what_the_end_cannot_write_is_said(member: Member, tmp_path: Path) -> None:
    end_run(tmp_path, "a", 4)
    (tmp_path / "report.html").mkdir()
    (problem,) = write_summary([member], tmp_path)
    assert "report.html" in problem
    assert (tmp_path / "baselines.json").is_file()
