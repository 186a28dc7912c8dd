"""Builds the report's section on the learning curves."""

from collections.abc import Sequence
from typing import Any

from seqsweep.results.curves import Band, Curve, Kind, curve_kinds, find_curves
from seqsweep.results.findings import Findings
from seqsweep.results.report import plotly_parts as plots
from seqsweep.results.sections import TEMPLATES, Figure, Section
from seqsweep.runs.metrics import as_metric


def curves_section(findings: Findings) -> Section:
    """Builds the section with learning curves of the best configs or incomplete runs."""
    kinds = curve_kinds(findings.entries, findings.rows)
    curves = find_curves(kinds, findings.rows, findings.entries, findings.label)
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


def curves_figure(curves: Sequence[Curve], kind: Kind) -> Figure | None:
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
