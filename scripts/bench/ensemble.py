"""Measures how much better all seeds of a config are together than the mean seed.

`python scripts/bench/ensemble.py [FOLDER]` trains ten seeds of one network on three data sets, and
prints the accuracy of the ensemble and of the mean seed, with the mean paired difference and its
95 % interval over the seeds, and over the test sequences. The exit code is 1 if the ensemble's
probabilities are not the mean of the seeds' to 1e-6, or if an interval has no part above 0.
"""

import sys
from pathlib import Path

import numpy as np
import torch

import seqsweep
from seqsweep.results.significance import estimate
from seqsweep.training.run_data import data_of
from seqsweep.using.load import Inputs

SETS = {
    "japanese_vowels": ["data=japanese_vowels", "trainer.max_epochs=20"],
    "digits": ["data=digits", "trainer.max_epochs=15"],
    "frequencies": ["experiment=frequencies"],
}


def main() -> int:
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "outputs/ensemble").absolute()
    is_right = True
    for name, words in SETS.items():
        seqsweep.sweep(
            [*words, "model.cell=gru", "model.hidden_size=16", "seed=range(10)",
             f"sweep.name={name}", f"output_dir={folder}", "sweep.report=false"]
        )  # fmt: skip
        ensemble = seqsweep.load_ensemble(folder / "sweeps" / name)
        part = data_of(ensemble.config["data"]).prepared.test
        assert part is not None
        inputs = Inputs(torch.from_numpy(part.x), torch.from_numpy(part.lengths))
        each, all_seeds = ensemble.apply_each(inputs), ensemble.apply(inputs)
        alone, together = (
            each.argmax(axis=2) == part.labels,
            all_seeds.argmax(axis=1) == part.labels,
        )
        by_seed = estimate((together.mean() - alone.mean(axis=1)).tolist())
        by_sequence = estimate((together - alone.mean(axis=0)).tolist())
        print(f"{name}: ensemble {together.mean():.4f}, mean seed {alone.mean():.4f}")
        for unit, gain in (("seeds", by_seed), ("sequences", by_sequence)):
            print(f"  {gain.mean:+.4f} [{gain.low:+.4f}, {gain.high:+.4f}] over the {unit}")
            is_right &= gain.high is not None and gain.high > 0
        is_right &= bool(np.abs(all_seeds - each.mean(axis=0)).max() < 1e-6)
    return 0 if is_right else 1


if __name__ == "__main__":
    sys.exit(main())
