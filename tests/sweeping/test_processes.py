"""Worker processes share the GPUs and cores of a machine, and end with the command."""

import sys

import pytest
from sweep_members import member_at

from seqsweep.runs.sweepfile import SweepFile
from seqsweep.sweeping.processes import (
    gpu_available,
    number_of_processes,
    run_workers,
    worker_command,
)

TELL = """
import os, sys
words = [str(os.environ.get("CUDA_VISIBLE_DEVICES")), *sys.argv[1:]]
os.write(1, f"{' '.join(words)}\\n".encode())  # at once: others write into the same file
"""
without_gpu = pytest.mark.skipif(gpu_available(), reason="the names are those of its GPUs")


@without_gpu
@pytest.mark.parametrize(
    ("visible", "number", "processes", "shares"),
    [
        ("3,GPU-1-7", 2, 4, ["3", "3", "GPU-1-7", "GPU-1-7"]),
        ("0,1,2", 3, 2, ["0,2", "1"]),
        ("5,-1,2", 1, 2, ["5", "5"]),
        (None, 1, 2, ["None", "None"]),
    ],
)
def test_each_worker_sees_its_share_of_the_visible_gpus(
    visible, number, processes, shares, monkeypatch, tmp_path
):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    log = tmp_path / "log"
    codes, signum = run_workers([sys.executable, "-c", TELL], processes, threads=3, log=log)
    assert (codes, signum) == ([0] * processes, None)
    assert sorted(log.read_text().splitlines()) == [f"{share} --threads 3" for share in shares]
    assert number_of_processes("auto") == number


def test_a_log_that_leads_elsewhere_is_not_followed(tmp_path):
    (tmp_path / "log").symlink_to(tmp_path / "other")
    with pytest.raises(OSError, match="symbolic links"):
        run_workers([sys.executable, "-c", "print(1)"], 1, log=tmp_path / "log")
    assert not (tmp_path / "other").exists()


def test_a_worker_may_build_what_the_typed_command_names_and_nothing_of_others(tmp_path):
    SweepFile((), 0.0, {"1": {"model._target_": "theirs.Net"}}).write(tmp_path)
    config = {
        "data": {"_target_": "seqsweep.data.datamodule.SequenceDataModule"},
        "model": {"_target_": "mine.Net", "parts": [{"_target_": "mine.Part"}]},
    }
    runs = [member_at(tmp_path / "0", config=config)]
    command = worker_command(runs, tmp_path, ["--threads", "2"])
    assert command[1:4] == ["-m", "seqsweep", "work"]
    allowed = ["--allow", "mine.Net", "--allow", "mine.Part"]
    assert command[4:] == [str(tmp_path), "--threads", "2", *allowed]
