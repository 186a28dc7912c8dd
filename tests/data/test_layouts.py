"""Layouts that others make are read as they are meant, by what the guesses propose."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from seqsweep.data.conversions import known_conversions
from seqsweep.data.guesses import guesses
from seqsweep.data.tables import table

CLASSES = ("walking", "walking_up", "sitting")
SUBJECTS, ROWS = ("S1", "S2", "S3", "S4"), 30


class Recording(NamedTuple):
    """A recording of one class by one subject."""

    subject: str
    label: str
    start: float  # in seconds; 60 s lie between two recordings of a subject
    x: list[tuple[float, float]]


def recordings() -> list[Recording]:
    rng = np.random.default_rng(0)
    return [
        Recording(subject, label, 61.0 * n, [*map(tuple, rng.normal(size=(ROWS, 2)).round(3))])
        for subject in SUBJECTS
        for n, label in enumerate(CLASSES)
    ]


def rows() -> Iterator[tuple[Recording, float, tuple[float, float]]]:
    for one in recordings():
        for n, values in enumerate(one.x):
            yield one, one.start + n / 20, values


def written(folder: Path, files: dict[str, str]) -> str:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="latin-1")
    return str(folder if len(files) > 1 else folder / next(iter(files)))


def lines(values: list[tuple[float, float]], head: str = "") -> str:
    return head + "".join(f"{x},{y}\n" for x, y in values)


def wisdm(folder: Path) -> str:
    text = "".join(f"{o.subject[1]},{o.label},{int(t * 1e9)},{x},{y};\n" for o, t, (x, y) in rows())
    return written(folder, {"raw.txt": text})


def pamap(folder: Path) -> str:
    code = {label: str(n + 1) for n, label in enumerate(CLASSES)}
    files = dict.fromkeys(SUBJECTS, "")
    for o, t, (x, y) in rows():
        label = code[o.label] if round((t - o.start) * 20) else "0"  # the first row has none
        files[o.subject] += f"{t:.2f} {label} {x} {y}\n"
    return written(folder, {f"subject{name}.dat": text for name, text in files.items()})


def subject_folders(folder: Path) -> str:
    return written(
        folder, {f"{o.subject}/{o.label}_01.csv": lines(o.x, "x,y\n") for o in recordings()}
    )


def npy_with_labels(folder: Path) -> str:
    labels = "file,label,subject\n"
    for n, o in enumerate(recordings()):
        np.save(folder / f"rec_{n:03}.npy", np.array(o.x))
        labels += f"rec_{n:03}.npy,{o.label},{o.subject}\n"
    written(folder, {"labels.csv": labels})
    return str(folder)


def second_table(folder: Path) -> str:
    values = [(n, m, xy) for n, o in enumerate(recordings()) for m, xy in enumerate(o.x)]
    body = "".join(f"{n}_{m},{n},{m},{x},{y}\n" for n, m, (x, y) in values)
    labels = "".join(f"{n},{o.subject},{o.label}\n" for n, o in enumerate(recordings()))
    written(folder, {"y_train.csv": f"series_id,group_id,surface\n{labels}"})
    return written(folder, {"X_train.csv": f"row_id,series_id,number,x,y\n{body}"})


def json_lines(folder: Path) -> str:
    found = [
        {"id": n, "subject": o.subject, "label": o.label, "x": x, "y": y}
        for n, o in enumerate(recordings())
        for x, y in [zip(*o.x, strict=True)]
    ]
    return written(folder, {"all.jsonl": "".join(f"{json.dumps(one)}\n" for one in found)})


def archive(folder: Path) -> str:
    rows_of = [[n % 3 + 1, *(x for x, _ in o.x)] for n, o in enumerate(recordings())]
    text = "".join("\t".join(map(str, row)) + "\n" for row in rows_of)
    return written(folder, {"Tea_TRAIN.tsv": text, "Tea_TEST.tsv": text, "README.md": ""})


LAYOUTS: dict[Callable[[Path], str], dict[str, Any]] = {
    wisdm: {"groups": 4},
    pamap: {"groups": 4},
    subject_folders: {"groups": 4},
    npy_with_labels: {"groups": 4},
    second_table: {"groups": 4},
    json_lines: {"groups": 4},
    archive: {"groups": None, "channels": 1},
}


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.__name__)
def test_a_layout_is_read_as_it_is_meant(layout: Callable[[Path], str], tmp_path: Path):
    expected = {"sequences": 12, "channels": 2} | LAYOUTS[layout]
    path = layout(tmp_path)
    options: dict[str, Any] = {"path": path}
    for guess in guesses(path, {}):
        options |= guess.options
    train = table(**options).train
    groups = None if train.groups is None else len({*train.groups})
    found = {"sequences": len(train), "channels": train.input_size, "groups": groups}
    assert found == expected
    assert train.num_classes == 3
    if layout is not archive:
        starts = {tuple(first) for first in train.x[:, 0].round(3).tolist()}
        assert starts == {one.x[0] for one in recordings()}


def csv(folder: Path, text: str, **options: Any) -> Any:
    (folder / "my.csv").write_text(text)
    return table(str(folder / "my.csv"), **options)


def test_a_gap_cuts_a_recording_as_an_id_of_its_parts_would(tmp_path: Path):
    steps = [0, 1, 2, 10, 11, 30]
    text = "".join(f"{s},{t},{n}.5,{s}\n" for s in "ab" for n, t in enumerate(steps))
    cut = csv(tmp_path, "id,time,x,label\n" + text, gap=3).train
    assert cut.lengths.tolist() == [3, 2, 1] * 2
    assert cut.groups is not None and cut.groups.tolist() == [0, 0, 0, 1, 1, 1]
    for gap, lengths in ((100, [6, 6]), (8, [5, 1, 5, 1]), (7.5, [3, 2, 1] * 2)):  # 10 follows 2
        parts = csv(tmp_path, "id,time,x,label\n" + text, gap=gap).train
        assert parts.lengths.tolist() == lengths
    with pytest.raises(ValueError, match=r"gap=2: needs data.source.step="):
        csv(tmp_path, "id,x,label\na,1,u\na,2,u\nb,3,v\nb,4,v\n", gap=2)


def test_an_unlabelled_row_is_in_no_window_and_an_unlabelled_sequence_is_left_out(tmp_path: Path):
    labels = {"a": "0112", "b": "0000", "c": "2222"}
    text = "".join(f"{s},{t},{t}.5,{label}\n" for s in labels for t, label in enumerate(labels[s]))
    splits = csv(tmp_path, "id,time,x,label\n" + text, unlabelled=0)
    assert splits.train.row_labels.tolist() == [[-1, 0, 0, 1], [1, 1, 1, 1]]
    assert splits.class_names == ("1", "2")
    assert any("1 sequence without a label, so left out" in note for note in splits.notes)
    wide = csv(tmp_path, "w0,w1,label\n1,2,a\n3,4,none\n5,6,b\n", unlabelled="none", form="wide")
    assert wide.train.x[:, 0, 0].tolist() == [1, 5]


def test_a_column_that_names_the_recordings_of_a_second_table_is_not_a_feature(tmp_path: Path):
    (tmp_path / "labels.csv").write_text("run,label\n1,a\n2,b\n")
    labels, text = str(tmp_path / "labels.csv"), "run,x\n1,0.5\n1,1\n2,3\n2,4\n"
    with pytest.raises(ValueError, match=r"column 'run' .*data.source.id=run"):
        csv(tmp_path, text, labels=labels)
    train = csv(tmp_path, text, labels=labels, id="run").train
    assert train.x[:, :, 0].tolist() == [[0.5, 1], [3, 4]]


DATES = {
    "30.01.2026 23:59:59,9 31.1.2026 9:05": None,
    "2026-01-30 23:59:59.9 2026-01-31 09:05": None,
    "2020-01-01T07:00:00Z 2020-01-01T10:00:00+02:00": None,
    "30/01/2026 31/01/2026": None,
    "01/30/2026 01/31/2026": None,
    "9.5 1e3": None,
    "1700000000000000000 1700000000000000001": None,
    "03/02/2026 04/02/2026": True,
    "02/03/2026 03/02/2026": False,
}


@pytest.mark.parametrize("dates", DATES)
def test_dates_or_numbers_order_the_rows_of_a_sequence(dates: str, tmp_path: Path):
    half = len(dates.split()) // 2
    one, two = (" ".join(part) for part in (dates.split()[:half], dates.split()[half:]))
    text = "".join(f'{s},"{day}",{x},{s}\n' for s in "ab" for day, x in ((two, 2), (one, 1)))
    train = csv(tmp_path, "id,time,x,label\n" + text, dayfirst=DATES[dates]).train
    assert train.x[:, :, 0].tolist() == [[1, 2], [1, 2]]
    if DATES[dates] is not None:
        with pytest.raises(ValueError, match=r"my.csv:2: .*may begin with the day or .*dayfirst="):
            csv(tmp_path, "id,time,x,label\n" + text)


def test_points_are_thousands_only_where_the_column_shows_it(tmp_path: Path):
    text = "id;x;label\na;1.013,5;u\na;2.000;u\nb;3,25;v\nb;4;v\n"
    train = csv(tmp_path, text, decimal=",").train
    assert train.x[:, :, 0].tolist() == [[1013.5, 2000], [3.25, 4]]
    with pytest.raises(ValueError, match=r"my.csv:2: column 'x': '1.013' is not a number"):
        csv(tmp_path, text.replace("1.013,5", "1.013").replace("2.000", "2"), decimal=",")


def test_a_label_ends_at_the_last_sign_or_the_pattern_must_say_where(tmp_path: Path):
    for name in ("walk_1", "walk_up_1", "sit_1", "walk_2", "walk_up_2", "sit_2"):
        (tmp_path / f"{name}.csv").write_text("x\n1.5\n2\n")
    for pattern in ("{label}_{id}.csv", "{label}_?.csv"):
        assert table(str(tmp_path), pattern=pattern).num_classes == 3
    with pytest.raises(ValueError, match=r"may be 'walk' or 'walk_up'.*{label}_{id}"):
        table(str(tmp_path), pattern="{label}_*.csv")


def test_a_table_of_labels_in_any_order_names_recordings_with_their_folders(tmp_path: Path):
    names = [f"{folder}/{n}" for folder in "uv" for n in range(2)]
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / f"{name}.csv").write_text("x\n1.5\n2\n")
    labels = tmp_path / "labels.csv"
    pairs = zip(names, "aabb", strict=True)
    rows = [f"{name}.csv,{label}\n" for name, label in pairs]
    labels.write_text("".join(["file,label\n", *reversed(rows)]))
    train = table(str(tmp_path), labels=str(labels)).train
    assert "".join(train.class_names[label] for label in train.labels) == "aabb"


def test_a_table_of_labels_must_name_each_recording(tmp_path: Path):
    path = npy_with_labels(tmp_path)
    (tmp_path / "labels.csv").write_text("file,label\nrec_000,a\n")
    message = "data.source.labels=.*labels.csv: .*column 'file' lacks 'rec_001'"
    with pytest.raises(ValueError, match=message):
        table(path, labels=str(tmp_path / "labels.csv"))


def test_what_is_not_read_gets_the_lines_that_convert_it(tmp_path: Path):
    for known in known_conversions():
        compile(known["lines"], "lines", "exec")
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "one.wav").write_bytes(b"RIFF")
    with pytest.raises(ValueError, match=r"is not read as it is; .*\n    import pathlib, numpy"):
        table(str(tmp_path))
