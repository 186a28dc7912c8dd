"""What needs no network, on a sweep's data: baselines.json, for the report. Imports no torch.

S sequences, T steps, F features, C classes.
"""

import json
import time
import warnings
from collections.abc import Callable, Iterable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from seqsweep.config.schema import Config
from seqsweep.data.sequences import Sequences, Splits
from seqsweep.runs.identity import flatten
from seqsweep.runs.ledger import Entry
from seqsweep.runs.provenance import version
from seqsweep.runs.run_folder import RunFolder
from seqsweep.runs.sealed import read_sealed_or_none, write_sealed
from seqsweep.training.data_cache import prepared
from seqsweep.training.planned_run import PlannedRun

NAME = "baselines.json"
LARGEST = 2**24
"""Numbers of a training set that the baselines with scikit-learn are fitted to at most."""

Labels = npt.NDArray[np.int64]
Predict = Callable[[Sequences], Labels]

_IGNORED = ("batch_size", "eval_batch_size", "num_workers", "seed", "shuffle")
"""Of the data section: what the sequences do not depend on."""


def write_baselines(members: Sequence[PlannedRun], folder: Path) -> None:
    """Measures the baselines of a sweep's data and writes them down, unless they are there.

    A row for each baseline and each of the data sets among the members, beside those that the file
    has of other members of the folder. They learn from the networks' training split, and see what
    the networks see: standardised, padded with zeros.

    Raises:
        ValueError, TypeError, OSError: the data cannot be read any more, or the file not written.
    """
    sets = {_name(m.config["data"], m.data_fingerprint): m for m in members if m.data_fingerprint}
    if _is_current(folder, sets):
        return
    known = _known(folder)
    rows = [row for row in known.get("baselines", []) if row.get("of") not in sets]
    notes: list[str] = known.get("notes", [])
    for name, member in sets.items():
        data = dict(flatten(_data(member)))
        head = {"of": name, "data": data, "data_fingerprint": member.data_fingerprint}
        found, why = measure(prepared(member.config))
        rows += [head | row for row in found]
        notes += [note for note in why if note not in notes]
    of = sorted({*known.get("of", []), *sets})
    content = {"seqsweep": version(), "of": of, "scikit-learn": _has_sklearn()}
    write_sealed(folder / NAME, content | {"baselines": rows, "notes": notes}, sync=False)


def measure(splits: Splits) -> tuple[list[dict[str, Any]], list[str]]:
    """Each baseline's name, metrics and seconds; and why one is missing.

    The majority class always; logistic regression (Cox 1958) and the nearest neighbour (Cover and
    Hart 1967) on the padded, flattened sequences where scikit-learn is installed.
    """
    if splits.val is None and splits.test is None:
        return [], ["No baselines: there is neither a validation nor a test split."]
    rows = [_row("majority class", splits, _majority)]
    if not _has_sklearn():
        missing = "scikit-learn is not installed: pip install 'seqsweep[baselines]'"
        return rows, [f"no logistic regression and no nearest neighbour: {missing}"]
    size = splits.train.x.size
    if size > LARGEST:
        why = f"a training set of {size:,} numbers, more than {LARGEST:,}"
        return rows, [f"no logistic regression and no nearest neighbour: {why}"]
    notes: list[str] = []
    for name, fit in (("logistic regression", _logistic), ("1-nearest neighbour", _nearest)):
        try:
            rows.append(_row(name, splits, fit))
        except ValueError as error:  # a training split of one class, for instance
            notes.append(f"no {name}: {error}")
    return rows, notes


def majority_shares(splits: Splits) -> dict[str, float]:
    """The accuracies of always naming the most frequent class of the training split."""
    row = _row("", splits, _majority)
    return {name: value for name, value in row["metrics"].items() if name.endswith("acc")}


def _has_sklearn() -> bool:
    return find_spec("sklearn") is not None


def _is_current(folder: Path, names: Iterable[str]) -> bool:
    """Whether the file has these data sets, measured with what is installed now."""
    return set(names) <= set(_known(folder).get("of", []))


def _known(folder: Path) -> dict[str, Any]:
    """What the file has, if it was measured with what is installed now."""
    known = read_sealed_or_none(folder / NAME) or {}
    installed = {"seqsweep": version(), "scikit-learn": _has_sklearn()}
    return known if known.items() >= installed.items() else {}


def write_baselines_of(folder: Path, entries: Sequence[Entry], allowed: Sequence[str] = ()) -> None:
    """The same from the folders of the runs, whose data are read again.

    Args:
        allowed: targets beside ours that may read their data.

    Raises:
        ValueError, TypeError, OSError: as above, or data that are read by what is not ours.
    """
    found: dict[str, RunFolder] = {}
    for entry in entries:
        fingerprint = (entry.record or {}).get("data_fingerprint")
        config = entry.folder.config() if fingerprint else None
        if config is not None and "data" in config:
            found.setdefault(_name(config["data"], fingerprint), entry.folder)
    if not found or _is_current(folder, found):
        return
    from seqsweep.training.saved_config import (
        saved_data,  # imports OmegaConf: not for a known folder
    )

    write_baselines([saved_data(run, allowed) for run in found.values()], folder)


def _name(data: Config, fingerprint: str | None) -> str:
    """One for all configs that see the same sequences."""
    kept = {key: value for key, value in data.items() if key not in _IGNORED}
    return json.dumps([kept, fingerprint], sort_keys=True)


def _data(member: PlannedRun) -> Config:
    kept = {key: v for key, v in member.config["data"].items() if key not in _IGNORED}
    return {"data": kept}


def _row(name: str, splits: Splits, fit: Callable[[Splits], Predict]) -> dict[str, Any]:
    start = time.perf_counter()
    predict = fit(splits)
    metrics: dict[str, float] = {}
    for split, sequences in (("val", splits.val), ("test", splits.test)):
        if sequences is not None:
            found = _scores(predict(sequences), sequences.labels, splits.num_classes)
            metrics |= {f"{split}/{metric}": value for metric, value in found.items()}
    return {"name": name, "metrics": metrics, "seconds": round(time.perf_counter() - start, 3)}


def _scores(predicted: Labels, labels: Labels, num_classes: int) -> dict[str, float]:
    """Accuracy, and macro-F1 over the classes that occur, as `models.metrics` has them."""
    counts = np.zeros((num_classes, num_classes))
    np.add.at(counts, (labels, predicted), 1)
    hits, seen = counts.diagonal(), counts.sum(0) + counts.sum(1)
    f1 = 2 * hits[seen > 0] / seen[seen > 0]
    return {"acc": float(hits.sum() / counts.sum()), "f1": float(f1.mean())}


def _majority(splits: Splits) -> Predict:
    most = int(np.bincount(splits.train.labels).argmax())
    return lambda sequences: np.full(len(sequences), most)


def _logistic(splits: Splits) -> Predict:
    from sklearn.linear_model import LogisticRegression

    return _fitted(LogisticRegression(max_iter=1000), splits)


def _nearest(splits: Splits) -> Predict:
    from sklearn.neighbors import KNeighborsClassifier

    return _fitted(KNeighborsClassifier(n_neighbors=1), splits)


def _fitted(model: Any, splits: Splits) -> Predict:
    """One thread, as the networks: more would spin beside them."""
    from threadpoolctl import threadpool_limits

    longest = splits.train.max_length
    with threadpool_limits(1), warnings.catch_warnings():
        # Separable classes have no finite optimum; what a thousand steps reach is the baseline.
        warnings.simplefilter("ignore")
        model.fit(_flat(splits.train, longest), splits.train.labels)

    def predict(sequences: Sequences) -> Labels:
        with threadpool_limits(1):
            return model.predict(_flat(sequences, longest))

    return predict


def _flat(sequences: Sequences, steps: int) -> npt.NDArray[np.float32]:
    """(S, T, F) -> (S, steps * F): padded with zeros, or cut where training saw no such step."""
    kept = sequences.x[:, :steps]
    missing = steps - kept.shape[1]
    return np.pad(kept, ((0, 0), (0, missing), (0, 0))).reshape(len(kept), -1)
