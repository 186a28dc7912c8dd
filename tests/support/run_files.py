"""Reads the files of a run: its curves, as the csv module and TensorBoard do, and all."""

import csv
from pathlib import Path
from typing import Any

from tensorboard.backend.event_processing.event_accumulator import (
    EventAccumulator,  # pyright: ignore[reportPrivateImportUsage]
)
from torch import Tensor

from seqsweep.runs.files import read_object
from seqsweep.runs.identity import is_below, without_influence
from seqsweep.training.checkpoint_files import load_sealed

SMALL = (
    "data=random", "data.source.num_sequences=40", "data.source.length=5",
    "data.source.input_size=3", "data.source.num_classes=3", "data.batch_size=8",
    "model.hidden_size=5", "optimizer.lr=0.02", "trainer=cpu", "trainer.progress_bar=false",
)  # fmt: skip
"""A run on 40 sequences: 24 to train on in 3 steps an epoch, 8 to validate and 8 to test on."""


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "metrics.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def curves(folder: Path) -> dict[str, list[tuple[int, float]]]:
    """Returns (step, value) of each scalar, orphaned ones included."""
    events = EventAccumulator(str(folder), {"scalars": 0}, purge_orphaned_data=False)
    events.Reload()
    tags: Any = events.Tags()
    return {tag: [(e.step, e.value) for e in events.Scalars(tag)] for tag in tags["scalars"]}


def epochs_in_log(folder: Path) -> list[int]:
    lines = (folder / "train.log").read_text(encoding="utf-8").splitlines()
    words = [line.split("INFO epoch ") for line in lines if "INFO epoch " in line]
    return [int(rest.split()[0]) for _, rest in words]


def result(folder: Path) -> dict[str, Any]:
    """Returns all results of a run except its times; curves as texts, where NaN equals NaN."""
    path, diagnosis = folder / "metrics.csv", folder / "diagnostics.json"
    return {
        "csv": path.read_bytes() if path.exists() else b"",  # the first epoch may have diverged
        "diagnosis": diagnosis.read_bytes() if diagnosis.exists() else b"",
        "curves": {tag: repr(sorted(points)) for tag, points in curves(folder).items()},
        "record": record(folder),
        "best": checkpoint(folder, "best"),
        "last": checkpoint(folder, "last"),
        "files": files(folder),
    }


def record(folder: Path) -> dict[str, Any]:
    found = read_object(folder / "record.json")
    times = ("train_seconds", "samples_per_s", "digest")
    ignored = without_influence(found["config"])
    config = {k: v for k, v in found["config"].items() if not is_below(k, ignored)}
    return {k: v for k, v in found.items() if k not in times} | {"config": config}


def checkpoint(folder: Path, name: str) -> Any:
    """Returns a checkpoint's content, empty where the first epoch diverged.

    Left out are keys without influence, times, and what depends on the epochs of a shorter run.
    """
    path = folder / "checkpoints" / f"{name}.ckpt"
    content = load_sealed(path) if path.exists() else {}
    left = {key: value for key, value in content.items() if key not in ("files", "config")}
    left.get("callbacks", {}).get("BestAndLast", {}).pop("seconds", None)
    if name == "best" and left.get("engine") == "native":
        # The rest tells when a pool has written the file.
        left = {key: left[key] for key in ("epoch", "state_dict")}
    return plain(left)


def plain(value: Any) -> Any:
    """Returns tensors as type, shape and bytes, which are equal only if every bit is."""
    if isinstance(value, Tensor):
        return str(value.dtype), tuple(value.shape), value.numpy().tobytes()
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, (list, tuple)) else value


def files(folder: Path) -> set[str]:
    """Returns the names of all files; all event files count as one name."""
    paths = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return {"events" if path.name.startswith("events.out") else str(path) for path in paths}


def assert_equal(found: dict[str, Any], expected: dict[str, Any]) -> None:
    """Compares part by part, so that a difference is easy to read."""
    for key, value in expected.items():
        if key in ("best", "last"):
            for part in value:
                assert found[key][part] == value[part], f"{part} of {key}.ckpt"
        assert found[key] == value, key
