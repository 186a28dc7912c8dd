"""Trains small runs and prints a hash of each, for scripts/native_check.py.

    python scripts/native_runs.py

A hash covers metrics.csv, the record's status and metrics, the weights of the best and of the last
epoch, the optimizer's moments, and the probabilities that the loaded run gives to some inputs.
"""

import hashlib
import itertools
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path

import torch

from seqsweep import compose, load_run
from seqsweep.training.checkpoint_files import load_sealed
from seqsweep.training.planned_run import plan
from seqsweep.training.train import train_pool
from seqsweep.using.load import Inputs

ALL = ("trainer=cpu", "logger=csv", "trainer.max_epochs=3", "model.num_layers=2")
MADE = (
    "data=frequencies", "data.source={num_train:40,num_val:20,num_test:20,length:12}",
    "data.transform={jitter:0.1,time_mask:2}", "data.batch_size=16", "model.hidden_size=33",
    "model.dropout=0.3", "scheduler=cosine", "scheduler.warmup_epochs=1",
)  # fmt: skip
READ = (
    "data=japanese_vowels", "data.batch_size=64", "model.hidden_size=9", "optimizer=rmsprop",
    "model.bidirectional=true", "loss.class_weights=balanced", "scheduler=plateau",
    "scheduler.patience=0", "data.transform={downsample:2}",
)  # fmt: skip


def overrides() -> Iterator[tuple[str, ...]]:
    """Yields the arguments of each run."""
    for cell, init in itertools.product(("rnn", "gru", "lstm"), ("uniform", "orthogonal")):
        yield *ALL, *MADE, f"model.cell={cell}", f"model.recurrent_init={init}"
    for cell in ("indrnn", "mingru", "minlstm", "lru"):
        yield *ALL, *MADE, f"model.cell={cell}"
    yield *ALL, *READ


def main() -> None:
    torch.set_num_threads(1)
    runs = [plan(compose(each)) for each in overrides()]
    with tempfile.TemporaryDirectory() as folder:
        # Each pool has its own data.
        for pool in (runs[:-1], runs[-1:]):
            train_pool(pool, Path(folder), 1)
        for run in runs:
            print(f"run {run.run_id} {hash_of(Path(folder, run.run_id))}")


def hash_of(run: Path) -> str:
    """Returns the hash of a finished run; fails if the run has no record."""
    record = json.loads((run / "record.json").read_text(encoding="utf-8"))
    digest = hashlib.sha256((run / "metrics.csv").read_bytes())
    digest.update(json.dumps([record["status"], record["metrics"]], sort_keys=True).encode())
    best, last = (load_sealed(run / "checkpoints" / f"{name}.ckpt") for name in ("best", "last"))
    for tensors in (best["state_dict"], last["state_dict"], last["optimizer"]):
        for name in sorted(tensors):
            digest.update(tensors[name].numpy().tobytes())
    loaded = load_run(run)
    x = torch.arange(5 * 6 * len(loaded.channel_names)).remainder(7).view(5, 6, -1) / 3.0
    digest.update(loaded.apply(Inputs(x, torch.tensor([6, 1, 4, 6, 2]))).tobytes())
    return digest.hexdigest()[:16]


if __name__ == "__main__":
    main()
