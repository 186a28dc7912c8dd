"""Shows the table of configs by data sets: in the terminal, csv, Markdown."""

import csv
import io
from collections.abc import Sequence

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from seqsweep.results.across_sets import AcrossSets
from seqsweep.results.formatting import (
    count,
    key_names,
    number,
    quoted_formula,
    value_text,
    with_deviation,
)
from seqsweep.results.ranks import RELIABLE_FROM, Against, Ranking, sets_needed, sets_needed_for_p
from seqsweep.results.significance import is_significant
from seqsweep.results.terminal_tables import FittingTable, print_table


def print_across_sets(console: Console, found: AcrossSets, top: int | None = None) -> None:
    """Prints the table and its notes.

    Args:
        top: The most rows; None for all.
    """
    print_table(console, across_table(found, top, "+/-" if console.options.ascii_only else "±"))
    if top is not None and len(found.methods) > top:
        console.print(f"[dim]and {len(found.methods) - top} more[/]", highlight=False)
    for note in [*ranking_words(found), *left_out_words(found), *uneven_words(found)]:
        console.print(escape(note), soft_wrap=not console.is_terminal, highlight=False)


def across_table(found: AcrossSets, top: int | None = None, deviation: str = "±") -> Table:
    """The rows of configs with their ranks and a column for each data set."""
    title = f"{found.metric} by data set"
    table = FittingTable(box=SIMPLE_HEAD, title=title, title_justify="left", pad_edge=False)
    keys = list(found.methods[0].keys)
    headers = list(key_names(keys).values()) or ["config"]
    ranks = ["mean rank", "won/drawn/lost", "p"] if found.ranking else []
    for index, name in enumerate([*headers, *ranks, *found.sets]):
        style = "cyan" if index < len(headers) else ""
        table.add_column(escape(name), justify="right", style=style, no_wrap=True)
    table.keys = range(len(headers))
    # A narrow terminal first loses the last data sets: the ranks stand for all of them.
    first = len(headers) + len(ranks)
    table.spare = list(range(first + len(found.sets) - 1, first, -1))
    for index, method in enumerate(found.methods[:top]):
        values = [escape(value_text(key, value)) for key, value in method.keys.items()]
        cells = [
            "" if one is None else with_deviation(one.mean, one.std, deviation)
            for one in method.cells
        ]
        table.add_row(*(values or [escape(method.words)]), *rank_cells(found, index), *cells)
    return table


def ranking_words(found: AcrossSets) -> list[str]:
    """The sentences on the ranks: what they rest on, and which differences are significant."""
    ranking = found.ranking
    if ranking is None:
        return [_why_no_ranks(found)]
    sets = count(ranking.number, "data set")
    words = [
        f"mean ranks in {found.metric} on {sets}; won/drawn/lost and p against the first "
        "(two-sided signed-rank test, Holm's correction for all pairs)"
    ]
    if ranking.friedman_p is not None:
        significant = is_significant(ranking.friedman_p)
        verdict = f"the {found.noun}s differ" if significant else "no significant difference"
        words.append(
            f"Friedman's test: p {probability(ranking.friedman_p)}, {verdict}"
            + (f"; unreliable on {sets}" if ranking.number < RELIABLE_FROM else "")
        )
    if ranking.number < sets_needed(len(found.methods)):
        return [*words, _too_few_words(found, sets)]
    if ranking.number < sets_needed_for_p(len(found.methods)):
        needed = sets_needed_for_p(len(found.methods))
        words.append(f"{sets} are too few for a significant p of the table: {needed} are needed")
    return [*words, *_clique_words(found, ranking)]


def _too_few_words(found: AcrossSets, sets: str) -> str:
    """Says how many data sets the diagram and the table need."""
    methods = len(found.methods)
    bars, p = sets_needed(methods), sets_needed_for_p(methods)
    need = f"{count(methods, found.noun)} need at least"
    if bars == p:
        return f"{sets} are too few for a signed-rank test: {need} {p}"
    return (
        f"{sets} are too few for a signed-rank test: {need} {bars} for the bars of the diagram and"
        f" {p} for the p of the table"
    )


def left_out_words(found: AcrossSets) -> list[str]:
    """A sentence for each data set that the ranks leave out."""
    return [f"{name} left out of the ranks: {why}" for name, why in found.left_out.items()]


def uneven_words(found: AcrossSets) -> list[str]:
    """Says that the cells are means of different numbers of runs, if they are."""
    runs = [one.n for method in found.methods for one in method.cells if one is not None]
    if not found.uneven:
        return []
    return [f"the cells are means of {min(runs)} to {count(max(runs), 'run')}"]


def probability(p: float) -> str:
    """A p with three decimals: `0.041`, `< 0.001`."""
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def against_text(against: Against | None) -> str:
    """The data sets won, drawn and lost: `3/0/1`; empty for the first method."""
    return f"{against.wins}/{against.draws}/{against.losses}" if against else ""


def as_csv(found: AcrossSets) -> str:
    """A row per method, with three columns for each data set: mean, std, runs."""
    keys = key_names(found.methods[0].keys) if found.methods else {}
    parts = [f"{name}{part}" for name in found.sets for part in ("", " std", " runs")]
    ranks = ["mean rank", "won", "drawn", "lost", "adjusted p"]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(map(quoted_formula, ["config", *keys.values(), *ranks, *parts]))
    for index, method in enumerate(found.methods):
        values = [quoted_formula(value_text(key, value)) for key, value in method.keys.items()]
        cells = [
            part
            for one in method.cells
            for part in ((one.mean, one.std, one.n) if one else (None, None, None))
        ]
        writer.writerow([method.words, *values, *_five(found.ranking, index), *cells])
    return text.getvalue()


def as_markdown(found: AcrossSets) -> str:
    """A row per data set and a column per method, as in published tables."""
    lines = [_markdown_row(["data set", *(method.words for method in found.methods)])]
    lines.append(_markdown_row(["---", *("---:" for _ in found.methods)]))
    for index, name in enumerate(found.sets):
        cells = [method.cells[index] for method in found.methods]
        texts = ["" if one is None else number(one.mean) for one in cells]
        lines.append(_markdown_row([name, *texts]))
    if found.ranking:
        ranks = [f"{rank:.2f}" for rank in found.ranking.mean_ranks]
        against = [against_text(one) for one in found.ranking.against]
        lines.append(_markdown_row(["**mean rank**", *ranks]))
        lines.append(_markdown_row(["won/drawn/lost", *against]))
    notes = [*ranking_words(found), *left_out_words(found)]
    return "\n".join([*lines, "", *(f"- {note}" for note in notes)]) + "\n"


def _markdown_row(cells: Sequence[str]) -> str:
    # A bar in a name would begin a new cell.
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def rank_cells(found: AcrossSets, index: int) -> list[str]:
    """The mean rank, the comparison with the first, and its p."""
    if found.ranking is None:
        return []
    against = found.ranking.against[index]
    p = probability(against.adjusted) if against else ""
    return [f"{found.ranking.mean_ranks[index]:.2f}", against_text(against), p]


def _five(ranking: Ranking | None, index: int) -> list[float | None]:
    if ranking is None:
        return [None] * 5
    mean, against = ranking.mean_ranks[index], ranking.against[index]
    if against is None:
        return [mean, None, None, None, None]
    return [mean, against.wins, against.draws, against.losses, against.adjusted]


def _why_no_ranks(found: AcrossSets) -> str:
    if len(found.methods) < 2:
        return f"one {found.noun}: no ranks"
    kept = count(len(found.sets) - len(found.left_out), "data set")
    return f"no ranks: {kept} with a score of every {found.noun}, and ranks need at least 2"


def clique_rule(methods: int) -> str:
    """The rule by which methods are one clique, in words."""
    if methods == 2:
        return "a two-sided signed-rank test at 0.05"
    return f"Friedman's test, then one-sided signed-rank tests at 0.05 / {methods - 1}"


def _clique_words(found: AcrossSets, ranking: Ranking) -> list[str]:
    """Names the groups of configs that do not differ."""
    methods = len(found.methods)
    rule = f"by the rule of aeon's diagrams ({clique_rule(methods)})"
    if ranking.cliques == [(0, methods - 1)]:
        both = f"both {found.noun}s" if methods == 2 else f"all {methods} {found.noun}s"
        return [f"{rule}, {both} are statistically indistinguishable"]
    if not ranking.cliques:
        return [f"{rule}, every {found.noun} differs from every other"]
    groups = [
        " ~ ".join(method.words for method in found.methods[start : end + 1])
        for start, end in ranking.cliques
    ]
    return [f"statistically indistinguishable {rule}: {'; '.join(groups)}"]
