"""A sweep by another sweeper of Hydra ends with a leaderboard, as ours do."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slow


def test_hydras_own_sweeper_ends_with_the_leaderboard(
    seqsweep: Callable[..., Any], tmp_path: Path
) -> None:
    sweep = ("-m", "hydra/sweeper=basic", "data=digits", "trainer.max_epochs=1", "seed=0,1")
    done = seqsweep("train", *sweep, "sweep.name=a")
    assert done.code == 0, done.err
    board = seqsweep("leaderboard", "outputs/sweeps/a")
    assert "±" in board.out
    assert done.out.endswith(board.out)
