"""First weights: orthogonal recurrent matrices, and open forget gates."""

import hashlib
from typing import Any

import pytest
import torch

from seqsweep.models.classifier import RNNClassifier
from seqsweep.models.initial import orthogonal

GATES = {"rnn": 1, "gru": 3, "lstm": 4}


def network(cell: Any = "rnn", layers=2, layer_norm=False, **options) -> RNNClassifier:
    torch.manual_seed(3)
    return RNNClassifier(
        3, 20, 2, cell, num_layers=layers, bidirectional=True, layer_norm=layer_norm, **options
    )


@pytest.mark.parametrize("cell", GATES)
def test_weights_are_uniform_as_torchs_and_differ_by_no_more_than_rounding(cell):
    """`nn.RNN` and `nn.Linear` draw the same numbers and round them in float32."""
    ours = network(cell)
    torch.manual_seed(3)
    theirs = torch.nn.ModuleList(
        [getattr(torch.nn, cell.upper())(3, 20, 2, bidirectional=True), torch.nn.Linear(40, 2)]
    )
    for one, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=2**-25)


@pytest.mark.parametrize("layer_norm", [False, True])
@pytest.mark.parametrize("cell", GATES)
def test_every_recurrent_matrix_of_a_gate_is_orthogonal(cell, layer_norm):
    """An orthogonal matrix keeps the norm of every state, as Saxe et al. 2014 require."""
    model = network(cell, layer_norm=layer_norm, recurrent_init="orthogonal")
    recurrent = [w for name, w in model.named_parameters() if "weight_hh" in name]
    gates = [gate.detach() for weight in recurrent for gate in weight.split(20)]
    assert len(gates) == 2 * 2 * GATES[cell]
    for gate in gates:
        torch.testing.assert_close(gate @ gate.T, torch.eye(20), rtol=0, atol=1e-6)
    # Each is a draw of its own, and the other weights are drawn as without it.
    assert len({gate.numpy().tobytes() for gate in gates}) == len(gates)
    plain, drawn = network(cell, layer_norm=layer_norm).state_dict(), model.state_dict()
    assert all(torch.equal(drawn[name], plain[name]) for name in plain if "_hh" not in name)


def test_first_weights_have_these_bits_on_every_cpu():
    """The bound 1 / sqrt(33) is not a power of two, so torch's own weights depend on AVX2."""
    torch.manual_seed(0)
    model = RNNClassifier(1, 33, 4, "gru", embedding_dim=5, num_embeddings=9, pooling="attention")
    digest = hashlib.sha256()
    for parameter in model.parameters():
        digest.update(parameter.detach().numpy().astype("<f4").tobytes())
    assert digest.hexdigest()[:16] == "1c9a7124ef45f69c"
    torch.manual_seed(0)
    orthogonal_bits = orthogonal(33).astype("<f8").tobytes()
    assert hashlib.sha256(orthogonal_bits).hexdigest()[:16] == "458cc1c98e1502f5"


@pytest.mark.parametrize("layer_norm", [False, True])
def test_the_forget_gates_of_all_layers_begin_with_the_bias(layer_norm):
    """PyTorch adds two biases, in the order input, forget, cell, output."""
    biased = network("lstm", layer_norm=layer_norm, forget_bias=1.5)
    plain = network("lstm", layer_norm=layer_norm)
    before, after = plain.state_dict(), biased.state_dict()
    names = [name for name in before if "rnn.bias_ih" in name]
    assert len(names) == 4
    for name in names:
        both = after[name] + after[name.replace("_ih_", "_hh_")]
        assert torch.equal(both[20:40], torch.full((20,), 1.5))
        assert torch.equal(after[name][:20], before[name][:20])
        assert torch.equal(after[name][40:], before[name][40:])
    rest = [name for name in before if "rnn.bias" not in name]
    assert all(torch.equal(after[name], before[name]) for name in rest)
