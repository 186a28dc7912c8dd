"""metrics.csv is read as far as it is whole, and nothing that may stand in it raises."""

import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqsweep.runs.metrics_csv import read_columns, read_rows

HEAD = b"epoch,step,train/loss,val/acc\n"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "metrics.csv"


def test_rows_hold_the_finite_numbers_of_each_epoch(path):
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


@pytest.mark.parametrize("cut", range(1, len(b"1,12,1.25,0.8125\n")))
def test_half_of_a_line_never_counts(cut, path):
    """Wherever it is cut, inside its last cell too: 0.8 would pass for a value."""
    path.write_bytes(HEAD + b"0,6,1.5,0.5\n" + b"1,12,1.25,0.8125\n"[:-cut])
    assert [row["epoch"] for row in read_rows(path)] == [0]


@pytest.mark.parametrize("line", [b"1,2\n", b"1,2,3,4,5\n", b"\0\0\n", b",6,1,1\n", b"x,6,1,1\n"])
def test_a_damaged_line_is_left_out_and_the_others_stay(line, path):
    path.write_bytes(HEAD + b"0,6,1.5,0.5\n" + line + b"2,18,1,1\n")
    assert [row["epoch"] for row in read_rows(path)] == [0, 2]


@pytest.mark.parametrize("content", [b"", b"\n", b"nothing\n", HEAD, HEAD[:-1], b"\0" * 99 + b"\n"])
def test_a_file_without_a_table_has_no_rows(content, path):
    path.write_bytes(content)
    assert read_rows(path) == []
    assert all(column == [] for column in read_columns(path).values())


def test_a_file_that_is_not_there_has_no_rows(path):
    assert (read_rows(path), read_columns(path)) == ([], {})
    path.write_text("")
    assert read_rows(path / "metrics.csv") == []


def test_a_name_with_a_comma_is_one_column(path):
    path.write_bytes(b'epoch,"val/a,b"\n0,0.5\n')
    assert read_rows(path) == [{"epoch": 0, "val/a,b": 0.5}]


@given(st.binary(max_size=200), st.booleans())
def test_any_bytes_are_read_without_an_error(tmp_path_factory, content, has_head):
    path = tmp_path_factory.getbasetemp() / "any.csv"
    path.write_bytes((HEAD if has_head else b"") + content)
    lengths = {len(column) for column in read_columns(path).values()}
    assert lengths <= {len(read_rows(path))}
