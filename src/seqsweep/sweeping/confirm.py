"""Asks before a very large sweep is trained."""

import sys

from rich.console import Console


def confirm_size(pending: int, limit: int | None, console: Console) -> bool:
    """Returns whether to train this many runs. Asks on a terminal if there are many.

    Args:
        pending: the number of runs to train.
        limit: `sweep.ask_above`; None never asks.

    Raises:
        ValueError: there are more runs than the limit, and no terminal to ask on.
    """
    if limit is None or pending <= limit:
        return True
    if not (console.is_terminal and sys.stdin.isatty()):
        raise ValueError(
            f"{pending:,} runs to train are more than sweep.ask_above={limit}: "
            "add --yes to train them"
        )
    console.print(f"train {pending:,} runs? [y/N] ", end="", markup=False, highlight=False)
    answer = sys.stdin.readline().strip().lower()
    if answer in ("y", "yes"):
        return True
    console.print("nothing was trained", highlight=False)
    return False
