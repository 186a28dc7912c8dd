import lightning as L
import torch
from torch import nn
from torchmetrics import MeanSquaredError


class Regressor(L.LightningModule):
    def __init__(self, input_size: int, num_targets: int, hidden: int = 16, lr: float = 0.01):
        super().__init__()
        self.save_hyperparameters()
        self.gru = nn.GRU(input_size, hidden, batch_first=True)
        self.head = nn.Linear(hidden, num_targets)
        self.rmse = nn.ModuleDict({s: MeanSquaredError(squared=False) for s in ("val", "test")})

    def forward(self, x, lengths):  # (B, T, F), zero after the lengths (B,)
        return self.head(self.gru(x)[0][torch.arange(len(x)), lengths - 1])  # (B, K)

    def training_step(self, batch, batch_idx):
        x, lengths, y = batch
        loss = nn.functional.mse_loss(self(x, lengths), y)
        self.log("train/mse", loss, on_step=False, on_epoch=True)
        return loss

    def evaluate(self, batch, split):
        x, lengths, y = batch
        self.rmse[split](self(x, lengths), y)
        self.log(f"{split}/rmse", self.rmse[split])

    def validation_step(self, batch, batch_idx):
        self.evaluate(batch, "val")

    def test_step(self, batch, batch_idx):
        self.evaluate(batch, "test")

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), self.hparams.lr)
