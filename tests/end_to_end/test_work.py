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


@pytest.mark.slow
def test_workers_share_a_planned_sweep_and_equal_one_process(seqsweep, start_command, tmp_path):
    sweep = (*SWEEP, "trainer.max_epochs=30")
    assert seqsweep("train", *sweep, "sweep.name=alone").code == 0
    planned = seqsweep("train", *sweep, "sweep.name=shared", "--plan-only")
    assert planned.code == 0, planned.err
    assert "seqsweep work outputs/sweeps/shared" in planned.out
    shared = tmp_path / "outputs/sweeps/shared"
    assert [path.name for path in shared.iterdir()] == ["sweep.json"] or not list(
        shared.glob("*/config.yaml")
    )
    workers = [start_command("work", str(shared), "--threads", "1") for _ in range(2)]
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
@pytest.mark.parametrize("how", ["signal", "limit"])
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


def test_a_single_run_is_not_planned_for_workers(capsys):
    with pytest.raises(SystemExit) as end:
        main(["train", "--plan-only", "data=digits"])
    assert end.value.code == 2
    assert capsys.readouterr().err == (
        "seqsweep: --plan-only: needs -m, because a single run is not planned for workers\n"
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere"], "nowhere: no such folder"),
        (
            ["."],
            ".: no sweep.json of this version in it; `seqsweep train -m ... --plan-only` plans",
        ),
        (
            [".", "--stop-after", "soon"],
            "--stop-after=soon: must be a time, such as 90s, 55m or 2h",
        ),
        ([".", "--threads", "0"], "--threads=0: must be at least 1"),
        ([".", "--idel", "5m"], "--idel: no such option of seqsweep work; did you mean '--idle'?"),
    ],
)
def test_wrong_input_is_told_in_one_line(arguments, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as end:
        main(["work", *arguments])
    assert end.value.code == 2
    err = capsys.readouterr().err
    assert message in err and err.count("\n") == 1


def test_a_worker_with_the_name_of_another_is_told(tmp_path, capsys):
    SweepFile((), 0.0, {}).write(tmp_path)
    with sweep_lock(tmp_path), pytest.raises(SystemExit) as end:
        main(["work", str(tmp_path)])
    assert end.value.code == 1
    said = "a worker of this name is at work; set SEQSWEEP_HOST to another name"
    assert capsys.readouterr().err == f"seqsweep: {tmp_path}: {said}\n"


@pytest.mark.slow
def test_a_worker_builds_a_foreign_target_only_if_it_is_allowed(seqsweep, tmp_path):
    module = (
        "from seqsweep.models.classifier import RNNClassifier\n"
        "class Net(RNNClassifier):\n"
        "    pass\n"
    )
    (tmp_path / "mine.py").write_text(module)
    sweep = ("-m", "data=digits", "seed=0,1", "model._target_=mine.Net", "trainer.max_epochs=1")
    planned = seqsweep("train", *sweep, "sweep.name=own", "--plan-only", PYTHONPATH=str(tmp_path))
    assert planned.code == 0, planned.err
    refused = seqsweep("work", "outputs/sweeps/own")
    assert refused.code == 2
    assert "model._target_=mine.Net" in refused.err and "--allow mine.Net" in refused.err
    assert not list((tmp_path / "outputs/sweeps/own").glob("*/config.yaml"))
    done = installed(tmp_path, "work", "outputs/sweeps/own", "--allow", "mine.Net")
    assert done.returncode == 0, done.stderr
    assert len(list((tmp_path / "outputs/sweeps/own").glob("*/record.json"))) == 2


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


PLANTED = "import os, pathlib\npathlib.Path(os.environ['MARKS'], __name__).touch()\n"
"""A module that tells that it has run. torch and Lightning try to import `pynvml`."""


@pytest.mark.slow
@pytest.mark.parametrize("options", [(), ("--allow", "mine.Net"), ("--processes", "2")])
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


@pytest.mark.slow
def test_a_rerun_is_not_planned_for_workers(seqsweep):
    done = seqsweep("train", *SWEEP, "rerun=true", "--plan-only")
    assert done.code == 2
    assert "rerun=true: must be false if workers train the sweep" in done.err
