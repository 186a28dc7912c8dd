"""A module that imports Lightning by its older name."""

import pytorch_lightning as pl
import torch


class Lit(pl.LightningModule):
    def __init__(self) -> None:
        super().__init__()
        self.fc = torch.nn.Linear(2, 2)

    def training_step(self, batch, batch_idx):
        loss = self.fc(batch[0]).square().mean()
        self.log("train_loss" if self.training else "val_loss", loss)
        return loss

    validation_step = training_step

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters())
