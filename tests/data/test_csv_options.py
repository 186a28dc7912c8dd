"""A csv file in the form of other programs has the data of the plain one."""

import codecs
import gzip
import re
from typing import Any

import numpy as np
import pytest

from seqsweep.data.tables import table

PLAIN = """id,time,x,y,label
a,0,1.5,-2.25,Hüpfen
a,0.5,2.5,1e3,Hüpfen
b,0,0.125,,Straße
b,0.5,3,4.5,Straße
"""
GERMAN = PLAIN.replace(",", ";").replace(".", ",")
WITHOUT = PLAIN.partition("\n")[2]
ROLES: dict[str, Any] = {"header": False, "id": "0", "step": "1", "label": "4"}
FORMS: dict[str, tuple[bytes, dict[str, Any]]] = {
    "decimal commas": (GERMAN.encode(), {"decimal": ","}),
    "quoted decimal commas": (
        re.sub(r"-?\d*\.\d+", '"\\g<0>"', PLAIN).replace(".", ",").encode(), {"decimal": ","}
    ),
    "Excel's first line": (b"sep=;\r\n" + PLAIN.replace(",", ";").encode(), {}),
    "Latin-1": (PLAIN.encode("latin-1"), {"encoding": "latin-1"}),
    "UTF-16": (PLAIN.encode("utf-16"), {"encoding": "utf-16"}),
    "a byte order mark": (codecs.BOM_UTF8 + PLAIN.encode(), {}),
    "no header": (WITHOUT.encode(), ROLES),
    "no header after an empty line": (f"\n{WITHOUT}".encode(), ROLES),
    "blanks": (
        b"  id  time  x y label \n" + WITHOUT.replace(",,", ",NA,").replace(",", "   ").encode(), {}
    ),
    "tabs, packed": (gzip.compress(PLAIN.replace(",", "\t").encode()), {}),
}  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
def test_each_form_has_the_data_of_the_plain_file(form: str, write) -> None:
    plain = table(write(PLAIN, "plain.csv")).train
    content, options = FORMS[form]
    read = table(write(content), **options).train
    assert np.array_equal(read.x, plain.x, equal_nan=True)
    assert np.array_equal(read.labels, plain.labels) and read.class_names == plain.class_names
    assert read.channel_names == (("2", "3") if "header" in options else ("x", "y"))


WRONG: dict[str, tuple[bytes, dict[str, Any], str]] = {
    "a line below Excel's first": (
        b"sep=;\nx;label\n1;a\nfast;b\n1;a\n", {}, r"my.csv:4: column 'x': 'fast' is not a number"
    ),
    "the first line of a file without a header": (
        b"\nfast,a\n1,b\n2,a\n", {"header": False, "label": "1"}, "my.csv:2: column '0': 'fast'"
    ),
    "a row of blanks": (
        b"x y label\n1 2 a\n1  b\n", {}, "my.csv:3: 2 cells; expected 3, as in the first row"
    ),
    "no encoding": (b"x\n", {"encoding": "latin1x"}, "encoding=latin1x: must be an encoding that"),
    "another encoding": (b"x;\xfc\n", {"encoding": "ascii"}, "my.csv: is not ascii: "),
    "no text": (b"x\n", {"encoding": "hex"}, "encoding=hex: must be an encoding that"),
    "a parquet file": (b"PAR1", {"decimal": ","}, "data.source.decimal=',': .* is a parquet file"),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_a_mistake_is_named_with_its_line(case: str, write) -> None:
    content, options, message = WRONG[case]
    with pytest.raises(ValueError, match=message):
        table(write(content), **options)
