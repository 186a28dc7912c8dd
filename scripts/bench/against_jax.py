"""Compares one training step of K networks by the native engine with one by JAX.

    python scripts/bench/against_jax.py [--jax PYTHON] [--cells rnn gru] [--members 1 8 24 96]
        [--layers 2 --bidirectional] [--shapes 6,3,10 32,32,32]

All sides train K copies of one architecture on one thread, on sequences of 8 features, and count
CPU time. A step is forward, backward, clipping at 1.0 and Adam. The native engine is measured as in
steps.py. The JAX side is what a good user writes: a `lax.scan` over time for each layer and
direction, with the input product outside the loop, `grad`, optax's `clip_by_global_norm` and
`adam`, all in one `jit` with donated buffers. It is tried in five ways, and the fastest way counts
for each shape:

- `vmap` over the members, one step a call;
- `vmap`, 32 steps a call;
- `vmap` with the scan over time unrolled by 8, one step a call and 32;
- `lax.map`, one member after another, 32 steps a call.

If 32 steps would take more than a second, a call has fewer steps; its overhead is then negligible.

Compilation is not counted but printed separately. JAX runs in its own process, with the interpreter
given by `--jax`. Without that option the program makes a temporary environment and installs jax and
optax into it. It prints how many times as fast as JAX's best way the native engine is, for
each shape. Above 1, ours is faster.
"""

import argparse
import importlib
import json
import os
import subprocess
import tempfile
import time
import venv
from pathlib import Path
from typing import Any

from problems import CLASSES, FEATURES, SEQUENCES, SHAPES, make_parser
from timing import cpu_seconds

GATES = {"rnn": 1, "gru": 3, "lstm": 4}
XLA_FLAGS = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"

Job = dict[str, Any]
"""An architecture (cell, steps, batch, hidden, layers, bidirectional) and a number of members."""


def main() -> None:
    options = read_arguments()
    # The process that runs JAX is this program again.
    if options.child is not None:
        print(json.dumps(time_jax(json.loads(options.child))))
        return
    import torch  # not at the top, because the JAX process has no torch

    torch.set_num_threads(1)
    print("each cell: native over JAX's best way, that way and its compilation")
    with tempfile.TemporaryDirectory() as folder:
        python = options.jax or install_jax(Path(folder))
        for cell in options.cells:
            heads = "".join(f"{k:>26}" for k in options.members)
            print(f"\n{cell}: steps, batch, hidden{heads}")
            for shape in options.shapes:
                job = {"cell": cell, **dict(zip(("steps", "batch", "hidden"), shape, strict=True))}
                job |= {"layers": options.layers, "bidirectional": options.bidirectional}
                row = [compare(python, job | {"members": k}) for k in options.members]
                print(f"{shape!s:>27}" + "".join(f"{text:>26}" for text in row), flush=True)


def read_arguments() -> argparse.Namespace:
    parser = make_parser("Compares steps of the native engine with steps of JAX.")
    parser.add_argument("--jax", metavar="PYTHON", help="an interpreter with jax and optax")
    parser.add_argument(
        "--shapes", nargs="+", type=read_shape, default=SHAPES, metavar="STEPS,BATCH,HIDDEN"
    )
    parser.add_argument("--child", help=argparse.SUPPRESS)
    return parser.parse_args()


def read_shape(text: str) -> tuple[int, int, int]:
    steps, batch, hidden = map(int, text.split(","))
    return steps, batch, hidden


def install_jax(folder: Path) -> str:
    """Makes an environment with jax and optax; returns its interpreter."""
    venv.create(folder / "jax", with_pip=True)
    python = str(folder / "jax" / "bin" / "python")
    subprocess.run([python, "-m", "pip", "install", "--quiet", "jax", "optax"], check=True)
    return python


def compare(python: str, job: Job) -> str:
    """Measures all sides; returns the ratios, JAX's best way and its compile time."""
    by_native = time_our_engine(**job)
    environment = os.environ | {"XLA_FLAGS": XLA_FLAGS, "JAX_PLATFORMS": "cpu"}
    process = subprocess.run(
        [python, __file__, "--child", json.dumps(job)],
        env=environment, check=True, capture_output=True, text=True,
    )  # fmt: skip
    ways = json.loads(process.stdout.splitlines()[-1])
    best = min(ways, key=lambda way: ways[way]["step"])
    step, compiled = ways[best]["step"], ways[best]["compile"]
    return f"{step / by_native:.2f}x {best} +{compiled:.1f}s"


def time_our_engine(members: int, **architecture: Any) -> float:
    """Returns the seconds of one step by the native engine."""
    from steps import Problem, time_native

    return time_native(Problem(**architecture), members)


def time_jax(job: Job) -> dict[str, dict[str, float]]:
    """Returns the seconds of one step and of the compilation, for each way."""
    vmap = time_way(job, 1, 1, in_turn=False)
    many = max(1, min(32, round(1 / vmap["step"])))
    ways = {"unroll": (1, 8, False), f"map,{many}": (many, 1, True)}
    if many > 1:
        ways |= {f"vmap,{many}": (many, 1, False), f"unroll,{many}": (many, 8, False)}
    return {"vmap": vmap} | {name: time_way(job, *way) for name, way in ways.items()}


def time_way(job: Job, steps_a_call: int, unroll: int, in_turn: bool) -> dict[str, float]:
    """Returns the seconds of one step and of the compilation, for one way."""
    import numpy as np

    jax: Any = importlib.import_module("jax")  # only the JAX process has it

    step, state = make_step(job, steps_a_call, unroll, in_turn)
    members = job["members"]
    size = members, steps_a_call, job["batch"]
    rows = np.random.default_rng(0).integers(0, SEQUENCES, size)
    began = time.process_time()
    state = jax.block_until_ready(step(state, rows))
    compiled = time.process_time() - began

    def call() -> None:
        nonlocal state
        state = jax.block_until_ready(step(state, rows))

    count = max(3, 40 // (members * steps_a_call))
    return {"step": cpu_seconds(call, count) / steps_a_call, "compile": compiled}


def make_step(job: Job, steps_a_call: int, unroll: int, in_turn: bool) -> tuple[Any, Any]:
    """Returns the jitted function of (state, rows), and the state of all members."""
    jax: Any = importlib.import_module("jax")
    optax: Any = importlib.import_module("optax")

    x = jax.random.normal(jax.random.key(1), (job["steps"], SEQUENCES, FEATURES))  # (T, N, F)
    labels = jax.random.randint(jax.random.key(2), (SEQUENCES,), 0, CLASSES)
    optimizer = optax.chain(optax.clip_by_global_norm(1.0), optax.adam(1e-3))

    def loss(weights: Any, rows: Any) -> Any:
        last = final_states(job, weights, x[:, rows], unroll)
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

    keys = jax.random.split(jax.random.key(0), job["members"])
    weights = jax.vmap(lambda key: draw_weights(job, key))(keys)
    return jax.jit(all_members, donate_argnums=0), (weights, jax.vmap(optimizer.init)(weights))


def draw_weights(job: Job, key: Any) -> dict[str, Any]:
    """Draws the initial weights of a member, for all layers and directions."""
    jax: Any = importlib.import_module("jax")
    hidden, directions = job["hidden"], 1 + job["bidirectional"]
    width = GATES[job["cell"]] * hidden
    sizes: dict[str, tuple[int, ...]] = {"w": (directions * hidden, CLASSES), "b": (CLASSES,)}
    for layer in range(job["layers"]):
        inputs = directions * hidden if layer else FEATURES
        for direction in range(directions):
            name = f"{layer}{direction}"
            sizes |= {f"ih{name}": (inputs, width), f"hh{name}": (hidden, width)}
            sizes |= {f"bih{name}": (width,), f"bhh{name}": (width,)}
    keys = dict(zip(sizes, jax.random.split(key, len(sizes)), strict=True))
    bound = hidden**-0.5
    return {
        name: jax.random.uniform(keys[name], size, minval=-bound, maxval=bound)
        for name, size in sizes.items()
    }


def final_states(job: Job, weights: Any, inputs: Any, unroll: int) -> Any:
    """Returns the last layer's final states (B, D * H) for inputs (T, B, F)."""
    jnp: Any = importlib.import_module("jax.numpy")
    last: list[Any] = []
    for layer in range(job["layers"]):
        outputs: list[Any] = []
        last = []
        for direction in range(1 + job["bidirectional"]):
            forwards = inputs[::-1] if direction else inputs
            final, states = states_of(job, weights, f"{layer}{direction}", forwards, unroll)
            last.append(final)
            outputs.append(states[::-1] if direction else states)
        inputs = jnp.concatenate(outputs, axis=-1)
    return jnp.concatenate(last, axis=-1)


def states_of(job: Job, weights: Any, name: str, inputs: Any, unroll: int) -> tuple[Any, Any]:
    """Returns the final state (B, H) and all states (T, B, H) of one direction."""
    jax: Any = importlib.import_module("jax")
    jnp: Any = importlib.import_module("jax.numpy")
    products = inputs @ weights[f"ih{name}"] + weights[f"bih{name}"]  # (T, B, G * H)
    zeros = jnp.zeros((inputs.shape[1], job["hidden"]))
    start = (zeros, zeros) if job["cell"] == "lstm" else zeros
    w_hh, b_hh = weights[f"hh{name}"], weights[f"bhh{name}"]

    def over_time(state: Any, now: Any) -> tuple[Any, Any]:
        state = next_state(job["cell"], state, now, w_hh, b_hh)
        return state, state[0] if job["cell"] == "lstm" else state

    final, states = jax.lax.scan(over_time, start, products, unroll=unroll)
    return final[0] if job["cell"] == "lstm" else final, states


def next_state(cell: str, state: Any, now: Any, w_hh: Any, b_hh: Any) -> Any:
    """Returns the state after one time step, as `nn.RNN`, `nn.GRU` and `nn.LSTM` define it."""
    jax: Any = importlib.import_module("jax")
    jnp: Any = importlib.import_module("jax.numpy")

    if cell == "rnn":
        return jnp.tanh(now + state @ w_hh + b_hh)
    if cell == "gru":
        recurrent = state @ w_hh + b_hh
        reset_in, update_in, new_in = jnp.split(now, 3, axis=-1)
        reset_h, update_h, new_h = jnp.split(recurrent, 3, axis=-1)
        reset, update = jax.nn.sigmoid(reset_in + reset_h), jax.nn.sigmoid(update_in + update_h)
        return (1 - update) * jnp.tanh(new_in + reset * new_h) + update * state
    hidden, memory = state
    gates = now + hidden @ w_hh + b_hh
    into, forget, new, out = jnp.split(gates, 4, axis=-1)
    memory = jax.nn.sigmoid(forget) * memory + jax.nn.sigmoid(into) * jnp.tanh(new)
    return jax.nn.sigmoid(out) * jnp.tanh(memory), memory


if __name__ == "__main__":
    main()
