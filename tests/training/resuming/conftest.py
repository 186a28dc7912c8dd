"""Fixtures that train small runs, interrupt them and compare their results to the bit."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from lightning.pytorch.callbacks import Callback
from tensorboard.backend.event_processing.event_accumulator import (
    EventAccumulator,  # pyright: ignore[reportPrivateImportUsage]
)
from torch import Tensor

from seqsweep.config.schema import Config
from seqsweep.runs.identity import WITHOUT_INFLUENCE, is_below
from seqsweep.runs.run_folder import RunFolder
from seqsweep.training import resume
from seqsweep.training.checkpoints import load_sealed
from seqsweep.training.planned_run import PlannedRun, plan
from seqsweep.training.train import train

Plan = Callable[..., PlannedRun]


# 40 sequences: 24 to train on in 3 steps an epoch, 8 to validate in 2 batches, 8 to test on.
BASE = (
    "data=random", "data.source.num_sequences=40", "data.source.length=5",
    "data.source.input_size=3", "data.source.num_classes=3", "data.batch_size=8",
    "data.eval_batch_size=4", "model.hidden_size=5", "optimizer.lr=0.02", "trainer.max_epochs=5",
    "trainer.accelerator=cpu", "trainer.progress_bar=false", "engine=autograd",
)  # fmt: skip


DIVERGING = (
    "optimizer=sgd", "optimizer.lr=1000", "optimizer.momentum=0.0", "model.num_layers=2",
    "model.nonlinearity=relu", "trainer.gradient_clip_val=null", "trainer.max_epochs=20",
    "data.batch_size=24", "data.val_fraction=0", "monitor=train/loss",
)  # fmt: skip


@pytest.fixture
def planned(checked: Callable[..., Config]) -> Plan:
    """Plans a run of the small config with further overrides."""
    return lambda *overrides: plan(checked(*BASE, *overrides))


@pytest.fixture(autouse=True)
def new_process() -> None:
    """Clears the cache of finished runs, as in a new process."""
    resume._finished_runs.cache_clear()


@pytest.fixture(scope="session")
def undisturbed(
    tmp_path_factory: pytest.TempPathFactory,
) -> Callable[[PlannedRun], dict[str, Any]]:
    """Returns the results of an undisturbed run; each config is trained once for all tests."""
    results: dict[str, dict[str, Any]] = {}

    def call(member: PlannedRun) -> dict[str, Any]:
        key = json.dumps(member.config)  # not the run's id: that of threads=1 and 2 is the same
        if key not in results:
            outcome = train(member, tmp_path_factory.mktemp("undisturbed"))
            results[key] = result(outcome.folder.path)
        return results[key]

    return call


@pytest.fixture
def interrupt(killed: type[BaseException]) -> Callable[..., None]:
    """Trains a run until a callback raises an error."""

    def call(
        member: PlannedRun, root: Path, at: Callback, error: type[BaseException] = killed
    ) -> None:
        with pytest.raises(error):
            train(member, root, at)

    return call


def result(folder: Path) -> dict[str, Any]:
    """Returns all results of a run except its times."""
    return {
        "csv": (folder / "metrics.csv").read_bytes(),
        "curves": curves(folder),
        "record": record(folder),
        "best": checkpoint(folder, "best"),
        "last": checkpoint(folder, "last"),
        "files": files(folder),
    }


def curves(folder: Path) -> dict[str, list[tuple[int, float]]]:
    """Returns (step, value) of each scalar as TensorBoard reads them, orphaned ones included."""
    events = EventAccumulator(str(folder), {"scalars": 0}, purge_orphaned_data=False)
    events.Reload()
    tags: Any = events.Tags()
    return {
        tag: sorted((event.step, event.value) for event in events.Scalars(tag))
        for tag in tags["scalars"]
    }


def record(folder: Path) -> dict[str, Any]:
    found = RunFolder(folder).record()
    assert found is not None
    times = ("train_seconds", "samples_per_s", "digest")
    config = {k: v for k, v in found["config"].items() if not is_below(k, WITHOUT_INFLUENCE)}
    return {k: v for k, v in found.items() if k not in times} | {"config": config}


def checkpoint(folder: Path, name: str) -> Any:
    content = load_sealed(folder / "checkpoints" / f"{name}.ckpt")
    del content["files"]
    # The same but for keys without influence, and for epochs that a shorter run has trained.
    del content["config"]
    content["callbacks"]["BestAndLast"].pop("seconds")
    return plain(content)


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


def epochs_in_log(folder: Path) -> list[int]:
    lines = (folder / "train.log").read_text(encoding="utf-8").splitlines()
    words = [line.split("INFO epoch ") for line in lines if "INFO epoch " in line]
    return [int(rest.split()[0]) for _, rest in words]


@pytest.fixture(name="result")
def get_result() -> Callable[..., Any]:
    return result


@pytest.fixture(name="assert_equal")
def get_assert_equal() -> Callable[..., Any]:
    return assert_equal


@pytest.fixture(name="epochs_in_log")
def get_epochs_in_log() -> Callable[..., Any]:
    return epochs_in_log


@pytest.fixture(name="files")
def get_files() -> Callable[..., Any]:
    return files


@pytest.fixture(name="diverging")
def get_diverging() -> tuple[str, ...]:
    return DIVERGING
