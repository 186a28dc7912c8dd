"""The run of a folder is found; among several, validation decides."""

import pytest
from replicate_runs import crossed, ranked

from seqsweep.runs.run_folder import RunFolder
from seqsweep.using.find_run import find_run


def finish(folder, number, config, metrics, data="d"):
    """A run that has ended with these metrics."""
    run = RunFolder(folder / f"{number:016x}")
    run.start(config, {})
    run.finish({"config": config, "metrics": metrics, "data_fingerprint": data})


def test_a_run_and_a_checkpoint_are_not_chosen_among_others(trained):
    for path in (trained.run, trained.run / "checkpoints", trained.run / "checkpoints/best.ckpt"):
        assert find_run(path) == (path, None)


def test_a_folder_of_one_run_says_so(trained, tmp_path):
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / trained.run.name).symlink_to(trained.run)
    path, choice = find_run(tmp_path / "runs")
    assert path == tmp_path / "runs" / trained.run.name
    assert choice is not None and choice.startswith("the only complete run (")


def test_the_best_config_of_a_cross_validation_has_its_first_fold_chosen(tmp_path):
    """Its second fold has the better value only because its validation set is easier."""
    score = {(0, 0): 0.9, (0, 1): 0.1, (1, 0): 0.6, (1, 1): 0.7}
    runs = crossed((0, 1), folds=2, seeds=3)
    ranked(tmp_path, runs, lambda h, r: score[h, r.fold] + (0.02 if r.seed == 1 else 0.0))
    _, choice = find_run(tmp_path)
    assert choice == (
        "best config by val/acc of 12 complete runs, its best run on the first split"
        " (h=1 seed=1 fold=0, val/acc 0.6200)"
    )


def test_the_lowest_of_several_losses_is_the_best(tmp_path):
    for seed, loss in enumerate((0.5, 0.2, 0.3)):
        finish(tmp_path, seed, {"monitor": "val/loss", "seed": seed}, {"val/loss": loss})
    path, choice = find_run(tmp_path)
    assert path == tmp_path / f"{1:016x}"
    assert choice is not None
    assert choice.startswith("best by val/loss of 3 complete runs (seed=")


def test_no_run_is_the_best_of_several_data_sets(tmp_path):
    for number, (data, acc) in enumerate([("digits", 0.9), ("order", 0.5), ("order", 0.6)]):
        config = {"data.source._target_": f"seqsweep.data.{data}", "seed": number}
        finish(tmp_path, number, config, {"val/acc": acc}, data)
    with pytest.raises(
        ValueError, match="have 2 data sets, whose scores cannot be ranked"
    ) as error:
        find_run(tmp_path)
    assert f"digits: {tmp_path / f'{0:016x}'}; order: {tmp_path / f'{2:016x}'}" in str(error.value)
