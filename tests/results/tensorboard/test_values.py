"""Curves, results and texts as TensorBoard's own backend reads them."""

import markdown
import pytest

from seqsweep.results.tensorboard.board import layout_pb2


def texts(shown, run: str, tag: str) -> list[str]:
    return [value.decode() for value in shown.events.Tensors(run, tag)[-1].tensor_proto.string_val]


def test_each_result_has_one_point_at_the_step_of_the_best_epoch(grid):
    found = grid.shown
    tags = [tag for tag in found.tags("h008-L1-bi-s0", "scalars") if tag.startswith("summary/")]
    assert tags == sorted(
        f"summary/{name}"
        for name in ("best_val_acc", "best_val_loss", "best_epoch", "test_acc", "test_f1",
                     "train_seconds", "params", "samples_per_s")
    )  # fmt: skip
    for tag in tags:
        points = found.points("h008-L1-bi-s0", tag)
        assert [step for step, _ in points] == [18]
    assert found.points("h008-L1-bi-s0", "summary/best_epoch") == [(18, 2)]


@pytest.mark.parametrize(
    ("monitor", "step", "value"), [("val/acc", 12, 0.8), ("train/loss", 12, 0.8), ("mine", 18, 0.3)]
)
def test_a_run_that_has_not_ended_shows_its_best_epoch_so_far(monitor, step, value, sweep, shown):
    """As in training, the monitor decides; without its metric, the last epoch is the best."""
    run = sweep.add("0", {"h": 0, "monitor": monitor}, [0.6, 0.8, 0.3])
    with (run.path / "metrics.csv").open("a") as file:
        file.write("3,24,0.1,0.0")  # A process is writing this line.
    sweep.add("1", {"h": 1, "monitor": monitor}, [])
    found = shown(sweep.folder)
    assert found.points("h0", "summary/best_val_acc") == [(step, value)]
    assert set(found.tags("h0", "scalars")) - {"summary/best_train_loss"} == {
        "summary/best_epoch", "summary/best_val_acc", "summary/best_val_loss",
        "train/loss", "val/acc", "val/loss",
    }  # fmt: skip
    assert "h1" in found.statuses()


def test_the_view_leaves_out_numbers_that_are_missing(sweep, shown):
    run = sweep.add("0", {"h": 0}, [0.5])
    config = sweep.configs["0"]
    run.finish({"status": "diverged", "config": config, "metrics": {"val/acc": None}, "params": 3})
    found = shown(sweep.folder)
    assert [tag for tag in found.tags(found.runs[0], "scalars") if "summary" in tag] == [
        "summary/params"
    ]


def test_the_leaderboard_is_a_text_of_the_first_run(sweep, shown):
    """It is a code block, whose lines are indented and not wrapped."""
    sweep.done("0", {"h": 0, "x|<i>": "<b>\n# *"}, 0.5)
    sweep.done("1", {"h": 1, "x|<i>": "plain"}, 0.9)
    found = shown(sweep.folder)
    (text,) = texts(found, found.runs[0], "leaderboard")
    title, empty, head, *rows = text.splitlines()
    assert title.startswith("2 configs, by val/acc") and empty == ""
    assert all(line.startswith("    ") for line in (head, *rows))
    assert head.split()[:4] == ["#", "config", "seeds", "val/acc"]
    assert rows[0].split()[:4] == ["1", found.runs[1], "1", "0.9000"]
    assert len({len(line) for line in (head, *rows)}) == 1
    html = markdown.markdown(text)  # TensorBoard's page uses the same package.
    assert "<pre><code>" in html and "<h1>" not in html and "<i>" not in html
    assert found.tags(found.runs[1], "text") == []


def test_the_text_page_has_the_full_name_of_each_config(sweep, shown):
    """Also of those that are not among the best of the leaderboard, or have not ended."""
    module = "seqsweep.models.classifier"
    for number, name in enumerate(("SimpleRNN", "MultiLayerRNN")):
        config = {"model._target_": f"{module}.{name}"}
        for seed in (0, 1):
            sweep.done(f"{number}{seed}", {**config, "seed": seed}, 0.5)
    sweep.add("2", {"model._target_": f"{module}.BiDirectionalRNN"}, [0.4])
    found = shown(sweep.folder)
    (text,) = texts(found, found.runs[0], "names")
    assert [line.split() for line in text.splitlines()[2:]] == [
        ["config", "full", "name"],
        ["bidire", "model=bidirectional"],
        ["multil", "model=multilayer"],
        ["simple", "model=simple"],
    ]


def test_train_and_val_share_a_chart_for_at_most_eight_runs(sweep, shown):
    for size in range(8):
        sweep.add(f"{size}", {"h": size}, [0.5])
    (event,) = shown(sweep.folder).events.Tensors("h0", "custom_scalars__config__")
    layout = layout_pb2.Layout.FromString(event.tensor_proto.string_val[0])
    charts = [list(chart.multiline.tag) for chart in layout.category[0].chart]
    assert charts == [[f"^train/{m}$", f"^val/{m}$"] for m in ("loss", "acc", "f1")]
    sweep.add("8", {"h": 8}, [0.5])
    assert shown(sweep.folder).tags("h0", "custom_scalars") == []


def test_runs_that_swap_their_files_swap_their_curves(sweep, shown):
    """The event file of one run gets the name of the other run's file."""
    sweep.done("0", {"h": 1}, 0.9)
    sweep.done("1", {"h": 2}, 0.5)
    shown(sweep.folder)
    (ours,) = (sweep.folder / "0").glob("events*.rows")
    (theirs,) = (sweep.folder / "1").glob("events*.rows")
    theirs.rename(theirs.with_name(ours.name))
    (sweep.folder / "0").rename(sweep.folder / "2")
    found = shown(sweep.folder)
    assert found.points("h1", "val/acc")[2] == (18, 0.9)
