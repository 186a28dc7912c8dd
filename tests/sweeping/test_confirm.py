"""A very large sweep is trained only after a yes."""

import io
import sys

import pytest
from rich.console import Console

from seqsweep.sweeping.planned_sweep import confirm_size


class Terminal(io.StringIO):
    """What a person types."""

    def isatty(self) -> bool:
        return True


def ask(monkeypatch: pytest.MonkeyPatch, typed: str) -> tuple[bool, str]:
    monkeypatch.setattr(sys, "stdin", Terminal(typed))
    printed = io.StringIO()
    return confirm_size(1001, 1000, Console(file=printed, force_terminal=True)), printed.getvalue()


@pytest.mark.parametrize(
    ("typed", "expected"),
    [("y\n", True), ("YES\n", True), ("n\n", False), ("\n", False), ("", False), ("yep\n", False)],
)
def test_only_a_yes_is_a_yes(monkeypatch: pytest.MonkeyPatch, typed: str, expected: bool) -> None:
    answer, printed = ask(monkeypatch, typed)
    assert answer is expected
    assert "train 1,001 runs? [y/N] " in printed
    assert ("nothing was trained" in printed) is not expected


@pytest.mark.parametrize(("pending", "limit"), [(1000, 1000), (0, 0), (10**6, None)])
def test_up_to_the_limit_nobody_is_asked(pending: int, limit: int | None) -> None:
    assert confirm_size(pending, limit, Console(file=io.StringIO()))


@pytest.mark.parametrize("is_terminal", [False, True])
def test_without_a_terminal_a_large_sweep_is_refused(
    monkeypatch: pytest.MonkeyPatch, is_terminal: bool
) -> None:
    """Neither a pipe to read from nor a file to print to is a terminal."""
    monkeypatch.setattr(sys, "stdin", io.StringIO("y\n") if is_terminal else Terminal("y\n"))
    console = Console(file=io.StringIO(), force_terminal=is_terminal)
    with pytest.raises(ValueError, match=r"2,000 runs .* sweep.ask_above=1000: add --yes"):
        confirm_size(2000, 1000, console)
