"""A mistake in a table gives one message that names the place and the fix."""

from datetime import date
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import parquet

from seqsweep.data.tables import from_frame, table

LONG = (Path(__file__).parent / "tables" / "long.csv").read_text()


def swap(old: str, new: str) -> str:
    assert old in LONG
    return LONG.replace(old, new, 1)


def bad(content, message: str, **options):
    """A table to store, the options that read it, and the expected message."""
    return content, options, message


BAD_CSV = {
    "a text": bad(swap("2.6", "fast"), "my.csv:6: column 'x': 'fast' is not a number; .* chooses"),
    "infinite": bad(swap("2.6", "inf"), "my.csv:6: column 'x' is inf; must be a number"),
    "missing label": bad(
        swap("-0.5,run", "-0.5,").replace("-0.4,run", "-0.4,"),
        r"my.csv:5: the label \(column 'class'\) is missing \(2 such rows\)$",
    ),
    "step twice": bad(
        swap("run_1,1", "run_1,0"),
        "my.csv:6: sequence 'run_1' has step 0 a second time; the first is at .*my.csv:5",
    ),
    "step no number": bad(
        swap("run_1,1", "run_1,late"),
        r"my.csv:6: the step \(column 'time'\) 'late' must be a number or a date, of one kind with",
    ),
    "a cell too many": bad(swap("-0.4,run", "-0.4,run,9"), "my.csv:6: 6 cells; expected 5, as in"),
    "an open quote": bad(swap("run_1", '"run_1'), "a quoted cell does not end"),
    "a column for two purposes": bad(LONG, "'case' is given for two", id="case", label="case"),
    "two that may be ids": bad(
        "id,case,x,label\na,a,1,0\n",
        "'id' and 'case' may each be the id column; data.source.id=id chooses one, id=none neither",
    ),
    "no label": bad(
        "id,x\na,1\nb,2\n", "data.source.label=COLUMN names the label column; columns: id, x$"
    ),
    "steps without ids": bad(
        "t,x,label\n0,1,a\n0,2,b\n",
        "step=t repeats, but no column names the sequence; data.source.id",
    ),
    "empty": bad("", "my.csv: is empty"),
    "latin-1": bad(
        swap("run_1", "r\xfcn_1").encode("latin-1"),
        "my.csv:5: byte 0xfc is not UTF-8; save the file as UTF-8",
    ),
    "binary": bad(b"x,label\n\0\0\1,2\n", "is not a text in UTF-8; expected csv or parquet"),
    "delimiter": bad(LONG, "delimiter='::': must be one character", delimiter="::"),
    "a line below Excel's first": bad(
        "sep=;\nx;label\n1;a\nfast;b\n1;a\n", r"my.csv:4: column 'x': 'fast' is not a number"
    ),
    "the first line of a file without a header": bad(
        "\nfast,a\n1,b\n2,a\n", "my.csv:2: column '0': 'fast'", header=False, label="1"
    ),
    "a sum": bad(
        "Oven,,\nx,y,label\n1,2,a\n3,4,b\nSum,6,\n",
        r"my.csv:5: 'Sum,6,' is not a row of the table; set data.source.totals=drop$",
    ),
    "frame": bad("a,b,c,label\n1,2,3,x\n", r"frame=2: must divide .* has 3 \(a,b,c", frame=2),
    "split": bad(
        "a,split,label\n1,train,x\n2,tset,y\n",
        r"csv:3: the split \(column 'split'\) is 'tset'; must be train, val or test",
    ),
    "no train": bad("a,split,label\n1,test,x\n2,val,y\n", "no sequence is in train; found val"),
}


@pytest.mark.parametrize(("content", "options", "message"), BAD_CSV.values(), ids=BAD_CSV)
def test_a_bad_csv_file_is_refused_with_its_line(write, content, options, message):
    with pytest.raises((ValueError, TypeError), match=message) as error:
        table(write(content), **options)
    assert "\n" not in str(error.value) and len(str(error.value)) < 400


GOOD = {"id": ["a", "a", "b"], "step": [0, 1, 0], "x": [1.0, 2.0, 3.0], "label": [0, 0, 1]}
BAD_PARQUET = {
    "texts": bad({"x": ["1", "b", "c"]}, "row 1: column 'x': 'b' is not a number; .*features"),
    "dates": bad({"x": [date(2026, 1, 30)] * 3}, "column 'x' holds date32.*; expected numbers"),
    "label of lists": bad({"label": [[[0]], [[0]], [[1]]]}, "'label' holds list<.*expected texts"),
    "step missing": bad({"step": [1, None, 0]}, "row 1: the step .* is missing"),
    "delimiter": bad({}, "delimiter=';': .* is not a csv file", delimiter=";"),
}


@pytest.mark.parametrize(("columns", "options", "message"), BAD_PARQUET.values(), ids=BAD_PARQUET)
def test_a_bad_parquet_file_is_refused_with_its_row(tmp_path, columns, options, message):
    parquet.write_table(pa.table(GOOD | columns), tmp_path / "my.parquet")
    with pytest.raises((ValueError, TypeError), match=message) as error:
        table(str(tmp_path / "my.parquet"), **options)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("frame", "options", "message"),
    [
        bad(pd.DataFrame({"x": [1]}), "^the DataFrame: id=case: has no such", id="case"),
        bad(pd.DataFrame({"x": [1, "a"], "label": [0, 1]}), "the DataFrame: a column mixes types"),
        bad([1, 2], "expected a pandas DataFrame, got list"),
    ],
)
def test_a_bad_frame_is_refused_in_terms_of_python(frame, options, message):
    with pytest.raises((ValueError, TypeError), match=message):
        from_frame(frame, **options)
