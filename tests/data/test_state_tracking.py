"""Words of automata have the classes of other evaluators, and the lengths that were asked for."""

import itertools
from functools import reduce
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqsweep.data.state_tracking import state_tracking

GENERATORS = {"swap": (1, 0, 2), "turn": (1, 2, 0), "turn3": (1, 2, 0, 3, 4),
              "turn5": (1, 2, 3, 4, 0)}  # fmt: skip
TASKS = ("parity", "even_pairs", "cycle_navigation", "modular_arithmetic", "s3", "a5")
SIZES = dict(zip(TASKS, (2, 2, 5, 5, 6, 60), strict=True))
PARITY = ("even", "odd")


def product(word):
    """The permutation of a word, by its generators as matrices."""
    matrices = [
        np.eye(len(GENERATORS[symbol]), dtype=int)[[*GENERATORS[symbol]]] for symbol in word
    ]
    places = reduce(np.matmul, reversed(matrices)) @ np.arange(1, len(matrices[0]) + 1)
    return "".join(map(str, places))


CLASS_OF = {
    "parity": lambda word: PARITY[word.count("1") % 2],
    "even_pairs": lambda word: PARITY[sum(a != b for a, b in itertools.pairwise(word)) % 2],
    "cycle_navigation": lambda word: str(sum(map(int, word)) % 5),
    "modular_arithmetic": lambda word: str(eval("".join(word)) % 5),
    "s3": product,
    "a5": product,
}


def words_of(part):
    """The words of a split as lists of symbols."""
    symbols = np.array(part.channel_names)[part.x.argmax(axis=2)].tolist()
    return [word[:length] for word, length in zip(symbols, part.lengths, strict=True)]


@given(
    st.sampled_from(TASKS), st.integers(0, 9), st.integers(0, 9), st.integers(0, 9),
    st.integers(0, 2**32 - 1),
)  # fmt: skip
def test_each_class_is_that_of_another_evaluator(task, shortest, more, beyond, seed):
    lengths = [2 * shortest + 1, 2 * (shortest + more) + 1, 2 * (shortest + more + beyond) + 1]
    splits = state_tracking(task, 40, 10, 20, lengths[1], lengths[0], lengths[2], lengths[1], seed)
    for name, part in splits.parts.items():
        for word, label in zip(words_of(part), part.labels, strict=True):
            assert part.class_names[label] == CLASS_OF[task](word)
        longest = lengths[2] if name == "test" else lengths[1]
        assert part.max_length == longest and part.lengths.min() >= lengths[name == "test"]
        assert (part.x.sum(axis=2) == part.valid).all()  # one-hot


@pytest.mark.parametrize("task", TASKS)
def test_in_test_each_length_is_equally_often(task):
    longest = 59 if task == "modular_arithmetic" else 60
    splits = state_tracking(task, 3000, 0, 300, 19, 1, longest, 31)
    assert splits.test is not None and splits.val is None
    lengths, counts = np.unique(splits.test.lengths, return_counts=True)
    every = 2 if task == "modular_arithmetic" else 1
    assert lengths.tolist() == [*range(31, longest + 1, every)] and {*counts} == {
        300 // len(lengths)
    }
    counts = np.unique(splits.train.lengths, return_counts=True)[1]
    assert counts.min() > 0.6 * counts.mean()
    # Symbols are drawn evenly, so every class occurs, and none much more often than others.
    of_classes = np.bincount(splits.train.labels, minlength=SIZES[task])
    assert len(of_classes) == splits.num_classes == SIZES[task] and of_classes.min() > 0


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"task": "paritty"}, r"task='paritty': must be one of .*did you mean 'parity'"),
        ({"length": 0}, "length=0: must be at least 1"),
        ({"min_length": 9}, "min_length=9: must be between 1 and 8, length"),
        ({"task": "modular_arithmetic", "length": 9}, "test_length=30: must be odd"),
    ],
)
def test_a_wrong_argument_is_named(changes, message):
    given: dict[str, Any] = {
        "task": "s3", "num_train": 9, "num_val": 3, "num_test": 7, "length": 8, "min_length": 1,
        "test_length": 30, "test_min_length": 9,
    }  # fmt: skip
    with pytest.raises(ValueError, match=f"state_tracking: {message}"):
        state_tracking(**given | changes)
