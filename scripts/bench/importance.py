"""Compares `evaluate --importance` with what decides in truth, and with scikit-learn.

`python scripts/bench/importance.py [FOLDER]` trains networks on four tasks whose answer is known,
until 40 runs of each have learned it (test accuracy of at least 0.95). A run is right if exactly
the parts that decide are named: of `temporal_order` the two spans in which X and Y stand, of
`delayed_recall` the first step, of `adding` both channels and no span before the others, and of a
made set the two of five channels that tell. Then scikit-learn's `permutation_importance` permutes
the same parts of the same sequences for one network of each task. The exit code is 1 if fewer than
95 % of the runs of a task are right, or if a mean differs by more than four standard errors.
"""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from sklearn.inspection import permutation_importance

import seqsweep
from seqsweep.results.importance import deciding
from seqsweep.training.run_data import data_of
from seqsweep.using.importance import Part, parts_of, worsening
from seqsweep.using.load import Inputs, LoadedRun

RUNS, LEAST, LEARNED = 40, 0.95, 0.95
_ALL = {f"steps {n}-{n + 10} %" for n in range(0, 100, 10)}
TRUTH: dict[str, tuple[set[str], set[str]]] = {
    "temporal_order": (
        {"X, Y, a, b, c, d"},
        {"steps 10-20 %", "steps 20-30 %", "steps 50-60 %", "steps 60-70 %"},
    ),
    "delayed_recall": ({"s0, s1, s2, s3, s4, s5, s6, s7, blank, …"}, {"steps 0-10 %"}),
    "adding": ({"value", "marker"}, _ALL),
    "two_of_five": ({"channel_1", "channel_3"}, _ALL),
}
"""The channels and the spans that decide; all spans means that none stands out."""


def make_two_of_five(path: Path) -> list[str]:
    """Writes sequences whose class is the sum of two of five channels over all steps."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(3000, 10, 5))
    np.savez(path, X=x, y=(x[:, :, 1].sum(axis=1) + x[:, :, 3].sum(axis=1) > 0).astype(int))
    return ["data=npz", f"data.source.path={path}", "data.batch_size=50", "optimizer.lr=0.01"]


def sequences_of(run: LoadedRun) -> tuple[Inputs, npt.NDArray[np.int64], list[dict[str, Part]]]:
    """Returns the test split of a run, its labels, its channels and spans."""
    part = data_of(run.config["data"]).prepared.test
    assert part is not None
    inputs = Inputs(torch.from_numpy(part.x), torch.from_numpy(part.lengths))
    return inputs, part.labels, parts_of(part.x, part.lengths, run.channel_names)[:2]


def named(run: LoadedRun) -> tuple[set[str], set[str]]:
    """Returns the channels and the spans that decide."""
    inputs, labels, kinds = sequences_of(run)
    found: list[set[str]] = []
    for kind in kinds:
        drops = worsening(run, inputs, labels, list(kind.values()), 0, 512)[1:, 0]
        means = [{"mean": float(drop), "low": None} for drop in drops]
        parts = [{"name": n, "loss": m, "accuracy": m} for n, m in zip(kind, means, strict=True)]
        found.append({*deciding(parts)})
    return found[0], found[1]


class Columns:
    """A network as an estimator for scikit-learn: a column holds the sequence of each part."""

    def __init__(self, run: LoadedRun, inputs: Inputs, parts: list[Part]) -> None:
        self.run, self.inputs, self.parts = run, inputs, parts
        self.classes_ = np.arange(len(run.class_names))

    def fit(self, X: np.ndarray, y: np.ndarray) -> "Columns":
        return self

    def predict_proba(self, X: np.ndarray) -> np.ndarray:
        whole = self.inputs.x.numpy()
        x = whole.copy()
        for column, (within, channels) in zip(X.T, self.parts, strict=True):
            x = np.where(within[:, :, None] & channels, whole[column], x)
        return self.run.apply(self.inputs._replace(x=self.inputs.x.new_tensor(x)))

    def score(self, X: np.ndarray, y: np.ndarray) -> float:
        return float(np.log(self.predict_proba(X)[np.arange(len(y)), y]).mean())


def differs_from_sklearn(run: LoadedRun) -> float:
    """Returns the largest difference of the two means of a part, in standard errors."""
    inputs, labels, kinds = sequences_of(run)
    worst = 0.0
    for kind in kinds:
        parts = list(kind.values())
        ours = np.array([worsening(run, inputs, labels, parts, s, 512)[1:, 0] for s in range(8)])
        columns = np.tile(np.arange(len(labels))[:, None], (1, len(parts)))
        sample: Any = Columns(run, inputs, parts), columns, labels
        theirs: Any = permutation_importance(*sample, n_repeats=40, random_state=0)
        error = np.sqrt(theirs["importances_std"] ** 2 / 40 + ours.var(axis=0, ddof=1) / 8)
        means = ours.mean(axis=0), theirs["importances_mean"]
        distance = np.abs(means[0] - means[1])
        worst = max(worst, float((distance / np.maximum(error, 1e-9)).max()))
        for name, mine, other in zip(kind, *means, strict=True):
            print(f"  {name:42} {mine:+.4f}  scikit-learn {other:+.4f}")
    return worst


def main() -> int:
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "outputs/importance").absolute()
    folder.mkdir(parents=True, exist_ok=True)
    own = make_two_of_five(folder / "two_of_five.npz")
    is_right = True
    for task, (channels, spans) in TRUTH.items():
        words = own if task == "two_of_five" else [f"experiment={task}", "data.source.length=10"]
        words += ["data.source.length=20"] if task == "temporal_order" else []
        seqsweep.sweep(
            [*words, "model.cell=gru", "model.hidden_size=16", "trainer.max_epochs=60",
             f"seed=range({RUNS + 10})", f"output_dir={folder}", f"sweep.name={task}",
             "sweep.report=false", "diagnostics=false", "hydra.launcher.threads=2"]
        )  # fmt: skip
        table = seqsweep.load_sweep(folder / "sweeps" / task)
        learned = [Path(path) for path in table["folder"][table["test/acc"] >= LEARNED]][:RUNS]
        found = [named(seqsweep.load_run(path)) for path in learned]
        others = [names for names in found if names != (channels, spans)]
        right = len(learned) - len(others)
        print(f"{task}: right in {right} of {len(learned)} runs that have learned")
        for names in others:
            print("  named instead:", names)
        errors = differs_from_sklearn(seqsweep.load_run(learned[0]))
        print(f"  differs from scikit-learn by at most {errors:.1f} standard errors", flush=True)
        is_right &= len(learned) == RUNS and right >= LEAST * RUNS and errors <= 4
    return 0 if is_right else 1


if __name__ == "__main__":
    sys.exit(main())
