"""A project in the layout of lightning-hydra-template runs as it is, with all of its names."""

import shlex

import pytest
import yaml

pytestmark = pytest.mark.slow

MODULE = """
import lightning as L
import torch
from torch.utils.data import DataLoader, TensorDataset

class Lit(L.LightningModule):
    def __init__(self, net, optimizer, scheduler, compile):
        super().__init__()
        self.save_hyperparameters(logger=False)
        self.net = net
    def training_step(self, batch, batch_idx):
        loss = torch.nn.functional.mse_loss(self.net(batch[0]), batch[1])
        self.log("train/loss", loss)
        return loss
    def validation_step(self, batch, batch_idx):
        self.log("val/loss", torch.nn.functional.mse_loss(self.net(batch[0]), batch[1]))
    def configure_optimizers(self):
        return self.hparams.optimizer(params=self.parameters())

class Data(L.LightningDataModule):
    def __init__(self, data_dir="data/", batch_size=8):
        super().__init__()
        self.data_dir, self.batch_size = data_dir, batch_size
    def setup(self, stage):
        x = torch.randn(16, 2, generator=torch.Generator().manual_seed(1))
        self.rows = TensorDataset(x, x.sum(1, keepdim=True))
    def train_dataloader(self):
        return DataLoader(self.rows, self.batch_size)
    val_dataloader = train_dataloader
"""
CALLBACKS = "lightning.pytorch.callbacks."
LOGGERS = "lightning.pytorch.loggers."
STOP = {"_target_": f"{CALLBACKS}EarlyStopping", "monitor": "???"}
BEST = {"_target_": f"{CALLBACKS}ModelCheckpoint", "dirpath": None}
CONFIGS = {
    "train": {"defaults": ["_self_", {"model": "lit"}], "task_name": "train", "tags": ["dev"]},
    "model/lit": {
        "_target_": "src.lit.Lit",
        "optimizer": {"_target_": "torch.optim.SGD", "_partial_": True, "lr": 0.1},
        "scheduler": None,
        "net": {"_target_": "torch.nn.Linear", "in_features": 2, "out_features": 1},
        "compile": False,
    },
    "data/lit": {"_target_": "src.lit.Data", "data_dir": "${paths.work_dir}/${paths.data_dir}"},
    "callbacks/default": {
        "defaults": ["model_checkpoint", "early_stopping", "model_summary", "_self_"],
        "model_checkpoint": {"dirpath": "${paths.output_dir}/checkpoints", "save_last": True},
        "early_stopping": {"patience": 100},
    },
    "callbacks/early_stopping": {"early_stopping": STOP},
    "callbacks/model_checkpoint": {"model_checkpoint": BEST},
    "callbacks/model_summary": {"model_summary": {"_target_": f"{CALLBACKS}ModelSummary"}},
    "logger/csv": {"csv": {"_target_": f"{LOGGERS}CSVLogger", "save_dir": "${paths.log_dir}"}},
    "logger/tensorboard": {"tensorboard": {"_target_": f"{LOGGERS}TensorBoardLogger"}},
    "logger/wandb": {"wandb": {"_target_": f"{LOGGERS}wandb.WandbLogger", "group": ""}},
    "logger/mlflow": {"mlflow": {"_target_": f"{LOGGERS}mlflow.MLFlowLogger"}},
    "logger/two": {"defaults": ["csv", "mlflow"]},
    "trainer/cpu": {"accelerator": "cpu", "max_epochs": 77},
    "trainer/gpu": {"accelerator": "gpu", "max_epochs": 77},
    "trainer/ddp": {"strategy": "ddp"},
    "trainer/default": {
        "_target_": "lightning.pytorch.trainer.Trainer",
        "default_root_dir": "${paths.output_dir}",
        "max_epochs": 77,
    },
    "trainer/mps": {"defaults": ["default"], "accelerator": "mps"},
    "debug/overfit": {"trainer": {"overfit_batches": 3}},
    "debug/profiler": {"trainer": {"profiler": "pytorch"}},
    "experiment/example": {
        "defaults": [{"override /model": "lit"}, {"override /data": "lit"},
                     {"override /callbacks": "default"}, {"override /trainer": "default"}],
        "seed": 5,
        "trainer": {"max_epochs": 1},
    },
}  # fmt: skip
RUN = ("train", "--config-dir", "configs", "model=lit", "data=lit")


@pytest.fixture(autouse=True)
def project(tmp_path):
    (tmp_path / "src").mkdir()
    (tmp_path / "src/__init__.py").write_text("")
    (tmp_path / "src/lit.py").write_text(MODULE)
    for name, content in CONFIGS.items():
        path = tmp_path / f"configs/{name}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        is_global = name.startswith(("experiment", "debug"))
        path.write_text("# @package _global_\n" * is_global + yaml.safe_dump(content))
    return tmp_path


def test_it_trains_with_no_file_moved_and_no_line_changed(seqsweep, project):
    done = seqsweep(*RUN, "trainer=cpu", "trainer.max_epochs=1")
    assert done.code == 0 and done.err == ""  # no note comes with every command
    (saved,) = project.glob("outputs/runs/default/*/config.yaml")
    config = yaml.safe_load(saved.read_text())
    assert config["data"]["data_dir"] == "./data/" and "paths" not in config
    example = seqsweep("train", "--config-dir", "configs", "experiment=example")
    assert example.code == 0
    line = "callbacks.early_stopping: left out; seqsweep keeps the best and the last checkpoint"
    assert line in example.err and "callbacks.model_checkpoint: left out" in example.err


def shown(seqsweep, *words):
    done = seqsweep(*RUN, *words, "--cfg", "job")
    assert done.code == 0, done.err
    return yaml.safe_load(done.out)


@pytest.mark.parametrize(
    ("words", "callbacks", "loggers"),
    [
        ("", {"checkpoint"}, {"tensorboard", "csv"}),
        ("callbacks=default", {"checkpoint", "model_summary"}, {"tensorboard", "csv"}),
        ("callbacks=early_stopping", {"checkpoint", "early_stopping"}, {"tensorboard", "csv"}),
        ("logger=two experiment=example", {"checkpoint", "model_summary"}, {"csv", "mlflow"}),
        ("logger=wandb", {"checkpoint"}, {"wandb"}),
    ],
)
def test_a_typed_choice_reads_their_file_and_ours_stays_beside_their_callbacks(
    seqsweep, words, callbacks, loggers
):
    config = shown(seqsweep, *words.split())
    assert config["callbacks"].keys() == callbacks and config["logger"].keys() == loggers
    assert config["callbacks"]["checkpoint"]["_target_"].endswith("BestAndLast")
    stop = config["callbacks"].get("early_stopping", {"_target_": "EarlyStop"})
    assert stop["_target_"].endswith("EarlyStop") and "patience" in {"patience", *stop}
    theirs = "logger=" in words
    assert theirs == all(t["_target_"].startswith("lightning") for t in config["logger"].values())


def test_the_trainer_stays_ours_and_a_sweep_reads_what_a_run_reads(seqsweep):
    assert shown(seqsweep, "trainer=cpu")["trainer"]["max_epochs"] == 30
    planned = seqsweep("plan", *RUN[1:], "trainer.max_epochs=1", "logger=csv,two", "seed=0,1")
    assert planned.code == 0 and "2 runs" in planned.out  # a logger decides no result


@pytest.mark.sampled(4)
@pytest.mark.parametrize(
    ("words", "answer"),
    [
        ("hparams_search=optuna", "hydra/sweeper=optuna"),
        ("local=default", "values are keys of the command line"),
        ("extras=default", "--cfg job prints the config"),
        ("task_name=mine", "name=mine"),
        ("tags=[a]", "name=NAME and sweep.name=NAME choose the folder"),
        ("debug=fdr", "debug=fast_dev_run"),
        ("trainer=mps", "trainer=gpu"),
        ("+trainer.precision=16", "trainer.precision=VALUE without a plus sign"),
        ("debug=overfit task_name=x", "trainer.overfit_batches=3"),
        ("ckpt_path=a.ckpt", "an interrupted run resumes by itself"),
        ("paths.output_dir=elsewhere", "output_dir=elsewhere"),
    ],
)
def test_words_of_the_template_are_answered_in_its_folder_too(seqsweep, project, words, answer):
    for group in ("hparams_search", "local", "extras"):
        (project / f"configs/{group}").mkdir()
        (project / f"configs/{group}/default.yaml").write_text("{}\n")
    (project / "configs/hparams_search/optuna.yaml").write_text("{}\n")
    (project / "configs/debug/fdr.yaml").write_text("# @package _global_\ntask_name: debug\n")
    done = seqsweep(*RUN, *shlex.split(words))
    assert done.code == 2 and answer in done.err and len(done.err.splitlines()) == 1
    compiled = seqsweep(*RUN, "model.compile=true", "model.nothing=1")
    assert "native is compiled" not in compiled.err and "model.nothing: no such key" in compiled.err
    assert not (project / "outputs").exists()
