"""Code of a user that imports `pytorch_lightning` gets the Lightning that trains its runs."""

import os
import subprocess
import sys

import pytest

import seqsweep
from seqsweep.config.instantiate import locate

pytestmark = pytest.mark.slow

SPAWNED = """\
import pytorch_lightning as pl
from small_modules import DataLoader, Loads, TensorDataset
class Rows(TensorDataset):
    def __getitem__(self, index):
        assert pl.__name__ == "lightning.pytorch"
        return super().__getitem__(index)

class Spawned(Loads, pl.LightningModule):
    def train_dataloader(self):
        options = {"multiprocessing_context": "spawn", "persistent_workers": True}
        return DataLoader(Rows(*self.data.tensors), 8, num_workers=1, **options)
"""


@pytest.fixture
def users(tmp_path, monkeypatch):
    """Writes a module of the user; its name is new, because Python keeps what it has imported."""
    monkeypatch.syspath_prepend(tmp_path)
    return lambda name, text: (tmp_path / f"{name}.py").write_text(text)


def test_both_names_of_lightning_lead_to_the_same_modules(users):
    users("both", "import lightning_fabric\nfrom pytorch_lightning.callbacks import Timer")
    assert locate("both.Timer", "model").__module__ == "lightning.pytorch.callbacks.timer"
    names = {"pytorch_lightning": "lightning.pytorch", "lightning_fabric": "lightning.fabric"}
    for other, name in names.items():
        assert sys.modules[other] is sys.modules[name]
        assert vars(sys.modules[name])["__spec__"].name == name


@pytest.mark.durability
def test_a_worker_that_is_spawned_imports_the_same_lightning(users, tmp_path):
    users("spawned", SPAWNED)
    (tmp_path / "model").mkdir()
    (tmp_path / "model/own.yaml").write_text("_target_: spawned.Spawned")
    words = [f"hydra.searchpath=[{tmp_path}]", f"output_dir={tmp_path}", "trainer.max_epochs=1"]
    assert seqsweep.train(["model=own", "trainer.accelerator=cpu", *words])["metrics"]["fit"] > 0


@pytest.mark.parametrize("order", ["0", "1"])  # of the names in a set
def test_a_class_of_another_lightning_that_is_in_use_is_refused(order, users, tmp_path):
    for package in ("pytorch_lightning", "lightning_fabric"):
        (tmp_path / package).mkdir()
    users("lightning_fabric/__init__", "class Module: pass")
    users("pytorch_lightning/__init__", "")
    users("pytorch_lightning/core", "import lightning_fabric as f\nclass Lit(f.Module): pass")
    call = "seqsweep.compose('model._target_=pytorch_lightning.core.Lit')"
    words = [sys.executable, "-c", f"import pytorch_lightning, seqsweep; {call}"]
    folders = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    found = os.environ | {"PYTHONPATH": folders, "PYTHONHASHSEED": order}
    ended = subprocess.run(words, cwd=tmp_path, env=found, capture_output=True, text=True)
    assert "Lit: is a class of pytorch_lightning, because the program imported" in ended.stderr
    assert "import lightning.pytorch or lightning.fabric there instead" in ended.stderr
