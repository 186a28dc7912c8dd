"""Baselines and report are renewed when runs end and never disturb the sweep."""

import os
import re
import shutil
import signal
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

import pytest
from made_sweeps import finish_run
from waiting import wait_until

from seqsweep.config.schema import Config
from seqsweep.errors import Interrupted
from seqsweep.results.report.write import BESIDE
from seqsweep.runs.files import write_bytes
from seqsweep.runs.ledger import Entry, read_run
from seqsweep.sweeping.baselines import write_baselines
from seqsweep.sweeping.sweep_end import Renewing, write_summary
from seqsweep.training.outcome import interruptible
from seqsweep.training.planned_run import plan
from seqsweep.training.train import train


def end_run(folder: Path, name: str, size: int) -> None:
    run = {"model.hidden_size": size, "seed": 0, "val/acc": 0.5}
    finish_run(folder / name, run, run_id=name, best_epoch=0, epochs=1, steps=1)


class Noting(Renewing):
    """Notes each renewal, and then does what a test gives."""

    def __init__(self, folder: Path, act: Callable[[], object]) -> None:
        super().__init__(folder, every=0.01)
        self.act = act
        self.count = 0

    def write(self) -> None:
        self.count += 1
        self.act()


def full() -> None:
    raise OSError("no space left")


@pytest.mark.parametrize("act", [lambda: None, full], ids=["written", "full disk"])
def test_the_report_is_renewed_when_a_run_has_ended(tmp_path, act):
    """A renewal that cannot be written does not stop the sweep."""
    with Noting(tmp_path, act) as renewing:
        time.sleep(0.05)
        assert renewing.count == 0  # nothing has ended
        for number, name in enumerate("ab", start=1):
            end_run(tmp_path, name, 4)
            wait_until(lambda number=number: renewing.count == number)
        assert renewing.thread.is_alive()
    end_run(tmp_path, "c", 16)
    time.sleep(0.05)
    assert renewing.count == 2


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")  # that is what is tested
def test_a_process_forked_during_a_renewal_inherits_no_lock(tmp_path):
    """A fork waits for a running renewal, because the child could never release its locks."""
    lock, started = threading.Lock(), threading.Event()

    def write() -> None:
        with lock:
            started.set()
            time.sleep(0.2)

    with Noting(tmp_path, write):
        end_run(tmp_path, "a", 4)
        assert started.wait(180)
        child = os.fork()
        if child == 0:
            os._exit(0 if lock.acquire(timeout=1) else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


@pytest.fixture
def member(checked: Callable[..., Config], tmp_path_factory: pytest.TempPathFactory) -> Entry:
    values = ("data.batch_size=8", "data.source.num_sequences=40", "trainer.max_epochs=1")
    run = plan(checked("data=random", *values))
    return read_run(train(run, tmp_path_factory.mktemp("member")).folder)


def summarise(members: Sequence[Entry], folder: Path) -> list[str]:
    return write_summary(lambda: write_baselines(folder, members), folder)


def test_the_summary_returns_a_problem_for_each_part_that_it_cannot_write(member, tmp_path):
    end_run(tmp_path, "a", 4)
    (tmp_path / "report.html").mkdir()
    (problem,) = summarise([member], tmp_path)
    assert "report.html" in problem
    assert (tmp_path / "baselines.json").is_file()


def summary_of(folder: Path) -> dict[str, str]:
    """Returns the files of the summary, without the folder's path and the digests.

    The process that was ended here lives on, so its temporary files are not removed yet.
    """
    paths = [path for path in folder.iterdir() if path.is_file() and path.suffix != ".tmp"]
    found = {path.name: path.read_text() for path in paths}
    found["report.json"] = re.sub('"made_from": "[0-9a-f]*"', "", found["report.json"])
    return {name: text.replace(str(folder), "") for name, text in found.items()}


@pytest.mark.slow
@pytest.mark.parametrize(
    "signum", [signal.SIGKILL, pytest.param(signal.SIGTERM, marks=pytest.mark.durability)]
)
def test_the_summary_may_be_ended_at_any_write(member, tmp_path, at_rename, monkeypatch, signum):
    """Each file of an extended sweep holds either only its first runs or all runs."""
    monkeypatch.setattr(time, "strftime", lambda *_: "now")
    monkeypatch.setattr(time, "perf_counter", lambda: 0.0)
    options = {} if signum == signal.SIGKILL else {"act": lambda: signal.raise_signal(signum)}
    before = tmp_path / "before"
    end_run(before, "a", 4)
    assert summarise([], before) == []
    end_run(before, "b", 8)

    def copied(name: str) -> Path:
        return shutil.copytree(before, tmp_path / name / "sweep", symlinks=True)

    undisturbed = copied("undisturbed")
    with at_rename(1000) as writes:
        assert summarise([member], undisturbed) == []
    written = {"baselines.json", "report.html", "report.csv", "report.json"}
    assert written == set(writes)
    expected = summary_of(undisturbed)
    for n in range(1, len(writes) + 1):
        folder = copied(str(n))
        with at_rename(n, **options) as done, suppress(Interrupted), interruptible():
            summarise([member], folder)
        assert len(done) == n
        assert summarise([member], folder) == []
        assert summary_of(folder) == expected, f"{signum.name} at {writes[n - 1]}"
        with at_rename(1) as done:
            assert summarise([member], folder) == []
        assert done == []  # it fits


def test_a_lost_or_damaged_file_of_the_summary_is_made_again(tmp_path):
    end_run(tmp_path, "a", 4)
    assert summarise([], tmp_path) == []
    before = summary_of(tmp_path)
    for lost in ("report.html", "report.csv", "report.json"):
        (path,) = tmp_path.glob(lost)
        path.write_bytes(path.read_bytes()[:-40])
        assert summarise([], tmp_path) == []
        assert summary_of(tmp_path).keys() == before.keys()
        assert path.stat().st_size
    # A process that began before the last run ended writes its file after the other process.
    old = {name: (tmp_path / name).read_bytes() for name in BESIDE}
    end_run(tmp_path, "b", 8)
    for name, content in old.items():
        assert summarise([], tmp_path) == []
        write_bytes(tmp_path / name, content)
        assert summarise([], tmp_path) == []
        assert (tmp_path / name).read_bytes() != content


def test_a_signal_that_was_ignored_stays_ignored():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with interruptible():
            signal.raise_signal(signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, before)
