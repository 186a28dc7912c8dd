"""A run's rows give the same bytes whether they come one by one or several at a time."""

import csv
import io
import logging
import tempfile
import threading
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from run_files import SMALL, curves, rows

from seqsweep.runs.events import event_files
from seqsweep.training.loggers import (
    COLUMNS,
    EpochCSVLogger,
    RowLogger,
    TextLogger,
    text_line,
)
from seqsweep.training.planned_run import plan
from seqsweep.training.train import train

ROWS: list[dict[str, Any]] = [
    {"epoch": 0, "step": 3, "lr": 0.1, "train/loss": 1.23456789, "train/acc": 0.5, "val/loss": 2.0},
    {"epoch": 1, "step": 6, "lr": 1e-05, "train/loss": float("nan"), "train/acc": 1.0},
    {"epoch": 2, "step": 9, "lr": 0.0, "train/loss": 1e-300, "train/acc": 0.1, "val/loss": 1 / 3},
]

rows_of_a_run = st.lists(
    st.fixed_dictionaries(
        {"epoch": st.integers(0), "step": st.none() | st.integers(0)},
        optional={name: st.floats() for name in COLUMNS[2:]},
    ),
    max_size=5,
)


def log_one_by_one(logger: RowLogger, rows: list[dict[str, Any]]) -> None:
    """Logs as a `SequenceClassifier` does: the step beside the metrics."""
    for row in rows:
        metrics = {name: value for name, value in row.items() if name != "step"}
        logger.log_epoch(metrics, step=row["step"])


def by_csv_module(rows: list[dict[str, Any]]) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, COLUMNS)
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


@given(rows=rows_of_a_run, cut=st.integers(0, 5))
def test_the_csv_is_that_of_the_csv_module(rows: list[dict[str, Any]], cut: int) -> None:
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as several:
        log_one_by_one(EpochCSVLogger(one), rows)
        for part in (rows[:cut], rows[cut:]):
            EpochCSVLogger(several).write(part)
        for folder in (one, several):
            path = Path(folder, "metrics.csv")
            assert path.exists() == bool(rows)
            assert not rows or path.read_bytes() == by_csv_module(rows)


def test_a_row_of_other_columns_is_refused_and_none_written(tmp_path: Path) -> None:
    logger = EpochCSVLogger(str(tmp_path))
    with pytest.raises(ValueError, match=r"train/extra: must be columns of metrics\.csv"):
        logger.write([ROWS[0], ROWS[1] | {"train/extra": 1.0}])
    assert list(tmp_path.iterdir()) == []


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


def test_the_line_of_an_epoch(caplog: pytest.LogCaptureFixture) -> None:
    assert text_line(ROWS[0]) == (
        "epoch 0  step 3  lr 0.1  train/loss 1.235  train/acc 0.5  val/loss 2"
    )
    with caplog.at_level(logging.INFO, logger="seqsweep"):
        TextLogger().write(ROWS[:2])
        log_one_by_one(TextLogger(), ROWS[2:])
    assert caplog.messages == [text_line(row) for row in ROWS]
