"""Generates words of finite automata; those of test are longer than those of train.

N sequences, T steps, S symbols (channels), Q states, C classes.
"""

from collections.abc import Callable, Hashable, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np

from seqsweep.data.checks import Int64
from seqsweep.data.sequences import Splits
from seqsweep.data.tasks import Drawn, generated
from seqsweep.errors import check_known, integer


class _Task(NamedTuple):
    """An automaton that reads words; a state has a class."""

    start: Hashable
    after: Callable[[Any, str], Hashable]  # a state and a symbol -> the next state
    class_of: Callable[[Any], object]
    kinds: Sequence[Sequence[str]]  # of symbols; the kinds take turns in a word


def _calculated(state: tuple[int, int, str], symbol: str) -> tuple[int, int, str]:
    """Returns the sum without its last term, this term, and the last sign."""
    total, term, sign = state
    if symbol == "*":
        return total, term, symbol
    if symbol in "+-":
        return (total + term) % 5, 0, symbol
    number = int(symbol)
    return total, {"+": number, "-": -number, "*": term * number}[sign] % 5, sign


def _group(identity: str, generators: dict[str, str]) -> _Task:
    """Returns the task of a group of permutations; a state is their product."""

    def after(state: str, symbol: str) -> str:
        return "".join(state[int(place) - 1] for place in generators[symbol])

    return _Task(identity, after, str, [[*generators]])


_PARITY = ("even", "odd")
_TASKS = {
    "parity": _Task(0, lambda odd, bit: odd ^ int(bit), _PARITY.__getitem__, ["01"]),
    # The state is the first and the last bit, which differ after an odd number of changes.
    "even_pairs": _Task(
        "",
        lambda ends, bit: (ends or bit)[0] + bit,
        lambda ends: _PARITY[ends in ("01", "10")],
        ["01"],
    ),
    "cycle_navigation": _Task(0, lambda at, move: (at + int(move)) % 5, str, [["0", "+1", "-1"]]),
    "modular_arithmetic": _Task(
        (0, 0, "+"), _calculated, lambda state: (state[0] + state[1]) % 5, ["01234", "+-*"]
    ),
    "s3": _group("123", {"swap": "213", "turn": "231"}),
    "a5": _group("12345", {"turn3": "23145", "turn5": "23451"}),
}


def state_tracking(
    task: Literal["parity", "even_pairs", "cycle_navigation", "modular_arithmetic", "s3", "a5"],
    num_train: int,
    num_val: int,
    num_test: int,
    length: int,
    min_length: int,
    test_length: int,
    test_min_length: int,
    seed: int = 0,
) -> Splits:
    """Generates words of an automaton, one-hot; the class is its state at the end.

    | task | symbols | class |
    |---|---|---|
    | parity | 0, 1 | whether the number of ones is even |
    | even_pairs | 0, 1 | whether the number of 01 and 10 together is even |
    | cycle_navigation | 0, +1, -1 | the position on a circle of 5 places |
    | modular_arithmetic | 0 to 4, then + - *, in turn | the value modulo 5; `*` comes first |
    | s3 | a transposition, a 3-cycle | their product, one of 6 permutations |
    | a5 | a 3-cycle, a 5-cycle | their product, one of 60 permutations |

    Symbols are drawn evenly. The lengths of train and val are drawn evenly; in test each length is
    equally often, so that its accuracy is the mean of those by length.

    Args:
        length, min_length: the longest and the shortest word of train and val, at least 1.
        test_length, test_min_length: those of test. A word of modular_arithmetic has an odd length.

    Source: G. Delétang et al. (2023), Neural Networks and the Chomsky Hierarchy, ICLR,
    arXiv:2207.02098, its regular tasks; W. Merrill, J. Petty, A. Sabharwal (2024), The Illusion of
    State in State-Space Models, ICML, arXiv:2404.08819, for groups.
    """
    check_known("state_tracking: task", task, [*_TASKS])
    kinds = _TASKS[task].kinds
    symbols = tuple(symbol for kind in kinds for symbol in kind)
    table, classes, names = _table(_TASKS[task], symbols)
    of_train = _lengths("", length, min_length, len(kinds))
    of_test = _lengths("test_", test_length, test_min_length, len(kinds))
    sizes = np.array([len(kind) for kind in kinds])
    first = np.cumsum(sizes) - sizes

    def draw(rng: np.random.Generator, lengths: Int64) -> Drawn:
        kind = np.arange(lengths.max()) % len(kinds)
        words = first[kind] + rng.integers(sizes[kind], size=(len(lengths), len(kind)))
        states = np.zeros(len(lengths), np.int64)
        for step, read in enumerate(words.T):
            states = np.where(step < lengths, table[states, read], states)
        return np.eye(table.shape[1], dtype=np.float32)[words], classes[states], lengths

    def draw_train(rng: np.random.Generator, count: int) -> Drawn:
        lengths = rng.choice(of_train, count)
        lengths[0] = length  # so that the shape is always the same
        return draw(rng, lengths)

    counts = (num_train, num_val, num_test)
    test = test_length, lambda rng, count: draw(rng, np.resize(of_test, count))
    return generated("state_tracking", counts, seed, length, names, symbols, draw_train, test)


def _lengths(split: str, longest: int, shortest: int, turns: int) -> Int64:
    """Returns the lengths that words of a split may have, the longest first."""
    of, least = f"state_tracking: {split}length", f"state_tracking: {split}min_length"
    integer(least, shortest, 1, integer(of, longest, 1), f", {split}length")
    for name, given in ((of, longest), (least, shortest)):
        if turns == 2 and given % 2 == 0:
            raise ValueError(f"{name}={given}: must be odd, because a calculation ends in a number")
    return np.arange(longest, shortest - 1, -turns)


def _table(task: _Task, symbols: Sequence[str]) -> tuple[Int64, Int64, tuple[str, ...]]:
    """Returns the next states (Q, S), the classes (Q,) and their C names."""
    states, numbers, rows = [task.start], {task.start: 0}, list[list[int]]()
    for state in states:  # the list grows while it is read
        rows.append([])
        for symbol in symbols:
            after = task.after(state, symbol)
            if after not in numbers:
                numbers[after] = len(states)
                states.append(after)
            rows[-1].append(numbers[after])
    classes = [str(task.class_of(state)) for state in states]
    names = sorted({*classes})
    return np.array(rows), np.array([names.index(name) for name in classes]), tuple(names)
