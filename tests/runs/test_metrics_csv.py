"""The file metrics.csv is read up to its last whole line, and no content raises an error."""

import math
from pathlib import Path

import pytest

from seqsweep.runs.metrics import as_metric
from seqsweep.runs.metrics_csv import MetricsSoFar, keep_rows, read_columns, read_rows

HEAD = b"epoch,step,train/loss,val/acc\n"
HEADER = "epoch,step,lr,train/loss,val/loss,val/acc\r\n"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "metrics.csv"


def row(epoch: int, accuracy: float) -> str:
    return f"{epoch},{epoch * 6},0.01,{1 / (epoch + 1)},0.5,{accuracy}\r\n"


def write(path: Path, epochs: int, accuracy: float) -> None:
    path.write_text(HEADER + "".join(row(n, accuracy) for n in range(epochs)), newline="")


def test_the_rows_after_the_first_are_cut_off(path):
    write(path, 3, 0.5)
    assert not keep_rows(path, 4)
    for count in (3, 2):
        assert keep_rows(path, count)
        assert [row["epoch"] for row in read_rows(path)] == [*range(count)]


def test_rows_hold_the_finite_numbers_of_each_epoch(path):
    path.write_bytes(b'epoch,"val/a,b"\n0,0.5\n')
    assert read_rows(path) == [{"epoch": 0, "val/a,b": 0.5}]
    path.write_bytes(HEAD + b"0,6,1.5,\n1,12,nan,0.5\r\n2,18,inf,0.25\n")
    assert read_rows(path) == [
        {"epoch": 0, "step": 6, "train/loss": 1.5},
        {"epoch": 1, "step": 12, "val/acc": 0.5},
        {"epoch": 2, "step": 18, "val/acc": 0.25},
    ]
    table = read_columns(path)
    assert list(table) == ["epoch", "step", "train/loss", "val/acc"]
    assert table["epoch"] == [0, 1, 2]
    assert [math.isnan(value) for value in table["train/loss"]] == [False, True, True]


@pytest.mark.parametrize("line", [b"1,2\n", b"1,2,3,4,5\n", b"\0\0\n", b",6,1,1\n", b"x,6,1,1\n"])
def test_a_damaged_line_is_left_out_and_the_others_stay(line, path):
    path.write_bytes(HEAD + b"0,6,1.5,0.5\n" + line + b"1,12,1,1\n")
    assert [row["epoch"] for row in read_rows(path)] == [0, 1]


@pytest.mark.parametrize("epochs", [[1, 2], [0, 2], [0, 1, 1], [0, 1.5], [-1, 0], [1e300]])
def test_a_file_that_lacks_an_epoch_is_named_and_counts_as_missing(epochs, path, capsys):
    path.write_bytes(HEAD + b"".join(b"%a,6,1.5,0.5\n" % epoch for epoch in epochs))
    metrics = MetricsSoFar(path, [as_metric("val/acc")])
    metrics.look()
    assert read_rows(path) == [] and read_columns(path)["epoch"] == []
    assert metrics.epochs == 0
    whole = next(n for n, epoch in enumerate(epochs) if n != epoch)
    message = f"{path}: row {whole + 1} must be epoch {whole}, got {epochs[whole]:g}"
    assert capsys.readouterr().err == f"seqsweep: {message}; it counts as missing\n"


def test_only_whole_lines_of_metrics_csv_count(path):
    """Wherever a line is cut, inside its last cell too: 0.7 would pass for a value."""
    metrics = MetricsSoFar(path, [as_metric("val/acc")])
    metrics.look()
    assert metrics.epochs == 0
    whole = HEADER + row(0, 0.25) + row(1, 0.75)
    for length in range(len(whole) + 1):
        path.write_text(whole[:length], newline="")
        metrics.look()
        assert metrics.epochs == whole[:length].count("\r\n") - 1 * (length >= len(HEADER))
        assert len(read_rows(path)) == metrics.epochs
    assert metrics.best == {"val/acc": 0.75}


@pytest.mark.parametrize("epochs", [1, 6, 8])
def test_a_metrics_csv_that_is_cut_or_replaced_is_read_from_its_beginning(path, epochs):
    """A cut keeps the inode, and the file may be longer than at the last look."""
    write(path, 6, 0.9)
    metrics = MetricsSoFar(path, [as_metric("val/acc")])
    metrics.look()
    write(path, epochs, 0.2)
    metrics.look()
    assert (metrics.epochs, metrics.best["val/acc"]) == (epochs, 0.2)
    other = path.with_name("other")
    write(other, 9, 0.1)
    other.replace(path)
    metrics.look()
    assert (metrics.epochs, metrics.best["val/acc"]) == (9, 0.1)
    path.unlink()
    metrics.look()
    assert (metrics.epochs, metrics.best) == (0, {})


@pytest.mark.parametrize(("metric", "best"), [("val/acc", 0.6), ("val/loss", 0.2)])
def test_the_best_loss_is_the_lowest_and_empty_cells_are_skipped(path, metric, best):
    rows = ["0,6,0.3,0.4\n", "1,12,,\n", "2,18,0.2,0.6\n", "3,24,nan,nan\n", "4,30,0.5,0.1\n"]
    path.write_text("epoch,step,val/loss,val/acc\n" + "".join(rows))
    metrics = MetricsSoFar(path, [as_metric(metric)])
    metrics.look()
    assert metrics.best[metric] == best
    assert metrics.epochs == 5
