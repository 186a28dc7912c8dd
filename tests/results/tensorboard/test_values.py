"""Curves, results and texts as TensorBoard's own backend reads them."""


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


def test_the_view_leaves_out_numbers_that_are_missing(sweep, shown):
    run = sweep.add("0", {"h": 0}, [0.5])
    config = sweep.configs["0"]
    run.finish({"status": "diverged", "config": config, "metrics": {"val/acc": None}, "params": 3})
    found = shown(sweep.folder)
    assert [tag for tag in found.tags(found.runs[0], "scalars") if "summary" in tag] == [
        "summary/params"
    ]


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
