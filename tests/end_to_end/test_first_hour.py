"""A newcomer reaches predictions: with the tables of others, and by docs/first-hour.md."""

import re
import shlex
import subprocess
import sys
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
    done = seqsweep(*typed)
    for _ in range(2):
        if done.code == 0:
            break
        meant = shlex.split(done.err.partition("did you mean: ")[2])
        done = seqsweep(*meant[meant.index("seqsweep") + 1 :])
    assert done.code == 0, done.err
    (record,) = tmp_path.glob("outputs/runs/default/*/record.json")
    predicted = seqsweep("predict", str(record.parent), name, "--out", "predictions.csv")
    assert predicted.code == 0, predicted.err
    lines = (tmp_path / "predictions.csv").read_text().splitlines()
    assert len(lines) in (49, 61)


def test_the_commands_of_the_page_lead_from_a_csv_to_a_file_that_predicts(
    seqsweep: Command, tmp_path: Path
) -> None:
    text = (ROOT / "docs" / "first-hour.md").read_text(encoding="utf-8")
    assert len(text.splitlines()) < 40
    script = re.search(r"`python (scripts/\S+\.py)`", text)
    assert script is not None
    subprocess.run([sys.executable, ROOT / script[1]], cwd=tmp_path, check=True)
    lines = re.findall(r"^\$ seqsweep (.*)$", text, re.MULTILINE)
    printed: list[str] = []
    for line in lines:
        done = seqsweep(*shlex.split(line))
        assert done.code == 0, done.err
        printed.append(done.out)
    look, train = printed[0], lines[1]
    assert look.rstrip().endswith(f"seqsweep {train}")
    assert "majority class" in printed[1]
    assert (tmp_path / "outputs/sweeps/first/report.html").is_file()
    first, again = ((tmp_path / name).read_text() for name in ("predictions.csv", "again.csv"))
    assert first == again and len(first.splitlines()) == 51
