"""A user's own data module and network resume to the bit, whatever draws their random numbers."""

import random

import numpy as np
import pytest
import torch
from run_files import SMALL, epochs_in_log, result

from seqsweep.training.planned_run import PlannedRun, plan
from seqsweep.training.train import train

MODULE = '''\
import random

import lightning as L
import numpy as np
import torch
from lightning.pytorch.callbacks import Callback
from torch import nn
from torch.utils.data import DataLoader, Dataset, Subset, random_split


class Noisy(Dataset):
    """Sequences of two channels whose class is in their mean, with noise from three generators."""

    def __init__(self, size):
        draw = torch.Generator().manual_seed(0)
        self.y = torch.randint(3, (size,), generator=draw)
        self.x = torch.randn(size, 6, 2, generator=draw) + self.y[:, None, None]

    def __len__(self):
        return len(self.y)

    def __getitem__(self, index):
        noise = np.random.normal() + random.random() + torch.rand(()).item()
        return self.x[index] + 0.1 * noise, 6, self.y[index]


class Data(L.LightningDataModule):
    num_classes, input_size = 3, 2

    def __init__(self, num_workers: int = 0, persistent: bool = False):
        super().__init__()
        self.options = {"batch_size": 8, "num_workers": num_workers}
        self.options["persistent_workers"] = persistent

    def setup(self, stage):
        self.parts = random_split(Noisy(48), [24, 12, 12])

    def train_dataloader(self):
        half = Subset(self.parts[0], np.random.permutation(24)[:20].tolist())
        return DataLoader(half, shuffle=True, **self.options)

    def val_dataloader(self):
        return DataLoader(self.parts[1], **self.options)

    def test_dataloader(self):
        return DataLoader(self.parts[2], **self.options)


class Net(nn.Module):
    def __init__(self, input_size: int, num_classes: int):
        super().__init__()
        self.norm = nn.BatchNorm1d(input_size)
        self.fc = nn.Linear(input_size, num_classes)
        self.fc.bias.data += np.random.normal()

    def forward(self, x, lengths):
        x = self.norm(x.mean(dim=1))
        if self.training:
            x = nn.functional.dropout(x, 0.2) + 0.1 * np.random.normal() + 0.1 * random.random()
        return self.fc(x)


class Draws(Callback):
    """Draws where Lightning calls a callback and the module last, before it makes an iterator."""

    def on_train_epoch_start(self, trainer, pl_module):
        torch.rand(3), np.random.rand(), random.random()


class Stops(Callback):
    def on_train_epoch_end(self, trainer, pl_module):
        trainer.should_stop = trainer.current_epoch == 2
'''

OWN = (*SMALL, "engine=autograd", "trainer.max_epochs=5", "optimizer.lr=0.05")
CONFIGS = {
    "plain": ((), {}),
    "workers": ((), {"num_workers": 2}),
    "validated in the middle": (("trainer.val_check_interval=2",), {}),
    "seldom validated, workers": (("trainer.check_val_every_n_epoch=2",), {"num_workers": 1}),
    "accumulated": (("trainer.accumulate_grad_batches=2",), {}),
    "reloaded": (("trainer.reload_dataloaders_every_n_epochs=1",), {"num_workers": 1}),
    "max_steps": (("trainer.max_steps=13",), {}),
    "max_steps at the end of an epoch": (("trainer.max_steps=12",), {}),
    "drawing callback": (("+callbacks.draws._target_=MODULE.Draws",), {}),
}  # fmt: skip


@pytest.fixture(scope="module")
def module(tmp_path_factory):
    """The name of a module of the user's, in a folder of its own on the path."""
    folder = tmp_path_factory.mktemp("own")
    name = "resumed_module"
    (folder / f"{name}.py").write_text(MODULE)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        yield name


@pytest.fixture
def own(checked, module):
    """Plans a run with a data module and a network of the user's own."""

    def call(*overrides: str, **arguments: object) -> PlannedRun:
        config = checked(*OWN, *(text.replace("MODULE", module) for text in overrides))
        sections = {
            "data": {"_target_": f"{module}.Data", **arguments},
            "model": {"_target_": f"{module}.Net"},
        }
        return plan(config | sections)

    return call


def draw_from_all() -> None:
    torch.rand(5)
    np.random.rand(5)
    random.random()


@pytest.mark.sampled(3)
@pytest.mark.parametrize("name", CONFIGS)
def test_an_interrupted_run_equals_an_uninterrupted_one(own, ends_undisturbed, at, interrupt, name):
    """It is interrupted in its second epoch, and again in its fourth."""
    overrides, arguments = CONFIGS[name]
    member = own(*overrides, **arguments)
    for step in (5, 4):
        interrupt(member, at("on_train_batch_end", step))
        draw_from_all()  # what the program draws besides
    ends_undisturbed(member)


def test_a_run_that_a_callback_has_stopped_stays_stopped(own, ends_undisturbed, at, interrupt):
    """Lightning's EarlyStopping, and a callback that keeps no state; killed before the record."""
    lightning = (
        "+callbacks.stop._target_=lightning.pytorch.callbacks.EarlyStopping",
        "+callbacks.stop.monitor=val/loss", "+callbacks.stop.patience=1",
        "+callbacks.stop.min_delta=100",
    )  # fmt: skip
    for overrides in (lightning, ("+callbacks.stop._target_=MODULE.Stops",)):
        member = own(*overrides)
        interrupt(member, at("on_test_start", 1))
        outcome = ends_undisturbed(member)
        assert outcome.record["epochs"] < 5
        assert epochs_in_log(outcome.folder.path) == list(range(outcome.record["epochs"]))


def test_two_runs_are_equal_and_leave_the_generators_of_the_program(own, tmp_path):
    """A second training of the run is equal too, whatever the program has drawn before."""
    states: list[object] = []
    results: list[object] = []
    for n in range(2):
        draw_from_all()
        before = torch.get_rng_state().tolist(), str(np.random.get_state()), random.getstate()
        outcome = train(own(), tmp_path / str(n))
        after = torch.get_rng_state().tolist(), str(np.random.get_state()), random.getstate()
        assert before == after
        states.append(before)
        results.append(result(outcome.folder.path))
    assert states[0] != states[1]
    assert results[0] == results[1]


def test_the_number_of_workers_counts_because_a_dataset_may_draw_in_them(own, checked):
    assert own(num_workers=0).run_id != own(num_workers=2).run_id
    ours = [plan(checked(*SMALL, f"data.num_workers={n}")).run_id for n in (0, 2)]
    assert ours[0] == ours[1]


def test_workers_that_persist_are_named(own, tmp_path, capsys):
    train(own("trainer.max_epochs=1", num_workers=1, persistent=True), tmp_path)
    assert "persistent_workers=True: what a Dataset draws" in capsys.readouterr().err


def test_loading_at_other_epochs_is_refused_before_anything_starts(own, tmp_path):
    run = own("trainer.reload_dataloaders_every_n_epochs=2")
    with pytest.raises(ValueError, match="reload_dataloaders_every_n_epochs=2: must be 0 or 1"):
        train(run, tmp_path)
    assert not list(tmp_path.iterdir())
