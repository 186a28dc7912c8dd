"""The replicates that a difference takes follow from the spread of the runs so far."""

import io
import statistics
from pathlib import Path

import numpy as np
import pytest
from replicate_runs import crossed, ranked
from rich.console import Console

from seqsweep.results.detect import detect_difference, detection_of, detection_words
from seqsweep.results.replicates import Replicate
from seqsweep.results.significance import signed_rank_p
from seqsweep.runs.run_folder import RunFolder

NOISE = np.random.default_rng(0).normal(0, 0.02, size=(3, 30)).tolist()


def by_seed(folder: Path, configs: int, seeds: int):
    runs = [(h, Replicate(seed=s)) for h in range(configs) for s in range(seeds)]
    return ranked(folder, runs, lambda h, r: 0.7 - h / 10 + NOISE[h][r.seed])


def printed(folder: Path, difference: float) -> str:
    console = Console(file=io.StringIO(), width=300)
    detect_difference([folder], difference, console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_the_spread_is_that_of_the_paired_differences(tmp_path):
    found = detection_of(by_seed(tmp_path, 3, 8))
    assert found is not None
    variances = [statistics.variance(NOISE[h][s] - NOISE[0][s] for s in range(8)) for h in (1, 2)]
    assert found.spread == pytest.approx(statistics.fmean(variances) ** 0.5)
    assert (found.n, found.comparisons, found.configs, found.unit) == (8, 2, 3, "seed")
    assert found.alpha == pytest.approx(0.025)


def test_so_many_seeds_find_the_difference_with_the_signed_rank_test(tmp_path):
    found = detection_of(by_seed(tmp_path, 2, 10))
    assert found is not None
    n = found.needed(0.025)
    assert n is not None
    draws = np.random.default_rng(0).normal(0.025, found.spread, size=(1000, n)).tolist()
    power = np.mean([signed_rank_p(row) < found.alpha for row in draws])
    assert power == pytest.approx(0.8, abs=0.06)


def test_a_large_difference_still_takes_as_many_seeds_as_the_test_needs(tmp_path):
    found = detection_of(by_seed(tmp_path, 2, 5))
    assert found is not None
    assert found.needed(10.0) == 6
    assert found.smallest(5) is None
    assert "The 5 seeds so far are too few" in detection_words(found, 10.0)


def test_a_tiny_difference_takes_very_many_seeds(tmp_path):
    by_seed(tmp_path, 2, 8)
    text = printed(tmp_path, 1e-7)
    assert "takes more than 1,000,000 seeds" in text and "overlap" not in text


def test_one_config_stands_for_two(tmp_path):
    found = detection_of(by_seed(tmp_path, 1, 9))
    assert found is not None
    assert found.spread == pytest.approx(2**0.5 * statistics.stdev(NOISE[0][:9]))
    assert "estimated from one config" in printed(tmp_path, 0.01)


def test_the_command_prints_the_override(tmp_path):
    board = by_seed(tmp_path, 2, 7)
    found = detection_of(board)
    assert found is not None
    text = printed(tmp_path, 0.02)
    assert f"about {found.needed(0.02)} seeds are needed" in text
    assert f"  'seed=range({found.needed(0.02)})'" in text
    assert "Wilcoxon signed-rank, Holm; 2 configs" in text


def test_splits_that_overlap_may_never_be_enough(tmp_path):
    ranked(tmp_path, crossed((0, 1), folds=5), lambda h, r: 0.7 - h / 9 + NOISE[h][r.fold])
    text = printed(tmp_path, 0.001)
    assert "No number of splits is enough" in text and "n_test / n_train = 0.25" in text
    assert "range(" not in text
    assert "data.split_seed=range(1)" in printed(tmp_path, 0.5)  # five folds suffice


def test_each_split_seed_divides_the_data_into_all_folds(tmp_path):
    board = ranked(tmp_path, crossed((0, 1), folds=5), lambda h, r: 0.7 - h / 9 + NOISE[h][r.fold])
    found = detection_of(board)
    assert found is not None and found.folds == 5
    limit = found.smallest(10**6)
    assert limit is not None
    difference = 1.1 * limit
    needed = found.needed(difference)
    assert needed is not None and needed > 5
    assert f"data.split_seed=range({-(-needed // 5)})" in printed(tmp_path, difference)


@pytest.mark.parametrize("difference", [0.0, -1.0, float("nan"), float("inf")])
def test_a_difference_must_be_a_positive_number(difference, tmp_path):
    by_seed(tmp_path, 2, 3)
    with pytest.raises(ValueError, match=r"^--detect=.*: must be a number above 0"):
        printed(tmp_path, difference)


def test_runs_without_a_spread_are_refused(tmp_path):
    by_seed(tmp_path, 2, 1)
    with pytest.raises(ValueError, match=r"^--detect=0\.1: the runs show no spread"):
        printed(tmp_path, 0.1)


def test_several_folders_are_refused(tmp_path):
    with pytest.raises(ValueError, match="expected one folder, got 2"):
        detect_difference([tmp_path, tmp_path], 0.1, Console())


def test_several_data_sets_are_refused(tmp_path):
    for number in range(8):
        data, seed = ("digits", "order")[number % 2], number // 2
        config = {"data.source._target_": f"seqsweep.data.{data}", "seed": seed}
        run = RunFolder(tmp_path / f"{number:016x}")
        run.start(config, {})
        metrics = {"val/acc": NOISE[number % 2][seed]}
        run.finish({"config": config, "metrics": metrics, "data_fingerprint": data})
    with pytest.raises(ValueError, match=r"^--detect=0\.1: expected one data set, got 2 in "):
        printed(tmp_path, 0.1)
