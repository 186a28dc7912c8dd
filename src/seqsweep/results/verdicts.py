"""What may be said of a difference with the seeds that there are."""

from collections.abc import Sequence

from seqsweep.results.formatting import count
from seqsweep.results.significance import seeds_needed


def undecided(shared: Sequence[int], own: Sequence[int], by_t: int) -> str | None:
    """Why configs are not compared with the first one: too few seeds. None where all are.

    Args:
        shared: of each config that is undecided, how many seeds it shares with the first.
        own: of every config, the first one too, how many it has.
        by_t: how many of those that are undecided a paired t-test tells from the first.
    """
    if not shared:
        return None
    words = _too_few(shared, own, " by signed ranks" if by_t else "")
    if not by_t:
        return words
    tests = "a paired t-test tells" if by_t == 1 else "paired t-tests tell"
    which = "the other" if len(own) == 2 else f"{by_t} of them"
    return f"{words}; {tests} {which} from the first"


def _too_few(shared: Sequence[int], own: Sequence[int], by: str) -> str:
    takes = f"(it takes {seeds_needed(len(own))})"
    if all(n == 1 for n in own):
        return f"with one seed each there is no interval, and nothing can be told apart {takes}"
    if len(shared) < len(own) - 1:
        return (
            f"{len(shared)} of {len(own)} configs share too few seeds with the first to be told "
            f"from it{by} {takes}"
        )
    most = max(shared)
    if not most:
        return f"without a shared seed {len(own)} configs cannot be told apart {takes}"
    seeds = count(most, "seed" if most == min(own) else "shared seed")
    few = "is too little" if most == 1 else "are too few"
    return f"{seeds} {few} to tell {len(own)} configs apart{by} {takes}"


def enough_seeds(configs: int) -> str:
    """As many as it takes to tell so many configs apart, as an override's value: `0,1,2,3,4,5`."""
    return ",".join(map(str, range(seeds_needed(configs))))
