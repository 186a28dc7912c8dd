"""Which networks train in one stack: a cost model, and the cheapest stacks by it. Imports no torch.

K members, D directions, T steps, B batch, F features, H hidden, L layers, G gates.
"""

import functools
import operator
from collections.abc import Sequence
from dataclasses import astuple, dataclass, replace

WIDTH = 16
"""Hidden sizes are padded to a multiple of it: a batched product of width 10 takes twice the time
of one of width 16."""

_GATES = {"rnn": 1, "gru": 3, "lstm": 4}


@dataclass(frozen=True)
class Costs:
    """Seconds of a training step of a stack: what its products, its elements, its calls take.

    Measured by scripts/bench/stack_costs.py on one thread of the machine of docs/benchmarks.md. On
    another machine all three move together: what they decide, which stack is cheaper, hardly does.
    """

    flop: float
    """Of one multiplication or addition in a product of matrices."""
    element: float
    """Of one state of one step, forward and backward."""
    calls_step: float
    """Of what torch is called for at each step of each layer, whatever its size."""
    calls_layer: float
    """The same once for a layer."""
    calls: float
    """The same once for a training step: batch, head, loss, clipping, optimizer."""
    weight: float
    """Of the optimizer, for one parameter."""


COSTS = {
    "rnn": Costs(1.1e-11, 3.5e-9, 1.5e-5, 5.9e-5, 2.2e-4, 3.6e-9),
    "gru": Costs(1.2e-11, 1.4e-8, 6.1e-5, 1.2e-4, 1.7e-4, 4.6e-9),
    "lstm": Costs(1.1e-11, 2.1e-8, 8.4e-5, 1.8e-4, 2.3e-5, 4.7e-9),
}

SECONDS_STACK, SECONDS_EPOCH, SECONDS_MEMBER = 0.05, 0.003, 0.004
"""What stands around the steps: Lightning's start, an epoch's end, a member's folder."""

MOST_MEMBERS = 512
_CACHED_NUMBERS = 2**21
"""States (K * L * D * T * B * H) that a stack may have: beyond, its buffers leave the cache and a
larger stack trains more slowly (4 layers, both directions, 20 steps, batch 50, width 16: 14 members
7.7 times as fast as a plain loop, 28 members 6.3 times)."""


@dataclass(frozen=True)
class Problem:
    """What the members of a group share, as far as it decides the cost of a step."""

    cell: str
    num_layers: int
    directions: int
    input_size: int
    num_classes: int
    steps: int
    """T, of the longest sequence."""
    mean_steps: float
    """Of a sequence: rows of a batch that have ended cost nothing."""
    batch_size: int
    updates: int
    """Training steps of each member in all."""
    epochs: int

    def seconds(self, members: int, hidden: int) -> float:
        """Of the whole training of a stack of so many networks of this padded width."""
        around = SECONDS_STACK + SECONDS_EPOCH * self.epochs + SECONDS_MEMBER * members
        return self.updates * self.step_seconds(members, hidden) + around

    def step_seconds(self, members: int, hidden: int) -> float:
        """Of one training step."""
        costs = astuple(COSTS[self.cell])
        return sum(map(operator.mul, costs, self.amounts(members, hidden)))

    def amounts(self, members: int, hidden: int) -> tuple[float, ...]:
        """How much of each of `Costs` a training step takes, in their order."""
        gates = _GATES[self.cell]
        lanes = members * self.directions
        weights = 0
        for layer in range(self.num_layers):
            inputs = self.directions * hidden if layer else self.input_size
            weights += lanes * gates * hidden * (inputs + hidden)
        states = self.mean_steps * self.batch_size
        return (
            6 * states * weights,
            lanes * states * hidden * self.num_layers,
            self.num_layers * self.steps,
            self.num_layers,
            1,
            weights,
        )

    def most_members(self, hidden: int) -> int:
        """Of a stack of this width."""
        numbers = self.num_layers * self.directions * self.steps * self.batch_size * hidden
        return max(1, min(MOST_MEMBERS, max(8, _CACHED_NUMBERS // numbers)))


@dataclass(frozen=True)
class Grouped:
    """One stack: positions of its members in the given list, and their padded width."""

    members: tuple[int, ...]
    hidden: int
    problem: Problem

    @property
    def seconds(self) -> float:
        return self.problem.seconds(len(self.members), self.hidden)

    def halves(self) -> "tuple[Grouped, Grouped]":
        half = len(self.members) // 2
        first, second = self.members[:half], self.members[half:]
        return replace(self, members=first), replace(self, members=second)


def padded(hidden: int) -> int:
    """The least width that a network of `hidden` units is stacked with."""
    return -(-hidden // WIDTH) * WIDTH


def form_stacks(problem: Problem, hidden: Sequence[int]) -> list[Grouped]:
    """The cheapest stacks of members that differ in width.

    Widths that are neighbours in size are padded to the largest of them where that costs less than
    a stack of their own; by dynamic programming over the widths that occur. A bucket of too many
    members becomes several stacks of equal size.

    Args:
        problem: what the members share.
        hidden: the width of each.
    """
    widths = sorted({padded(size) for size in hidden})
    by_width = {
        width: [index for index, size in enumerate(hidden) if padded(size) == width]
        for width in widths
    }
    best: list[tuple[float, int]] = [(0.0, 0)]  # of the first n widths: cost, where its last begins
    for end in range(1, len(widths) + 1):
        count = 0
        options: list[tuple[float, int]] = []
        for start in range(end - 1, -1, -1):
            count += len(by_width[widths[start]])
            cost = sum(
                problem.seconds(size, widths[end - 1])
                for size in _sizes(count, problem.most_members(widths[end - 1]))
            )
            options.append((best[start][0] + cost, start))
        best.append(min(options))
    stacks: list[Grouped] = []
    end = len(widths)
    while end:
        start = best[end][1]
        members = [index for width in widths[start:end] for index in by_width[width]]
        stacks += _cut(problem, members, widths[end - 1])
        end = start
    return stacks


def _cut(problem: Problem, members: Sequence[int], hidden: int) -> list[Grouped]:
    stacks: list[Grouped] = []
    done = 0
    for size in _sizes(len(members), problem.most_members(hidden)):
        chosen = tuple(sorted(members[done : done + size]))
        stacks.append(Grouped(chosen, hidden, problem))
        done += size
    return stacks


@functools.cache
def _sizes(count: int, most: int) -> tuple[int, ...]:
    """`count` members in as few stacks as hold `most` each, as equal as can be."""
    stacks = -(-count // most)
    small, larger = divmod(count, stacks)
    return (small + 1,) * larger + (small,) * (stacks - larger)


def halved(stacks: Sequence[Grouped], workers: int) -> list[Grouped]:
    """The same members in more stacks, where workers side by side then end sooner by a good part.

    Longest first.
    """
    found = sorted(stacks, key=lambda stack: -stack.seconds)
    while found and len(found[0].members) > 1:
        # All that are about as long as the longest: to halve one of them would gain nothing yet.
        longest = [s for s in found if s.seconds > 0.9 * found[0].seconds and len(s.members) > 1]
        halves = [half for stack in longest for half in stack.halves()]
        halves += [stack for stack in found if stack not in longest]
        if _longest(halves, workers) > _WORTH_IT * _longest(found, workers):
            break
        found = sorted(halves, key=lambda stack: -stack.seconds)
    return found


_WORTH_IT = 0.8


def _longest(stacks: Sequence[Grouped], workers: int) -> float:
    """Seconds until the last worker ends, each taking the longest stack that is left."""
    loads = [0.0] * workers
    for stack in sorted(stacks, key=lambda stack: -stack.seconds):
        loads[loads.index(min(loads))] += stack.seconds
    return max(loads)
