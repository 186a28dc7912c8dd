"""Kills trainings again and again, finishes them and compares them with undisturbed ones.

    python scripts/bench/crash.py [--kills 50] [--seed 0] [--epochs 60] [--modes pool ...]

`--epochs` are those of the killed trainings. The modes share the kills:

- `pool`: a sweep of 28 short runs with shuffling, dropout, a scheduler, early stopping and best
  checkpoints;
- `single`: one such run by autograd;
- `own`, `own-workers`, `own-halving`: the data module and the network of
  tests/support/noisy_data.py, which draw from torch, numpy and random; with two workers, and in a
  search by halving. They need `--epochs 200`;
- `classify`, `binary`, `collected`, `manual`, `tag`: the LightningModules of
  tests/support/their_modules.py with their data, and `binary-halving` in a search; also need
  `--epochs 200`.

Each kill is a SIGKILL at a random moment after the training has begun. Every fifth kill comes while
a checkpoint is being written. The program prints the kills, the lost epochs and the mismatches,
which must be 0. It compares run folders, records, weights, metrics.csv, TensorBoard curves and
left-over files.
"""

import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from frame import BENCH, ONE_THREAD, SEQSWEEP, read_options

from seqsweep.runs.files import read_object
from seqsweep.runs.lock import is_locked

SUPPORT = BENCH.parents[1] / "tests" / "support"
sys.path.append(str(SUPPORT))

from run_files import epochs_in_log, result  # noqa: E402

RUN = (
    "data=digits", "model.num_layers=2", "model.dropout=0.2", "scheduler=plateau",
    "scheduler.patience=3", "callbacks=early_stopping", "callbacks.early_stopping.patience=25",
)  # fmt: skip
CONF = ("--config-dir", str(BENCH / "own_conf"))
OWN = (*CONF, "data=noisy", "model=noisy", "diagnostics=false")
MONITORS = {
    "classify": "val_acc", "binary": "val_loss", "collected": "val/f1",
    "manual": "ts_val_loss", "tag": "val/acc",
}  # fmt: skip
MODES = {
    "pool": (
        "-m", "sweep.name=killed", *RUN,
        "model.cell=rnn,gru,lstm,indrnn,mingru,minlstm,lru", "model.hidden_size=4,12", "seed=0,1",
    ),
    "single": (*RUN, "engine=autograd", "model.cell=gru"),
    "own": OWN,
    "own-workers": (*OWN, "+data.num_workers=2"),
    "own-halving": (
        "-m", "hydra/sweeper=halving", "sweep.name=killed", *OWN, "hydra.sweeper.population=9",
        "hydra.sweeper.rungs=[20,60,200]", "optimizer.lr=tag(log,interval(0.001,0.1))",
    ),
    "binary-halving": (
        "-m", "hydra/sweeper=halving", "sweep.name=killed", *CONF, "model=binary", "data=binary",
        "monitor=val_auroc", "hydra.sweeper.population=9", "hydra.sweeper.rungs=[20,60,200]",
        "+model.lr=tag(log,interval(0.001,0.1))",
    ),
    **{n: (*CONF, f"model={n}", f"data={n}", f"monitor={m}") for n, m in MONITORS.items()},
}  # fmt: skip


def start(folder: Path, overrides: tuple[str, ...]) -> subprocess.Popen[bytes]:
    """Starts the command in its own session, to kill its workers with it."""
    return subprocess.Popen(
        [*SEQSWEEP, "train", f"output_dir={folder}", *overrides],
        cwd=folder,
        env=ONE_THREAD | {"PYTHONPATH": str(SUPPORT)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def end(process: subprocess.Popen[bytes]) -> None:
    """Kills a process and its children unless it has ended."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def finish(folder: Path, overrides: tuple[str, ...], commands: int = 1) -> float:
    """Runs the sweep to its end and returns the seconds.

    Args:
        commands: how often the command may be given until all runs are complete. A run counts as
            failed if three kills in a row have left it without an epoch, and the same command
            trains it then.
    """
    began = time.monotonic()
    code = 1
    while code == 1 and commands:
        commands -= 1
        process = start(folder, overrides)
        try:
            code = process.wait()
        finally:
            end(process)
    if code != 0:
        sys.exit(f"the sweep in {folder} ended with exit code {code}")
    return time.monotonic() - began


def kill_once(
    folder: Path, overrides: tuple[str, ...], wait: float, in_write: bool
) -> tuple[bool, bool]:
    """Starts the sweep and kills it `wait` seconds after its training has begun.

    With `in_write` it waits for the next write of a checkpoint. The process is stopped first and
    checked again, because the write may have ended meanwhile.

    Returns:
        Whether the sweep was killed before its end, and whether that was inside a write.
    """
    process = start(folder, overrides)
    try:
        while not _trains(folder) and process.poll() is None:
            time.sleep(0.01)
        deadline = time.monotonic() + wait
        while time.monotonic() < deadline and process.poll() is None:
            time.sleep(0.002)
        while in_write and process.poll() is None and not _stopped_in_write(folder, process.pid):
            pass
        killed = process.poll() is None
    finally:
        end(process)
    return killed, killed and _is_writing(folder)


def _trains(folder: Path) -> bool:
    """Returns whether a lock is held; the lock files of killed processes remain."""
    return any(is_locked(path.parent) for path in folder.glob("*/*/*/lock"))


def _stopped_in_write(folder: Path, pid: int) -> bool:
    """Stops the process if it is writing a checkpoint; returns whether it still is."""
    if not _is_writing(folder):
        return False
    os.kill(pid, signal.SIGSTOP)
    os.waitid(os.P_PID, pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)
    if _is_writing(folder):
        return True
    os.kill(pid, signal.SIGCONT)
    return False


def _is_writing(folder: Path) -> bool:
    return any(folder.glob("*/*/*/checkpoints/.*.ckpt.*.tmp"))


def disturb(
    folder: Path, overrides: tuple[str, ...], kills: int, draw: random.Random, training: float
) -> tuple[int, int]:
    """Kills the sweep up to `kills` times, spread over its `training` seconds.

    Returns:
        The number of kills, and the number of kills inside the write of a checkpoint.
    """
    done = in_write = 0
    for attempt in range(kills):
        wait = draw.uniform(0, 2 * training / (kills + 1))
        killed, inside = kill_once(folder, overrides, wait, attempt % 5 == 2)
        if not killed:
            break
        done += 1
        in_write += inside
    return done, in_write


def runs(folder: Path) -> dict[str, Path]:
    """Returns the run folders of the only sweep or run below `folder`, by run_id."""
    return {path.parent.name: path.parent for path in folder.glob("*/*/*/config.yaml")}


def mismatches(disturbed: Path, alone: Path) -> list[str]:
    """Returns the differences of two sweeps, and the files that kills left behind."""
    one, other = runs(disturbed), runs(alone)
    lines = [f"{name}: in only one of the sweeps" for name in one.keys() ^ other.keys()]
    for name in one.keys() & other.keys():
        lines += [f"{name}: {what}" for what in differences(one[name], other[name])]
    left = [p for p in disturbed.rglob("*") if p.suffix == ".tmp" or p.name.startswith("lock")]
    return lines + [f"{path} is left" for path in left]


def differences(one: Path, other: Path) -> list[str]:
    """Returns the parts of the results in which two folders of the same run differ."""
    found, expected = result(one), result(other)
    parts = [part for part, value in expected.items() if found[part] != value]
    # The line itself may be missing, after a kill between record.json and this line.
    if " INFO epoch " in (one / "train.log").read_text().partition(" INFO done: ")[2]:
        parts.append("trained again after it was complete")
    return parts


def epochs_lost(folder: Path) -> list[int]:
    """Returns for each run the number of epochs that were trained more than once."""
    lost: list[int] = []
    for run in runs(folder).values():
        epochs = epochs_in_log(run)
        lost.append(len(epochs) - len(set(epochs)))
    return lost


def kill_trainings(
    overrides: tuple[str, ...], kills: int, draw: random.Random, folder: Path
) -> list[str]:
    """Kills a sweep or a run while it trains and returns the mismatches."""
    alone, disturbed = folder / "alone", folder / "disturbed"
    alone.mkdir(parents=True)
    disturbed.mkdir()
    seconds = finish(alone, overrides)
    print(f"  undisturbed: {len(runs(alone))} runs in {seconds:.1f} s", flush=True)
    records = [read_object(run / "record.json") for run in runs(alone).values()]
    training = sum(each["train_seconds"] for each in records)  # without starts of processes
    done, in_write = disturb(disturbed, overrides, kills, draw, training)
    finish(disturbed, overrides, commands=2)
    print(f"  kills {done}, {in_write} of them inside a checkpoint's write")
    lost = epochs_lost(disturbed)
    print(f"  epochs trained again {sum(lost)}, at most {max(lost)} of one run")
    return mismatches(disturbed, alone)


def main() -> None:
    options = read_options(__doc__, kills=50, seed=0, epochs=60, modes=tuple(MODES))
    draw = random.Random(options.seed)
    found: list[str] = []
    for index, mode in enumerate(options.modes):
        overrides = (*MODES[mode], f"trainer.max_epochs={options.epochs}")
        kills = len(range(index, options.kills, len(options.modes)))
        print(mode, flush=True)
        with tempfile.TemporaryDirectory() as temporary:
            mismatched = kill_trainings(overrides, kills, draw, Path(temporary, mode))
        print(f"  mismatches {len(mismatched)}", flush=True)
        for line in mismatched:
            print(f"    {line}")
        found += mismatched
    sys.exit(bool(found))


if __name__ == "__main__":
    main()
