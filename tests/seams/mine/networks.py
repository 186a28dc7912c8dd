from torch import nn


class Mean(nn.Module):
    def __init__(self, input_size, num_classes):
        super().__init__()
        self.fc = nn.Linear(input_size, num_classes)

    def forward(self, x, lengths):  # (B, T, F), zero after the lengths (B,)
        products = (x[:, 1:] * x[:, :-1]).sum(1)  # of neighbouring steps
        return self.fc(products / lengths[:, None])
