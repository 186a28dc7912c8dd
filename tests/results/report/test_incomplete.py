"""The page reports failed, missing and repeated runs, and grids that are not full."""

from report_pages import LAYERS, SIZE, data, grid, page, started, trained

from seqsweep.runs.lock import RunLock
from seqsweep.runs.run_folder import RunFolder
from seqsweep.runs.sweepfile import SweepFile


def test_failures_are_listed_with_folded_tracebacks(tmp_path):
    grid(tmp_path, [8, 16], [1], 1)
    for seed in range(2):
        started(tmp_path, {SIZE: 99, LAYERS: 1, "seed": seed}).fail(
            RuntimeError("no <b>memory</b>")
        )
    started(tmp_path, {SIZE: 98, LAYERS: 1, "seed": 0}).interrupt(KeyboardInterrupt("SIGINT"))
    started(tmp_path, {SIZE: 97, LAYERS: 1, "seed": 0})
    found = page(tmp_path)
    assert "failed: RuntimeError: no <b>memory</b>" in found.text
    for words in ("interrupted: SIGINT", "incomplete: killed", "2 failed"):
        assert words in found.text
    folded = [tag for tag, _ in found.elements].count("details")
    assert folded == 4  # two rows; one traceback for two; which runs are missing
    assert "hidden_size=99 seed=1" in found.text


def test_a_report_without_a_complete_run_says_why(tmp_path):
    failed, going = tmp_path / "failed", tmp_path / "going"
    for seed in range(3):
        RunFolder(failed / f"{seed}").refuse({"seed": seed}, ValueError("wrong"))
    found = page(failed)
    assert "no run is complete 3 failed: see" in found.text
    assert found.headings == ["Failures", "Run it again"]

    run = started(going, {SIZE: 8, "seed": 0})
    configs = {
        name: {"monitor": "val/acc", SIZE: size, "seed": 0}
        for name, size in ((run.run_id, 8), ("other", 16))
    }
    SweepFile(["seqsweep", "train", "-m", f"{SIZE}=8,16"], 0.0, configs).write(going)
    with RunLock(run.path):
        found = page(going)
    assert "no run is complete 1 running. 1 not started." in found.text
    assert found.headings == ["Learning curves", "Run it again"]
    assert "seqsweep train -m model.hidden_size=8,16" in found.text


def test_a_config_whose_seeds_diverged_is_marked(tmp_path):
    """Another run of the sweep is missing."""
    grid(tmp_path, [8, 16], [1], 3)
    (tmp_path / f"{0:016x}" / "record.json").unlink()
    config = {"monitor": "val/acc", SIZE: 16, LAYERS: 1, "seed": 5}
    started(tmp_path, config).finish(
        {"status": "diverged", "error": "loss is infinite", "config": config, "metrics": {}}
    )
    found = page(tmp_path)
    assert "2 of the 7 runs of this sweep are not complete" in found.text
    assert "hidden_size=8 seed=0" in found.text
    assert "diverged: loss is" in found.text
    assert "1 of 4 diverged" in found.text and "seeds lost" in found.text


def test_a_grid_that_is_not_full_says_so_and_has_no_effects_without_complete_settings(tmp_path):
    for sizes, cells, rates in (((4, 8), "rg", (1, 2)), ((8, 16), "gl", (1, 4))):
        trained(
            tmp_path, {SIZE: sizes, "model.cell": cells, "lr": rates}, 2,
            lambda c: {"val/acc": c[SIZE] / 40 + c["lr"] / 99},
        )  # fmt: skip
    text = page(tmp_path).text
    assert "Main effects" not in text and data(tmp_path)["effects"] == []
    assert "not a full grid: 30 of 54 combinations of its values have" in text


def test_the_page_states_split_sizes_and_overlaps_with_train(tmp_path):
    trained(tmp_path / "unknown", {SIZE: [8]}, 1, 0.9)
    assert page(tmp_path / "unknown") and data(tmp_path / "unknown")["splits"] == {}
    splits = {
        "train": {"sequences": 1216, "fingerprint": "a"},
        "val": {"sequences": 30, "fingerprint": "b", "also_in_train": 0},
        "test": {"sequences": 54, "fingerprint": "c", "also_in_train": 12},
    }
    trained(tmp_path, {SIZE: [8]}, 1, 0.9, splits=splits)
    text = page(tmp_path).text
    assert "1,216 training, 30 validation, 54 test sequences." in text
    words = "12 of 54 test sequences are also in train, so the test accuracy is optimistic."
    assert words in text
    assert data(tmp_path)["splits"] == splits
    assert data(tmp_path)["overlaps"] == [words]
