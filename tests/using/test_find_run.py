"""The run of a folder is found; among several, validation decides."""

import json

import pytest
from replicate_runs import crossed, ranked

import seqsweep
from seqsweep.runs.run_folder import RunFolder
from seqsweep.using.find_run import find_run, replicates_of


@pytest.fixture(scope="module")
def by_loss(trained, tmp_path_factory):
    """Three runs that differ in their seed, with the loss as their monitor."""
    folder = tmp_path_factory.mktemp("by_loss")
    overrides = [
        "data=npz", f"data.source.path={trained.folder}/train.npz", "model.hidden_size=4",
        "monitor=val/loss", "seed=0,1,2", "trainer.max_epochs=3", "sweep.name=loss",
        "sweep.report=false", "diagnostics=false", f"output_dir={folder}/outputs",
    ]  # fmt: skip
    seqsweep.sweep(overrides)
    return folder / "outputs" / "sweeps" / "loss"


def metrics_of(run):
    return json.loads((run / "record.json").read_text())["metrics"]


def test_the_lowest_loss_is_the_best(by_loss):
    runs = [path.parent for path in by_loss.glob("*/record.json")]
    losses = {run: metrics_of(run)["val/loss"] for run in runs}
    found = find_run(by_loss)
    assert len(losses) == 3 and found.path == min(losses, key=lambda run: losses[run])
    assert found.choice is not None
    assert found.choice.startswith("best by val/loss of 3 complete runs (seed=")


def test_a_run_and_a_checkpoint_are_not_chosen_among_others(trained):
    for path in (trained.run, trained.run / "checkpoints", trained.run / "checkpoints/best.ckpt"):
        assert find_run(path) == (path, None)


def test_a_folder_of_one_run_says_so(trained, tmp_path):
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / trained.run.name).symlink_to(trained.run)
    found = find_run(tmp_path / "runs")
    assert found.path == tmp_path / "runs" / trained.run.name
    assert found.choice is not None and found.choice.startswith("the only complete run (")


def test_the_best_config_of_a_cross_validation_has_its_first_fold_chosen(tmp_path):
    """Its second fold has the better value only because its validation set is easier."""
    score = {(0, 0): 0.9, (0, 1): 0.1, (1, 0): 0.6, (1, 1): 0.7}
    runs = crossed((0, 1), folds=2, seeds=3)
    ranked(tmp_path, runs, lambda h, r: score[h, r.fold] + (0.02 if r.seed == 1 else 0.0))
    found = find_run(tmp_path)
    assert found.choice == (
        "best config by val/acc of 12 complete runs, its best run on the first split"
        " (h=1 seed=1 fold=0, val/acc 0.6200)"
    )
    row = replicates_of(found.path)
    assert row is not None and row.n == 6


def test_replicates_differ_in_their_seed_alone(trained, by_loss, monkeypatch):
    row = replicates_of(trained.run)
    assert row is not None and row.n == 2
    sizes = {entry.config["model.hidden_size"] for entry in row.entries}
    assert len(sizes) == 1
    assert trained.run in [entry.folder.path for entry in row.entries]
    run = find_run(by_loss).path
    monkeypatch.chdir(run)  # a run's folder may be given as "."
    row = replicates_of(run.relative_to(run))
    assert row is not None and row.n == 3


def test_no_run_is_the_best_of_several_data_sets(tmp_path):
    for number, (data, acc) in enumerate([("digits", 0.9), ("order", 0.5), ("order", 0.6)]):
        config = {"data.source._target_": f"seqsweep.data.{data}", "seed": number}
        run = RunFolder(tmp_path / f"{number:016x}")
        run.start(config, {})
        run.finish({"config": config, "metrics": {"val/acc": acc}, "data_fingerprint": data})
    with pytest.raises(
        ValueError, match="have 2 data sets, whose scores cannot be ranked"
    ) as error:
        find_run(tmp_path)
    assert f"digits: {tmp_path / f'{0:016x}'}; order: {tmp_path / f'{2:016x}'}" in str(error.value)
