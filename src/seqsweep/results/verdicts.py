"""The words for a comparison that has too few seeds."""

from collections.abc import Sequence

from seqsweep.results.formatting import count
from seqsweep.results.significance import seeds_needed


def too_few_words(shared: Sequence[int], seeds: Sequence[int], by_t: int) -> str | None:
    """Says why configs are not compared with the first one; None if all are.

    Args:
        shared: The number of seeds that each undecided config shares with the first one.
        seeds: The number of seeds of every config, including the first one.
        by_t: The number of undecided configs that differ from the first one by a paired t-test.
    """
    if not shared:
        return None
    configs, most = len(seeds), max(shared)
    if all(n == 1 for n in seeds):
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


def seeds_override(configs: int) -> str:
    """The override that trains enough seeds for so many configs, quoted for a shell."""
    return f"'seed=range({seeds_needed(configs)})'"
