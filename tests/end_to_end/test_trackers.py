"""Weights & Biases and MLflow log each run of a sweep completely and mark its end."""

import importlib
import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from google.protobuf.json_format import MessageToDict

pytestmark = [pytest.mark.slow, pytest.mark.durability]

SWEEP = (
    "train", "-m", "data=random", "data.source.num_sequences=40", "data.batch_size=8",
    "trainer=cpu", "trainer.max_epochs=2", "seed=0,1", "sweep.name=tracked", "sweep.report=false",
)  # fmt: skip


@pytest.fixture
def sweep(seqsweep: Callable[..., Any], tmp_path: Path) -> Callable[..., dict[str, dict[str, Any]]]:
    """Trains two runs with a tracker. Returns their records by run_id."""

    def run(*logger: str) -> dict[str, dict[str, Any]]:
        done = seqsweep(
            *SWEEP, *logger, HOME=str(tmp_path), DO_NOT_TRACK="true",
            MLFLOW_ALLOW_FILE_STORE="true", MPLCONFIGDIR=str(tmp_path), WANDB_MODE="offline",
            WANDB_PROJECT="mine",
        )  # fmt: skip
        assert done.code == 0, done.err
        assert "logger." not in done.err and "wandb" not in done.err  # no warning
        folders = [path.parent for path in tmp_path.glob("outputs/sweeps/tracked/*/record.json")]
        for folder in folders:
            origin = json.loads((folder / "provenance.json").read_text())
            assert origin["engine"] == "native"
        return {path.name: json.loads((path / "record.json").read_text()) for path in folders}

    return run


def records_of(path: Path) -> list[dict[str, Any]]:
    """Returns the protobuf records of an offline W&B run, a LevelDB log of one block."""
    protobufs: Any = importlib.import_module("wandb.proto.wandb_internal_pb2")  # takes a second
    data = path.read_bytes()
    assert len(data) < 32768, "more than one block"
    start, found = 7, list[dict[str, Any]]()
    while start < len(data):
        _, length, _ = struct.unpack("<IHB", data[start : start + 7])
        record = protobufs.Record()
        record.ParseFromString(data[start + 7 : start + 7 + length])
        found.append(MessageToDict(record, preserving_proto_field_name=True))
        start += 7 + length
    return found


def history(records: list[dict[str, Any]], name: str) -> list[float]:
    items = [item for record in records for item in record.get("history", {}).get("item", [])]
    return [json.loads(i["value_json"]) for i in items if i.get("nested_key") == [name]]


def test_weights_and_biases_logs_each_run_offline(sweep, tmp_path):
    """Each run has a W&B run in its folder, although one process trains both."""
    options = ("logger.wandb.log_model=true", "logger.wandb.tags=[a]")
    trained = sweep("logger=wandb", *options)
    assert len(trained) == 2
    sweep("logger=wandb", *options)  # has nothing to feed
    for name, record in trained.items():
        folder = tmp_path / "outputs" / "sweeps" / "tracked" / name
        (path,) = folder.glob("wandb/offline-run-*/*.wandb")
        written = records_of(path)
        (run,) = [each["run"] for each in written if "run" in each][:1]
        assert run["run_id"] == name and run["tags"] == ["a"] and run["project"] == "mine"
        (model,) = [each["artifact"] for each in written if "artifact" in each]
        assert set(model["aliases"]) == {"latest", "best"}
        updates = [run["config"], *(each["config"] for each in written if "config" in each)]
        items = [item for update in updates for item in update.get("update", []) if "key" in item]
        config = {item["key"]: json.loads(item["value_json"]) for item in items}
        assert config["model"]["hidden_size"] == record["config"]["model.hidden_size"]
        assert config["seed"] == record["config"]["seed"]
        assert len(history(written, "val/acc")) == 2
        assert history(written, "test/acc") == [record["metrics"]["test/acc"]]
        assert [each["exit"].get("exit_code", 0) for each in written if "exit" in each] == [0]


def test_mlflow_logs_each_run_to_a_local_folder(sweep, tmp_path):
    sweep()  # the logger is added to finished runs
    trained = sweep("logger=mlflow", f"logger.mlflow.tracking_uri=file:{tmp_path}/mlruns")
    by_seed = {str(record["config"]["seed"]): record for record in trained.values()}
    assert by_seed.keys() == {"0", "1"}
    folders = [path.parents[1] for path in tmp_path.glob("mlruns/*/*/params/seed")]
    assert {(folder / "params" / "seed").read_text() for folder in folders} == by_seed.keys()
    for folder in folders:
        record = by_seed[(folder / "params" / "seed").read_text()]
        hidden = record["config"]["model.hidden_size"]
        assert (folder / "params" / "model" / "hidden_size").read_text() == str(hidden)
        assert values(folder, "test/acc") == [record["metrics"]["test/acc"]]
        assert len(values(folder, "val/acc")) == 2
        meta = yaml.safe_load((folder / "meta.yaml").read_text())
        assert meta["run_name"] == record["run_id"]
        assert meta["status"] == 3  # `mlflow.entities.RunStatus.FINISHED`


def values(folder: Path, name: str) -> list[float]:
    """Reads a metric of a run from a file store, whose lines are time, value and step."""
    lines = (folder / "metrics" / name).read_text().splitlines()
    return [float(line.split()[1]) for line in lines]
