"""Writes the model card of a bundle.

It says what the network is and how good it is. The form is that of model hubs: Markdown after a
head in YAML.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from seqsweep.results.formatting import bounded_interval, count, key_names, plain_text, run_label
from seqsweep.results.leaderboard import Row
from seqsweep.results.replicates import variation_of
from seqsweep.results.significance import Estimate
from seqsweep.runs.identity import flatten
from seqsweep.using.load import LoadedRun

_HUB_NAMES = {"acc": "accuracy", "f1": "f1"}
_PATHS = {"path", "test_path", "labels_path"}


class Origin(NamedTuple):
    """The origin of a run: its record, its replicates and how it was chosen.

    Attributes:
        record: its record; None where only its checkpoint is there.
        replicates: the runs that differ in their seed, fold or split seed alone, this one among
            them.
        choice: how it was chosen among the runs of a sweep.
    """

    record: Mapping[str, Any] | None = None
    replicates: Row | None = None
    choice: str | None = None

    def metrics_of(self, epoch: int) -> dict[str, float]:
        """Returns the metrics of the record, if they are those of this epoch's weights."""
        if self.record is None or self.record.get("best_epoch") != epoch:
            return {}
        metrics: dict[str, float] = self.record["metrics"]
        return {name: v for name, v in metrics.items() if name.startswith(("val/", "test/"))}


def model_card(run: LoadedRun, origin: Origin, has_onnx: bool) -> str:
    """Returns the text of README.md; `has_onnx` is whether the bundle holds model.onnx."""
    config = dict(flatten(run.config))
    metrics = origin.metrics_of(run.epoch)
    sections = [
        f"# {_title(config)}",
        _summary(run, config),
        "## How to use it",
        _use(run, has_onnx),
        "## Data",
        _data(run, config, origin.record or {}),
        "## Protocol",
        _protocol(run, config, origin),
        "## Metrics",
        _metrics(metrics, origin.replicates),
    ]
    return f"---\n{_head(run, config, metrics)}---\n\n" + "\n\n".join(sections) + "\n"


def _head(run: LoadedRun, config: Mapping[str, Any], metrics: Mapping[str, float]) -> str:
    # It is the nearest task that hubs know: they have none for classes of sequences.
    task, tag = "tabular-classification", "time-series-classification"
    if run.vocabulary is not None:
        task = tag = "text-classification"
    head: dict[str, Any] = {
        "library_name": "seqsweep",
        "pipeline_tag": task,
        "tags": ["seqsweep", tag, *_cell(config)],
        "metrics": list(_HUB_NAMES.values()),
    }
    values = [
        {"type": hub, "value": round(metrics[f"test/{name}"], 4)}
        for name, hub in _HUB_NAMES.items()
        if f"test/{name}" in metrics
    ]
    if values:
        data = _data_name(config)
        result = {
            "task": {"type": task},
            "dataset": {"name": data, "type": data, "split": "test"},
            "metrics": values,
        }
        head["model-index"] = [{"name": _title(config), "results": [result]}]
    return yaml.safe_dump(head, sort_keys=False, allow_unicode=True)


def _cell(config: Mapping[str, Any]) -> list[str]:
    cell = config.get("model.cell")
    return [cell] if isinstance(cell, str) else []


def _title(config: Mapping[str, Any]) -> str:
    network = str(config["model._target_"]).rpartition(".")[2]
    cell = "".join(f" ({cell})" for cell in _cell(config))
    return f"{network}{cell} on {_data_name(config)}"


def _data_name(config: Mapping[str, Any]) -> str:
    """Returns the name of the data file, archive set or source."""
    path = config.get("data.source.path", config.get("data.source.name"))
    if isinstance(path, str):
        return Path(path).name.partition(".")[0]
    return str(config.get("data.source._target_", config.get("data._target_"))).rpartition(".")[2]


def _summary(run: LoadedRun, config: Mapping[str, Any]) -> str:
    parameters = sum(weights.numel() for weights in run.network.parameters())
    classes, channels = len(run.class_names), len(run.source_channels)
    network = str(config["model._target_"])
    takes = f"a sequence of any length with {count(channels, 'channel')}"
    if run.vocabulary is not None:
        takes = f"a text of any length, by its {run.vocabulary.tokens}"
    return (
        f"A recurrent network that assigns one of {classes} classes to {takes}."
        f" `{network}`, {parameters:,} parameters."
    )


def _use(run: LoadedRun, has_onnx: bool) -> str:
    channels, target = len(run.source_channels), run.config["model"]["_target_"]
    is_ours = str(target).startswith("seqsweep.")
    allow = "" if is_ours else f', allow=["{target}"]'
    option = "" if is_ours else f" --allow {target}"
    width = count(channels, "channel")
    new, given = "npz", "The sequences are given raw: the scaling of the training data"
    imports = "import numpy as np\nimport seqsweep"
    x = f"[np.zeros((12, {channels})), np.zeros((20, {channels}))]  # (steps, {width})"
    if run.vocabulary is not None:
        new, given = "csv", "The texts are given as they are: the vocabulary of the training data"
        imports, x = "import seqsweep", '["a text", "another text"]'
    text = f"""\
```python
{imports}

run = seqsweep.load_run("bundle.zip"{allow})  # this file
x = {x}
print(run.predict(x), run.predict_proba(x))
```

```console
$ seqsweep predict bundle.zip new.{new} --out predictions.csv{option}
$ seqsweep evaluate bundle.zip labelled.{new}{option}
```

{given} is in the bundle."""
    onnx = "`model.onnx` holds the network with its scaling and class names for other programs."
    return f"{text} {onnx}" if has_onnx else text


def _data(run: LoadedRun, config: Mapping[str, Any], record: Mapping[str, Any]) -> str:
    options: list[str] = []
    for key, value in config.items():
        name = key.removeprefix("data.source.")
        if name not in (key, "_target_") and value is not None:
            # A path of the machine of training would tell nothing elsewhere.
            shown = Path(str(value)).name if name in _PATHS else plain_text(value)
            options.append(f"`{name}={shown}`")
    splits = record.get("splits") or {}
    sizes = [f"{part['sequences']:,} {name}" for name, part in splits.items() if part]
    target = str(config.get("data.source._target_", config.get("data._target_")))
    lines = [f"- source: {', '.join([f'`{target}`', *options])}"]
    if sizes:
        lines.append(f"- sequences: {', '.join(sizes)}")
    lines.append(f"- classes: {', '.join(f'`{name}`' for name in run.class_names)}")
    if run.vocabulary is None:
        lines.append(f"- channels: {', '.join(f'`{name}`' for name in run.source_channels)}")
    else:
        lines.append(f"- symbols: {len(run.vocabulary)} {run.vocabulary.tokens}")
    fingerprint = record.get("data_fingerprint")
    return "\n".join([*lines, *([f"- fingerprint: `{fingerprint}`"] if fingerprint else [])])


def _protocol(run: LoadedRun, config: Mapping[str, Any], origin: Origin) -> str:
    wanted = (
        *("optimizer._target_", "optimizer.lr", "data.batch_size", "trainer.max_epochs"),
        *("data.split_seed", "data.standardize", "data.missing", "seed"),
        *(("data.folds", "data.fold") if config.get("data.folds") else ()),
    )
    settings = run_label(config, key_names(key for key in wanted if key in config))
    lines = [f"- settings: `{settings}`; all others are in `config.json`"]
    if origin.choice is not None:
        lines.append(f"- choice: {origin.choice}")
    weights = f"- weights: those of epoch {run.epoch}, counted from 0"
    if origin.record is not None and origin.metrics_of(run.epoch):
        monitor = config.get("monitor", "val/acc")
        weights += f", the best of {origin.record['epochs']} by `{monitor}`"
    return "\n".join([*lines, weights])


def _metrics(metrics: Mapping[str, float], replicates: Row | None) -> str:
    """Returns a table of the metrics, with intervals over replicates where there are several."""
    if not metrics:
        return "There is no record of the metrics of these weights."
    if replicates is None or replicates.n == 1:
        rows = [f"| {name} | {value:.4f} |" for name, value in metrics.items()]
        note = "This is one run: there is no interval over seeds."
        return "\n".join(["| metric | value |", "|---|---|", *rows, "", note])
    head = [f"| metric | this run | mean of {_varied(replicates)} | 95% interval |"]
    head.append("|---|---|---|---|")
    rows = [_row(name, value, replicates.metrics[name]) for name, value in metrics.items()]
    if variation_of([replicates.entries]).resampled:
        note = (
            f"The {replicates.n} runs differ in their split of the data. The interval is that of"
            " the mean, by Student's t, corrected for overlapping training sets (Nadeau and Bengio"
            " 2003)."
        )
    else:
        note = (
            f"The {replicates.n} runs differ in their seed alone. The interval is that of the mean"
            " over seeds, by Student's t."
        )
    return "\n".join([*head, *rows, "", note])


def _varied(replicates: Row) -> str:
    return variation_of([replicates.entries]).words


def _row(name: str, value: float, mean: Estimate) -> str:
    interval = ""
    if mean.low is not None and mean.high is not None:
        low, high = bounded_interval(name, mean.low, mean.high)
        interval = f"{low:.4f} to {high:.4f}"
    return f"| {name} | {value:.4f} | {mean.mean:.4f} | {interval} |"
