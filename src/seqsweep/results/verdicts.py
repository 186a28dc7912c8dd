"""The words for tests, and for a comparison that has too few replicates."""

from collections import Counter
from collections.abc import Sequence

from seqsweep.results.formatting import count
from seqsweep.results.replicates import Variation
from seqsweep.results.resampled import SPLITS_NEEDED
from seqsweep.results.significance import seeds_needed


def name_test(variation: Variation) -> str:
    """Names the test of a folder and its correction."""
    test = "corrected resampled t-test" if variation.resampled else "Wilcoxon signed-rank"
    return f"{test}, Holm"


def too_few_words(
    shared: Sequence[int],
    seeds: Sequence[int],
    by_t: int,
    untested: Sequence[str] = (),
    folds: int = 0,
) -> str | None:
    """Says why configs are not compared with the first one; None if all are.

    Args:
        shared: The number of replicates that each undecided config shares with the first one.
        seeds: The number of replicates of every config, including the first one.
        by_t: The number of undecided configs that differ from the first one by a paired t-test.
        untested: The reason of each undecided config whose replicates have several splits.
        folds: The number of folds of a cross-validation; 0 without folds.
    """
    if not shared:
        return None
    if any(untested):
        return _untested_words(untested, len(seeds))
    configs, most = len(seeds), max(shared)
    if all(n == 1 for n in seeds):
        if folds:
            return (
                f"one of {folds} folds per config is complete: no confidence intervals and no"
                f" tests. A corrected t-test needs at least {SPLITS_NEEDED} folds"
            )
        return f"one seed per config: no confidence intervals and no tests. {needed_words(configs)}"
    # Some configs have enough seeds, others do not.
    if len(shared) < configs - 1:
        reason = f"{len(shared)} of {configs} configs share too few seeds with the first"
    elif not most:
        reason = "no seed is shared with the first config"
    else:
        # Seeds that only one of the two configs has do not help.
        kind = "seed" if most == min(seeds) else "shared seed"
        are = "is" if most == 1 else "are"
        reason = f"{count(most, kind)} {are} too few for a signed-rank test"
    return ". ".join([reason, needed_words(configs), *t_test_words(by_t)])


def _untested_words(untested: Sequence[str], configs: int) -> str:
    reasons = Counter(untested)
    if len(reasons) == 1 and len(untested) == configs - 1:
        return untested[0]
    return "; ".join(
        f"{number} of {configs} configs not tested: {reason}" for reason, number in reasons.items()
    )


def needed_words(configs: int) -> str:
    """Says how many seeds so many configs need.

    >>> needed_words(24)
    '24 configs need at least 10 seeds'
    """
    return f"{configs} configs need at least {seeds_needed(configs)} seeds"


def t_test_words(by_t: int) -> list[str]:
    """Says how many configs differ by a t-test; empty if none does."""
    if not by_t:
        return []
    differ = "config differs" if by_t == 1 else "configs differ"
    return [f"By paired t-tests, {by_t} {differ} from the first"]


def replicates_override(configs: int, folds: int = 0) -> str:
    """The override that trains all folds or enough seeds, quoted for a shell."""
    return f"'data.fold=range({folds})'" if folds else f"'seed=range({seeds_needed(configs)})'"
