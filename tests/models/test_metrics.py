"""Sums over batches of any sizes give what one computation over the whole epoch gives."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, f1_score
from sklearn.utils.class_weight import compute_class_weight
from torch import Tensor
from torch.nn import functional

from seqsweep.models.metrics import EpochSums, class_weights


def epoch(seed: int, count: int, classes: int) -> tuple[Tensor, Tensor, Tensor]:
    """Returns logits (N, C), labels (N,) and class weights (C,)."""
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(count, classes, generator=generator)
    labels = torch.randint(classes, (count,), generator=generator)
    return logits, labels, torch.rand(classes, generator=generator) + 0.1


def computed(
    logits: Tensor, labels: Tensor, sizes: list[int], weights: Tensor | None, smoothing: float = 0.0
) -> dict[str, float]:
    sums = EpochSums(logits.shape[1])
    for part, truth in zip(logits.split(sizes), labels.split(sizes), strict=True):
        loss = functional.cross_entropy(part, truth, weight=weights, label_smoothing=smoothing)
        sums.add(loss, part, truth, weights)
    return sums.compute()


@settings(max_examples=30)
@given(
    seed=st.integers(0, 2**31),
    # Beyond 64 batches too: so many are held back before they are counted.
    sizes=st.one_of(
        st.lists(st.integers(1, 9), min_size=1, max_size=8),
        st.lists(st.integers(1, 2), min_size=60, max_size=140),
    ),
    classes=st.integers(2, 5),
    weighted=st.booleans(),
    smoothing=st.sampled_from([0.0, 0.1]),
)
def test_sums_equal_the_whole_epoch(seed, sizes, classes, weighted, smoothing):
    logits, labels, weights = epoch(seed, sum(sizes), classes)
    weights = weights if weighted else None
    whole = functional.cross_entropy(logits, labels, weights, label_smoothing=smoothing)
    predicted, truth = logits.argmax(1).tolist(), labels.tolist()
    f1 = f1_score(truth, predicted, average="macro")
    assert computed(logits, labels, sizes, weights, smoothing) == {
        "loss": pytest.approx(float(whole), rel=1e-5),
        "acc": pytest.approx(accuracy_score(truth, predicted), abs=1e-12),
        "f1": pytest.approx(f1, abs=1e-12),
    }


def test_balanced_weights_are_those_of_scikit_learn():
    labels = np.array([0, 2, 2, 1, 2, 0])
    expected = compute_class_weight("balanced", classes=np.arange(3), y=labels)
    weights = class_weights("balanced", labels, 3)
    assert weights is not None and weights.tolist() == pytest.approx(expected.tolist())


def test_reduce_adds_the_other_processes():
    """Two processes with halves of an epoch, summed, are the epoch."""
    logits, labels, weights = epoch(0, 10, 3)
    halves = [EpochSums(3), EpochSums(3)]
    for sums, part, truth in zip(halves, logits.split([3, 7]), labels.split([3, 7]), strict=True):
        sums.add(functional.cross_entropy(part, truth, weights), part, truth, weights)
    sent: list[Tensor] = []
    halves[1].reduce(lambda value: sent.append(value) or value)
    halves[0].reduce(lambda value: value + sent.pop(0))
    whole = computed(logits, labels, [10], weights)
    assert halves[0].compute() == pytest.approx(whole, rel=1e-6)
