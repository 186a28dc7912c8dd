"""An error of reading a table names the options with which it can be read."""

import shlex
from typing import Any

import pyarrow as pa
import pytest
import yaml
from foreign_tables import TABLES
from pyarrow import parquet

from seqsweep.data.files import config_of
from seqsweep.data.tables import table

SIZES = dict.fromkeys(TABLES, 48) | dict.fromkeys(
    ("flowers.csv", "GunPoint_TRAIN.txt", "Coffee_TRAIN.tsv", "proben.csv"), 60
)


def proposed(message: str) -> dict[str, Any]:
    """The options that a message ends with, outside of a command."""
    words = shlex.split(message.partition("; set ")[2])
    pairs = (word.removeprefix("data.source.").split("=", 1) for word in words)
    return {key: yaml.safe_load(value) for key, value in pairs}


@pytest.mark.parametrize("name", TABLES)
def test_a_table_of_someone_else_is_read_with_what_the_message_proposes(name, tmp_path):
    path = tmp_path / name
    path.write_bytes(TABLES[name])
    with pytest.raises((ValueError, TypeError)) as error:
        table(str(path))
    options = proposed(str(error.value))
    splits = table(str(path), **options)
    assert len(splits.train) == SIZES[name]
    assert splits.num_classes in (2, 3) and splits.input_size == (2 if SIZES[name] == 48 else 1)


BY_HAND: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "an unusual label": ("x,species\n1,a\n2,b\n3,a\n4,b\n", {}, {"label": "species"}),
    "a remark": (
        "x1,x2,label,by\n2,4,a,K B\n2,3,b,M\n1,3,a,K B\n4,3,b,L\n", {}, {"features": ["x1", "x2"]}
    ),
    "what was chosen stays": (
        "x;art\n1,5;a\n2,5;b\n1,5;a\n2,0;b\n", {"label": "art"}, {"decimal": ","}
    ),
    "two columns of an id": (
        "machine,run,time,x,mode\n" + "".join(
            f"{n // 6},{n // 3 % 2},{n % 3},{n % 4}.5,{'ab'[n // 6 % 2]}\n" for n in range(24)
        ), {}, {"id": ["machine", "run"], "label": "mode"},
    ),
    "nothing that would be refused next": (
        "id,t,x,art\n1,0,2,a\n1,0,3,a\n2,0,4,b\n2,1,late,b\n", {}, {}
    ),
    "texts": ("name,land\nAnna,de\nJohn,en\nEva,de\nJim,en\n", {},
              {"data": "text", "text_column": "name", "label_column": "land"}),
}  # fmt: skip


@pytest.mark.parametrize("case", BY_HAND)
def test_only_what_the_rows_show_is_proposed(case, tmp_path):
    content, given, expected = BY_HAND[case]
    (tmp_path / "my.csv").write_text(content)
    with pytest.raises((ValueError, TypeError)) as error:
        table(str(tmp_path / "my.csv"), **given)
    assert proposed(str(error.value)) == expected


def test_columns_are_proposed_for_parquet(tmp_path):
    path = str(tmp_path / "my.parquet")
    parquet.write_table(pa.table({"x": [1.5, 2.5, 3.5, 4.5], "kind": ["a", "b", "a", "b"]}), path)
    with pytest.raises(TypeError) as error:
        table(path)
    assert proposed(str(error.value)) == {"label": "kind"}


KINDS = {
    "my.csv": ("x,label\n1,a\n", "csv"),
    "names.csv": ("name,language\nAnna,de\n", "text"),
    "names.txt": ("de\tAnna\nen\tJohn\n", "text"),
    "UCR_TRAIN.txt": ("  1.0e+00  -2.5e-01\n  2.0e+00  3.5e-01\n", "csv"),
    "my.npz": ("", "npz"),
    "binary.csv": ("\0\1\n\2\n", "csv"),
    "my.xls": ("", None),
}


@pytest.mark.parametrize("name", KINDS)
def test_the_first_lines_tell_texts_from_numbers(name, tmp_path):
    content, kind = KINDS[name]
    (tmp_path / name).write_text(content)
    assert config_of(str(tmp_path / name)) == kind
