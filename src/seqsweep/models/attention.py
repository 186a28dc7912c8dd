"""Attention pooling: a weighted mean of the outputs of the recurrent layers.

B batch, T time steps, H hidden, D directions.
"""

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pad_packed_sequence


class AttentionPooling(nn.Module):
    """Averages outputs over the valid steps, with weights that a learned query gives.

    A step with output h has the score q . tanh(W h + b), and the weights are the softmax of the
    scores: Yang et al. 2016 (Hierarchical Attention Networks for Document Classification, NAACL),
    equations 5 to 7. `projection` is W and b, `query` is q. A step of padding has the weight 0.

    Args:
        width: D*H.

    Shape:
        outputs (B, T, D*H) or packed -> (B, D*H).
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.projection = nn.Linear(width, width)
        self.query = nn.Linear(width, 1, bias=False)

    def forward(self, output: Tensor | PackedSequence) -> Tensor:
        if isinstance(output, Tensor):
            return self._mean(output, self._scores(output))
        padded, lengths = pad_packed_sequence(output, batch_first=True)
        valid = torch.arange(padded.shape[1]) < lengths[:, None]  # (B, T), on the CPU as lengths
        scores = self._scores(padded).masked_fill(~valid.to(padded.device), float("-inf"))
        return self._mean(padded, scores)

    def _scores(self, output: Tensor) -> Tensor:
        return self.query(self.projection(output).tanh()).squeeze(2)  # (B, T)

    def _mean(self, output: Tensor, scores: Tensor) -> Tensor:
        weights = scores.softmax(dim=1)
        return (weights.unsqueeze(1) @ output).squeeze(1)  # (B, 1, T) @ (B, T, D*H)
