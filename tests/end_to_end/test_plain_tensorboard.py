"""`tensorboard --logdir` lists each run once, and runs of a sweep by a readable name."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from commands import StartCommand
from tensorboard.backend.event_processing.plugin_event_multiplexer import EventMultiplexer
from waiting import wait_until

Command = Callable[..., Any]
GRID = ("data=random", "model.hidden_size=4,8", "seed=0,1", "sweep.name=s")


def runs_at(logdir: Path) -> list[str]:
    events = EventMultiplexer()
    events.AddRunsFromDirectory(str(logdir))
    return sorted(events.Runs())


def check_names(sweep: Path) -> list[str]:
    """Checks that each run is shown once; returns the readable names."""
    found = [run.split("/") for run in runs_at(sweep)]
    ids = [run_id for run_id, _ in found]
    assert len(set(ids)) == len(ids)
    return sorted(name for _, name in found)


@pytest.mark.slow
def test_tensorboard_lists_each_run_once_during_and_after_training(
    seqsweep: Command, start_command: StartCommand, tmp_path: Path
) -> None:
    sweep = tmp_path / "outputs/sweeps/s"
    sizes = ["h4-s0", "h4-s1", "h8-s0", "h8-s1"]
    process = start_command("train", "-m", *GRID, "trainer.max_epochs=100000")
    try:
        # A pool trains its members in a window, so that some of them may not have begun.
        wait_until(lambda: sweep.is_dir() and check_names(sweep), process)
    finally:
        process.kill()
        process.wait()
    assert set(check_names(sweep)) <= set(sizes)

    short = (*GRID, "trainer.max_epochs=2", "hydra/launcher=basic")
    more = seqsweep("train", "-m", *short, "sweep.report=true")
    assert more.code == 0, more.err
    ids = json.loads((sweep / "names.json").read_text())
    # Runs of the killed command that had not begun have no curves.
    shown = {*check_names(sweep)}
    assert {name for name in ids.values() if "me000002" in name} <= shown <= {*ids.values()}
    single = seqsweep("train", "data=random", "trainer.max_epochs=2")
    assert single.code == 0, single.err
    alone, *others = runs_at(tmp_path / "outputs")
    assert alone.startswith("runs/")
    assert [run.removeprefix("sweeps/s/") for run in others] == runs_at(sweep)
    run_id, name = min(item for item in ids.items() if item[1] in shown)
    assert runs_at(sweep / run_id) == [name]
