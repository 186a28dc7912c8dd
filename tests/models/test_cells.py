"""The cells of `models.cells` follow the equations of their papers, step by step."""

import hashlib
import itertools
import re
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from example_cells import MGU, CoRNN
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence

from seqsweep.models.cell import Cell
from seqsweep.models.cell_layers import CellLayers
from seqsweep.models.cells import CELLS, LSTM, RNN
from seqsweep.models.classifier import RNNClassifier

Array = npt.NDArray[np.float64]
F, H, LENGTHS = 3, 4, [3, 7, 1, 5, 7]


def sigmoid(a: Array) -> Array:
    return 1 / (1 + np.exp(-a))


def g(a: Array) -> Array:
    return np.where(a >= 0, a + 0.5, sigmoid(a))


def steps_of(cell: str, w: dict[str, Array], x: Array) -> list[Array]:
    """Returns the outputs of one direction for x (T, I), by the equations of the papers."""
    outputs, h = list[Array](), np.zeros(H)
    for a in x @ w["weight_ih"].T + w["bias_ih"]:
        if cell in ("tanh", "relu"):
            a = a + w["weight_hh"] * h
            h = np.tanh(a) if cell == "tanh" else np.maximum(a, 0)
        elif cell == "mingru":
            z, c = sigmoid(a[:H]), g(a[H:])
            h = (1 - z) * h + z * c
        elif cell == "minlstm":
            f, i, c = sigmoid(a[:H]), sigmoid(a[H : 2 * H]), g(a[2 * H :])
            h = f / (f + i) * h + i / (f + i) * c
        else:
            decay = np.exp(-np.exp(w["nu_log"]) + 1j * np.exp(w["theta_log"]))
            h = decay * h + np.exp(w["gamma_log"]) * ((w["B_re"] + 1j * w["B_im"]) @ a)
            y = ((w["C_re"] + 1j * w["C_im"]) @ h).real + w["D"] * a
            e = y / 2 * (1 + np.tanh(np.sqrt(2 / np.pi) * (y + 0.044715 * y**3)))
            u, v = np.split(w["glu_weight"] @ e + w["glu_bias"], 2)
            outputs.append(a + u * sigmoid(v))
            continue
        outputs.append(h)
    return outputs


@pytest.mark.parametrize(("layers", "both"), [*itertools.product((1, 2), (False, True))])
@pytest.mark.parametrize("cell", ["tanh", "relu", "mingru", "minlstm", "lru"])
def test_a_cell_follows_its_equations_in_each_layer_and_direction(cell, layers, both):
    torch.manual_seed(0)
    kind = {"nonlinearity": cell} if cell in ("tanh", "relu") else {}
    name = "indrnn" if kind else cell
    rnn = CellLayers(CELLS[name], F, H, layers, bidirectional=both, options=kind).double()
    weights = {key: value.detach().numpy() for key, value in rnn.named_parameters()}
    x = torch.randn(len(LENGTHS), 7, F, dtype=torch.float64)
    packed = pack_padded_sequence(x, torch.tensor(LENGTHS), True, False)
    output, state = rnn(packed)
    output, _ = nn.utils.rnn.pad_packed_sequence(output, batch_first=True)
    for index, length in enumerate(LENGTHS):
        read, finals = x[index, :length].numpy(), list[Array]()
        for layer in range(layers):
            directions = list[Array]()
            for ending in (f"_l{layer}", f"_l{layer}_reverse")[: 1 + both]:
                own = {k.removesuffix(ending): w for k, w in weights.items() if k.endswith(ending)}
                order = slice(None, None, -1 if "reverse" in ending else 1)
                steps = np.array(steps_of(cell, own, read[order]))
                finals.append(steps[-1])
                directions.append(steps[order])
            read = np.concatenate(directions, axis=1)
        np.testing.assert_allclose(output[index, :length].detach(), read, rtol=0, atol=1e-13)
        np.testing.assert_allclose(state[:, index].detach(), finals, rtol=0, atol=1e-13)


NAMES = {
    "lstm": ["weight_ih", "weight_hh", "bias_ih", "bias_hh"],
    "indrnn": ["weight_ih", "weight_hh", "bias_ih"],
    "mingru": ["weight_ih", "bias_ih"],
    "minlstm": ["weight_ih", "bias_ih"],
    "lru": ["weight_ih", "bias_ih", "nu_log", "theta_log", "gamma_log", "B_re", "B_im", "C_re",
            "C_im", "D", "glu_weight", "glu_bias"],
}  # fmt: skip
DIGESTS = {
    "indrnn": "cd76504f3bdd3e33", "mingru": "c4bd2ec1a4b5c2c8",
    "minlstm": "13acc12a2e277dc3", "lru": "b423a23ac63798fb",
}  # fmt: skip


@pytest.mark.parametrize("layer_norm", [False, True])
@pytest.mark.parametrize("cell", NAMES)
def test_weights_have_plain_names_and_load_again(cell: Any, layer_norm: bool):
    options: Any = {"num_layers": 2, "bidirectional": True, "layer_norm": layer_norm}
    torch.manual_seed(0)
    network, other = (RNNClassifier(F, H, 2, cell, **options) for _ in range(2))
    weights = network.state_dict()
    expected = [
        f"rnn.{name}_l{layer}{ending}"
        for layer, ending in itertools.product(range(2), ("", "_reverse"))
        for name in NAMES[cell]
    ]
    norms = ["rnn.norms.0.weight", "rnn.norms.0.bias"] * layer_norm
    assert list(weights) == [*expected, *norms, "fc.weight", "fc.bias"]
    x = torch.randn(2, 5, F)
    assert not torch.equal(network(x), other(x))
    other.load_state_dict(weights)
    assert torch.equal(network(x), other(x))


@pytest.mark.parametrize("cell", DIGESTS)
def test_first_weights_have_these_bits_on_every_cpu(cell: Any):
    torch.manual_seed(0)
    rnn = CellLayers(CELLS[cell], F, 333)
    digest = hashlib.sha256()
    for weight in rnn.parameters():
        digest.update(weight.detach().numpy().astype("<f4").tobytes())
    assert digest.hexdigest()[:16] == DIGESTS[cell]


@pytest.mark.parametrize("cell", CELLS)
def test_one_unit_and_extreme_weights_stay_finite(cell: Any):
    """Closed gates do not divide 0 by 0, and first weights of one unit are finite."""
    network = RNNClassifier(1, 1, 2, cell)
    x = torch.full((1, 50, 1), 1e4)
    for sign in (-1, 1):
        with torch.no_grad():
            for name in ("weight_ih_l0", "bias_ih_l0"):
                network.rnn.get_parameter(name).fill_(sign)
        network.zero_grad()
        network(x).sum().backward()
        for parameter in network.parameters():
            assert parameter.grad is not None and parameter.grad.isfinite().all()


# A cell of one's own


class Doubled(RNN):
    """A subclass of a cell that torch computes, which torch's module does not compute."""

    def step(self, x, state):
        return super().step(2 * x, state)


class Wide(Cell):
    def step(self, x, state):
        return torch.cat((x, state), dim=1)


class Undrawn(Wide):
    first_weights: Any = staticmethod(lambda inputs, hidden: {"weight_ih": torch.zeros(H, F)})


def logits_of(seed: int = 0, **options: Any) -> Tensor:
    torch.manual_seed(seed)
    network = RNNClassifier(F, H, 2, **options)
    return network(torch.randn(3, 5, F, generator=torch.Generator().manual_seed(0)))


def test_a_class_is_the_cell_of_a_network_by_itself_or_by_its_path():
    cornn = logits_of(cell=CoRNN, cell_options={"dt": 0.3})
    assert torch.equal(logits_of(cell="example_cells.CoRNN", cell_options={"dt": 0.3}), cornn)
    assert not torch.equal(logits_of(cell="example_cells.CoRNN"), cornn)
    assert RNNClassifier(F, H, 2, CoRNN).cell == "example_cells.CoRNN"
    assert torch.equal(logits_of(cell=CELLS["gru"]), logits_of(cell="gru"))


def test_a_class_has_the_options_that_it_declares():
    """The options need `nonlinearity` in the constructor, `weight_hh`, or a forget gate."""
    assert not torch.allclose(logits_of(cell=Doubled), logits_of(cell="rnn"))
    assert not torch.equal(logits_of(cell=Doubled, nonlinearity="relu"), logits_of(cell=Doubled))
    for cell in (Doubled, MGU):
        network = RNNClassifier(F, H, 2, cell, recurrent_init="orthogonal")
        drawn = network.state_dict()["rnn.weight_hh_l0"]
        torch.testing.assert_close(drawn @ drawn.T, torch.eye(H), rtol=0, atol=1e-6)
    with pytest.raises(ValueError, match="must be uniform, because its class has no matrix"):
        RNNClassifier(F, H, 2, CoRNN, recurrent_init="orthogonal")
    own = RNNClassifier(F, H, 2, type("Own", (LSTM,), {}), forget_bias=1.0).state_dict()
    biases = own["rnn.bias_ih_l0"] + own["rnn.bias_hh_l0"]
    assert torch.equal(biases[H : 2 * H], torch.ones(H))


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        (type("NoStep", (Cell,), {}), "must have a method step(self, x, state)"),
        (int, "must be a subclass of seqsweep.Cell"),
        ("example_cells.SRUU", "cannot be imported: AttributeError: module 'example_cells' has no"),
        (Wide, "step returns (2, 8); must be a tensor of shape (2, 4)"),
        (Undrawn, "first_weights for 'bias_ih' returns NoneType; must be a tensor of shape (4,)"),
    ],
)
def test_a_class_that_is_not_a_cell_is_refused_with_the_reason(cell: Any, message: str):
    with pytest.raises(ValueError, match=re.escape(message)):
        RNNClassifier(F, H, 2, cell)
    with pytest.raises(ValueError, match="unexpected keyword argument 'dtt'"):
        RNNClassifier(F, H, 2, CoRNN, cell_options={"dtt": 1})
