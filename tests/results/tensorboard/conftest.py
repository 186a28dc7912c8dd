"""Folders of runs as training writes them, and readers that use TensorBoard's own backends."""

import importlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from made_sweeps import config_of, record_of, runs_of, start_run, write_rows
from tensorboard import context as tensorboard_context
from tensorboard.backend.event_processing.data_provider import MultiplexerDataProvider
from tensorboard.backend.event_processing.plugin_event_multiplexer import EventMultiplexer
from tensorboard.plugins import base_plugin
from tensorboard.plugins.hparams import backend_context, list_session_groups

from seqsweep.results.tensorboard.view import make_view
from seqsweep.runs.events import EventFile
from seqsweep.runs.run_folder import RunFolder
from seqsweep.runs.sweepfile import SweepFile

api_pb2: Any = importlib.import_module("tensorboard.plugins.hparams.api_pb2")
"""Imported by name: type checkers do not see the classes of a protobuf module."""

STEPS = 6
"""The optimizer steps of an epoch."""

LOGGED = ("train/loss", "val/loss", "val/acc")
CONFUSION = {"classes": ["a", "$b", "<c>"],
             "confusion": {"val": [[5, 1, 0], [0, 4, 2], [0, 0, 6]]}}  # fmt: skip
DIAGNOSIS = {"split": "val", "sequences": 64, "gradient": {"layer 1": [1.0, 0.1, 0.0]}}


class Sweep:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.configs: dict[str, dict[str, Any]] = {}

    def add(self, run_id: str, config: Mapping[str, Any], accuracies: Sequence[float]) -> RunFolder:
        """Adds a run that has not ended, with the validation accuracy of each epoch."""
        self.configs[run_id] = config_of({"seed": 0, **config})
        run = start_run(
            self.folder / run_id, self.configs[run_id], {"started": "2026-01-02T03:04:05+0000"}
        )
        rows: list[list[Any]] = [
            [e, STEPS * (e + 1), 1 - a, 1.1 - a, a] for e, a in enumerate(accuracies)
        ]
        write_rows(run.path, ",".join(["epoch", "step", *LOGGED]), rows)
        events = EventFile(run.path)
        for epoch, step, *values in rows:
            events.write([(step, 1.7e9 + epoch, dict(zip(LOGGED, values, strict=True)))])
        return run

    def finish(self, run: RunFolder, accuracies: Sequence[float], **more: Any) -> None:
        """Writes the record of the best epoch, with a confusion and a diagnosis."""
        best = max(accuracies)
        metrics = {
            "val/acc": best, "val/loss": 1.1 - best, "train/loss": 1 - best,
            "test/acc": best - 0.01, "test/f1": best - 0.02,
        }  # fmt: skip
        (run.path / "diagnostics.json").write_text(json.dumps(DIAGNOSIS))
        costs = {"best_epoch": accuracies.index(best), "epochs": len(accuracies), "params": 1234,
                 "steps": STEPS * len(accuracies)}  # fmt: skip
        record = {"run_id": run.run_id, **CONFUSION, **costs, **more}
        run.finish(record_of(self.configs[run.run_id], metrics, record), synced=True)

    def done(self, run_id: str, config: Mapping[str, Any], best: float) -> RunFolder:
        """Adds a complete run whose last but one epoch is the best."""
        run = self.add(run_id, config, self.accuracies(best))
        self.finish(run, self.accuracies(best))
        return run

    def grid(self) -> dict[str, float]:
        """Adds 12 configs with 2 seeds; returns the best accuracy of each run by its name."""
        best: dict[str, float] = {}
        axes = {"model.hidden_size": (8, 16, 128), "model.num_layers": (1, 2),
                "model.bidirectional": (False, True)}  # fmt: skip
        for number, config in enumerate(runs_of(axes, 2)):
            size, layers, both, seed = config.values()
            score = round(0.5 + number // 2 * 7 % 12 / 40 + seed / 100, 4)
            self.done(f"{number // 2:08x}{seed:08x}", config, score)
            best[f"h{size:03}-L{layers}-{'bi' if both else 'uni'}-s{seed}"] = score
        return best

    def plan(self) -> None:
        """Writes the file that a sweep writes before it trains, for the runs so far."""
        SweepFile(["seqsweep"], 0.0, dict(self.configs)).write(self.folder)

    @staticmethod
    def accuracies(best: float) -> list[float]:
        return [best - 0.2, best - 0.1, best, best - 0.05]


@pytest.fixture
def sweep(tmp_path: Path) -> Sweep:
    folder = tmp_path / "sweep"
    folder.mkdir()
    return Sweep(folder)


@dataclass(frozen=True)
class Shown:
    """The content of a folder as TensorBoard has read it."""

    events: EventMultiplexer
    backend: backend_context.Context

    @property
    def runs(self) -> list[str]:
        return sorted(self.events.Runs())

    def tags(self, run: str, plugin: str) -> list[str]:
        return sorted(self.events.PluginRunToTagToContent(plugin).get(run, {}))

    def points(self, run: str, tag: str) -> list[tuple[int, float]]:
        read = self.events.Tensors(run, tag)
        return [(e.step, round(e.tensor_proto.float_val[0], 4)) for e in read]

    def experiment(self) -> Any:
        """Returns the columns of HParams."""
        request = tensorboard_context.RequestContext()
        metadata = self.backend.hparams_metadata(request, "")
        return self.backend.experiment_from_metadata(request, "", True, metadata, [])

    def groups(self) -> list[Any]:
        """Returns the rows of HParams, each the mean of its sessions."""
        infos = self.experiment().metric_infos
        request = api_pb2.ListSessionGroupsRequest(
            start_index=0,
            slice_size=1000,
            allowed_statuses=range(4),
            aggregation_type=api_pb2.AGGREGATION_AVG,
            col_params=[api_pb2.ColParams(metric=info.name) for info in infos],
        )
        context = tensorboard_context.RequestContext()
        handler = list_session_groups.Handler(context, self.backend, "", request)
        return list(handler.run().session_groups)

    def statuses(self) -> dict[str, str]:
        return {
            session.name: api_pb2.Status.Name(session.status).removeprefix("STATUS_").lower()
            for group in self.groups()
            for session in group.sessions
        }


def read_logdir(logdir: Path) -> Shown:
    """Reads a folder with TensorBoard's loader and the backend of its HParams page."""
    events = EventMultiplexer()
    events.AddRunsFromDirectory(str(logdir))
    events.Reload()
    provider = MultiplexerDataProvider(events, str(logdir))
    context = base_plugin.TBContext(data_provider=provider, logdir=str(logdir))
    return Shown(events, backend_context.Context(context))


@pytest.fixture
def shown(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Shown]:
    """Returns a function that reads what `seqsweep tensorboard` shows, without pictures."""

    def show(folder: Path, **options: Any) -> Shown:
        target = tmp_path_factory.mktemp("view")
        make_view(folder, target, **({"images": 0} | options))
        return read_logdir(target)

    return show


@pytest.fixture
def runs_at() -> Callable[[Path], list[str]]:
    """Returns a function that lists the runs that plain `tensorboard --logdir` shows."""
    return lambda logdir: read_logdir(logdir).runs


@dataclass(frozen=True)
class Grid:
    """The best accuracy of each run of a sweep by name, and the content of its view."""

    best: dict[str, float]
    shown: Shown


@pytest.fixture(scope="session")
def grid(tmp_path_factory: pytest.TempPathFactory) -> Grid:
    """A sweep of 24 runs with pictures of three of them. Tests must not change it."""
    made = Sweep(tmp_path_factory.mktemp("grid"))
    best = made.grid()
    target = tmp_path_factory.mktemp("view")
    make_view(made.folder, target, images=3)
    return Grid(best, read_logdir(target))
