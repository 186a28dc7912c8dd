"""Samplers find what is there to be found, and refuse options that they do not have."""

import math

import pytest

from seqsweep.sweeping.search.samplers import grid_size
from seqsweep.sweeping.search.space import Choice, Numbers
from seqsweep.sweeping.search.study import SearchStudy
from seqsweep.sweeping.search.trials import Result

PLANE = {"x": Numbers(-5, 5), "y": Numbers(0.001, 1000, log=True)}


def late_distance(study: SearchStudy) -> float:
    """Returns the mean distance of the last 20 of 40 trials from the best point of the plane."""
    distances: list[float] = []
    for _ in range(40):
        chosen = study.sample()
        study.accept(chosen)
        x, y = chosen.params["x"], chosen.params["y"]
        distances.append(abs(x - 3) / 10 + abs(math.log10(y) - 1) / 6)
        study.tell(Result("complete", [-distances[-1]], 1, 0.0, [-distances[-1]]))
    return sum(distances[20:]) / 20


def test_samplers_that_learn_come_nearer_than_random_ones(settings):
    distances = {
        sampler: late_distance(SearchStudy.in_memory(settings(sampler=sampler, parallel=1), PLANE))
        for sampler in ("tpe", "cmaes", "random")
    }
    assert distances["tpe"] < 0.8 * distances["random"]
    assert distances["cmaes"] < 0.8 * distances["random"]


def test_sobol_points_fill_the_space_evenly(settings):
    study = SearchStudy.in_memory(settings(sampler="qmc"), {**PLANE, "c": Choice(["a", "b"])})
    for _ in range(32):
        study.accept(study.sample())
    params = [chosen.params for chosen in study.chosen]
    assert sum(each["x"] < 0 for each in params) == 16
    assert sum(each["y"] < 1 for each in params) == 16
    assert sum(each["c"] == "a" for each in params) == 16


def test_a_grid_has_each_point_once(settings):
    space = {"h": Numbers(2, 8, is_integer=True, step=2), "c": Choice(["a", "b", "c"])}
    assert grid_size(space) == 12
    study = SearchStudy.in_memory(settings(sampler="grid"), space)
    for _ in range(12):
        study.accept(study.sample())
    points = {tuple(chosen.params.values()) for chosen in study.chosen}
    assert points == {(h, c) for h in (2, 4, 6, 8) for c in "abc"}
    with pytest.raises(ValueError, match="x must be values"):
        grid_size(PLANE)


@pytest.mark.parametrize(
    ("sampler", "options", "words"),
    [
        ("cmaes", {"popsize": 3}, "popsize=3: must be at least 4"),
        ("qmc", {"qmc_type": "lattice"}, "must be sobol or halton"),
    ],
)
def test_values_that_a_sampler_cannot_have_are_refused(sampler, options, words, settings):
    study = SearchStudy.in_memory(settings(sampler=sampler, sampler_options=options), PLANE)
    with pytest.raises(ValueError, match=words):
        study.sample()


def test_cma_es_needs_an_interval(settings):
    study = SearchStudy.in_memory(settings(sampler="cmaes"), {"c": Choice(["a", "b"])})
    with pytest.raises(ValueError, match="needs an interval"):
        study.sample()
