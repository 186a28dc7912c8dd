"""The batch script of Slurm's workers, without Slurm: its options, its signals, its messages."""

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from slurm_cluster import WORKER
from waiting import wait_until

from seqsweep.extras.clusters.slurm import SlurmJobs


def test_unset_values_are_left_to_the_cluster(tmp_path):
    names = {option.split("=")[0] for option in SlurmJobs().sbatch_options(tmp_path, 1)}
    ours = {"--job-name", "--array", "--output", "--open-mode", "--chdir"}
    assert names == ours | {"--cpus-per-task", "--requeue", "--signal"}


def test_each_value_becomes_an_option_of_sbatch(tmp_path):
    jobs = SlurmJobs(
        "gpu", "lab", "high", "1:30:00", 4, "8G", "a100:2", False,
        more={"constraint": "avx512", "exclusive": True, "nice": 10, "reservation": None},
    )  # fmt: skip
    options = jobs.sbatch_options(tmp_path, 3)
    assert {
        "--partition=gpu", "--account=lab", "--qos=high", "--time=1:30:00", "--cpus-per-task=4",
        "--mem=8G", "--gres=gpu:a100:2", "--no-requeue", "--array=0-2", "--constraint=avx512",
        "--exclusive", "--nice=10",
    } <= set(options)  # fmt: skip
    assert not [option for option in options if "reservation" in option or option == "--requeue"]


@pytest.mark.parametrize(("time", "notice"), [(None, 90), ("1:30:00", 90), (2, 30)])
def test_a_short_time_limit_has_a_short_notice(tmp_path, time, notice):
    """A user may ask for a longer one."""
    assert f"--signal=B:USR1@{notice}" in SlurmJobs(time=time).sbatch_options(tmp_path, 1)
    options = SlurmJobs(time=time, more={"signal": "B:USR1@300"}).sbatch_options(tmp_path, 1)
    assert [word for word in options if "signal" in word] == ["--signal=B:USR1@300"]


def run_script(
    folder: Path, jobs: SlurmJobs, signals: Sequence[signal.Signals], worker: str = WORKER
) -> str:
    """Runs the script without Slurm, sends it signals, and returns the output and exit code."""
    text = jobs.script(["--nice=1"], [sys.executable, "-c", worker, "a b", "$HOME"])
    script, program = folder / "worker.sbatch", folder / "bin" / "scontrol"
    script.write_text(text)
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\necho "$@" >> {folder}/scontrol\n')
    program.chmod(0o755)
    variables = os.environ | {
        "PATH": f"{program.parent}:{os.environ['PATH']}",
        "SLURM_ARRAY_JOB_ID": "7",
        "SLURM_ARRAY_TASK_ID": "2",
        "SLURM_NTASKS": "4",
    }
    log = folder / "log"
    with (
        log.open("w") as file,
        subprocess.Popen(["bash", script], stdout=file, stderr=file, env=variables) as shell,
    ):
        wait_until(lambda: "worker a b $HOME" in log.read_text())
        shell.send_signal(signals[0])
        # bash may lose one of two signals that come at the same moment.
        for signum in signals[1:]:
            wait_until(lambda: "worker SIGTERM" in log.read_text())
            shell.send_signal(signum)
        code = shell.wait(180)
    return f"{log.read_text()}{code}\n"


def test_at_the_time_limit_the_worker_ends_and_queues_again(tmp_path):
    printed = run_script(tmp_path, SlurmJobs(), [signal.SIGUSR1])
    assert printed == "worker a b $HOME\nworker SIGTERM\n85\n"
    assert (tmp_path / "scontrol").read_text() == "requeue 7_2\n"


@pytest.mark.durability
@pytest.mark.parametrize("signals", [[signal.SIGUSR1], [signal.SIGUSR1, signal.SIGTERM]])
def test_a_worker_that_must_not_queue_again_does_not(tmp_path, signals):
    """Neither by its options, nor if it is cancelled at its time limit."""
    slow = WORKER.replace("raise SystemExit", "time.sleep(1); raise SystemExit")
    jobs = SlurmJobs(requeue=len(signals) > 1)
    printed = run_script(tmp_path, jobs, signals, slow)
    assert printed == "worker a b $HOME\nworker SIGTERM\n85\n"
    assert not (tmp_path / "scontrol").exists()


def test_setup_lines_run_before_the_worker_in_one_shell(tmp_path):
    lines = ["export SHOWN=yes", 'echo "setup ${SLURM_NTASKS-unset}"']
    command = ["sh", "-c", 'echo "worker $SHOWN"; exit 3']
    script = tmp_path / "worker.sbatch"
    script.write_text(SlurmJobs(setup=lines).script([], command))
    done = subprocess.run(
        ["bash", script], capture_output=True, text=True, check=False,
        env=os.environ | {"SLURM_NTASKS": "4"},
    )  # fmt: skip
    assert (done.stdout, done.returncode) == ("setup unset\nworker yes\n", 3)
