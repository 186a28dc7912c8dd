"""Trains a sweep amid random faults and compares it with an undisturbed one.

    python scripts/bench/chaos.py [--events 100] [--seed 0] [--workers 4] [--runs 48]

The sweep is trained once undisturbed. Then workers on several hosts and a driver train it in
another folder. A supervisor starts them again whenever they end, as Slurm or Ray would. Meanwhile
a seeded stream of events strikes. `EVENTS` lists them.

The hosts are processes of this machine with other host names. Their POSIX locks are hidden from
each other, as on some network file systems, and half of their clocks are wrong by hours. A lock is
stale after three seconds instead of a minute. A full disk needs root, because the folder is then a
small file system of its own.

The program prints the events, the lost epochs, the runs that two processes wrote at once, and the
mismatches. The last two must be 0. It compares what `crash.py` compares.
"""

import argparse
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

import crash
from chaos_events import EVENTS, Disk, Storm
from chaos_fleet import Fleet
from chaos_journal import Journals, lost_after, taken_over, written_by_two

SILENCE_SECONDS = 120.0
"""The time without any epoch or lock after which the sweep counts as hung."""

MOST_SHOWN = 40
"""The most mismatches that are printed."""

TICK_SECONDS = 0.02


def grid(runs: int, epochs: int) -> tuple[str, ...]:
    """Returns the overrides of a sweep of 12 or 4 networks with several seeds."""
    networks = ("rnn,gru,lstm", "32,64") if runs % 12 == 0 else ("rnn,gru", "64")
    count = 12 if runs % 12 == 0 else 4
    if runs % count:
        raise ValueError(f"--runs {runs}: must be a multiple of 4")
    return (
        "-m",
        "sweep.name=chaos",
        "sweep.ask_above=null",
        "data=digits",
        "model.dropout=0.1",
        "scheduler=plateau",
        "scheduler.patience=20",
        "callbacks=early_stopping",
        "callbacks.early_stopping.patience=80",
        f"model.cell={networks[0]}",
        f"model.hidden_size={networks[1]}",
        "model.num_layers=1,2",
        f"seed=range({runs // count})",
        f"trainer.max_epochs={epochs}",
        # A full disk makes runs fail.
        "sweep.on_error=retry",
        "sweep.retries=100",
    )


def epochs_of(folder: Path) -> int:
    """Returns the number of epochs of all runs below a folder."""
    return sum(int(crash.record_of(run)["epochs"]) for run in crash.runs(folder).values())


def disturb(fleet: Fleet, storm: Storm, journals: Journals, alone: Path) -> list[str]:
    """Trains the sweep while events strike. Returns problems."""
    epochs, names = epochs_of(alone), crash.runs(alone).keys()
    lines, changed = 0, time.monotonic()
    while True:
        time.sleep(TICK_SECONDS)
        journals.update()
        fleet.reap()
        storm.calm()
        storm.strike(len(journals.epochs) / epochs)
        records = (storm.sweep / name / "record.json" for name in names)
        is_done = len(journals.epochs) == epochs and all(path.is_file() for path in records)
        if not is_done:
            fleet.refill()
        elif not fleet.live:
            return []
        if len(journals.lines) > lines:
            lines, changed = len(journals.lines), time.monotonic()
        if time.monotonic() - changed > SILENCE_SECONDS:
            return [f"no epoch and no lock for {SILENCE_SECONDS:.0f} s, all runs done: {is_done}"]


def errors_in(outputs: Iterable[Path]) -> list[str]:
    """Returns the outputs of processes that hold a traceback."""
    texts = {path: path.read_text(errors="replace") for path in outputs}
    return [
        f"{path.parent.name}/{path.name} has a traceback: {text.strip().splitlines()[-1]}"
        for path, text in texts.items()
        if "Traceback" in text
    ]


def say_figures(fleet: Fleet, storm: Storm, journals: Journals) -> list[str]:
    """Prints what has happened, and returns the writes of runs by two processes at once."""
    for kind, count in sorted(Counter(one.kind for one in storm.struck).items()):
        print(f"  {count:4} {kind}")
    print(f"stopped in the write of a checkpoint: {storm.in_writes}")
    codes = Counter(one.process.returncode for one in fleet.all if one.is_ours)
    said = ", ".join(f"{count} with {code}" for code, count in sorted(codes.items()))
    print(f"processes started {len(fleet.all)}; exit codes: {said}")
    tenures = journals.tenures()
    lost = [lost_after(tenures, one.killed) for one in storm.struck if one.killed]
    print(
        f"epochs trained again {journals.trained_again()}, of {len(journals.epochs)}; "
        f"at most {max(lost, default=0)} after one kill"
    )
    count, alive = taken_over(tenures, fleet.deaths())
    print(f"locks taken over {count}, of which {alive} from a process that still lived")
    both = written_by_two(tenures)
    print(f"runs written by two processes at once {len({line[:16] for line in both})}")
    return both


def run(scratch: Path, disk: Disk, overrides: Sequence[str], options: argparse.Namespace) -> bool:
    """Trains the sweep twice, and prints the figures. Returns whether all is well."""
    alone, disturbed = (options.alone or scratch / "alone").resolve(), disk.folder
    alone.mkdir(exist_ok=True)
    seconds = crash.finish(alone, tuple(overrides))
    print(
        f"undisturbed: {len(crash.runs(alone))} runs, {epochs_of(alone)} epochs in {seconds:.0f} s",
        flush=True,
    )
    crash.finish(disturbed, (*overrides, "--plan-only"))
    sweep = disturbed / "sweeps" / "chaos"
    draw = random.Random(options.seed)
    work = ["work", str(sweep), "--threads", "2"]
    drive = ["train", f"output_dir={disturbed}", *overrides]
    fleet, kinds = Fleet(scratch, work, drive, options.workers, draw), EVENTS
    if options.slurm:
        from chaos_slurm import SLURM_EVENTS, SlurmFleet

        fleet, kinds = SlurmFleet(scratch, drive, draw), SLURM_EVENTS
    storm = Storm(fleet, disk, sweep, options.events, draw, kinds)
    journals = Journals(scratch / "journal")
    began = time.monotonic()
    try:
        problems = disturb(fleet, storm, journals, alone)
        seconds = time.monotonic() - began
        if not problems and (code := fleet.drive_to_end()) != 0:
            problems = [f"the same command again ended with exit code {code}"]
    finally:
        fleet.end()
    print(f"{len(storm.struck)} events in {seconds:.0f} s, seed {options.seed}:")
    if not problems:
        problems = crash.mismatches(disturbed, alone)
    outputs = [*(scratch / "output").iterdir(), *sweep.glob(".slurm/logs/*")]
    journals.update()
    problems += say_figures(fleet, storm, journals) + errors_in(outputs)
    print(f"mismatches {len(problems)}")
    print("\n".join(f"  {line}" for line in problems[:MOST_SHOWN]))
    if problems:
        print("\n".join(f"  {one}" for one in storm.struck))
        shutil.copytree(disturbed, scratch / "disturbed", symlinks=True)
        print(f"the files are in {scratch}")
    return not problems


def main() -> None:
    parser = argparse.ArgumentParser(
        description="Trains a sweep amid random faults and compares it with an undisturbed one.",
        epilog="events: " + ", ".join(EVENTS),
    )
    parser.add_argument("--events", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=4, help="workers that live at once (4)")
    parser.add_argument("--runs", type=int, default=48, help="a multiple of 4 (48)")
    parser.add_argument("--epochs", type=int, default=200, help="of a run, at most (200)")
    words = "train by workers of a real Slurm of two nodes, and let it requeue and cancel them"
    parser.add_argument("--slurm", action="store_true", help=words)
    words = "keeps the undisturbed sweep, and trains it only once for several calls"
    parser.add_argument("--alone", type=Path, metavar="FOLDER", help=words)
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # which ends all processes
    overrides = grid(options.runs, options.epochs)
    scratch = Path(tempfile.mkdtemp(prefix="chaos-"))
    with Disk(scratch / "disk") as disk:
        is_well = run(scratch, disk, overrides, options)
    if is_well:
        shutil.rmtree(scratch)
    sys.exit(not is_well)


if __name__ == "__main__":
    main()
