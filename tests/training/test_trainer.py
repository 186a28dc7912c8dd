"""The Trainer of a run: Lightning's arguments act, and a cluster's variables do not."""

from typing import Any

import pytest
import torch
from lightning.fabric.plugins.environments.lightning import LightningEnvironment
from lightning.pytorch.utilities import rank_zero_only
from run_files import SMALL, rows

from seqsweep.errors import RunFailed
from seqsweep.training.train import check_parts, train
from seqsweep.training.trainer import build_trainer

BASE = (*SMALL, "trainer.max_epochs=4")
CLUSTERS = {
    "slurm": {"SLURM_NTASKS": "4", "SLURM_JOB_ID": "1", "SLURM_JOB_NAME": "job",
              "SLURM_PROCID": "3", "SLURM_LOCALID": "3", "SLURM_NODEID": "0"},
    "torchrun": {"TORCHELASTIC_RUN_ID": "1", "RANK": "1", "LOCAL_RANK": "1", "WORLD_SIZE": "2",
                 "GROUP_RANK": "0", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "29400"},
}  # fmt: skip


@pytest.mark.parametrize("cluster", CLUSTERS)
def test_a_run_is_one_process_whatever_a_cluster_says(cluster, tmp_path, monkeypatch):
    for name, value in CLUSTERS[cluster].items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(rank_zero_only, "rank", 1)  # as Lightning reads it when it is imported
    trainer = build_trainer(1, "cpu", folder=tmp_path, logger=[], callbacks=[])
    environment: Any = trainer._accelerator_connector.cluster_environment
    assert isinstance(environment, LightningEnvironment)
    assert (trainer.world_size, trainer.global_rank, trainer.is_global_zero) == (1, 0, True)
    assert rank_zero_only.rank == 0  # pyright: ignore[reportFunctionMemberAccess]


def test_max_steps_and_max_time_end_a_run(planned, tmp_path):
    record = train(planned("trainer.max_steps=4"), tmp_path).record
    assert (record.steps, record.epochs) == (4, 2)
    with pytest.raises(RunFailed, match="max_time or max_steps ended the run in its first epoch"):
        train(planned(r"trainer.max_time=00\:00\:00\:00"), tmp_path)
    with pytest.raises(RunFailed, match="val_check_interval"):  # which Lightning refuses later
        train(planned("trainer.val_check_interval=50"), tmp_path)


def test_more_validation_changes_nothing_but_what_is_logged(planned, tmp_path):
    given = ("engine=autograd", "trainer.val_check_interval=1", "trainer.num_sanity_val_steps=1")
    folders = [train(planned(word), tmp_path).folder.path for word in given]
    assert len({(folder / "metrics.csv").read_bytes() for folder in folders}) == 1


@pytest.mark.parametrize(
    ("override", "message"),
    [
        (r"trainer.max_time=00\:01", "trainer: `Timer"),
        ("+callbacks.checkpoint.dirpath=a", "callbacks.checkpoint.dirpath=a: cannot be set"),
        ("scheduler=cosine scheduler.min_lr=1", "scheduler.min_lr=1.0: must be at least 0 and at"),
        (
            "scheduler=plateau trainer.check_val_every_n_epoch=5",
            r"scheduler.monitor='val/acc': must be one of train/acc, train/f1, train/loss "
            r"\(trainer.check_val_every_n_epoch=5 and trainer.max_epochs=4\)",
        ),
        (
            "+scheduler._target_=torch.optim.lr_scheduler.ReduceLROnPlateau",
            "scheduler.mode=min: must be max for monitor=val/acc",
        ),
    ],
)
@pytest.mark.parametrize("engine", ["auto", "autograd"])
def test_what_could_not_act_is_refused(override, message, engine, planned, tmp_path):
    with pytest.raises(ValueError, match=f"^{message}"):
        check_parts(planned(*override.split(), f"engine={engine}"), tmp_path)


@pytest.mark.parametrize(("monitor", "mode"), [("val/loss", "min"), ("val/acc", "max")])
@pytest.mark.parametrize("engine", ["native", "autograd"])
def test_plateau_is_torchs_and_counts_validations(engine, monitor, mode: Any, planned, tmp_path):
    """Better is higher for an accuracy; an epoch without a validation has nothing new to see."""
    member = planned(
        "scheduler=plateau", "scheduler.patience=0", "scheduler.factor=0.5", f"monitor={monitor}",
        "trainer.check_val_every_n_epoch=2", "trainer.max_epochs=9", "optimizer.lr=0.5",
        f"engine={engine}",
    )  # fmt: skip
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=0.5)
    scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, mode, 0.5, patience=0)
    for row in rows(train(member, tmp_path).folder.path):
        assert float(row["lr"]) == optimizer.param_groups[0]["lr"]
        if row[monitor]:
            scheduler.step(float(row[monitor]))
    assert optimizer.param_groups[0]["lr"] < 0.5
