"""Networks of a user's own, for the target `own_network.Mean` and others."""

import torch
from torch import Tensor, nn


class Mean(nn.Module):
    def __init__(self, input_size: int, num_classes: int) -> None:
        super().__init__()
        self.fc = nn.Linear(input_size, num_classes)

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        return self.fc(x.sum(dim=1) / lengths[:, None])


class Normed(Mean):
    """A network that is normalised over the batch."""

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        return nn.functional.batch_norm(super().forward(x, lengths), None, None, training=True)


class Noisy(Mean):
    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        return super().forward(x, lengths) * torch.rand(())
