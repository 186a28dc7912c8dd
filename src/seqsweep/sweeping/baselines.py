"""Measures methods without a network (baselines) on a sweep's data, for the report.

Imports no torch. S sequences, T steps, F features.
"""

import functools
import json
import time
import warnings
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from seqsweep.config.schema import Config
from seqsweep.data.sequences import Sequences, Splits
from seqsweep.data.transforms import shaping_options
from seqsweep.data.vocabulary import Vocabulary
from seqsweep.elementary import accuracy_of_votes, macro_f1
from seqsweep.results.baselines import MAJORITY, NAME, read_baselines
from seqsweep.runs.documents import write_sealed
from seqsweep.runs.files import JsonObject
from seqsweep.runs.identity import flatten, nested
from seqsweep.runs.ledger import Entry
from seqsweep.runs.metrics import BY_RECORDING, knows_metrics
from seqsweep.runs.provenance import version
from seqsweep.runs.run_folder import RunFolder
from seqsweep.training.run_data import data_of

LARGEST = 2**24
"""The most values of a training set to which the baselines of scikit-learn are fitted."""

Labels = npt.NDArray[np.int64]
Predict = Callable[[Sequences], Labels]

_IGNORED = ("batch_size", "eval_batch_size", "num_workers", "seed", "shuffle")
"""The keys of the data section that the sequences do not depend on."""


def write_baselines(folder: Path, entries: Sequence[Entry], allowed: Sequence[str] = ()) -> None:
    """Adds the missing baselines of a folder's data to baselines.json.

    The file has a row for each baseline and data set of the runs. Rows on other data sets are
    kept, unless the file is outdated. Baselines learn from the same training split as the networks,
    with the same scaling, padded with zeros.

    Args:
        entries: the runs of the folder; only those with a record count.
        allowed: the targets outside seqsweep that may read the data.

    Raises:
        ValueError, TypeError, OSError: the data cannot be read again, a target is not allowed, or
            the file cannot be written.
    """
    sets: dict[str, tuple[RunFolder, Config]] = {}
    for entry in entries:
        fingerprint = entry.record.data_fingerprint
        flat = {key: value for key, value in entry.config.items() if key.startswith("data.")}
        data = nested(flat).get("data", {})
        # A user's own data module has no source to read, and a user's own metrics no baseline.
        if fingerprint and "source" in data and knows_metrics(entry.config):
            name = json.dumps([_shaping(data), fingerprint], sort_keys=True)
            sets.setdefault(name, (entry.folder, data))
    known = read_baselines(folder)
    # Another version of seqsweep wrote it, or scikit-learn has been installed or removed.
    if not known.items() >= _installed().items():
        known = {}
    if sets.keys() <= set(known.get("of", [])):
        return
    # Imported here, because a folder with current baselines does not need OmegaConf.
    from seqsweep.training.saved_config import saved_data

    rows = [row for row in known.get("baselines", []) if row.get("of") not in sets]
    notes: list[str] = known.get("notes", [])
    for name, (run, data) in sets.items():
        saved = saved_data(run, allowed)
        shaping = dict(flatten({"data": _shaping(data)}))
        head = {"of": name, "data": shaping, "data_fingerprint": saved.data_fingerprint}
        measured, missing = measure(data_of(saved.config["data"]).prepared)
        rows += [head | row for row in measured]
        notes += [note for note in missing if note not in notes]
    of = sorted({*known.get("of", []), *sets})
    content = {**_installed(), "of": of, "baselines": rows, "notes": notes}
    write_sealed(folder / NAME, content, sync=False)


def measure(splits: Splits) -> tuple[list[JsonObject], list[str]]:
    """Returns the baselines, and notes on missing baselines.

    The majority class is measured if there is a split val or test. Logistic regression (Cox 1958)
    and the nearest neighbour (Cover and Hart 1967), on the padded and flattened sequences, also
    need scikit-learn. For texts they use the count of each symbol (Joachims 1998), because the
    indices of symbols are not quantities; also for one-hot channels, where all test sequences are
    longer than those of train.
    """
    if splits.val is None and splits.test is None:
        return [], ["No baselines: there is neither a validation nor a test split."]
    rows, notes = [_row(MAJORITY, splits, _majority)], list[str]()
    train = splits.train
    size, missing = len(train) * train.max_length * train.input_size, ""
    if not _installed()["scikit-learn"]:
        missing = "scikit-learn is not installed: pip install 'seqsweep[baselines]'"
    elif size > LARGEST:
        missing = f"a training set of {size:,} numbers, more than {LARGEST:,}"
    if missing:
        return rows, [f"no logistic regression and no nearest neighbour: {missing}"]
    # Imported here, because scikit-learn may be missing.
    from sklearn.linear_model import LogisticRegression
    from sklearn.neighbors import KNeighborsClassifier
    from threadpoolctl import threadpool_limits

    models = {
        "logistic regression": LogisticRegression(max_iter=1000),
        "1-nearest neighbour": KNeighborsClassifier(n_neighbors=1),
    }
    for name, model in models.items():
        # One thread disturbs training less. The logistic regression may not have converged after
        # 1000 steps. Its result is used without a warning.
        with threadpool_limits(1), warnings.catch_warnings(action="ignore"):
            try:
                rows.append(_row(name, splits, functools.partial(_fitted, model)))
            except ValueError as error:  # for example a training split with only one class
                notes.append(f"no {name}: {error}")
    return rows, notes


def majority_shares(splits: Splits) -> dict[str, float]:
    """Returns the accuracies, by name, of predicting the most frequent training class."""
    row = _row("", splits, _majority)
    return {name: value for name, value in row["metrics"].items() if name.endswith("/acc")}


def _installed() -> JsonObject:
    """Returns the values in baselines.json without which it is outdated."""
    return {"seqsweep": version(), "scikit-learn": find_spec("sklearn") is not None}


def _shaping(data: Config) -> Config:
    """Returns the part of a data section that the sequences depend on."""
    kept = {key: value for key, value in data.items() if key not in _IGNORED}
    return kept | {"transform": shaping_options(kept.get("transform"))}


def _row(name: str, splits: Splits, fit: Callable[[Splits], Predict]) -> JsonObject:
    """Returns a row of baselines.json: the scores on val and test, and the seconds."""
    start = time.perf_counter()
    predict = fit(splits)
    metrics: dict[str, float] = {}
    for split, sequences in (("val", splits.val), ("test", splits.test)):
        if sequences is not None:
            predicted = predict(sequences)
            scores = _scores(predicted, sequences.labels, splits.num_classes)
            if found := sequences.by_recording():
                votes = np.eye(splits.num_classes)[predicted], found[1], sequences.labels[found[0]]
                scores[BY_RECORDING] = accuracy_of_votes(*votes)
            metrics |= {f"{split}/{metric}": value for metric, value in scores.items()}
    return {"name": name, "metrics": metrics, "seconds": round(time.perf_counter() - start, 3)}


def _scores(predicted: Labels, labels: Labels, num_classes: int) -> dict[str, float]:
    """Returns accuracy, and macro-F1 over the classes that occur."""
    counts = np.zeros((num_classes, num_classes))
    np.add.at(counts, (labels, predicted), 1)
    hits, seen = counts.diagonal(), counts.sum(0) + counts.sum(1)
    return {"acc": float(hits.sum() / counts.sum()), "f1": macro_f1(hits, seen)}


def _majority(splits: Splits) -> Predict:
    most = int(np.bincount(splits.train.labels).argmax())
    return lambda sequences: np.full(len(sequences), most)


def _fitted(model: Any, splits: Splits) -> Predict:
    """Fits a model to the rows of the training split; returns its `predict`."""
    longest, vocabulary = splits.train.max_length, splits.vocabulary
    are_longer = splits.test is not None and splits.test.lengths.min() > longest
    counts_symbols = are_longer and _is_one_hot(splits.train)

    def rows_of(part: Sequences) -> npt.NDArray[np.floating[Any]]:
        if vocabulary is not None:
            return _counted(part, vocabulary)
        return part.x.sum(axis=1) if counts_symbols else _flat(part, longest)

    model.fit(rows_of(splits.train), splits.train.labels)
    return lambda sequences: model.predict(rows_of(sequences))


def _is_one_hot(sequences: Sequences) -> bool:
    x = sequences.x
    return bool(((x == 0) | (x == 1)).all() and (x.sum(axis=2) == sequences.valid).all())


def _counted(sequences: Sequences, vocabulary: Vocabulary) -> npt.NDArray[np.float32]:
    """Counts the symbols of each text: (S, T, 1) -> (S, symbols)."""
    counts = np.zeros((len(sequences), len(vocabulary)), dtype=np.float32)
    rows, steps = np.nonzero(sequences.valid)
    np.add.at(counts, (rows, sequences.x[rows, steps, 0].astype(np.int64)), 1)
    return counts


def _flat(sequences: Sequences, steps: int) -> npt.NDArray[np.float32]:
    """Pads or cuts sequences to `steps`: (S, T, F) -> (S, steps * F)."""
    kept = sequences.x[:, :steps]
    missing = steps - kept.shape[1]
    return np.pad(kept, ((0, 0), (0, missing), (0, 0))).reshape(len(kept), -1)
