"""The number of epochs per second, over a while."""

from collections import deque

_WINDOW = 60.0
"""Seconds over which a rate is measured, because epochs are written to disk in groups."""

_SHORTEST = 3.0
"""Seconds before there is a rate."""


class Rate:
    """The number of epochs per second during the last minute."""

    def __init__(self) -> None:
        self._samples: deque[tuple[float, int]] = deque()
        self._last = (0.0, 0)

    def sample(self, now: float, epochs: int) -> None:
        """Notes the number of all epochs so far, at a time in seconds."""
        self._last = now, epochs
        if not self._samples or now - self._samples[-1][0] >= 1:
            self._samples.append(self._last)
        while len(self._samples) > 1 and now - self._samples[1][0] >= _WINDOW:
            self._samples.popleft()

    def per_second(self) -> float | None:
        """Returns the rate; None before enough time has passed."""
        if not self._samples:
            return None
        (begun, before), (now, epochs) = self._samples[0], self._last
        return (epochs - before) / (now - begun) if now - begun >= _SHORTEST else None
