"""Limits the time of work beside the training, such as drawing."""

SHARE = 0.05
"""The largest share of the time that the work may take."""


def pause_after(seconds: float, least: float = 0.0) -> float:
    """Returns the seconds to pause, so that work takes 5 %."""
    return max(least, seconds / SHARE)
