"""LightningModules and their data in the styles of public ones, and what is promised of each.

Not one line of them is for seqsweep.
"""

from collections.abc import Callable
from typing import Any

import lightning as L
import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.rnn import pad_sequence
from torch.optim.lr_scheduler import ReduceLROnPlateau, StepLR
from torch.utils.data import DataLoader, Dataset, TensorDataset, default_collate, random_split
from torchmetrics import AUROC, Accuracy, F1Score, MaxMetric, MeanMetric, MetricCollection


class SplitData(L.LightningDataModule):
    """Splits a dataset in three; the order of its batches is left to the global generators."""

    collate: Any = None

    def __init__(self, batch_size: int = 8, num_workers: int = 0) -> None:
        super().__init__()
        self.batch_size, self.num_workers = batch_size, num_workers

    def dataset(self, draw: torch.Generator) -> Dataset[Any]:
        raise NotImplementedError

    def setup(self, stage: str) -> None:
        data = self.dataset(torch.Generator().manual_seed(1))
        split = torch.Generator().manual_seed(42)
        self.parts = random_split(data, [0.5, 0.25, 0.25], split)

    def loader(self, part: Any, shuffle: bool = False) -> DataLoader[Any]:
        options: Any = {"num_workers": self.num_workers, "collate_fn": self.collate}
        return DataLoader(part, self.batch_size, shuffle=shuffle, **options)

    def train_dataloader(self) -> DataLoader[Any]:
        return self.loader(self.parts[0], shuffle=True)

    def val_dataloader(self) -> DataLoader[Any]:
        return self.loader(self.parts[1])

    def test_dataloader(self) -> DataLoader[Any]:
        return self.loader(self.parts[2])


class ClassifyData(SplitData):
    def dataset(self, draw: torch.Generator) -> Dataset[Any]:
        y = torch.randint(3, (64,), generator=draw)
        return TensorDataset(torch.randn(64, 6, 2, generator=draw) + y[:, None, None], y)


class GRUNet(nn.Module):
    def __init__(self, hidden_size: int = 8, num_classes: int = 3, dropout: float = 0.2) -> None:
        super().__init__()
        self.gru = nn.GRU(2, hidden_size, batch_first=True)
        self.head = nn.Sequential(nn.Dropout(dropout), nn.Linear(hidden_size, num_classes))

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.gru(x)[0][:, -1])


class ClassifyLit(L.LightningModule):
    """A classifier as in lightning-hydra-template, which gets its optimizer as a partial."""

    def __init__(
        self,
        net: nn.Module,
        optimizer: Callable[..., Any],
        scheduler: Callable[..., Any] | None = None,
        num_classes: int = 3,
    ) -> None:
        super().__init__()
        self.save_hyperparameters(logger=False, ignore=["net"])
        self.net = net
        self.train_acc: Any = Accuracy("multiclass", num_classes=num_classes)
        self.val_acc, self.test_acc = self.train_acc.clone(), self.train_acc.clone()
        self.train_loss, self.val_loss, self.val_acc_best = MeanMetric(), MeanMetric(), MaxMetric()

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x)

    def on_train_start(self) -> None:
        # Lightning validates before it trains, and that must not count.
        for metric in (self.val_loss, self.val_acc, self.val_acc_best):
            metric.reset()

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        logits = self(batch[0])
        loss = F.cross_entropy(logits, batch[1])
        self.train_loss(loss)
        self.train_acc(logits, batch[1])
        self.log("train_loss", self.train_loss, on_step=False, on_epoch=True, prog_bar=True)
        self.log("train_acc", self.train_acc, on_step=False, on_epoch=True, prog_bar=True)
        return loss

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        logits = self(batch[0])
        self.val_loss(F.cross_entropy(logits, batch[1]))
        self.val_acc(logits, batch[1])
        self.log("val_loss", self.val_loss, on_step=False, on_epoch=True, prog_bar=True)
        self.log("val_acc", self.val_acc, on_step=False, on_epoch=True, prog_bar=True)

    def on_validation_epoch_end(self) -> None:
        self.val_acc_best(self.val_acc.compute())
        self.log("val_acc_best", self.val_acc_best.compute(), sync_dist=True, prog_bar=True)

    def test_step(self, batch: Any, batch_idx: int) -> None:
        self.test_acc(self(batch[0]), batch[1])
        self.log("test_acc", self.test_acc, on_step=False, on_epoch=True)

    def configure_optimizers(self) -> Any:
        optimizer = self.hparams["optimizer"](params=self.parameters())
        if self.hparams["scheduler"] is None:
            return {"optimizer": optimizer}
        scheduler = self.hparams["scheduler"](optimizer=optimizer)
        plan = {"scheduler": scheduler, "monitor": "val_loss", "interval": "epoch", "frequency": 1}
        return {"optimizer": optimizer, "lr_scheduler": plan}


class BinaryData(SplitData):
    def dataset(self, draw: torch.Generator) -> Dataset[Any]:
        y = (torch.rand(64, 1, generator=draw) < 0.3).float()
        return TensorDataset(torch.randn(64, 5, 3, generator=draw) + y[:, None] / 3, y)


class BinaryLit(L.LightningModule):
    """One logit with `pos_weight`; the rate falls after each epoch that does not halve val_loss."""

    def __init__(self, hidden_size: int = 8, lr: float = 0.05, pos_weight: float = 2.0) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.lstm, self.fc = nn.LSTM(3, hidden_size, batch_first=True), nn.Linear(hidden_size, 1)
        self.criterion = nn.BCEWithLogitsLoss(pos_weight=torch.tensor(pos_weight))
        self.auroc: Any = AUROC("binary")

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(F.dropout(self.lstm(x)[1][0][-1], 0.1, self.training))

    def training_step(self, batch: Any, batch_idx: int) -> dict[str, Tensor]:
        loss = self.criterion(self(batch[0]), batch[1])
        self.log("train_loss", loss, on_step=True, on_epoch=True)
        return {"loss": loss}

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        logits, y = self(batch[0]), batch[1]
        self.auroc.update(logits.sigmoid(), y.int())
        self.log_dict({"val_loss": self.criterion(logits, y), "val_auroc": self.auroc})

    def configure_optimizers(self) -> Any:
        optimizer = torch.optim.Adam(self.parameters(), lr=self.hparams["lr"])
        self.plan = ReduceLROnPlateau(optimizer, factor=0.3, patience=0, threshold=0.5)
        return {"optimizer": optimizer, "lr_scheduler": self.plan, "monitor": "val_loss"}


def with_noise(batch: list[Any]) -> tuple[Tensor, Tensor]:
    """Adds noise from numpy's global generator."""
    x, y = default_collate(batch)
    return x + torch.from_numpy(np.random.normal(0, 0.1, x.shape)).float(), y


class ManualData(ClassifyData):
    collate = staticmethod(with_noise)

    def __init__(self, batch_size: int = 8, num_workers: int = 2) -> None:
        super().__init__(batch_size, num_workers)


class ManualLit(L.LightningModule):
    """A classifier and a decoder, each with its optimizer and scheduler, which it steps itself."""

    def __init__(self, hidden_size: int = 8, lr: float = 0.02, dropout: float = 0.3) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.automatic_optimization = False
        self.encoder = nn.GRU(2, hidden_size, batch_first=True)
        layers = nn.BatchNorm1d(hidden_size), nn.Dropout(dropout), nn.Linear(hidden_size, 3)
        self.classifier, self.decoder = nn.Sequential(*layers), nn.Linear(hidden_size, 2)
        self.validation_outputs: list[Any] = []

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.encoder(x)[1][-1])

    def training_step(self, batch: Any, batch_idx: int) -> None:
        optimizers: Any = self.optimizers()
        for optimizer, name in zip(optimizers, ("class", "decoder"), strict=True):
            x, y = batch
            is_class = name == "class"
            out = self(x) if is_class else self.decoder(self.encoder(x)[0])
            loss = F.cross_entropy(out, y) if is_class else F.mse_loss(out, x)
            optimizer.zero_grad()
            self.manual_backward(loss)
            optimizer.step()
            self.log(f"{name}_loss", loss, prog_bar=True)

    def on_train_epoch_end(self) -> None:
        schedulers: Any = self.lr_schedulers()
        schedulers[0].step()
        schedulers[1].step(self.trainer.callback_metrics["decoder_loss"])

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        self.validation_outputs.append((self(batch[0]), batch[1]))

    def on_validation_epoch_end(self) -> None:
        logits, y = (torch.cat(parts) for parts in zip(*self.validation_outputs, strict=True))
        self.validation_outputs.clear()
        self.log("ts_val_loss", F.cross_entropy(logits, y))
        self.log("ts_val_accuracy", (logits.argmax(1) == y).float().mean())

    def configure_optimizers(self) -> Any:
        shared, lr = [*self.encoder.parameters()], self.hparams["lr"]
        first = torch.optim.Adam([*shared, *self.classifier.parameters()], lr=lr)
        second = torch.optim.SGD([*shared, *self.decoder.parameters()], lr=lr, momentum=0.9)
        return [first, second], [StepLR(first, 2, gamma=0.5), ReduceLROnPlateau(second)]


def pad(batch: list[Any]) -> tuple[Tensor, Tensor]:
    x, y = ([item[part] for item in batch] for part in (0, 1))
    return pad_sequence(x, True), pad_sequence(y, True, padding_value=-100)


class TagData(SplitData):
    collate = staticmethod(pad)

    def dataset(self, draw: torch.Generator) -> Any:
        lengths = torch.randint(3, 9, (64,), generator=draw).tolist()
        sequences = [torch.randn(length, 2, generator=draw) for length in lengths]
        return [(x, (x.cumsum(0).sum(1) > 0).long()) for x in sequences]


class TagLit(L.LightningModule):
    """A tag for each step of a padded batch."""

    def __init__(self, hidden_size: int = 8, lr: float = 0.03) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.rnn = nn.GRU(2, hidden_size, batch_first=True, bidirectional=True)
        self.head = nn.Linear(2 * hidden_size, 2)
        self.accuracy: Any = Accuracy("multiclass", num_classes=2, ignore_index=-100)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(F.dropout(self.rnn(x)[0], 0.2, self.training))

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        loss = F.cross_entropy(self(batch[0]).transpose(1, 2), batch[1])
        self.log("train/loss", loss)
        return loss

    def evaluate(self, batch: Any, stage: str) -> None:
        logits = self(batch[0]).transpose(1, 2)
        self.accuracy(logits, batch[1])
        self.log(f"{stage}/loss", F.cross_entropy(logits, batch[1]), batch_size=len(batch[0]))
        self.log(f"{stage}/acc", self.accuracy, on_epoch=True, batch_size=len(batch[0]))

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        self.evaluate(batch, "val")

    def test_step(self, batch: Any, batch_idx: int) -> None:
        self.evaluate(batch, "test")

    def configure_optimizers(self) -> Any:
        return torch.optim.SGD(self.parameters(), lr=self.hparams["lr"], momentum=0.9)


class Collected(TagLit):
    def __init__(self) -> None:
        super().__init__()
        f1: Any = F1Score("multiclass", num_classes=2, ignore_index=-100)
        self.scores = MetricCollection({"acc": self.accuracy, "f1": f1}, prefix="val/")

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        self.scores.update(self(batch[0]).transpose(1, 2), batch[1])
        self.log_dict(self.scores)  # pyright: ignore


class Configured(TagLit):
    """Makes a lazy layer, which `setup` gives its sizes, and another in `configure_model`."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.LazyLinear(2)

    def setup(self, stage: str) -> None:
        self(torch.zeros(1, 3, 2))

    def configure_model(self) -> None:
        if not hasattr(self, "more"):
            self.more = nn.Linear(2, 2)


class Loading(TagLit):
    data = TagData()

    def train_dataloader(self) -> Any:
        self.data.setup("fit")
        return self.data.train_dataloader()

    def val_dataloader(self) -> Any:
        return [self.data.val_dataloader(), self.data.test_dataloader()]

    def validation_step(self, batch: Any, batch_idx: int, dataloader_idx: int = 0) -> None:
        super().validation_step(batch, batch_idx)


STYLES = {  # a class, after it what else makes the style: the words of a run, its monitor's mode
    "ClassifyLit of partials": ("model=classify data=classify monitor=val_acc", "max"),
    "BinaryLit by step and epoch": ("data=binary monitor=val_auroc", "max"),
    "ManualLit": ("data=manual monitor=ts_val_loss", "min"),
    "TagLit": ("data=tag monitor=val/acc", "max"),
    "Lit of pytorch_lightning": ("model=tag model._target_=older_lightning.Lit data=tag", None),
    "Collected": ("data=tag monitor=val/f1", "max"),
    "Configured": ("data=tag", None),
    "Loading": ("monitor=val/loss/dataloader_idx_1", "min"),
}
