"""Settings of a search are refused with a message that says what is allowed."""

import pytest

from seqsweep.sweeping.search.settings import check_objectives


def test_directions_follow_from_the_objectives(settings):
    several = settings(objectives=["val/acc", "val/loss", "params", "train_seconds"])
    assert list(several.directions) == ["maximize", "minimize", "minimize", "minimize"]
    assert list(settings().objectives) == ["val/acc"]
    given = settings(objectives=["params"], directions=["maximize"])
    assert list(given.directions) == ["maximize"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"sampler": "tpee"}, "hydra.sweeper.sampler=tpee: unknown; did you mean 'tpe'"),
        ({"pruner": "meadian"}, "did you mean 'median'"),
        ({"parallel": 0}, "hydra.sweeper.parallel=0: must be at least 1"),
        ({"seeds": 0}, "seeds=0: must be at least 1"),
        ({"confirm": {"top": -1, "seeds": 5}}, "confirm.top=-1: must be at least 0"),
        ({"objectives": ["test/acc"]}, "must not be a test metric"),
        ({"objectives": ["val/accuracy"]}, "must be a metric such as val/acc"),
        ({"objectives": ["param"]}, "did you mean 'params'"),
        ({"objectives": ["val/acc", "val/acc"]}, "must differ"),
        ({"directions": ["up"]}, "must be maximize or minimize"),
        ({"objectives": ["val/acc", "params"], "directions": ["minimize"]}, "for each of"),
        ({"objectives": ["val/acc", "params"], "pruner": "median"}, "the only objective"),
        ({"objectives": ["params"], "pruner": "median"}, "compares val/acc"),
        ({"sampler_options": {"sigma0": 1.0}}, "sampler=tpe has no such option"),
        ({"sampler": "random", "sampler_options": {"popsize": 4}}, "sampler=random has no"),
        ({"pruner": "median", "pruner_options": {"eta": 3}}, "pruner=median has no such option"),
        ({"pruner_options": {"eta": 3}}, "pruner=none has no such option"),
        ({"objectives": ["val/acc", "params"], "sampler": "cmaes"}, "takes one objective"),
    ],
)
def test_wrong_settings_are_refused(settings, options, words):
    with pytest.raises(ValueError, match=words):
        settings(**options)


def test_a_budget_below_one_trial_is_refused(settings):
    settings(budget={"epochs": 18}, seeds=2)
    words = r"budget.epochs=17: must be at least 18, .*seeds=2, trainer.max_epochs=9"
    with pytest.raises(ValueError, match=words):
        settings(budget={"epochs": 17}, seeds=2)


def test_an_objective_of_a_missing_split_is_refused(settings):
    check_objectives(settings(), {"train": {}, "val": {}})
    check_objectives(settings(), None)
    check_objectives(settings(objectives=["params"]), {"train": {}})
    with pytest.raises(ValueError, match="the data have no val split"):
        check_objectives(settings(), {"train": {}})
