"""The command `figures`: a run's network as a drawing, and what it refuses."""

from pathlib import Path
from typing import Any

import pytest
from report_pages import grid, started
from torch import nn

from seqsweep.models.classifier import RNNClassifier
from seqsweep.results.figures.parts import paper_style
from seqsweep.using.load import LoadedRun
from seqsweep.using.network_figure import draw_network

TIMES = "\N{MULTIPLICATION SIGN}"


def drawn(network: nn.Module, features: int = 4) -> tuple[list[str], int]:
    """Returns the texts of a network's drawing, from the top, and the number of its arrows."""
    names = tuple(map(str, range(features)))
    run = LoadedRun(Path(), {}, network.eval(), ("a", "b", "c"), names, None, 0)
    with paper_style():
        (axes,) = draw_network(run, 1).figure.axes
    texts = [text.get_text() for text in axes.texts]
    return [text.replace(TIMES, "x") for text in texts if text], texts.count("")


def test_the_drawing_has_layers_directions_pooling_and_head_with_their_shapes():
    network = RNNClassifier(4, 6, 3, cell="gru", num_layers=2, bidirectional=True, pooling="mean")
    texts, arrows = drawn(network)
    assert texts == [
        "Input", "x: B x T x 4",
        "Layer 1, forward: gru", "h: B x T x 6", "216 parameters",
        "Layer 1, backward: gru", "h: B x T x 6", "216 parameters",
        "Output of layer 1", "y1: B x T x 12",
        "Layer 2, forward: gru", "h: B x T x 6", "360 parameters",
        "Layer 2, backward: gru", "h: B x T x 6", "360 parameters",
        "Output of layer 2", "y2: B x T x 12",
        "Pooling: mean", "features: B x 12",
        "Head: linear", "39 parameters",
        "Result", "logits: B x 3",
    ]  # fmt: skip
    # Each direction is reached by an arrow, and left by one.
    assert arrows == 2 * 4 + 3
    assert sum(int(text.split()[0]) for text in texts if "parameters" in text) == sum(
        weight.numel() for weight in network.parameters()
    )


@pytest.mark.parametrize("hidden", [11, 12])
def test_a_size_of_the_network_is_never_taken_for_b_or_t(hidden: int):
    texts, _ = drawn(RNNClassifier(11, hidden, 3, pooling="attention"), features=11)
    assert "x: B x T x 11" in texts and f"h: B x T x {hidden}" in texts and "a: B x T" in texts


def test_a_network_of_the_users_own_is_drawn_by_its_modules():
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = nn.Linear(4, 5)
            self.head = nn.Linear(5, 3)

        def forward(self, x: Any) -> Any:
            return self.head(self.inner(x).mean(1))

    texts, arrows = drawn(Net())
    middle = ["inner: Linear", "output: B x T x 5", "25 parameters", "head: Linear"]
    assert texts[2:6] == middle and arrows == 3


def test_a_run_has_its_network_and_a_table(trained, command, tmp_path: Path):
    done = command("figures", trained.run, "--out", tmp_path / "new" / "figures", "--tables")
    assert done.code == 0, done
    names = {path.name for path in (tmp_path / "new" / "figures").iterdir()}
    assert names == {
        *(f"{name}.{end}" for name in ("curves-loss", "curves-accuracy", "confusion", "network")
          for end in ("svg", "pdf", "txt")),
        "table.tex", "table.md",
    }  # fmt: skip
    assert {Path(line).name for line in done.out.splitlines()} == names
    assert "left out: intervals: fewer than two configs have a score" in done.err


def test_wrong_input_costs_one_line(command, tmp_path: Path):
    runs = grid(tmp_path / "runs", [8, 16], [1], 2)
    started(tmp_path / "begun", {"seed": 0})
    (tmp_path / "file").write_text("mine")
    for words, message in (
        ((tmp_path / "begun", "--out", "o"), "begun: has no complete run (1 run)"),
        ((runs, "--out", tmp_path / "file"), "file: is a file; expected a folder"),
        ((runs, "--out", tmp_path / "file" / "o"), "file"),
        ((runs,), "--out is missing"),
        ((runs, "--out", "o", "--columns", "3"), "--columns: invalid choice: 3"),
        ((runs, "--out", "o", "--by", "model.size"), "model.size: no run has this key"),
        ((runs, "--out", "o", "--by", "model.hidden_size"), "there is only one"),
        ((tmp_path / "nowhere", "--out", "o"), "nowhere: no such folder"),
    ):
        done = command("figures", *words)
        assert (done.code, done.out) == (2, "") and message in done.err, done
        assert done.err.count("\n") == 1
    assert not Path("o").exists() and (tmp_path / "file").read_text() == "mine"
