"""Compares one training step of K networks by the native engine with one by JAX.

    python scripts/bench/against_jax.py [--jax PYTHON] [--cells rnn gru] [--members 1 8 24 96]
        [--shapes 6,3,10 32,32,32]

Both sides train K networks of one layer on one thread, on sequences of 8 features, and count CPU
time. A step is forward, backward, clipping at 1.0 and Adam. The native engine is measured as in
steps.py. The JAX side is what a good user writes: a `lax.scan` over time with the input product
outside the loop, `grad`, optax's `clip_by_global_norm` and `adam`, all in one `jit` with donated
buffers. It is tried with `vmap` over the members and with `lax.map` (one member after another),
with one step a call and with 32, and with the scan over time unrolled by 8. The fastest way counts
for each shape. If 32 steps would take more than a second, a call has fewer steps.

Compilation is not counted but printed separately. JAX runs in its own process, with the interpreter
given by `--jax`. Without that option the program makes a temporary environment and installs jax and
optax into it. It prints how many times as fast as JAX's best way the native engine is.
"""

import importlib
import subprocess
import tempfile
import time
import venv
from pathlib import Path
from typing import Any

from frame import Table, call_command, cpu_seconds, read_options, run
from problems import CELLS, CLASSES, FEATURES, MEMBERS, SEQUENCES, SHAPES

GATES = {"rnn": 1, "gru": 3, "lstm": 4}
VARIABLES = {
    "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1",
    "JAX_PLATFORMS": "cpu",
}

Job = dict[str, Any]
"""The cell, steps, batch and hidden size of the networks, and their number."""


def main() -> None:
    shapes = [",".join(map(str, shape)) for shape in SHAPES]
    options = read_options(__doc__, jax="", cells=CELLS, members=MEMBERS, shapes=shapes)
    import torch  # not at the top, because the JAX process has no torch

    torch.set_num_threads(1)
    print("each cell: native over JAX's best way, that way and its compilation")
    with tempfile.TemporaryDirectory() as folder:
        python = options.jax or install_jax(Path(folder))
        for cell in options.cells:
            heads = [f"{members:>24}" for members in options.members]
            table = Table(f"{cell}: steps, batch, hidden", *heads, first=28)
            for shape in options.shapes:
                steps, batch, hidden = map(int, shape.split(","))
                job = {"cell": cell, "steps": steps, "batch": batch, "hidden": hidden}
                table.row(shape, *(compare(python, job, k) for k in options.members))


def install_jax(folder: Path) -> str:
    """Makes an environment with jax and optax; returns its interpreter."""
    venv.create(folder / "jax", with_pip=True)
    python = str(folder / "jax" / "bin" / "python")
    subprocess.run([python, "-m", "pip", "install", "--quiet", "jax", "optax"], check=True)
    return python


def compare(python: str, architecture: Job, members: int) -> str:
    """Measures both sides; returns the ratio, JAX's best way and its compile time."""
    from steps import Problem, time_native

    by_native = time_native(Problem(**architecture), members)
    job = architecture | {"members": members}
    ways = run(call_command(time_jax, job, python=python), variables=VARIABLES).value
    best = min(ways, key=lambda way: ways[way]["step"])
    step, compiled = ways[best]["step"], ways[best]["compile"]
    return f"{step / by_native:.2f}x {best} +{compiled:.1f}s"


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
    jax: Any = importlib.import_module("jax")  # only the JAX process has it

    step, state = make_step(job, steps_a_call, unroll, in_turn)
    members = job["members"]
    size = members, steps_a_call, job["batch"]
    rows = jax.random.randint(jax.random.key(3), size, 0, SEQUENCES)
    began = time.process_time()
    state = jax.block_until_ready(step(state, rows))
    compiled = time.process_time() - began

    def take_step() -> None:
        nonlocal state
        state = jax.block_until_ready(step(state, rows))

    count = max(3, 40 // (members * steps_a_call))
    return {"step": cpu_seconds(take_step, count) / steps_a_call, "compile": compiled}


def make_step(job: Job, steps_a_call: int, unroll: int, in_turn: bool) -> tuple[Any, Any]:
    """Returns the jitted function of (state, rows), and the state of all members."""
    jax: Any = importlib.import_module("jax")
    optax: Any = importlib.import_module("optax")

    x = jax.random.normal(jax.random.key(1), (job["steps"], SEQUENCES, FEATURES))  # (T, N, F)
    labels = jax.random.randint(jax.random.key(2), (SEQUENCES,), 0, CLASSES)
    optimizer = optax.chain(optax.clip_by_global_norm(1.0), optax.adam(1e-3))

    def loss(weights: Any, rows: Any) -> Any:
        logits = final_state(job, weights, x[:, rows], unroll) @ weights["w"] + weights["b"]
        return optax.softmax_cross_entropy_with_integer_labels(logits, labels[rows]).mean()

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
    """Draws the initial weights of a member."""
    jax: Any = importlib.import_module("jax")
    hidden, width = job["hidden"], GATES[job["cell"]] * job["hidden"]
    sizes: dict[str, tuple[int, ...]] = {
        "ih": (FEATURES, width), "hh": (hidden, width), "bih": (width,), "bhh": (width,),
        "w": (hidden, CLASSES), "b": (CLASSES,),
    }  # fmt: skip
    keys = dict(zip(sizes, jax.random.split(key, len(sizes)), strict=True))
    bound = hidden**-0.5
    return {
        name: jax.random.uniform(keys[name], size, minval=-bound, maxval=bound)
        for name, size in sizes.items()
    }


def final_state(job: Job, weights: Any, inputs: Any, unroll: int) -> Any:
    """Returns the final state (B, H) for inputs (T, B, F)."""
    jax: Any = importlib.import_module("jax")
    jnp: Any = importlib.import_module("jax.numpy")
    products = inputs @ weights["ih"] + weights["bih"]  # (T, B, G * H)
    zeros = jnp.zeros((inputs.shape[1], job["hidden"]))
    start = (zeros, zeros) if job["cell"] == "lstm" else zeros

    def over_time(state: Any, now: Any) -> tuple[Any, None]:
        return next_state(job["cell"], state, now, weights["hh"], weights["bhh"]), None

    final, _ = jax.lax.scan(over_time, start, products, unroll=unroll)
    return final[0] if job["cell"] == "lstm" else final


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
