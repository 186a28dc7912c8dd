"""The sentences on a search, each by a fixed frame, for terminal and report."""

from collections import Counter
from collections.abc import Sequence

from seqsweep.results.formatting import (
    NBSP,
    bounded_interval,
    count,
    metric_words,
    number,
    number_range,
    short_number,
    true_minus,
    upper_first,
)
from seqsweep.results.search.confirmation import Confirmation, Confirmed
from seqsweep.results.search.expected import INDEPENDENT, NAMED
from seqsweep.results.search.findings import Compared, Search
from seqsweep.results.search.importance import FEWEST_TRIALS, MISSING
from seqsweep.results.search.trials import TrialState, trial_words
from seqsweep.results.significance import LEVEL, Estimate
from seqsweep.results.verdicts import too_few_words
from seqsweep.runs.metric_names import compared_metric

_METHODS = {
    "halving": "Successive halving",
    "random": "Random search",
    "tpe": "TPE",
    "gp": "A Gaussian process",
}
_PRUNERS = {"median": "the median rule", "hyperband": "Hyperband", "halving": "successive halving"}
_STATES: tuple[TrialState, ...] = ("complete", "pruned", "failed", "running")


def search_words(search: Search) -> str:
    """Says how the search chose its trials, how many there are, and its budget."""
    file = search.file
    method = _METHODS.get(file.method, file.method)
    pruner = _PRUNERS.get(file.pruner)
    pruning = f" with pruning by {pruner}" if pruner and file.method != "halving" else ""
    budget = ", ".join(f"{limit:,g} {unit}" for unit, limit in file.budget.items())
    limits = f" Budget: {budget}." if budget else ""
    return f"{method}{pruning}: {trials_words(search)}.{limits}"


def trials_words(search: Search) -> str:
    """Counts the trials by state: `256 trials, 9 complete, 247 pruned`."""
    states = Counter(trial.state for trial in search.trials)
    parts = [f"{states[state]:,} {state}" for state in _STATES if states[state]]
    return ", ".join([count(len(search.trials), "trial"), *parts])


def best_words(search: Search) -> str:
    """Names the best trial with its values."""
    if not search.best:
        return "No trial is complete, so there is no best one."
    best, metric = search.complete[0], search.file.metric
    values = [_value(metric, best.value or 0.0)]
    compared = compared_metric(metric, search.best_metrics)
    if compared != metric and compared in search.best_metrics:
        values.append(_value(compared, search.best_metrics[compared]))
    trial = f"trial {best.number}, {trial_words(best, search.names)}, {', '.join(values)}"
    return f"Best in the search: {trial}.{_ties(search)}"


def _ties(search: Search) -> str:
    values = [trial.value for trial in search.complete]
    tied = values.count(values[0])
    if tied < 2:
        return ""
    return f" {tied} trials tie in {metric_words(search.file.metric)}; the earliest is named."


def _value(name: str, value: float) -> str:
    return f"{metric_words(name)} {true_minus(number(value))}"


def optimism_words(search: Search) -> str:
    """Says how much of the best value was luck, or that this is unknown."""
    confirmation, metric = search.confirmation, search.file.metric
    if not search.best:
        return ""
    name = metric_words(metric)
    if confirmation is None:
        if len(search.best) < 2:
            return "One complete trial: nothing was chosen by its value."
        return (
            f"The best {name} of {len(search.best):,} complete trials is partly luck, so it is "
            "optimistic. How much is unknown: no trial was trained again over fresh seeds."
        )
    row = confirmation.first
    fresh = estimate_words(metric, row.fresh)
    rank = f", number {row.before} in the search," if row.before > 1 else ""
    return (
        f"Trial {row.number}{rank} had {name} {short_number(row.searched)} in the search, and "
        f"{fresh}: {_luck(row, search.file.sign)}."
    )


def _luck(row: Confirmed, sign: int) -> str:
    # A positive number says that the value in the search was too good.
    luck = -sign * row.optimism
    if luck <= 0:
        return "the search was not optimistic"
    return f"the search was optimistic by {short_number(luck)}"


def estimate_words(name: str, value: Estimate) -> str:
    """Returns `0.894, 95 % interval [0.880, 0.908], over 5 fresh seeds`."""
    over = f"over {count(value.n, 'fresh seed')}"
    mean = true_minus(short_number(value.mean))
    if value.low is None or value.high is None:
        return f"{mean} {over}"
    low, high = number_range(*bounded_interval(name, value.low, value.high))
    return f"{mean}, {LEVEL * 100:.0f}{NBSP}% interval [{low}, {high}], {over}"


def order_words(confirmation: Confirmation) -> str:
    """Says which confirmed trial is first after the fresh seeds, and whether others differ."""
    first, others = confirmation.trials[0], confirmation.trials[1:]
    if not others:
        return ""
    since = "still" if first.number == confirmation.first.number else "now"
    order = f"Trial {first.number} is {since} the first of {len(others) + 1}"
    return f"{order} by the mean over fresh seeds. {_verdict_words(confirmation)}"


def _verdict_words(confirmation: Confirmation) -> str:
    rows = [row for row in confirmation.trials if row.compared is not None]
    lacking, metric = len(confirmation.trials) - len(rows), metric_words(confirmation.metric)
    if len(rows) < 2 or confirmation.trials[0].compared is None:
        return f"The trials cannot be compared: {count(lacking, 'trial')} without {metric}."
    parts = _verdicts(rows)
    if lacking:
        parts.append(f"{count(lacking, 'trial')} without {metric} cannot be compared")
    return f"{'. '.join(parts)}."


def _verdicts(rows: Sequence[Confirmed]) -> list[str]:
    """Returns sentences without their full stops: how many others differ from the first."""
    verdicts = [row.difference.verdict for row in rows[1:]]
    undecided = [row.difference for row in rows[1:] if row.difference.verdict == "undecided"]
    differ = verdicts.count("different")
    parts: list[str] = []
    if len(undecided) < len(verdicts):
        of = f"{differ} of {len(verdicts)}" if differ else f"None of {len(verdicts)}"
        parts.append(f"{of} others {'differs' if differ < 2 else 'differ'} from it significantly")
    by_t = sum(difference.differs_by_t for difference in undecided)
    seeds = [row.difference.n for row in rows]
    few = too_few_words([difference.n for difference in undecided], seeds, by_t)
    return [*parts, upper_first(few)] if few else parts


def lucky_seed_words(search: Search) -> str:
    """Says that the leaderboard contains the values that were partly luck."""
    if search.confirmation is None:
        return ""
    return (
        "The leaderboard averages the fresh seeds with those of the search, which were partly "
        "lucky."
    )


def missing_words(confirmation: Confirmation) -> str:
    """Says how many runs over fresh seeds are not complete; empty if all are."""
    missing = confirmation.missing
    if not missing:
        return ""
    return f"{count(missing, 'run is', 'runs are')} not complete: the numbers are preliminary."


def compared_words(compared: Compared, name: str) -> str:
    """Says which values are compared: `validation accuracy after 1 epoch of 256 trials`."""
    after = "" if compared.epochs is None else f" after {count(compared.epochs, 'epoch')}"
    kind = "trial" if compared.epochs is not None else "complete trial"
    return f"{metric_words(name)}{after} of {count(len(compared.values), kind)}"


def importance_words(search: Search) -> str:
    """Says which key matters most, for which trials, and how reliable that is."""
    compared, importance = search.compared, search.importance
    if importance is None:
        return f"{MISSING}."
    of = compared_words(compared, search.file.metric)
    if len(search.file.space) < 2:
        return f"Only {next(iter(search.names.values()), 'nothing')} was searched."
    if not any(importance.values()):
        return f"The best trials cannot be distinguished from the others by {of}."
    first, share = next(iter(importance.items()))
    text = (
        f"{search.names[first]} matters most: {share * 100:.0f}{NBSP}% of the importance. "
        f"Computed from the {of}."
    )
    if len(compared.values) < FEWEST_TRIALS:
        text += f" With fewer than {FEWEST_TRIALS} trials the importances are unreliable."
    return text


def pruned_note(search: Search) -> str:
    """Says why the other trials are not compared; empty if all are."""
    compared = search.compared
    if compared.epochs is not None:
        return "No later epoch was reached by all of them."
    if compared.left_out:
        return (
            f"{count(compared.left_out, 'pruned trial has', 'pruned trials have')} fewer epochs "
            "and cannot be compared."
        )
    return ""


def expected_words(search: Search) -> str:
    """Says what n random configs would have found, or why that is unknown."""
    curve, name = search.expected, metric_words(search.file.metric)
    if curve is None:
        return _no_estimate_words(search)
    total = len(search.compared.values)
    sizes = [n for n in NAMED if n < total] or [1]
    parts = [f"{short_number(curve.at(n))} with {count(n, 'config')}" for n in (*sizes, total)]
    epochs = search.compared.epochs
    after = "" if epochs is None else f" after {count(epochs, 'epoch')}"
    return (
        f"The best {name}{after} to expect from random configs: {', '.join(parts)}. This "
        "assumes that the configs were drawn independently."
    )


def _no_estimate_words(search: Search) -> str:
    if len(search.compared.values) < 2:
        return ""
    if search.file.method in INDEPENDENT:
        reason = "Pruned trials have fewer epochs than complete ones"
    else:
        method = _METHODS.get(search.file.method, search.file.method)
        reason = f"{method} does not draw its configs independently of each other"
    return (
        f"{reason}, so there is no estimate of what fewer configs would have found. The curve "
        "shows the best value so far."
    )


def budget_words(search: Search) -> str:
    """Says what the search has cost, and when it found its best trial."""
    results = [trial.result for trial in search.trials]
    epochs, seconds = sum(each.epochs for each in results), sum(each.seconds for each in results)
    spent = [count(len(results), "trial"), count(epochs, "epoch")] if epochs else []
    spent += [f"{seconds:,.1f} seconds of training"] if seconds else []
    text = f"Spent: {', '.join(spent)}." if spent else ""
    if not search.best or search.file.method == "halving" or len(results) == 1:
        return text
    return f"{text} The best was found after {search.best[0] + 1:,} of {len(results):,} trials."
