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
TABS = PLAIN.replace(",", "\t").encode()
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
    "ends of lines of Windows": (PLAIN.replace("\n", "\r\n").encode(), {}),
    "ends of lines of old Macs": (PLAIN.replace("\n", "\r").encode(), {}),
    "semicolons": (PLAIN.replace(",", ";").encode(), {}),
    "blanks after commas": (PLAIN.replace(",", ", ").encode(), {}),
    "question marks": (PLAIN.replace(",,", ",?,").encode(), {}),
    "quoted cells": (PLAIN.replace("b,", '"b",').replace("id", '"id"').encode(), {}),
    "a line break in a cell": (PLAIN.replace("b,", '"b\n1",').encode(), {}),
    "other names and numbers": (
        PLAIN.replace("id", "CASE").replace("label", "Class").replace("1e3", " 1000 ").encode(), {}
    ),
    "packed in two parts": (gzip.compress(TABS[:50]) + gzip.compress(TABS[50:]), {}),
}  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
def test_each_form_has_the_data_of_the_plain_file(form: str, write) -> None:
    plain = table(write(PLAIN, "plain.csv")).train
    content, options = FORMS[form]
    read = table(write(content), **options).train
    assert np.array_equal(read.x, plain.x, equal_nan=True)
    assert np.array_equal(read.labels, plain.labels) and read.class_names == plain.class_names
    assert read.channel_names == (("2", "3") if "header" in options else ("x", "y"))
