"""Computes how much each searched key matters, by Optuna's PED-ANOVA.

Watanabe, Bansal, Hutter 2023, "PED-ANOVA: Efficiently Quantifying Hyperparameter Importance in
Arbitrary Subspaces", IJCAI. The values of a key among the best trials are compared with its values
among all trials: a key that does not matter has the same distribution in both.
"""

import importlib.util
import warnings
from collections.abc import Sequence

from seqsweep.results.search.trials import Tried
from seqsweep.runs.searchfile import Space

FEWEST_TRIALS = 20
"""The fewest trials of which the best tenth are two; with fewer, chance decides."""

MISSING = "Optuna computes the importance of the keys: pip install 'seqsweep[search]'"


def has_optuna() -> bool:
    """Returns whether Optuna is installed."""
    return importlib.util.find_spec("optuna") is not None


def importances(trials: Sequence[Tried], costs: Sequence[float], space: Space) -> dict[str, float]:
    """Returns the importance of each key, the largest first; they sum to 1.

    All are 0 if the best trials cannot be distinguished from all trials. Needs Optuna.

    Args:
        trials: the compared trials.
        costs: the value of each trial; lower is better.
        space: the searched keys.
    """
    # Imported here, because the report works without Optuna.
    from optuna import create_study
    from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances
    from optuna.trial import create_trial

    from seqsweep.results.search.study import distribution

    distributions = {key: distribution(values) for key, values in space.items()}
    study = create_study()
    for trial, cost in zip(trials, costs, strict=True):
        study.add_trial(
            create_trial(value=cost, params=dict(trial.params), distributions=distributions)
        )
    # Optuna warns where all keys are equally important, and of `normalize`, which is experimental.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        evaluator = PedAnovaImportanceEvaluator()
        found = get_param_importances(study, evaluator=evaluator, normalize=False)
    total = sum(found.values())
    ordered = sorted(found.items(), key=lambda item: -item[1])
    return {key: value / total if total > 0 else 0.0 for key, value in ordered}
