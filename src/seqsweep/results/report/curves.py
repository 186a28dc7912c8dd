"""Builds the report's section on the learning curves."""

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seqsweep.results.report import plot_parts as plots
from seqsweep.results.report.findings import TEMPLATES, Facts, Section
from seqsweep.runs.identity import is_own_module
from seqsweep.runs.metrics import as_metric, own_metrics
from seqsweep.runs.metrics_csv import read_columns

MOST_POINTS = 200
"""The most points of a curve. More points look the same and make the file large."""

MOST_CURVES = 8
"""The most curves in a plot, because readers can distinguish only eight colours."""


@dataclass(frozen=True)
class Kind:
    """A kind of metric, whose curves are drawn in one figure.

    Args:
        key: The name of the figure; a user's own metric may have any characters.
        names: The names of the metrics by their split.
    """

    key: str
    words: str
    names: Mapping[str, str]


def curve_kinds(facts: Facts) -> list[Kind]:
    """Returns the kinds to draw: loss, accuracy, and those of users' modules."""
    own = [entry for entry in facts.entries if is_own_module(entry.config)]
    kinds = [
        Kind(kind, words, {split: f"{split}/{kind}" for split in ("train", "val")})
        for kind, words in (("loss", "loss"), ("acc", "accuracy"))
        if len(own) < len(facts.entries)
    ]
    names = own_metrics(name for config in facts.configs for name in config.metrics)
    if own and not names:  # no record says yet what was logged
        columns = {name for entry in own for name in read_metrics(entry.folder.path)}
        names = list(map(as_metric, sorted(columns - {"step"})))
    drawn: dict[str, dict[str, str]] = {}
    for name in names:
        if name.split_name != "test":
            drawn.setdefault(name.kind, {}).setdefault(name.split_name, name)
    return kinds + [Kind(f"{n}", kind, of) for n, (kind, of) in enumerate(drawn.items())]


@dataclass(frozen=True)
class Band:
    """The mean, smallest and largest value of a metric at each epoch.

    Args:
        seeds: The number of runs that have a value at each epoch.
    """

    epochs: list[int]
    mean: list[float]
    low: list[float]
    high: list[float]
    seeds: list[int]

    @property
    def whole(self) -> int:
        """The number of points before the first run has ended."""
        return len(self.seeds) - self.seeds[::-1].index(max(self.seeds))


@dataclass(frozen=True)
class Curve:
    """The metrics of a config or an unfinished run over the epochs."""

    label: str
    bands: dict[str, Band]
    best_epoch: float | None


def curves_section(facts: Facts) -> Section:
    """Builds the section with learning curves of the best configs or incomplete runs."""
    kinds = curve_kinds(facts)
    curves = find_curves(facts, kinds)
    drawn = {f"curves-{kind.key}": curves_figure(curves, kind) for kind in kinds}
    figures = {name: figure for name, figure in drawn.items() if figure is not None}
    bands = [item for curve in curves for item in curve.bands.items()]
    view = {
        "pale": any(band.whole < len(band.epochs) for _, band in bands),
        "has_validation": any(as_metric(name).split_name == "val" for name, _ in bands),
        "curve_kinds": [kind for kind in kinds if f"curves-{kind.key}" in figures],
    }
    template, content = TEMPLATES / "curves.html.j2", {"curves": curves}
    return Section(
        "curves", "Learning curves", template, content, figures, view, is_shown=bool(curves)
    )


def find_curves(facts: Facts, kinds: Sequence[Kind]) -> list[Curve]:
    """Returns the curves of the best configs, or else of incomplete runs.

    Among incomplete runs, runs in training come first. Runs without numbers are left out.
    """
    names = [name for kind in kinds for name in kind.names.values()]
    result: list[Curve] = []
    for config, row in zip(facts.configs[:MOST_CURVES], facts.board.rows, strict=False):
        best = config.metrics.get("best_epoch")
        columns = bands([entry.folder.path for entry in row.entries], names)
        result.append(Curve(config.words, columns, best.mean if best else None))
    if any(curve.bands for curve in result):
        return [curve for curve in result if curve.bands]
    unfinished = sorted(facts.entries, key=lambda entry: entry.state != "running")
    curves = (
        Curve(facts.labels[entry.folder.run_id], bands([entry.folder.path], names), None)
        for entry in unfinished
    )
    return list(itertools.islice((curve for curve in curves if curve.bands), MOST_CURVES))


def read_metrics(folder: Path) -> dict[str, dict[int, float]]:
    """Returns the finite values of a run's metrics.csv, by column and epoch."""
    columns = read_columns(folder / "metrics.csv")
    # A diverged run has NaN in its last epochs, so only finite values are kept.
    epochs = list(map(int, columns.pop("epoch", [])))
    finite = {
        name: {epoch: v for epoch, v in zip(epochs, values, strict=True) if math.isfinite(v)}
        for name, values in columns.items()
    }
    return {name: column for name, column in finite.items() if column}


def bands(folders: Iterable[Path], names: Sequence[str]) -> dict[str, Band]:
    """Returns the band of each named column, over a config's replicates.

    If runs stop at different epochs, later points are computed from the remaining runs.
    """
    runs = [read_metrics(folder) for folder in folders]
    columns = {name: [run[name] for run in runs if run.get(name)] for name in names}
    return {name: band(group) for name, group in columns.items() if group}


def band(columns: Sequence[Mapping[int, float]]) -> Band:
    """Returns the mean, smallest and largest value at up to MOST_POINTS epochs.

    >>> band([{0: 1.0, 1: 0.5}, {0: 3.0}])
    Band(epochs=[0, 1], mean=[2.0, 0.5], low=[1.0, 0.5], high=[3.0, 0.5], seeds=[2, 1])
    """
    epochs = thinned(sorted({epoch for column in columns for epoch in column}))
    values = [[column[epoch] for column in columns if epoch in column] for epoch in epochs]
    return Band(
        epochs,
        [math.fsum(sample) / len(sample) for sample in values],
        [min(sample) for sample in values],
        [max(sample) for sample in values],
        [len(sample) for sample in values],
    )


def thinned(epochs: Sequence[int], most: int = MOST_POINTS) -> list[int]:
    """Returns the first, the last and evenly spaced epochs between.

    >>> thinned(range(9), 3)
    [0, 4, 8]
    """
    if len(epochs) <= most:
        return list(epochs)
    # The step may be a fraction, so that the last index is exactly the last epoch.
    step = (len(epochs) - 1) / (most - 1)
    return [epochs[round(index * step)] for index in range(most)]


def curves_figure(curves: Sequence[Curve], kind: Kind) -> plots.Figure | None:
    """Draws one kind of metric over the epochs: validation solid, training dotted.

    Without validation, training is solid. As soon as one of the runs has ended, the line is pale
    and has no band, because it is the mean of the remaining runs. The traces of a curve form one
    legendgroup, which the page shows and hides.
    """
    traces: list[dict[str, Any]] = []
    has_validation = any(kind.names.get("val") in curve.bands for curve in curves)
    # The name of a user's own metric may name no split.
    solid = ("", "val" if has_validation else "train")
    for index, curve in enumerate(curves):
        for split in ("val", "", "train"):
            if band := curve.bands.get(metric := kind.names.get(split, "")):
                name = f"{plots.label(curve.label)}, {plots.label(as_metric(metric).words)}"
                best = None if split == "train" else curve.best_epoch
                traces += _band_traces(band, name, index, split in solid, best)
    if not traces:
        return None
    shape = plots.layout("epoch", kind.words, 400)
    if max(trace["x"][-1] for trace in traces) < 10:
        shape["xaxis"]["dtick"] = 1  # avoids ticks at half epochs
    # A loss that falls by orders of magnitude needs a logarithmic axis.
    values = [value for trace in traces for value in trace["y"]]
    is_loss = all(as_metric(name).lower_is_better for name in kind.names.values())
    if is_loss and min(values) > 0 and max(values) > 20 * min(values):
        shape["yaxis"] |= {"type": "log", "dtick": 1, "tickformat": "~g"}
    return {"data": traces, "layout": shape}


def _band_traces(
    band: Band, name: str, index: int, is_solid: bool, best: float | None
) -> list[dict[str, Any]]:
    """Returns the traces of one metric: band, line and best epoch."""
    colour = plots.PALETTE[index]
    group = {"legendgroup": f"{index}"}
    mean, whole = plots.rounded(band.mean), band.epochs[: band.whole]
    hover = f"{name}<br>epoch %{{x}}: %{{y:.4f}}<extra></extra>"
    dash, width = ("solid", 2) if is_solid else ("dot", 1.3)
    line: dict[str, Any] = {
        "type": "scatter", "mode": "lines" if len(band.epochs) > 1 else "markers", "x": whole,
        "y": mean[: band.whole], "name": name,
        "line": {"color": colour, "dash": dash, "width": width},
        "marker": {"color": colour}, "hovertemplate": hover, **group,
    }  # fmt: skip
    traces = [line]
    if is_solid and band.low != band.high:
        ends = plots.rounded(band.low[: band.whole]), plots.rounded(band.high[: band.whole])
        traces.insert(0, plots.filled(whole, *ends, colour) | group)
    if band.whole < len(band.epochs):
        # The pale part is the mean of the remaining runs. Both parts of the line share a point.
        start = band.whole - 1
        counts = [f"<br>{left} of {max(band.seeds)} runs left" for left in band.seeds[start:]]
        rest = line | {"x": band.epochs[start:], "y": mean[start:], "opacity": 0.4, "text": counts}
        rest["hovertemplate"] = hover.replace("<extra>", "%{text}<extra>")
        traces.append(rest)
    if best is not None:
        nearest = min(range(len(mean)), key=lambda index: abs(band.epochs[index] - best))
        traces.append({
            "type": "scatter", "mode": "markers", "x": [band.epochs[nearest]], "y": [mean[nearest]],
            "marker": {"color": colour, "symbol": "diamond", "size": 9},
            "hoverinfo": "skip", **group,
        })  # fmt: skip
    return traces
