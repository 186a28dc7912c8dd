"""Compares streams with whole sequences: every prefix of 20 sequences, in three runtimes.

    python scripts/bench/stream/prefixes.py [FOLDER]

Each run of a sweep over eight cells and three poolings is written as two files, of sequences and of
steps. Steps run in ONNX Runtime of Python, of the web (in Node.js) and of C++, and in
`LoadedRun.stream`. For each cell the script prints the largest differences of the probabilities
from those of the file of sequences in the same runtime (Python's for C++ and `stream`) and from
those of the network; and the CPU time of a step in Node.js, over 10,000 steps.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch

import seqsweep
from seqsweep.data.bundled import japanese_vowels
from seqsweep.data.checks import Array, Int64
from seqsweep.extras.export import onnx_file
from seqsweep.models.layers import logits_of
from seqsweep.using.load import LoadedRun

HERE = Path(__file__).parent
CELLS = ["rnn", "gru", "lstm", "indrnn", "mingru", "minlstm", "lru", "example_cells.CoRNN"]
RUNTIMES = ["Python", "Node.js", "C++", "stream()"]
FIRST, LAST = 1, 20
"""The crop of all runs."""


def main(folder: Path) -> None:
    sys.path.insert(0, str(HERE.parents[1]))
    sweep = seqsweep.sweep(
        [
            "data=japanese_vowels", f"data.transform.crop=[{FIRST},{LAST}]",
            f"model.cell={','.join(CELLS)}", "model.pooling=last,mean,max", "model.num_layers=2",
            "trainer.max_epochs=10", "sweep.name=stream", "sweep.report=false",
            f"output_dir={folder}/outputs",
        ]
    )  # fmt: skip
    test = japanese_vowels().test
    assert test is not None
    chosen = np.argsort(test.lengths, kind="stable")[:: len(test.lengths) // 19][:20]
    x, lengths = test.x[chosen].astype(np.float32), test.lengths[chosen]
    x.swapaxes(0, 1).tofile(folder / "x.bin")
    runs = {
        path.parent.name: seqsweep.load_run(path.parent, allow=CELLS[-1:])
        for path in sweep.glob("*/record.json")
    }
    for name, run in runs.items():
        (folder / f"{name}.onnx").write_bytes(onnx_file.write(run))
        (folder / f"{name}-step.onnx").write_bytes(onnx_file.write(run, step=True))
    sizes = [*map(str, (x.shape[1], *x.shape[::2])), *(f"{name}-step.onnx" for name in runs)]
    compile_cpp(folder)
    command(folder, "./stream", *sizes)
    (folder / "stream.mjs").write_bytes((HERE / "stream.mjs").read_bytes())
    command(folder, "npm", "install", "--no-audit", "--no-fund", "--ignore-scripts",
            "onnxruntime-web@1.30.0")  # fmt: skip
    times = dict(line.split() for line in command(folder, "node", "stream.mjs", *sizes))
    rows: dict[str, list[list[float]]] = {cell: [] for cell in CELLS}
    for name, run in runs.items():
        found = differences(run, folder / name, x, lengths)
        rows[run.config["model"]["cell"]].append([*found, float(times[name])])
    print(" " * 20, f"{'from the file':36}  {'from the network':36}  us in")
    print(f"{'cell':20}", *(f"{name:>8}" for name in 2 * RUNTIMES), "Node.js")
    for cell, found in rows.items():
        *worst, microseconds = np.max(found, axis=0)
        print(f"{cell:20}", *(f"{value:8.1e}" for value in worst), f"{microseconds:7.0f}")


def compile_cpp(folder: Path) -> None:
    command(folder, "c++", "-std=c++17", "-O2", str(HERE / "stream.cpp"),
            "-I/usr/include/onnxruntime", "-lonnxruntime", "-o", "stream")  # fmt: skip


def command(folder: Path, *words: str) -> list[str]:
    done = subprocess.run(words, cwd=folder, check=True, stdout=subprocess.PIPE, text=True)
    return done.stdout.splitlines()


def differences(run: LoadedRun, path: Path, x: Array, lengths: Int64) -> list[float]:
    """Returns the largest differences of four streams from the file, then from the network."""
    by_step, whole = (
        onnx_file.read(path.with_name(f"{path.name}{ending}.onnx").read_bytes())
        for ending in ("-step", "")
    )
    shape = (x.shape[1], len(x), len(run.class_names))
    node, node_whole, cpp = (
        np.fromfile(path.with_suffix(f".{kind}.bin"), np.float32).reshape(shape)
        for kind in ("node", "whole", "cpp")
    )
    stream, worst = run.stream(), np.zeros(8)
    for end in range(1, lengths.max() + 1):
        rows = lengths >= end  # the others have ended
        prefix, ends = x[rows, :end], np.full(rows.sum(), end)
        pushed = stream.push(x[:, end - 1])[rows]
        if end <= FIRST:
            assert np.isnan([node[end - 1], cpp[end - 1]]).all()
            continue
        with torch.inference_mode():
            network = logits_of(run.network, *run.prepare(prefix)).softmax(dim=1).numpy()
        in_python, file = by_step(prefix, ends).probabilities, whole(prefix, ends).probabilities
        found = in_python, node[end - 1, rows], cpp[end - 1, rows], pushed
        files = file, node_whole[end - 1, rows], file, file
        pairs = [*zip(found, files, strict=True), *((one, network) for one in found)]
        worst = np.maximum(worst, [np.abs(one - other).max() for one, other in pairs])
    return worst.tolist()


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve() if len(sys.argv) > 1 else Path(tempfile.mkdtemp()))
