"""Measures a grid search whose fits train together against scikit-learn's `GridSearchCV`.

    OMP_NUM_THREADS=1 python scripts/bench/estimator_cv.py [--epochs 10] [--folds 5]

Both search the same grid of 24 configs with the same estimator, the same folds and one thread, and
train the best config once more. They take turns, and the least CPU time of three turns counts. The
program ends with an error unless all scores are equal to the last bit.
"""

from functools import partial
from typing import Any

import numpy as np
from frame import Table, cpu_seconds, read_options
from sklearn.model_selection import GridSearchCV

from seqsweep.data.bundled import digits, japanese_vowels
from seqsweep.data.sequences import Sequences
from seqsweep.sklearn import RecurrentClassifier, RecurrentClassifierCV

GRID = {"cell": ["rnn", "gru", "lstm"], "hidden_size": [8, 16, 24, 32], "lr": [0.003, 0.01]}
PROBLEMS = {
    "Japanese Vowels: 270 sequences, 7-29 steps x 12": japanese_vowels,
    "digits: 1797 sequences, 8 steps x 8": digits,
}


def rows_of(sequences: Sequences) -> list[Any]:
    """Returns the sequences as a list of arrays (T, F)."""
    return [x[:length] for x, length in zip(sequences.x, sequences.lengths, strict=True)]


def fitted(kind: Any, base: RecurrentClassifier, folds: int, x: Any, y: Any) -> Any:
    return kind(base, GRID, cv=folds).fit(x, y)


def check_equal(ours: Any, theirs: Any) -> None:
    """Refuses results that differ in any bit, except for times."""
    for name, values in theirs.cv_results_.items():
        if not name.endswith("_time"):
            np.testing.assert_array_equal(ours.cv_results_[name], values, err_msg=name)


def main() -> None:
    options = read_options(__doc__, epochs=10, folds=5)
    base = RecurrentClassifier(max_epochs=options.epochs)
    fits = len(GRID["cell"]) * len(GRID["hidden_size"]) * len(GRID["lr"]) * options.folds + 1
    for name, load in PROBLEMS.items():
        train = load().train
        x, y = rows_of(train), train.labels
        search = partial(fitted, base=base, folds=options.folds, x=x, y=y)
        check_equal(search(RecurrentClassifierCV), search(GridSearchCV))
        ours = cpu_seconds(partial(search, RecurrentClassifierCV), 1)
        theirs = cpu_seconds(partial(search, GridSearchCV), 1)
        table = Table(name, "CPU, s", "ms a fit", "ratio", first=50)
        table.row("GridSearchCV", theirs, 1000 * theirs / fits, theirs / ours)
        table.row("RecurrentClassifierCV", ours, 1000 * ours / fits, 1.0)


if __name__ == "__main__":
    main()
