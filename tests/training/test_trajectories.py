"""The states of a diagnosis are projected on principal components, and shown for all classes."""

import numpy as np
import pytest
import torch

from seqsweep.training.diagnosis import by_class, principal


@pytest.mark.parametrize("width", [3, 10])
def test_trajectories_are_principal_components(width):
    """They equal those by numpy's svd, apart from signs."""
    states = np.random.default_rng(0).normal(size=(40, width)) @ np.diag(1.0 + np.arange(width))
    result = principal(states.astype(np.float32))
    assert result is not None
    centred = torch.from_numpy(states.astype(np.float32)).double()
    centred -= centred.mean(0)
    _, values, vectors = torch.linalg.svd(centred, full_matrices=False)
    torch.testing.assert_close(
        torch.from_numpy(result[0]).abs(), (centred @ vectors[:2].T).abs(), rtol=1e-6, atol=1e-9
    )
    assert result[1] == pytest.approx((values[:2] ** 2 / (values**2).sum()).tolist())


def test_a_network_of_one_unit_has_a_trajectory_too():
    result = principal(np.linspace(-1, 1, 9)[:, None])
    assert result is not None
    assert result[0].shape == (9, 2)
    assert result[1] == pytest.approx([1, 0])


def test_states_that_are_not_finite_have_no_trajectory():
    assert principal(np.array([[1.0, np.inf], [0.0, 1.0]])) is None


def test_sequences_are_chosen_from_all_classes_in_turn():
    labels = torch.tensor([0] * 90 + [2] * 5 + [1] * 5)
    chosen = labels[list(by_class(labels, 16))]
    assert torch.bincount(chosen).tolist() == [6, 5, 5]
    assert len(by_class(labels, 1000)) == 100
