"""`seqsweep work`: workers of one folder train each run once, with the results of one process."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from commands import ENVIRONMENT
from equal_runs import count_equal_runs
from waiting import wait_until

from seqsweep.cli import main
from seqsweep.runs.sweepfile import SweepFile, sweep_lock

SWEEP = ("-m", "data=digits", "model.hidden_size=4,8", "seed=range(4)", "sweep.report=false")
PLANTED = "import os, pathlib\npathlib.Path(os.environ['MARKS'], __name__).touch()\n"
"""A module that tells that it has run. torch and Lightning try to import `pynvml`."""


@pytest.mark.durability
@pytest.mark.slow
def test_workers_share_a_planned_sweep_and_equal_one_process(seqsweep, start_command, tmp_path):
    sweep = (*SWEEP, "trainer.max_epochs=20")
    assert seqsweep("train", *sweep, "sweep.name=alone").code == 0
    planned = seqsweep("train", *sweep, "sweep.name=shared", "--plan-only")
    assert planned.code == 0, planned.err
    assert "seqsweep work outputs/sweeps/shared" in planned.out
    shared = tmp_path / "outputs/sweeps/shared"
    assert not list(shared.glob("*/config.yaml"))
    workers = [start_command("work", str(shared), "--threads", "1")]
    workers.append(start_command("work", str(shared), "--processes", "2"))
    for worker in workers:
        out = "".join(worker.communicate(timeout=200))
        assert worker.returncode == 0, out
        assert "nothing of 8 runs is left" in out or "which other processes train" in out, out
    logs = [path.read_text() for path in shared.glob("*/train.log")]
    assert [log.count(" INFO epoch 0 ") for log in logs] == [1] * 8
    assert count_equal_runs(tmp_path / "outputs/sweeps/alone", shared) == 8
    assert json.loads((shared / "sweep.json").read_text())["ended"] is not None
    again = seqsweep("train", *sweep, "sweep.name=shared")
    assert "8 done, 0 to train" in again.out


@pytest.mark.slow
@pytest.mark.parametrize("how", ["signal", pytest.param("limit", marks=pytest.mark.durability)])
def test_a_worker_that_is_told_to_end_says_what_is_left(how, seqsweep, start_command, tmp_path):
    sweep = (*SWEEP, "trainer.max_epochs=100000", "sweep.name=long")
    assert seqsweep("train", *sweep, "--plan-only").code == 0
    folder = tmp_path / "outputs/sweeps/long"
    limit = ("--stop-after", "12s") if how == "limit" else ()
    worker = start_command("work", str(folder), *limit, "--code-if-left", "85")
    if how == "signal":
        wait_until(lambda: list(folder.glob("*/metrics.csv")), worker)
        worker.send_signal(signal.SIGTERM)
    out = "".join(worker.communicate(timeout=100))
    assert worker.returncode == 85, out
    assert "8 of 8 runs left" in out
    assert not list(folder.rglob("lock")) and not list(folder.glob(".running*"))


def test_a_worker_with_the_name_of_another_is_told(tmp_path, capsys):
    SweepFile((), 0.0, {}).write(tmp_path)
    with sweep_lock(tmp_path), pytest.raises(SystemExit) as end:
        main(["work", str(tmp_path)])
    assert end.value.code == 1
    said = "a worker of this name is at work; set SEQSWEEP_HOST to another name"
    assert capsys.readouterr().err == f"seqsweep: {tmp_path}: {said}\n"


def installed(
    folder: Path, *arguments: str, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Runs the program `seqsweep`, which unlike `python -m` knows no current folder."""
    program = Path(sys.executable).with_name("seqsweep")
    return subprocess.run(
        [program, *arguments],
        cwd=folder,
        env={**os.environ, **ENVIRONMENT, **environment},
        text=True,
        capture_output=True,
        timeout=300,
        check=False,
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    "options",
    [
        ("--allow", "mine.Net"),
        pytest.param((), marks=pytest.mark.durability),
        pytest.param(("--processes", "2"), marks=pytest.mark.durability),
    ],
)
# Takes some 10 s, since a fork would not look for the planted modules.
@pytest.mark.durability
def test_a_worker_runs_no_code_of_the_folders_that_a_sweep_lies_in_or_names(
    options, seqsweep, tmp_path
):
    sweep = ("-m", "data=digits", "seed=0,1", "trainer.max_epochs=1", "trainer.accelerator=auto")
    assert seqsweep("train", *sweep, "sweep.name=shared", "--plan-only").code == 0
    theirs, here, marks = (tmp_path / name for name in ("theirs", "here", "marks"))
    for folder in (theirs, here, marks):
        folder.mkdir()
    for name in ("pynvml", "cuda", "dill", "sitecustomize"):
        (theirs / f"{name}.py").write_text(PLANTED)
    (here / "rich.py").write_text(PLANTED)
    shared = tmp_path / "outputs/sweeps/shared"
    content = json.loads((shared / "sweep.json").read_text())
    (shared / "sweep.json").write_text(json.dumps(content | {"directory": str(theirs)}))
    done = installed(here, "work", str(shared), *options, MARKS=str(marks), PYTHONPATH="")
    assert done.returncode == 0, done.stderr
    assert "nothing of 2 runs is left" in done.stdout
    assert list(marks.iterdir()) == []
