"""The values of one part change, and they come from other sequences."""

import json

import numpy as np
import pytest
import torch

from seqsweep.using.importance import parts_of, worsening
from seqsweep.using.load import Inputs

pytestmark = pytest.mark.slow


class Recorded:
    """A run that keeps what it reads, and is right about the last sequence alone."""

    def __init__(self) -> None:
        self.seen: list[np.ndarray] = []

    def apply(self, inputs, batch_size):
        self.seen.append(inputs.x.numpy().copy())
        return np.tile([0.5, 0.5], (len(inputs.x), 1))


@pytest.fixture
def sequences():
    """The values say the sequence, the step and the channel: 1000 n + 10 t + f + 1."""
    lengths = np.array([4, 8, 12, 6, 1])
    n, t, f = np.ogrid[:5, :12, :2]
    x = np.where(t < lengths[:, None, None], 1000 * n + 10 * t + f + 1, 0).astype(np.float32)
    return x, lengths


def test_only_the_valid_steps_of_a_part_change(sequences):
    x, lengths = sequences
    kinds = parts_of(x, lengths, ("a", "b"))
    assert list(kinds[0]) == ["a", "b"] and list(kinds[1])[:2] == ["steps 0-10 %", "steps 10-20 %"]
    assert len(kinds[2]) == 20 and "b steps 90-100 %" in kinds[2]
    run, parts = Recorded(), [part for kind in kinds for part in kind.values()]
    inputs = Inputs(torch.from_numpy(x), torch.from_numpy(lengths))
    drops = worsening(run, inputs, np.zeros(5, int), parts, seed=0, batch_size=512)  # pyright: ignore
    assert drops.shape == (1 + len(parts), 2) and not drops[1:].any()
    assert drops[0].tolist() == pytest.approx([np.log(2), 1.0])
    changed = np.zeros_like(x, dtype=bool)
    for part, seen in zip(parts * 5, run.seen[1:], strict=True):
        steps, channels = part
        differs = seen != x
        assert not differs[~(steps[:, :, None] & channels)].any()
        changed |= differs
        n, t, f = np.nonzero(differs)
        donor, step, channel = (seen[differs] - 1) // 1000, (seen[differs] - 1) % 1000 // 10, f
        assert ((seen[differs] - 1) % 10 == channel).all()
        theirs = lengths[donor.astype(int)]
        assert (np.abs(step / theirs - t / lengths[n]) < 1 / theirs).all()  # the same position
    assert changed[:, :, 0].sum() > 0.9 * lengths.sum()


def test_a_one_hot_code_is_one_channel():
    code = np.eye(3, dtype=np.float32)[np.random.default_rng(0).integers(0, 3, (6, 5))]
    for values in (code, (code - 0.3) / [1, 2, 3]):
        assert list(parts_of(values.astype(np.float32), np.full(6, 5), ("x", "y", "z"))[0]) == [
            "x, y, z"
        ]
    assert list(parts_of(code[:, :, :2], np.full(6, 5), ("x", "y"))[0]) == ["x", "y"]


def test_the_answer_is_a_table_a_file_and_a_drawing(command, trained, tmp_path):
    done = command("evaluate", trained.sweep, "--importance", "--out", "all.json")
    assert done.code == 0 and "what decides (a loss increased by at least 25%" in done.out
    assert done.out.splitlines()[0].endswith("(test): 45 sequences")
    written = json.loads((tmp_path / "all.json").read_text())
    stored = json.loads((trained.sweep / "importance.json").read_text())
    assert {**stored, "digest": ""} == {**written, "digest": ""}
    assert len(written["runs"]) == 2 and np.array(written["cells"]).shape == (2, 9)
    assert command("report", trained.sweep, "--out", "page.html").code == 0
    assert json.loads((tmp_path / "page.json").read_text())["importance"]["data"] == stored["data"]
    assert '<section id="importance">' in (tmp_path / "page.html").read_text()
    assert command("figures", trained.sweep, "--out", "figures").code == 0
    assert (tmp_path / "figures" / "importance.svg").is_file()
    caption = (tmp_path / "figures" / "importance.txt").read_text()
    assert "means over 2 runs" in caption and "What decides" in caption


def test_wrong_words_cost_one_line(command, trained):
    for words, message in (
        (["--ensemble"], "--ensemble: has no effect with --importance; leave it out"),
        (["--resamples", "5"], "--resamples: has no effect with --importance; leave it out"),
        (["--config", "9"], "has only 2 configs"),
    ):
        done = command("evaluate", trained.sweep, "--importance", *words)
        assert (done.code, done.err.count("\n")) == (2, 1) and message in done.err
