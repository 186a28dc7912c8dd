"""A folder with a sequence in each file has the data of one table, and other files are said."""

import gzip
import io
import re
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pyarrow import csv, parquet

from seqsweep.config.from_overrides import compose
from seqsweep.data.files import config_of, existing_file
from seqsweep.data.raw import make_sequences
from seqsweep.data.tables import read, table
from seqsweep.training.run_data import data_of

Write = Callable[[Mapping[str, str | bytes]], str]

ROWS = {"a": [[0.5, 1], [0.25, 2]], "b": [[3, 4]], "c": [[1.5, 2], [0, 0.125], [7, 8]]}
PLACES = {"run/S1_a.csv": "a", "run/S2_c.csv": "c", "walk/S1_b.csv": "b"}


def recording(name: str) -> str:
    return "".join(["time,x,y\n", *(f"{t},{x},{y}\n" for t, (x, y) in enumerate(ROWS[name]))])


FILES = {path: recording(name) for path, name in PLACES.items()}
LENGTHS = [len(ROWS[name]) for name in PLACES.values()]
X = np.array([[*ROWS[name], *[[0, 0]] * (3 - len(ROWS[name]))] for name in PLACES.values()])
EXPECTED = make_sequences(X, ["run", "run", "walk"], LENGTHS, channel_names=["x", "y"])


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """`write({"walk/a.csv": "x\\n1\\n"})`: a folder with these files."""

    def write(files: Mapping[str, str | bytes]) -> str:
        for path, content in files.items():
            (tmp_path / "d" / path).parent.mkdir(parents=True, exist_ok=True)
            content = content.encode() if isinstance(content, str) else content
            (tmp_path / "d" / path).write_bytes(content)
        return str(tmp_path / "d")

    return write


def as_parquet(text: str) -> bytes:
    file = io.BytesIO()
    parquet.write_table(csv.read_csv(io.BytesIO(text.encode())), file)
    return file.getvalue()


KINDS: dict[str, Callable[[str], str | bytes]] = {
    ".csv": str,
    ".csv.gz": lambda text: gzip.compress(text.encode()),
    ".txt": lambda text: text.replace(",", " "),
    ".parquet": as_parquet,
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_folder_of_each_kind_has_the_data_of_equal_arrays(kind: str, write: Write):
    folder = write({p.replace(".csv", kind): KINDS[kind](text) for p, text in FILES.items()})
    splits = table(folder)
    assert splits.train.fingerprint() == EXPECTED.fingerprint()
    assert splits.notes == (
        f"{folder}: 3 files as {{label}}/*",
        f"{folder}: long form, id={{id}}, step=time, label={{label}}, features=x,y",
    )
    stored = read(folder).parts["train"]
    assert stored.ids is not None and [*stored.ids] == [p.replace(".csv", kind) for p in PLACES]


def test_a_moved_folder_is_the_same_data_and_a_changed_file_is_not(write: Write, tmp_path: Path):
    def data(folder: object) -> str:
        return data_of(compose("data=csv", f"data.source.path={folder}")["data"]).fingerprint

    folder = write(FILES)
    before = data(folder)
    shutil.move(folder, tmp_path / "moved")
    assert data(tmp_path / "moved") == before
    file = tmp_path / "moved" / "walk" / "S1_b.csv"
    file.write_text(file.read_text().replace("3,4", "3,40"))
    assert data(tmp_path / "moved") != before


PATTERNS: dict[str, tuple[list[str], str | None, dict[str, list[Any]]]] = {
    "classes below splits": (
        ["test/a/1.csv", "train/a/2.csv", "train/b/3.csv", "Validation/b/4.csv"], None,
        {"train": ["a", "b"], "val": ["b"], "test": ["a"]},
    ),
    "a class in the name": (
        ["x/S1_up_down_7.csv", "x/S2_up_8.csv"], "*/{group}_{label}_?.csv",
        {"train": ["up", "up_down"]},
    ),
    "a class at any depth": (["a/1/x/1.csv", "b/1.csv"], "{label}/**/*", {"train": ["a", "b"]}),
    "only some": (["a/1.csv", "b/2.csv", "c/3.tsv"], "{label}/?.csv", {"train": ["a", "b"]}),
}  # fmt: skip


@pytest.mark.parametrize("case", PATTERNS)
def test_a_pattern_says_what_the_parts_of_a_path_are(case: str, write: Write):
    paths, pattern, expected = PATTERNS[case]
    parts = read(write(dict.fromkeys(paths, recording("c"))), pattern=pattern).parts
    found = {name: sorted(part.needed_labels().tolist()) for name, part in parts.items()}
    assert found == expected


def test_a_group_of_the_path_is_never_in_two_splits(write: Write):
    folder = write(FILES)
    groups = read(folder, pattern="{label}/{group}_*").parts["train"].groups
    assert groups is not None and groups.tolist() == ["S1", "S2", "S1"]
    write({"train/S1/walk/a.csv": recording("a"), "test/S1/run/b.csv": recording("b")})
    with pytest.raises(ValueError, match="group 'S1' is in train and in test"):
        table(folder, pattern="{split}/{group}/{label}/*")


def test_what_is_not_read_is_said(write: Write):
    more = "time,y,note,x\n0,1,late,2\n"
    others = dict.fromkeys((".DS_Store", "labels.csv", "run/readme.txt", ".git/x/a.csv"), "?")
    folder = write(
        FILES | others | {"walk/z.csv": more, "run/0.csv": "time,x,y\n", "run/9.csv": ""}
    )
    splits = table(folder)
    assert splits.train.x[-1, 0].tolist() == [2, 1] and len(splits.train) == 4
    assert splits.notes[1:-1] == (
        f"{folder}: not read: .DS_Store, labels.csv, run/readme.txt",
        f"{folder}/run/0.csv, {folder}/run/9.csv: without rows, so left out",
        f"{folder}: not in {folder}/run/0.csv, so not used: note",
    )


def labelled(name: str, **columns: str) -> dict[str, str]:
    """The files with further columns, each with one value."""
    head, values = (",".join(["", *texts]) for texts in (columns, columns.values()))
    files = {path: re.sub(r"(?m)(?<=.)$", values, text) for path, text in FILES.items()}
    return {f"{name}{p}": t.replace(values, head, 1) for p, t in files.items()}


def test_a_column_that_is_constant_in_each_file_may_be_the_label(write: Write):
    flat = {p.replace("/", "_"): t for p, t in labelled("", label="a").items()}
    folder = write(flat | {"walk_S1_b.csv": flat["walk_S1_b.csv"].replace(",a\n", ",b\n")})
    assert table(folder).class_names == ("a", "b")
    for path in flat:
        file = Path(folder, path)
        file.write_text(file.read_text().replace("label", "terrain"))
    with pytest.raises((ValueError, TypeError), match=r"; set data.source.label=terrain$"):
        table(folder)


def test_a_column_with_the_usual_name_of_a_part_of_the_path_is_not_a_feature(write: Write):
    folder = write(labelled("", trial="7"))
    splits = table(folder)
    assert splits.train.fingerprint() == EXPECTED.fingerprint()
    assert splits.notes[1] == f"{folder}: id={{id}}; not used: trial"


BAD: dict[str, tuple[Mapping[str, str | bytes], dict[str, Any], str]] = {
    "a column is missing": (
        FILES | {"run/S2_c.csv": "time,y\n0,1\n"}, {},
        "run/S2_c.csv: has no column x, unlike .*S1_a.csv; .*; set 'data.source.features=.y]'$",
    ),
    "a wrong cell": (FILES | {"walk/z.csv": "time,x,y\n0,1,2\n1,x,2\n"}, {}, "walk/z.csv:3: .*'x'"),
    "two labels": (
        labelled("", label="a"), {},
        "the class may be the folder or column 'label'; .*set data.source.label=label$",
    ),
    "two kinds": (FILES | {"run/p.parquet": as_parquet("x\n1\n")}, {}, "has csv and parquet files"),
    "folders at two depths": (FILES | {"run/S/x.csv": "x\n1\n"}, {}, "run/S/x.csv and .*: the"),
    "a split beside others": (
        FILES | {"train/x.csv": "x\n1\n"}, {}, "train may be a split, run, walk not; .*'{label}/"
    ),
    "no file": ({"x.jpg": "", "a/b.md": ""}, {}, "in it: 1 .jpg, 1 .md, in the folders a$"),
    "files without content": ({"run/a.csv": "", "walk/a.csv": ""}, {}, "its files are empty"),
    "types that differ": (
        {"run/a.parquet": as_parquet("x,k\n1,1\n"), "walk/a.parquet": as_parquet("x,k\n1,b\n")},
        {"label": "k"}, "the files differ: .*Field k has incompatible types",
    ),
    "no match": (FILES, {"pattern": "{label}/*.tsv"}, "no file of .*, such as run/S1_a.csv"),
    "no such part": (FILES, {"pattern": "{labl}/*"}, "{labl}: no such part .*mean 'label'"),
    "many wildcards": (
        FILES, {"pattern": "{label}/{id}_*_*_*_*"}, r"pattern=.*: must have at most 4 of \* and \{"
    ),
    "wide form": (FILES, {"form": "wide"}, "form=wide: a file of a folder is one sequence"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_a_wrong_folder_is_refused_with_its_file_and_the_way_out(case: str, write: Write):
    files, options, message = BAD[case]
    with pytest.raises((ValueError, TypeError), match=message):
        table(write(files), **options)


def test_the_config_of_a_folder_is_that_of_its_files_and_not_that_of_runs(write: Write):
    folder = write(FILES)
    assert config_of(folder) == "csv" and config_of("") is None
    with pytest.raises(ValueError, match=r"in it: 3 .csv, in the folders run, walk; set data=csv$"):
        existing_file(folder)
    write({"run/config.yaml": "", "walk/config.yaml": ""})
    assert config_of(folder) is None


@pytest.mark.parametrize("pattern", [None, "{label}/**"])
def test_a_folder_is_read_once_whatever_links_lead_to_it(write, pattern, tmp_path):
    folder = write(FILES)
    plain = table(folder, pattern=pattern)
    links = {"run/l0": ".", "run/l1": "..", "run/l2": tmp_path / "d", "walk/l3": "../run"}
    for link, target in links.items():
        (tmp_path / "d" / link).symlink_to(target)
    again = table(folder, pattern=pattern)
    assert len(again.train) == len(plain.train) == len(FILES)
    assert f"{folder}: read once, under another path: {', '.join(links)}" in again.notes
