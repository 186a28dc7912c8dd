"""The section with the leaderboard."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from seqsweep.results.formatting import bounded_interval, plain_text, value_text
from seqsweep.results.leaderboard import TIE_BREAKER
from seqsweep.results.report.curves import CURVES, read_metrics, thinned
from seqsweep.results.report.findings import TEMPLATES, Facts, Section, distinct_values
from seqsweep.results.report.plot_parts import Scale, scale_of
from seqsweep.results.report.runs import Run
from seqsweep.runs.identity import is_number
from seqsweep.runs.ledger import value_key

DRAWN_RUNS = 120
"""The number of runs with curves on the page, best configs first. The page must stay small."""

DRAWN_EPOCHS = 60
_DIGITS = 4
_FOLDED_FROM = 30
"""A longer leaderboard shows its first twenty rows (report.css) until it is unfolded."""

RunCurves = Mapping[str, Mapping[str, Sequence[float | None]]]
"""The epochs and the values of each metric by run_id; None where an epoch has no value."""


def board_section(facts: Facts) -> Section:
    """The leaderboard, whose rows open to show their runs."""
    runs = [run for config in facts.configs for run in config.all_runs]
    curves = run_curves(runs, facts.folder)
    metrics = {name for columns in curves.values() for name in columns}
    has_validation = any(name.startswith("val/") for name in metrics)
    view = {
        **_board_view(facts),
        **_filters_view(facts),
        "curves": curves,
        "run_kinds": [k for k in ("loss", "acc") if {f"val/{k}", f"train/{k}"} & metrics],
        "curve_legend": "Validation solid, training dotted; diamonds mark the best epoch"
        if has_validation
        else "Training",
        "most_drawn": DRAWN_RUNS,
    }
    title = "Leaderboard" if len(facts.configs) > 1 else "Result"
    template = TEMPLATES / "leaderboard.html.j2"
    content = {"configs": facts.configs}
    return Section("leaderboard", title, template, content, view=view, is_shown=bool(facts.configs))


def _board_view(facts: Facts) -> dict[str, Any]:
    configs, score = facts.configs, facts.score
    intervals = _intervals(facts)
    # Student's t ignores that an accuracy is between 0 and 1.
    clipped = {rank: bounded_interval(score, *ends) for rank, ends in intervals.items()}
    means = [config.metrics[score].mean for config in facts.scored]
    verdicts = {config.verdict for config in configs}
    differences = [config.difference for config in configs if config.difference]
    # The reasons why splits of the data are not tested.
    untested = {difference.untested for difference in differences if difference.untested}
    return {
        "intervals": clipped,
        "cut": clipped != intervals,
        "scale": scale_of([*means, *(end for ends in clipped.values() for end in ends)]),
        "columns": _columns(facts),
        "folded": len(configs) > _FOLDED_FROM,
        "tested": bool(verdicts & {"different", "indistinguishable"}),
        "by_t": any(config.differs_by_t for config in configs),
        "untested": " or ".join(sorted(untested)),
        "scored": len(means),
        "has_lost": any(config.lost for config in configs),
    }


def _filters_view(facts: Facts) -> dict[str, Any]:
    """The filters of the leaderboard and the choice of each row in them."""
    filters: dict[str, list[str]] = {}
    # The index of each value of a key among the choices of its filter.
    indices: dict[str, dict[str, int]] = {}
    for key in facts.names if len(facts.listed) > 1 else ():
        values = distinct_values(key, [config.keys for config in facts.listed])
        ordered = sorted(values, key=lambda text: _filter_order(values[text]))
        indices[key] = {text: index for index, text in enumerate(ordered)}
        filters[key] = [value_text(key, values[text]) for text in ordered]
    rows = [
        [indices[key][value_key(config.keys[key])] for key in filters] for config in facts.listed
    ]
    return {"filters": filters, "filter_values": rows}


def _columns(facts: Facts) -> list[str]:
    """The metrics beside the score: the monitor, the tie-breaker, the validation score and F1."""
    recorded = {name for config in facts.configs for name in config.metrics}
    kind = facts.score.partition("/")[2]
    tie = [TIE_BREAKER] if facts.board.tied > 1 else []
    # The same metric may be wanted for several reasons.
    wanted = dict.fromkeys([facts.board.monitor, *tie, f"val/{kind}", "test/f1"])
    return [name for name in wanted if name in recorded and name != facts.score]


def _intervals(facts: Facts) -> dict[int, Scale]:
    """The confidence interval of the score for each rank that has one."""
    return {
        config.rank: (value.low, value.high)
        for config in facts.scored
        if (value := config.metrics[facts.score]).low is not None and value.high is not None
    }


def _filter_order(value: Any) -> tuple[bool, float, str]:
    """The sort key of a filter's value: numbers by size, then texts."""
    return (False, value, "") if is_number(value) else (True, 0.0, plain_text(value))


def run_curves(runs: Sequence[Run], folder: Path) -> RunCurves:
    """The learning curves of the first runs, thinned to DRAWN_EPOCHS epochs."""
    result: dict[str, Mapping[str, Sequence[float | None]]] = {}
    for run in runs[:DRAWN_RUNS]:
        metrics = read_metrics(folder / run.folder)
        columns = {name: metrics[name] for name in CURVES if metrics.get(name)}
        epochs = thinned(sorted({e for column in columns.values() for e in column}), DRAWN_EPOCHS)
        if epochs:
            values = {n: [_rounded(c.get(e)) for e in epochs] for n, c in columns.items()}
            result[run.run_id] = {"epoch": epochs, **values}
    return result


def _rounded(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.{_DIGITS}g}")
