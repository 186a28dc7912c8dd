"""Layouts that others make are read as they are meant, by what the guesses propose."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

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
        Recording(subject, label, 61.0 * n, rng.normal(size=(ROWS, 2)).round(3).tolist())
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


def long_with_breaks(folder: Path) -> str:
    text = "subject,activity,time,x,y\n" + "".join(
        f"{o.subject},{o.label},2026-01-30T10:{int(t // 60):02}:{t % 60:06.3f}+02:00,{x},{y}\n"
        for o, t, (x, y) in rows()
    )
    return written(folder, {"long.csv": text})


def german(folder: Path) -> str:
    text = "Messprotokoll\n\nDatum;Messung;Prüfer;Zustand;Beschl [m/s²];Druck\n"
    for o, t, (x, y) in rows():
        clock = f"9:{int(t // 60):02}:{t % 60:06.3f}".replace(".", ",")
        pressure = f"{101 + abs(y):.3f},4"  # 101.325,4 has a point for thousands
        name = f"{o.subject}-{o.label};{o.subject};{o.label}"
        text += f"30.01.2026 {clock};{name};{x};{pressure}\n".replace(
            f";{x};", f";{x};".replace(".", ",")
        )
    return written(folder, {"logger.csv": text})


def subject_folders(folder: Path) -> str:
    return written(
        folder, {f"{o.subject}/{o.label}_01.csv": lines(o.x, "x,y\n") for o in recordings()}
    )


def two_levels(folder: Path) -> str:
    return written(
        folder, {f"{o.subject}/{o.label}/a.csv": lines(o.x, "x,y\n") for o in recordings()}
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
    cells = [[n % 3 + 1, *o.x, *o.x] for n, o in enumerate(recordings())]
    text = "".join("\t".join([str(c), *(str(x) for x, _ in x)]) + "\n" for c, *x in cells)
    return written(folder, {"Tea_TRAIN.tsv": text, "Tea_TEST.tsv": text, "README.md": ""})


LAYOUTS: dict[Callable[[Path], str], dict[str, Any]] = {
    wisdm: {"groups": 4},
    pamap: {"groups": None, "sequences": 4},
    long_with_breaks: {"groups": 4},
    german: {"groups": 4},
    subject_folders: {"groups": 4},
    two_levels: {"groups": None},
    npy_with_labels: {"groups": 4},
    second_table: {"groups": 4},
    json_lines: {"groups": 4},
    archive: {"groups": None, "channels": 1},
}


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.__name__)
def test_a_layout_is_read_as_it_is_meant(layout: Callable[[Path], str], tmp_path: Path):
    expected = {"sequences": 12, "channels": 2} | LAYOUTS[layout]
    path = layout(tmp_path)
    options = {k: v for one in guesses(path, {}) for k, v in one.options.items()}
    train = table(**{"path": path, **options}).train
    groups = None if train.groups is None else len({*train.groups})
    found = {"sequences": len(train), "channels": train.input_size, "groups": groups}
    assert found == expected
    assert train.num_classes == 3
    if train.input_size == 2 and layout is not german:
        assert train.x[0, :2].round(3).tolist() == pytest.approx(np.array(recordings()[0].x[:2]))
