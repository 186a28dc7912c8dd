"""A network of a user's own, for the target `own_network.Mean`."""

import lightning as L
from torch import Tensor, nn


class Mean(nn.Module):
    def __init__(self, input_size: int, num_classes: int) -> None:
        super().__init__()
        self.fc = nn.Linear(input_size, num_classes)

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        return self.fc(x.sum(dim=1) / lengths[:, None])


class Lit(L.LightningModule):
    """A module that would train itself."""

    def __init__(self, input_size: int, num_classes: int) -> None:
        super().__init__()
        self.inner = Mean(input_size, num_classes)

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        return self.inner(x, lengths)


def lit(input_size: int, num_classes: int) -> nn.Module:
    return Lit(input_size, num_classes)
