"""A frozen process loses its runs to another, and writes nothing when it wakes."""

import signal
from pathlib import Path

import pytest
from commands import Command
from equal_runs import count_equal_runs

pytestmark = pytest.mark.slow

BEFORE = """
import os, signal, sys
from seqsweep.runs import lock_files
from seqsweep.pace import Budget
lock_files.BEAT_SECONDS, lock_files.STALE_SECONDS = 0.2, 2.0
Budget.is_due = lambda *_: True  # a checkpoint after each epoch
"""
"""Makes the times of beats short."""

FREEZE = """
module, _, name = "{point}".partition(":")
function, left = getattr(sys.modules[module], name), {count}
def freezing(*args, **options):
    global left
    left -= 1
    if left == 0:
        os.kill(os.getpid(), signal.SIGSTOP)
    return function(*args, **options)
for each in list(sys.modules.values()):
    if getattr(each, name, None) is function:
        setattr(each, name, freezing)
"""
"""Lets a process stop itself at the n-th call of a function."""

RUN = ("data=digits", "model.hidden_size=4", "trainer.max_epochs=6", "trainer.accelerator=cpu")
SWEEP = ("-m", *RUN, "seed=0,1,2")
rarely = pytest.mark.durability


def _finish(process: Command) -> str:
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, out + err
    return out + err


def _files(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.suffix != ".tmp" and not path.name.startswith(".running-")
    }


@pytest.mark.parametrize(
    ("engine", "command", "point", "count"),
    [
        ("native", SWEEP, "seqsweep.training.checkpoint_files:save_sealed", 5),
        # In the middle of a checkpoint, and at the record.
        pytest.param("autograd", RUN, "os:fsync", 8, marks=rarely),
        pytest.param("native", RUN, "seqsweep.runs.run_folder:write_sealed", 1, marks=rarely),
    ],
)
def test_a_frozen_process_that_wakes_writes_nothing(
    start_command, seqsweep, tmp_path, engine, command, point, count
):
    arguments = (*command, f"engine={engine}", "sweep.report=false", "sweep.name=frozen")
    shared = ("train", *arguments, "output_dir=shared")
    freeze = FREEZE.format(point=point, count=count)
    frozen = start_command(*shared, before=BEFORE + freeze)
    frozen.wait_for_stop()
    assert seqsweep("train", *arguments, "output_dir=alone").code == 0
    _finish(start_command(*shared, before=BEFORE))
    before = _files(tmp_path / "shared")
    assert sum(name.endswith("record.json") for name in before) == (3 if command is SWEEP else 1)
    assert not [name for name in before if "/lock" in name]
    frozen.send_signal(signal.SIGCONT)
    out = _finish(frozen)
    after = _files(tmp_path / "shared")
    # The command of the frozen process goes on, with the results of the other.
    before = {path: data for path, data in before.items() if not path.endswith("sweep.json")}
    after = {path: data for path, data in after.items() if not path.endswith("sweep.json")}
    assert after == before
    runs = count_equal_runs(tmp_path / "shared", tmp_path / "alone")
    assert runs == (3 if command is SWEEP else 1)
    if command is RUN:
        assert "trained by another process now" in out
    else:
        assert "other processes have taken over" in out
