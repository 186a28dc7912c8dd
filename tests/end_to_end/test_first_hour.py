"""A newcomer reaches predictions: with the tables of others, and by docs/first-hour.md."""

import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from foreign_tables import TABLES

pytestmark = pytest.mark.slow

Command = Callable[..., Any]
ROOT = Path(__file__).parents[2]


@pytest.mark.sampled(2)
@pytest.mark.parametrize("name", TABLES)
def test_the_messages_alone_lead_from_a_table_to_predictions_in_three_tries(
    name: str, seqsweep: Command, tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(TABLES[name])
    typed = ["train", "data=csv", f"data.source.path={name}"]
    for _ in range(3):
        done = seqsweep(*typed)
        if done.code == 0:
            break
        meant = shlex.split(done.err.partition("did you mean: ")[2])
        typed = meant[meant.index("seqsweep") + 1 :]
    assert done.code == 0, done.err
    (record,) = tmp_path.glob("outputs/runs/default/*/record.json")
    predicted = seqsweep("predict", str(record.parent), name, "--out", "predictions.csv")
    assert predicted.code == 0, predicted.err
    lines = (tmp_path / "predictions.csv").read_text().splitlines()
    assert len(lines) in (49, 61)
