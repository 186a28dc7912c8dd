"""A running sweep shows a live table, in `train -m` and in `watch` of another process."""

import sys
from pathlib import Path

import pytest
from terminals import hides_the_cursor, read_until, terminal, text_of

SEQSWEEP = Path(sys.executable).with_name("seqsweep")
SWEEP = ("train", "-m", "data=digits", "sweep.report=false", "sweep.name=mine", "seed=0,1",
         "optimizer.lr=0.01,0.02", "trainer.max_epochs=2", "hydra/launcher=local",
         "hydra.launcher.threads=2")  # fmt: skip


@pytest.mark.slow
@pytest.mark.durability
def test_a_sweep_shows_its_table_on_a_terminal_and_watch_ends_with_the_sweep(
    start_command, tmp_path
):
    folder = tmp_path / "outputs/sweeps/mine"
    unsized = {"COLUMNS": "", "TERM": "xterm"}
    shown = terminal(*SWEEP, size=(30, 80), start=start_command, environment=unsized)
    with shown as (process, master):
        printed = read_until(master, "waiting")
        with start_command("watch", folder) as watched:
            printed += read_until(master)
            assert process.wait(180) == 0, printed
            said = watched.communicate(timeout=180)[0]
            assert watched.returncode == 0
    assert "[4/4]" in said
    assert "by val/acc of the best epoch" in said
    assert said.splitlines()[-1] == "4 of 4 runs done"
    text = text_of(printed)
    assert "╭─ mine: 4 runs" in text
    assert "4 running" in text or "waiting" in text
    last = text[text.rindex("╭") :]
    assert "100 %" in last
    assert "4 done   0 running   0 failed   0 waiting" in last
    assert "by val/acc of the best epoch" in last
    assert "[1/4]" not in text
    assert not hides_the_cursor(printed)
