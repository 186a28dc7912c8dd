"""One training step of K networks: the stacked engine against JAX.

    python scripts/bench/against_jax.py [--jax PYTHON] [--cells rnn gru] [--members 1 8 24 96]

Both sides train K copies of one architecture on one thread, forward, backward, clipping at 1.0 and
Adam, on sequences of 8 features, and count CPU time. The stacked engine is that of stack_steps.py.
The JAX side is what a good user writes: a `lax.scan` over time with the input product outside of
it, `value_and_grad`, optax's `clip_by_global_norm` and `adam`, everything in one `jit` with donated
buffers. It is tried five ways, and the fastest counts for each shape:

- `vmap` over the members, one step a call;
- `vmap`, 32 steps a call;
- `vmap` with the scan over time unrolled by 8, one step a call and 32;
- `lax.map`, one member after another, 32 steps a call.

Compilation is not counted; it is printed apart. JAX runs in a process of its own, with `--jax` as
its interpreter; without that option, a temporary environment is made and jax and optax are
installed into it. Prints for each shape how many times as fast as the stacked engine JAX is: above
1, JAX is faster.
"""

import argparse
import importlib
import json
import os
import subprocess
import tempfile
import time
import venv
from collections.abc import Callable
from pathlib import Path
from typing import Any

SHAPES = (
    (6, 3, 10), (6, 32, 32), (32, 32, 10), (32, 32, 32), (32, 64, 64), (32, 64, 128), (128, 32, 32)
)  # fmt: skip
FEATURES, CLASSES, SEQUENCES = 8, 4, 128
GATES = {"rnn": 1, "gru": 3, "lstm": 4}
ONE_THREAD = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"


def main() -> None:
    options = arguments()
    if options.child is not None:  # a JAX process of this program
        print(json.dumps(jax_side(*json.loads(options.child))))
        return
    import torch  # here and not above: the JAX process has no torch

    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        python = options.jax or install_jax(Path(folder))
        for cell in options.cells:
            heads = "".join(f"{k:>26}" for k in options.members)
            print(f"\n{cell}: steps, batch, hidden{heads}")
            for shape in SHAPES:
                row = [compare(python, cell, shape, k) for k in options.members]
                print(f"{shape!s:>27}" + "".join(f"{text:>26}" for text in row), flush=True)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Steps of the stacked engine against JAX.")
    parser.add_argument("--jax", metavar="PYTHON", help="an interpreter that has jax and optax")
    parser.add_argument("--cells", nargs="+", default=["rnn"], choices=list(GATES))
    parser.add_argument("--members", nargs="+", type=int, default=[1, 8, 24, 96])
    parser.add_argument("--child", help=argparse.SUPPRESS)
    return parser.parse_args()


def install_jax(folder: Path) -> str:
    """Makes an environment with jax and optax and returns its interpreter."""
    venv.create(folder / "jax", with_pip=True)
    python = str(folder / "jax" / "bin" / "python")
    subprocess.run([python, "-m", "pip", "install", "--quiet", "jax", "optax"], check=True)
    return python


def compare(python: str, cell: str, shape: tuple[int, int, int], members: int) -> str:
    """Measures both sides and returns the ratio, JAX's best way and its time to compile."""
    ours = our_side(cell, shape, members)
    job = json.dumps([cell, shape, members])
    environment = os.environ | {"XLA_FLAGS": ONE_THREAD, "JAX_PLATFORMS": "cpu"}
    done = subprocess.run(
        [python, __file__, "--child", job],
        env=environment, check=True, capture_output=True, text=True,
    )  # fmt: skip
    ways = json.loads(done.stdout.splitlines()[-1])
    best = min(ways, key=lambda way: ways[way]["step"])
    return f"{ours / ways[best]['step']:.2f}x {best} +{ways[best]['compile']:.1f}s"


def our_side(cell: str, shape: tuple[int, int, int], members: int) -> float:
    """Seconds of one step of the stack."""
    import torch
    from stack_steps import stacked  # beside this file

    from seqsweep.models.classifier import RNNClassifier
    from seqsweep.stacked.optimizers import hyperparameters

    steps, batch, hidden = shape
    x = torch.randn(SEQUENCES, steps, FEATURES)
    labels = torch.randint(0, CLASSES, (SEQUENCES,))
    network = RNNClassifier(FEATURES, hidden, CLASSES, cell)  # pyright: ignore[reportArgumentType]
    adam = torch.optim.Adam(network.parameters(), lr=1e-3)
    options = hyperparameters(adam)
    return stacked(cell, x, labels, batch, hidden, options, members)  # pyright: ignore[reportArgumentType]


def jax_side(cell: str, shape: list[int], members: int) -> dict[str, dict[str, float]]:
    """Seconds of one step of all members and of the compilation, for each way."""
    ways = {
        "vmap": (1, 1, False),
        "vmap,32": (32, 1, False),
        "unroll": (1, 8, False),
        "unroll,32": (32, 8, False),
        "map,32": (32, 1, True),
    }
    return {
        name: time_way(cell, shape, members, calls, unroll, in_turn)
        for name, (calls, unroll, in_turn) in ways.items()
    }


def time_way(
    cell: str, shape: list[int], members: int, steps_a_call: int, unroll: int, in_turn: bool
) -> dict[str, float]:
    import numpy as np

    jax: Any = importlib.import_module("jax")  # only this process has it

    step, state = make_step(cell, shape, members, steps_a_call, unroll, in_turn)
    batch = shape[1]
    rows = np.random.default_rng(0).integers(0, SEQUENCES, (members, steps_a_call, batch))
    began = time.process_time()
    state = jax.block_until_ready(step(state, rows))
    compiled = time.process_time() - began

    def call() -> None:
        nonlocal state
        state = jax.block_until_ready(step(state, rows))

    count = max(3, 40 // (members * steps_a_call))
    return {"step": seconds(call, count) / steps_a_call, "compile": compiled}


def seconds(action: Callable[[], object], count: int) -> float:
    """CPU time of one call, the least of three turns, as in stack_steps.py."""
    action()
    best = float("inf")
    for _ in range(3):
        start = time.process_time()
        for _ in range(count):
            action()
        best = min(best, (time.process_time() - start) / count)
    return best


def make_step(
    cell: str, shape: list[int], members: int, steps_a_call: int, unroll: int, in_turn: bool
) -> tuple[Any, Any]:
    """The jitted function of (state, rows), and the state of all members."""
    jax: Any = importlib.import_module("jax")
    jnp: Any = importlib.import_module("jax.numpy")
    optax: Any = importlib.import_module("optax")

    steps, _, hidden = shape
    width = GATES[cell] * hidden
    x = jax.random.normal(jax.random.key(1), (steps, SEQUENCES, FEATURES))  # (T, N, F)
    labels = jax.random.randint(jax.random.key(2), (SEQUENCES,), 0, CLASSES)
    optimizer = optax.chain(optax.clip_by_global_norm(1.0), optax.adam(1e-3))

    def initial(key: Any) -> Any:
        sizes = {
            "w_ih": (FEATURES, width), "w_hh": (hidden, width), "b_ih": (width,), "b_hh": (width,),
            "w": (hidden, CLASSES), "b": (CLASSES,),
        }  # fmt: skip
        keys = dict(zip(sizes, jax.random.split(key, len(sizes)), strict=True))
        bound = hidden**-0.5
        return {
            name: jax.random.uniform(keys[name], size, minval=-bound, maxval=bound)
            for name, size in sizes.items()
        }

    def loss(weights: Any, rows: Any) -> Any:
        inputs = x[:, rows] @ weights["w_ih"] + weights["b_ih"]  # (T, B, G * H)
        zeros = jnp.zeros((rows.shape[0], hidden))
        start = (zeros, zeros) if cell == "lstm" else zeros

        def over_time(state: Any, now: Any) -> tuple[Any, None]:
            return next_state(cell, state, now, weights), None

        state, _ = jax.lax.scan(over_time, start, inputs, unroll=unroll)
        last = state[0] if cell == "lstm" else state
        logits = last @ weights["w"] + weights["b"]
        losses = optax.softmax_cross_entropy_with_integer_labels(logits, labels[rows])
        return losses.mean()

    def one_step(state: Any, rows: Any) -> tuple[Any, None]:
        weights, moments = state
        gradient = jax.grad(loss)(weights, rows)
        updates, moments = optimizer.update(gradient, moments, weights)
        return (optax.apply_updates(weights, updates), moments), None

    def one_member(state: Any, rows: Any) -> Any:
        if steps_a_call == 1:
            return one_step(state, rows[0])[0]
        return jax.lax.scan(one_step, state, rows)[0]

    def all_members(state: Any, rows: Any) -> Any:
        if in_turn:
            return jax.lax.map(lambda pair: one_member(*pair), (state, rows))
        return jax.vmap(one_member)(state, rows)

    weights = jax.vmap(initial)(jax.random.split(jax.random.key(0), members))
    return jax.jit(all_members, donate_argnums=0), (weights, jax.vmap(optimizer.init)(weights))


def next_state(cell: str, state: Any, now: Any, weights: Any) -> Any:
    """The hidden state after one time step, as `nn.RNN`, `nn.GRU` and `nn.LSTM` define it."""
    jax: Any = importlib.import_module("jax")
    jnp: Any = importlib.import_module("jax.numpy")

    if cell == "rnn":
        return jnp.tanh(now + state @ weights["w_hh"] + weights["b_hh"])
    if cell == "gru":
        recurrent = state @ weights["w_hh"] + weights["b_hh"]
        reset_in, update_in, new_in = jnp.split(now, 3, axis=-1)
        reset_h, update_h, new_h = jnp.split(recurrent, 3, axis=-1)
        reset, update = jax.nn.sigmoid(reset_in + reset_h), jax.nn.sigmoid(update_in + update_h)
        return (1 - update) * jnp.tanh(new_in + reset * new_h) + update * state
    hidden, memory = state
    gates = now + hidden @ weights["w_hh"] + weights["b_hh"]
    into, forget, new, out = jnp.split(gates, 4, axis=-1)
    memory = jax.nn.sigmoid(forget) * memory + jax.nn.sigmoid(into) * jnp.tanh(new)
    return jax.nn.sigmoid(out) * jnp.tanh(memory), memory


if __name__ == "__main__":
    main()
