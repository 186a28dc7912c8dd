"""Values outside their range are refused by one message; padding becomes zero."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from omegaconf import OmegaConf

from seqsweep.arguments import check_output, whole_number
from seqsweep.config.convert import convert
from seqsweep.config.from_overrides import compose_sweep
from seqsweep.config.instantiate import build
from seqsweep.config.schema import check, check_shape
from seqsweep.config.shape.axes import zipped_groups
from seqsweep.config.shape.listed import read_list
from seqsweep.config.signatures import signature_of
from seqsweep.data.checks import batch_first
from seqsweep.data.padding import padded
from seqsweep.data.sequences import Sequences
from seqsweep.extras.clusters.slurm import SlurmJobs
from seqsweep.extras.export.check import difference
from seqsweep.results.measures import Measure
from seqsweep.results.replicates import Variation
from seqsweep.runs.lock_files import time_in
from seqsweep.runs.metrics import OURS
from seqsweep.sweeping.resolvers import absolute_path
from seqsweep.training.loggers import PrintLoss
from seqsweep.training.optimizers import adam
from seqsweep.using.bundle_file import is_bundle
from seqsweep.using.load import read_content

WEIGHTS = [torch.nn.Parameter(torch.zeros(2))]


def leave() -> None:
    raise SystemExit(3)


def need_much() -> None:
    raise MemoryError("much")


REFUSED: dict[str, tuple[Callable[[], object], str]] = {
    "no epochs": (lambda: PrintLoss(3, 0), "every_n_epochs=0: must be at least 1"),
    "no cores": (lambda: SlurmJobs(cpus=0), "hydra.launcher.cpus=0: must be at least 1"),
    "decay": (lambda: adam(WEIGHTS, 0.1, weight_decay=-1), "weight_decay=-1: must be at least 0"),
    "betas": (lambda: adam(WEIGHTS, 0.1, betas=(0.9, 1.0)), "must be at least 0 and below 1"),
    "a range": (
        lambda: check_shape(compose_sweep(["sweep.sample=0"])), "sweep.sample=0: must be at least 1"
    ),
    "no key": (lambda: check(OmegaConf.create({"seed": 0})), " is missing"),
    "no run": (lambda: read_content("nowhere"), "nowhere: no such file or folder"),
    "a folder": (lambda: read_content("."), "is not the folder of a run with"),
    "no step": (
        lambda: batch_first(np.zeros((2, 0, 3)), 2, "batch_first", "X"), "without a dimension of 0"
    ),
    "three axes": (
        lambda: padded([np.zeros((2, 2, 2)), np.zeros((3, 2, 2))], where="X"), "must be (T, F)"
    ),
    "a key twice": (lambda: read_list("twice.csv"), "twice.csv:1: must name each key once"),
    "a quote": (lambda: read_list("quote.csv"), "quote.csv:2: "),
    "a path": (lambda: absolute_path(None), "output_dir=null: must be text"),
    "an output": (lambda: check_output(_here()), "is a folder; expected a file such as"),
    "no folder": (lambda: check_output(_here() / "a/b.onnx", ".onnx"), "/b.onnx: there is no f"),
    "not null": (lambda: convert(1, None, "key"), "key=1: must be null"),
    "shapes": (lambda: difference(np.zeros(2), np.zeros(3)), "expected shape (3,), got (2,)"),
    "no keys": (lambda: zipped_groups([["a"], 1], {}), "must be keys, as in [a,b], or groups"),
    "exit": (lambda: build({"_target_": f"{__name__}.leave"}, "model"), "leave: SystemExit"),
}  # fmt: skip


def _here() -> Path:
    return Path.cwd()


@pytest.mark.parametrize("case", REFUSED)
def test_a_value_outside_its_range_is_refused(case, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "twice.csv").write_text("seed,seed\n1,2\n")
    (tmp_path / "quote.csv").write_text('seed\n"1"2\n')
    action, message = REFUSED[case]
    with pytest.raises((ValueError, FileNotFoundError)) as refused:
        action()
    assert message in str(refused.value)


class Base:
    def __init__(self, a: "Unknown") -> None:  # noqa: F821  # type: ignore
        self.a = a


class Inherits(Base):
    pass


def test_a_signature_with_an_unknown_type_accepts_any_value():
    (parameter,) = signature_of(f"{__name__}.Inherits").parameters.values()
    assert parameter.annotation is Any


def test_a_folder_without_a_clock_has_the_machines_time():
    assert abs(time_in(Path("/nowhere")) - time.time()) < 60


def test_a_file_that_is_not_an_archive_is_not_a_bundle(tmp_path):
    (tmp_path / "a.zip").write_text("not an archive")
    assert not is_bundle(tmp_path / "a.zip") and not is_bundle(tmp_path / "nowhere")


def test_no_shared_split_is_said():
    measure = Measure(OURS["test/acc"], Variation(resampled_data=frozenset({"data"})))
    assert measure.why_untested({}) == "no split has a score of both configs"


def test_missing_memory_is_not_a_mistake_of_the_config():
    with pytest.raises(MemoryError, match="much"):
        build({"_target_": f"{__name__}.need_much"}, "model")


def test_the_content_of_padding_becomes_zero():
    x = np.ones((2, 3, 1), dtype=np.float32)
    padded = Sequences(x, np.array([3, 1]), np.array([0, 1]), ("a", "b"), ("x",))
    assert padded.x[:, :, 0].tolist() == [[1, 1, 1], [1, 0, 0]]


def test_the_smallest_and_the_largest_number_are_allowed():
    assert [whole_number(1, 3)(text) for text in "13"] == [1, 3]
