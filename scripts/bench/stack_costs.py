"""What a training step of a stack takes, measured and fitted: the cost model of grouping.py.

    python scripts/bench/stack_costs.py [--repeats 3]

Times steps of stacks of many shapes on one thread and fits, for each cell, the constants of
`seqsweep.stacked.grouping.Costs` by non-negative least squares of the relative error. Prints them
beside those in use, and how far either model is off. About three minutes.
"""

import argparse
import itertools
import time
from dataclasses import fields

import numpy as np
import numpy.typing as npt
import torch

from seqsweep.stacked.batches import StackData, Steps
from seqsweep.stacked.grouping import COSTS, Costs, Problem
from seqsweep.stacked.layout import StackShape
from seqsweep.stacked.loss import StackedLoss
from seqsweep.stacked.network import StackedNetwork
from seqsweep.stacked.optimizers import Adam
from seqsweep.stacked.stack import train_step

Array = npt.NDArray[np.float64]
FEATURES, CLASSES = 12, 8
NAMES = [field.name for field in fields(Costs)]


def problem(cell: str, layers: int, directions: int, steps: int, batch: int) -> Problem:
    return Problem(
        cell, layers, directions, FEATURES, CLASSES, steps, float(steps), batch, updates=1, epochs=0
    )


def shapes() -> list[tuple[int, int, int, int, int, int]]:
    """Layers, directions, steps, batch, members, hidden: small and large, none of seconds."""
    every = itertools.product((1, 2), (1, 2), (6, 32), (4, 48), (1, 6, 32), (16, 48, 128))
    return [
        (layers, directions, steps, batch, members, hidden)
        for layers, directions, steps, batch, members, hidden in every
        if layers * directions * steps * batch * members * hidden**2 < 4e9
    ]


def measure(cell: str, shape: tuple[int, int, int, int, int, int], repeats: int) -> float:
    """Seconds of a step, the least of several."""
    layers, directions, steps, batch, members, hidden = shape
    network = StackedNetwork(
        StackShape(
            FEATURES, hidden, CLASSES, cell, "tanh", layers, directions == 2  # pyright: ignore[reportArgumentType]
        ),
        [hidden] * members,
        [0.0] * members,
    )  # fmt: skip
    network.flat.normal_(std=0.05)
    loss = StackedLoss([None] * members, [0.0] * members, CLASSES)
    options = {"lr": 1e-3, "beta1": 0.9, "beta2": 0.999, "eps": 1e-8, "weight_decay": 0.0}
    adam = Adam(network.rows(network.flat), network.rows(network.gradient), [options] * members)
    data = StackData(
        torch.randn(2 * batch, steps, FEATURES),
        torch.full((2 * batch,), steps),
        torch.randint(0, CLASSES, (2 * batch,)),
        directions == 2,
        torch.float32,
        network.device,
    )
    rows, order = torch.randint(0, 2 * batch, (members, batch)), Steps([batch] * steps)
    clip = torch.ones(members)
    best = float("inf")
    for _ in range(repeats):
        start, count = time.perf_counter(), 0
        while time.perf_counter() - start < 0.05 or count < 2:
            train_step(network, loss, adam, data.batch(rows, order), clip)
            count += 1
        best = min(best, (time.perf_counter() - start) / count)
    return best


def fit(amounts: Array, seconds: Array) -> Array:
    """Constants x >= 0 of least relative error of amounts @ x: negative ones are dropped."""
    kept = list(range(amounts.shape[1]))
    scaled = amounts / seconds[:, None]
    while True:
        solved = np.linalg.lstsq(scaled[:, kept], np.ones(len(seconds)), rcond=None)[0]
        if (solved >= 0).all():
            break
        kept.remove(kept[int(solved.argmin())])
    constants = np.zeros(amounts.shape[1])
    constants[kept] = solved
    return constants


def off(amounts: Array, constants: Array, seconds: Array) -> str:
    ratios = amounts @ constants / seconds
    low, middle, high = np.quantile(ratios, (0.1, 0.5, 0.9))
    return f"model / measured: median {middle:.2f}, 10 to 90 % {low:.2f} to {high:.2f}"


def main() -> None:
    parser = argparse.ArgumentParser(description="Fits the cost model of stacks.")
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    torch.set_num_threads(1)
    for cell in ("rnn", "gru", "lstm"):
        chosen = shapes()
        amounts = np.array(
            [
                problem(cell, layers, directions, steps, batch).amounts(members, hidden)
                for layers, directions, steps, batch, members, hidden in chosen
            ]
        )
        seconds = np.array([measure(cell, shape, options.repeats) for shape in chosen])
        fitted = fit(amounts, seconds)
        in_use = np.array([getattr(COSTS[cell], name) for name in NAMES])
        print(f"\n{cell}: {len(chosen)} shapes")
        print(f"  fitted  {', '.join(f'{n} {v:.2g}' for n, v in zip(NAMES, fitted, strict=True))}")
        print(f"          {off(amounts, fitted, seconds)}")
        print(f"  in use  {off(amounts, in_use, seconds)}", flush=True)


if __name__ == "__main__":
    main()
