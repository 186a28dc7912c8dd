"""A run's rows give the same bytes whether they come one by one or several at a time."""

import csv
import io
import tempfile
import threading
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from run_files import SMALL, curves, rows

from seqsweep.runs.events import event_files
from seqsweep.training.loggers import EpochCSVLogger, text_line
from seqsweep.training.planned_run import plan
from seqsweep.training.train import train

ROWS: list[dict[str, Any]] = [
    {"epoch": 0, "step": 3, "lr": 0.1, "train/loss": 1.23456789, "train/acc": 0.5, "val/loss": 2.0},
    {"epoch": 1, "step": 6, "lr": 1e-05, "train/loss": float("nan"), "train/acc": 1.0},
    {"epoch": 2, "step": 9, "lr": 0.0, "train/loss": 1e-300, "train/acc": 0.1, "val/loss": 1 / 3},
]

rows_of_a_run = st.lists(
    st.fixed_dictionaries(
        {"epoch": st.integers(0), "step": st.integers(0)},
        optional={name: st.floats() for name in ("train/loss", "val/loss", 'a "name", quoted')},
    ),
    max_size=5,
)


def by_csv_module(rows: list[dict[str, Any]]) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, dict.fromkeys(name for row in rows for name in row))
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


@given(rows=rows_of_a_run, cut=st.integers(0, 5))
def test_the_csv_is_that_of_the_csv_module(rows: list[dict[str, Any]], cut: int) -> None:
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as several:
        logger = EpochCSVLogger(one)
        for row in rows:
            logger.write([row])
        for part in (rows[:cut], rows[cut:]):
            EpochCSVLogger(several).write(part)
        for folder in (one, several):
            path = Path(folder, "metrics.csv")
            assert path.exists() == bool(rows)
            assert not rows or path.read_bytes() == by_csv_module(rows)


def test_a_file_that_was_deleted_while_a_run_trains_is_not_begun_again(tmp_path: Path) -> None:
    logger = EpochCSVLogger(str(tmp_path))
    logger.write(ROWS[:1])
    (tmp_path / "metrics.csv").unlink()
    with pytest.raises(FileNotFoundError):
        logger.write(ROWS[1:])


@pytest.mark.parametrize("engine", ["native", "autograd"])
def test_a_whole_run_leaves_its_curves_and_no_thread(tmp_path, checked, engine):
    before = {*threading.enumerate()}
    config = checked(*SMALL, f"engine={engine}", "trainer.max_epochs=2")
    folder = train(plan(config), tmp_path).folder.path
    assert not [t for t in {*threading.enumerate()} - before if "Writer" in type(t).__name__]
    assert len(event_files(folder)) == 1
    written = rows(folder)
    for tag, curve in curves(folder).items():
        assert curve == [(int(row["step"]), pytest.approx(float(row[tag]))) for row in written]


def test_the_line_of_an_epoch() -> None:
    assert text_line(ROWS[0]) == (
        "epoch 0  step 3  lr 0.1  train/loss 1.235  train/acc 0.5  val/loss 2"
    )
