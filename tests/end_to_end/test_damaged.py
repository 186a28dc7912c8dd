"""A damaged file in a folder of runs is named and hides no other run."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from made_sweeps import finish_run, write_rows
from run_files import SMALL

from seqsweep.runs.identity import SEMANTICS
from seqsweep.runs.sweepfile import SweepFile

DEEP = "[" * 200_000
GRID = ("-m", *SMALL, "trainer.max_epochs=1", "seed=0,1", "sweep.name=s")
READERS = ("status", "leaderboard", "report", "compare", "watch")


def config(seed: int) -> dict[str, object]:
    return {"model.hidden_size": 8, "seed": seed, "monitor": "val/acc"}


@pytest.fixture
def sweep(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A sweep of three complete runs, r0 to r2."""
    monkeypatch.setenv("COLUMNS", "200")
    folder = tmp_path / "sweep"
    for seed in range(3):
        finish_run(
            folder / f"r{seed}", config(seed), {"val/acc": 0.5 + seed / 10},
            provenance={"started": "now"}, run_id=f"r{seed}", best_epoch=0, epochs=1,
        )  # fmt: skip
        write_rows(folder / f"r{seed}", "epoch,val/acc", [[0, 0.5]])
    SweepFile(["seqsweep", "train", "-m"], 1.0, {f"r{s}": config(s) for s in range(3)}, ended=2.0
              ).write(folder)  # fmt: skip
    return folder


def arguments(reader: str, folder: Path) -> list[str]:
    return [reader, *([str(folder)] * (2 if reader == "compare" else 1))]


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize(
    "content", [f'{{"semantics": {SEMANTICS}}}', DEEP, None], ids=["no digest", "deep", "fifo"]
)
def test_a_damaged_record_hides_no_other_run(command, sweep, reader, content):
    record = sweep / "r1/record.json"
    record.unlink()
    os.mkfifo(record) if content is None else record.write_text(content)
    code, out, err = command(*arguments(reader, sweep))
    errors = err.splitlines()
    assert code == int(reader == "watch")  # of a sweep that is not done
    assert [error for error in errors if str(record) in error] == errors[:1] != []
    if reader != "report":
        assert "2 complete" in out or "2 seeds" in out or "1 of 3 runs not done" in out


def truncate(path: Path) -> None:
    path.write_bytes(b"")


def make_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def make_loop(path: Path) -> None:
    path.unlink()
    path.symlink_to(path)


def change_seed(path: Path) -> None:
    path.write_text(path.read_text().replace("seed: 0\n", "seed: 7\n"))


DAMAGES: list[tuple[str, Callable[[Path], object], str]] = [
    ("config.yaml", truncate, "config.yaml is empty"),
    ("config.yaml", change_seed, "config.yaml is not the config of record.json"),
    ("metrics.csv", Path.unlink, "metrics.csv is missing"),
    ("metrics.csv", truncate, "metrics.csv is empty"),
    ("diagnostics.json", Path.unlink, "diagnostics.json is missing"),
    ("diagnostics.json", make_folder, "diagnostics.json is not a regular file"),
    ("checkpoints/best.ckpt", make_loop, "checkpoints/best.ckpt is missing"),
    ("checkpoints/best.ckpt", make_folder, "checkpoints/best.ckpt is not a regular file"),
    ("checkpoints/last.ckpt", truncate, "checkpoints/last.ckpt is empty"),
    ("EVENTS", Path.unlink, "events.out.tfevents.* is missing"),
    ("EVENTS", truncate, "EVENTS is empty"),
]


def test_status_names_what_a_complete_run_lacks(command, tmp_path):
    """The other commands read the record alone, and give its numbers."""
    assert command("train", *SMALL, "trainer.max_epochs=1").code == 0
    (run,) = Path("outputs/runs/default").iterdir()
    (events,) = run.glob("events*")
    assert command("status", run.parent).out.splitlines()[-1].endswith("1 run, 1 complete")
    for name, damage, expected in DAMAGES:
        folder = tmp_path / "damaged" / run.name
        shutil.copytree(run, folder)
        damage(folder / name.replace("EVENTS", events.name))
        expected = expected.replace("EVENTS", events.name)
        done = command("status", folder)
        assert done.code == 0
        assert done.out.splitlines()[-1] == f"{run.name}: {expected}"
        (row,) = json.loads(command("status", folder, "--json").out)["runs"]
        assert row["faults"] == [expected] and row["state"] == "complete"
        shutil.rmtree(folder)


@pytest.mark.slow
def test_what_a_run_need_not_have_is_not_missed(command):
    """Nor a value that decides nothing, as when another command has finished the run."""
    for option in ("logger=none", "diagnostics=false", "engine=autograd", "name=fast",
                   "trainer.fast_dev_run=true"):  # fmt: skip
        assert command("train", *SMALL, "trainer.max_epochs=1", option).code == 0
    for folder in Path("outputs/runs").iterdir():
        for run in folder.iterdir():
            (run / "checkpoints/last.ckpt").unlink(missing_ok=True)  # as `clean --checkpoints`
            config = (run / "config.yaml").read_text()
            assert "\nthreads: 1" in config
            (run / "config.yaml").write_text(config.replace("\nthreads: 1", "\nthreads: 7"))
        lines = command("status", folder).out.splitlines()
        assert lines[-1].endswith("complete"), lines


@pytest.mark.slow
def test_the_record_of_another_run_is_not_believed(command, tmp_path):
    """A folder with the name of a run holds that run; copies under other names go on to work."""
    assert command("train", *GRID, "sweep.report=false").code == 0
    sweep = Path("outputs/sweeps/s")
    one, other = sorted(path.parent for path in sweep.glob("*/record.json"))
    shutil.copytree(sweep, "copy")
    for number, run in enumerate(
        sorted(path.parent for path in Path("copy").glob("*/record.json"))
    ):
        run.rename(run.with_name(f"run {number}"))
    text = (one / "record.json").read_text()
    (one / "record.json").write_text((other / "record.json").read_text())
    (other / "record.json").write_text(text)
    done = command("status", sweep)
    assert "2 runs, 2 damaged" in done.out
    assert f"{one}/record.json: is the record of run {other.name}" in done.err
    assert command("leaderboard", sweep).out.count("damaged") == 1
    assert command("predict", sweep, "x.npz").code == 2
    assert "2 complete" in command("status", "copy").out
    done = command("train", *GRID, "sweep.report=false")
    assert done.code == 0 and "0 done, 2 to train" in done.out
    assert "2 complete" in command("status", sweep).out


@pytest.mark.slow
def test_a_command_that_writes_in_a_sweep_removes_what_dead_processes_left(command):
    """A killed `report` leaves such files. A living process's files stay."""
    assert command("train", *GRID, "sweep.report=false").code == 0
    sweep = Path("outputs/sweeps/s")
    left = [sweep / ".report.json.999999999-0123456789abcdef.tmp", sweep / ".running-elsewhere-7"]
    living = sweep / f".report.csv.{os.getpid()}-0123456789abcdef.tmp"
    living.touch()

    for verb, *arguments in (("report", sweep), ("work", sweep), ("train", *GRID),
                             ("clean", sweep, "--checkpoints", "--yes")):  # fmt: skip
        for path in left:
            path.touch()
            os.utime(path, (0, 0))
        done = command(verb, *arguments)
        assert done.code == 0, done
        assert not [path for path in left if path.exists()], verb
        assert living.exists()


@pytest.mark.parametrize("verb", ["report", "work"])
def test_a_folder_that_cannot_be_written_is_named(command, sweep, monkeypatch, verb):
    """A reader writes no temporary file and no lock. The user root may write everywhere."""
    monkeypatch.setattr("os.access", lambda *_: False)
    done = command(verb, sweep)
    assert done.code == 2
    assert done.err.startswith(f"seqsweep: {sweep}: the folder cannot be written")
    assert len(done.err.splitlines()) == 1


NAMES = ("sweep.json", "baselines.json", "r1/config.yaml", "r1/metrics.csv", "r1/provenance.json")


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("first", ["fifo", "deep"])
def test_other_damaged_files_of_a_run_hide_no_other_run(command, sweep, reader, first):
    """No reader blocks on a FIFO, and all three runs are listed from their records."""
    paths = [sweep / name for name in NAMES]
    for number, path in enumerate(paths):
        path.unlink(missing_ok=True)
        is_fifo = (number % 2 == 0) == (first == "fifo")
        os.mkfifo(path) if is_fifo else path.write_text(DEEP)
    code, out, err = command(*arguments(reader, sweep))
    errors = err.splitlines()
    assert code == 0
    for error in errors:
        assert any(str(path) in error for path in paths) or "no baselines" in error
    if reader not in ("report", "watch"):
        assert "3 complete" in out or "0.6000" in out
