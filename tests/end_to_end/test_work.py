"""`seqsweep work`: workers of one folder train each run once, with the results of one process."""

import json
import signal
import subprocess
import sys

import psutil
import pytest
from equal_runs import count_equal_runs
from run_files import SMALL
from waiting import wait_until

from seqsweep.runs.lock import is_locked
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
@pytest.mark.durability  # four commands start workers, each a new Python
def test_processes_of_a_sweep_end_with_it_and_equal_one(seqsweep, start_command, tmp_path):
    """Ctrl-C reaches both workers. Later one of them is killed, and the other trains its run."""
    grid = ("model.hidden_size=4,8", "seed=range(3)", "engine=autograd", "sweep.report=false")
    sweep = ("train", "-m", *SMALL[:-4], *SMALL[-3:], "trainer.max_epochs=15", *grid)
    assert seqsweep(*sweep, "sweep.name=one").code == 0
    folder = tmp_path / "outputs/sweeps/two"
    for how in (signal.SIGINT, signal.SIGKILL):
        command = start_command(*sweep, "sweep.name=two", "hydra.launcher.processes=2")
        wait_until(lambda: any(is_locked(path) for path in folder.glob("*/")), command)
        workers = psutil.Process(command.pid).children()
        (command if how == signal.SIGINT else workers[0]).send_signal(how)
        out, err = command.communicate(timeout=180)
        assert command.returncode == (130 if how == signal.SIGINT else 0), err
        assert psutil.wait_procs(workers, timeout=0)[1] == [], out
    assert "1 of 2 workers ended by SIGKILL; the workers' output is in outputs/" in err
    assert "training 1 run" in (folder / "sweep.log").read_text() and "training" not in out
    assert count_equal_runs(tmp_path / "outputs/sweeps/one", folder) == 6


@pytest.mark.slow
@pytest.mark.parametrize("how", ["signal", pytest.param("limit", marks=pytest.mark.durability)])
def test_a_worker_that_gets_a_signal_says_what_is_left(how, seqsweep, start_command, tmp_path):
    sweep = (*SWEEP, "trainer.max_epochs=100000", "sweep.name=long")
    assert seqsweep("train", *sweep, "--plan-only").code == 0
    folder = tmp_path / "outputs/sweeps/long"
    limit = ("--stop-after", "12s") if how == "limit" else ()
    worker = start_command("work", str(folder), *limit, "--code-if-left", "85")
    if how == "signal":
        wait_until(lambda: list(folder.glob("*/metrics.csv")), worker)
        worker.send_signal(signal.SIGTERM)
    out = "".join(worker.communicate(timeout=180))
    assert worker.returncode == 85, out
    why = "the time of --stop-after is over" if limit else "interrupted by SIGTERM"
    assert f"{why}: 8 of 8 runs left" in out
    assert not list(folder.rglob("lock")) and not list(folder.glob(".running*"))


def test_a_worker_with_the_name_of_another_is_refused(tmp_path, command):
    SweepFile((), 0.0, {}).write(tmp_path)
    with sweep_lock(tmp_path):
        code, _, err = command("work", tmp_path)
    said = "a worker of this name is at work; set SEQSWEEP_HOST to another name"
    assert (code, err) == (1, f"seqsweep: {tmp_path}: {said}\n")


@pytest.mark.slow
@pytest.mark.parametrize("options", [("--allow", "mine.Net"), ("--processes", "2")])
# Takes some 10 s, since a fork would not look for the planted modules.
@pytest.mark.durability
def test_a_worker_runs_no_code_of_the_folders_of_a_sweep(options, seqsweep, tmp_path):
    """Neither of the current folder, nor of the one that sweep.json names."""
    sweep = ("-m", "data=digits", "seed=0,1", "trainer.max_epochs=1", "trainer.accelerator=auto")
    assert seqsweep("train", *sweep, "sweep.name=shared", "--plan-only").code == 0
    theirs, marks = (tmp_path / name for name in ("theirs", "marks"))
    theirs.mkdir()
    marks.mkdir()
    for name in ("pynvml", "cuda", "dill", "sitecustomize"):
        (theirs / f"{name}.py").write_text(PLANTED)
    (tmp_path / "rich.py").write_text(PLANTED)
    shared = tmp_path / "outputs/sweeps/shared"
    content = json.loads((shared / "sweep.json").read_text())
    (shared / "sweep.json").write_text(json.dumps(content | {"directory": str(theirs)}))
    done = seqsweep("work", str(shared), *options, MARKS=str(marks), PYTHONPATH=str(marks))
    assert done.code == 0, done.err
    assert "nothing of 2 runs is left" in done.out
    assert list(marks.iterdir()) == []


@pytest.mark.durability  # the second process is a new Python
def test_a_killed_worker_leaves_no_process_of_a_distributed_run(seqsweep, tmp_path):
    """Each process waits for the others, in the library that connects them, for half an hour."""
    small = [option for option in SMALL if not option.startswith("trainer")]
    options = (*small, "trainer=ddp", "trainer.accelerator=cpu", "trainer.devices=2")
    sweep = ("seed=0,1", "sweep.name=s", "trainer.max_epochs=1000000", "--plan-only")
    assert seqsweep("train", "-m", *options, *sweep).code == 0
    command = [sys.executable, "-m", "seqsweep", "work", "outputs/sweeps/s", "--threads", "1"]
    with subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.DEVNULL) as worker:
        wait_until(psutil.Process(worker.pid).children)
        children = psutil.Process(worker.pid).children()
        wait_until(lambda: list(tmp_path.rglob("metrics.csv")))
        worker.kill()
    assert psutil.wait_procs(children, timeout=180)[1] == []
