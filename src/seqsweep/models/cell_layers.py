"""Runs the layers and directions of a cell, in a plain loop for any device.

B batch, T time steps, S valid steps in the whole batch, I inputs of a layer, F features, H hidden,
L layers, D directions, A and N numbers of a step and of a state (see `models.cell`).
"""

import sys
import traceback
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence

from seqsweep.models.cell import Cell
from seqsweep.models.cells import cell_name
from seqsweep.seeding import drawing_from


class CellLayers(nn.Module):
    """Runs the layers and directions of a cell, as `torch.nn.RNN` with `batch_first=True` does.

    Its parameters have the names of the cell's `shapes` with torch's endings: `_l0`, `_l0_reverse`,
    `_l1` and so on. The first state of every sequence is 0. The reverse direction reads the valid
    steps of each sequence from the last one.

    Args:
        cell: the class of the cell.
        input_size: number of features of a step, F.
        hidden_size: number of units of a layer and direction, H.
        num_layers: number of layers, L.
        dropout: probability of zeroing an output of a layer other than the last.
        bidirectional: adds the reverse direction.
        options: further arguments of the class by their names.

    Shape:
        x (B, T, F) or packed -> outputs (B, T, D*H) or packed, and the outputs at the last step
        that each layer and direction reads, (L*D, B, H).
    """

    def __init__(
        self,
        cell: type[Cell],
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        dropout: float = 0.0,
        bidirectional: bool = False,
        options: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        self.cell = cell
        self.input_size, self.hidden_size, self.num_layers = input_size, hidden_size, num_layers
        self.bidirectional, self.dropout = bidirectional, dropout
        self.options = dict(options or {})
        for inputs, ending in self.lanes():
            for name, shape in cell.shapes(inputs, hidden_size).items():
                self.register_parameter(name + ending, nn.Parameter(torch.empty(shape)))
        self.reset_parameters()

    @torch.no_grad()
    def reset_parameters(self) -> None:
        """Draws the first weights of all layers and directions, as the constructor does."""
        for inputs, ending in self.lanes():
            for name, values in self.cell.first_weights(inputs, self.hidden_size).items():
                self.get_parameter(name + ending).copy_(torch.as_tensor(values))

    def lanes(self) -> Iterator[tuple[int, str]]:
        """Yields the inputs and the ending of the parameters of each layer and direction."""
        endings = ("", "_reverse") if self.bidirectional else ("",)
        for layer in range(self.num_layers):
            inputs = self.hidden_size * len(endings) if layer else self.input_size
            for ending in endings:
                yield inputs, f"_l{layer}{ending}"

    def weights(self, ending: str) -> dict[str, Tensor]:
        """Returns the weights of one layer and direction by their names in `shapes`."""
        names = self.cell.shapes(self.input_size, self.hidden_size)
        return {name: getattr(self, name + ending) for name in names}

    def forward(self, x: Tensor | PackedSequence) -> tuple[Tensor | PackedSequence, Tensor]:
        packed = x
        if isinstance(x, Tensor):
            lengths = torch.full((len(x),), x.shape[1])
            packed = pack_padded_sequence(x, lengths, batch_first=True)
        assert isinstance(packed, PackedSequence)
        data, sizes = packed.data, packed.batch_sizes.tolist()
        mirrored = _mirrored_rows(sizes).to(data.device) if self.bidirectional else None
        outputs: list[Tensor] = []
        finals: list[Tensor] = []
        for _, ending in self.lanes():
            is_reverse = ending.endswith("_reverse")
            if outputs and not is_reverse:  # a new layer
                data = functional.dropout(torch.cat(outputs, dim=1), self.dropout, self.training)
                outputs = []
            cell = self.cell(self.weights(ending), **self.options)
            start = data.new_zeros(sizes[0], cell.state_size(self.hidden_size))
            output, final = _run(cell, data[mirrored] if is_reverse else data, sizes, start)
            outputs.append(output[mirrored] if is_reverse else output)
            finals.append(final)
        output, state = torch.cat(outputs, dim=1), torch.stack(finals)
        if isinstance(x, Tensor):
            return output.view(x.shape[1], len(x), -1).transpose(0, 1), state
        if packed.unsorted_indices is not None:
            state = state[:, packed.unsorted_indices]
        return packed._replace(data=output), state


def parameter_groups(network: nn.Module) -> list[dict[str, Any]]:
    """Returns the groups for an optimizer: the weights with and without weight decay."""
    spared = {
        id(weight)
        for layers in network.modules()
        if isinstance(layers, CellLayers)
        for name, weight in layers.named_parameters()
        if name.rpartition("_l")[0] in layers.cell.no_weight_decay
    }
    kept, others = (
        [p for p in network.parameters() if (id(p) in spared) == is_spared]
        for is_spared in (False, True)
    )
    return [{"params": kept}, *([{"params": others, "weight_decay": 0.0}] if others else [])]


def _run(cell: Cell, x: Tensor, sizes: list[int], state: Tensor) -> tuple[Tensor, Tensor]:
    """Runs one cell over packed steps; returns the outputs (S, H) and the last of each (B, H).

    `sizes` holds the number of sequences at each step, which never grows.
    """
    projected = cell.project(x)
    states: list[Tensor] = []
    for step in projected.split(sizes):
        state = cell.step(step, state[: len(step)])  # the shortest sequences are at the end
        states.append(state)
    outputs = cell.output(torch.cat(states), projected)
    return outputs, outputs[_last_rows(sizes).to(x.device)]


def _rows(sizes: list[int]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Returns the first row of each step, and the number of steps of each sequence."""
    counts = np.array(sizes)
    lengths = (counts[:, None] > np.arange(sizes[0])).sum(axis=0)
    return np.cumsum(counts) - counts, lengths


def _last_rows(sizes: list[int]) -> Tensor:
    """Returns the row of the last step of each sequence, (B,)."""
    starts, lengths = _rows(sizes)
    return torch.from_numpy(starts[lengths - 1] + np.arange(sizes[0]))


def _mirrored_rows(sizes: list[int]) -> Tensor:
    """Returns for each row (S,) the row as far from the sequence's other end."""
    starts, lengths = _rows(sizes)
    rows = [starts[lengths[:n] - 1 - t] + np.arange(n) for t, n in enumerate(sizes)]
    return torch.from_numpy(np.concatenate(rows))


def check_cell(kind: type[Cell], inputs: int, hidden: int, options: Mapping[str, Any]) -> None:
    """Runs one step of a class, and refuses shapes that do not fit.

    Raises:
        ValueError: a method fails, or returns something else than `Cell` says.
    """

    def check(name: str, value: Any, *shape: int) -> None:
        got = tuple(value.shape) if isinstance(value, Tensor) else type(value).__name__
        if got != shape:
            raise ValueError(f"{name} returns {got}; must be a tensor of shape {shape}")

    try:
        with torch.no_grad(), drawing_from(torch.Generator()):
            shapes: Any = kind.shapes(inputs, hidden)
            if not isinstance(shapes, dict):
                raise ValueError(f"shapes returns {shapes!r}; must be a dict of shapes by names")
            size, first = kind.state_size(hidden), kind.first_weights(inputs, hidden)
            weights = {name: torch.as_tensor(values).float() for name, values in first.items()}
            for name in {**shapes, **weights}:
                check(f"first_weights for {name!r}", weights.get(name), *shapes.get(name, ()))
            cell = kind(weights, **options)
            x = cell.project(torch.zeros(3, inputs))
            check("project", x, 3, *x.shape[1:2])
            check("step", cell.step(x[:2], torch.zeros(2, size)), 2, size)
            check("output", cell.output(torch.zeros(3, size), x), 3, hidden)
    except Exception as error:  # a user's class may raise anything
        file = getattr(sys.modules.get(kind.__module__), "__file__", None)
        frames = traceback.extract_tb(error.__traceback__)
        places = [f" ({file}:{frame.lineno})" for frame in frames if frame.filename == file]
        raised = "" if isinstance(error, ValueError) else f"{type(error).__name__}: "
        what = f"{raised}{' '.join(str(error).split())}{''.join(places[-1:])}"
        raise ValueError(f"cell={cell_name(kind)!r}: {what}") from error
